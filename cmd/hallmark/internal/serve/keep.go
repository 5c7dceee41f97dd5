package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
)

// A record is one kept manifest, under one tag or digest.
type record struct {
	Path        string `json:"path"` // of the request
	ContentType string `json:"contentType"`
	Body        []byte `json:"body"`
}

// A shelf keeps records in a directory, a file for each.
type shelf struct{ dir string }

// unfinished is the pattern of files that are being written.
const unfinished = "new-*"

func (s *shelf) file(path string) string {
	return filepath.Join(s.dir, attach.DigestOf([]byte(path)).Hex+".json")
}

// put writes the record under a temporary name, which takes its place when it
// is whole and on the disk.
func (s *shelf) put(r record) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(s.dir, unfinished)
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(raw)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), s.file(r.Path))
}

// remove removes the record of the path. It is no error that there is none.
func (s *shelf) remove(path string) error {
	if err := os.Remove(s.file(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// read returns all records.
func (s *shelf) read() ([]record, error) {
	files, err := filepath.Glob(filepath.Join(s.dir, "*.json"))
	if err != nil {
		return nil, err
	}
	records := make([]record, 0, len(files))
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		var r record
		if err := json.Unmarshal(raw, &r); err != nil {
			return nil, fmt.Errorf("kept manifest %s: %w", f, err)
		}
		if !manifestPath().MatchString(r.Path) || f != s.file(r.Path) {
			return nil, fmt.Errorf("kept manifest %s: it is the record of %q", f, r.Path)
		}
		records = append(records, r)
	}
	return records, nil
}

// standIn is put in the place of manifests that an index lists.
const standIn = `{"schemaVersion":2}`

// replay puts the kept manifests back, in any order. The registry refuses an
// index while a manifest that it lists is missing, although it was there once;
// a stand-in takes its place meanwhile. What was not kept is removed at the end:
// stand-ins, and digests that were deleted while a tag still names them.
func (s *server) replay(records []record) error {
	kept := make(map[string]bool, len(records))
	for _, r := range records {
		kept[r.Path] = true
	}
	surplus := make(map[string]bool)
	for _, r := range records {
		for _, path := range children(r) {
			if err := s.send(http.MethodPut, record{Path: path, ContentType: string(types.OCIManifestSchema1), Body: []byte(standIn)}); err != nil {
				return err
			}
			surplus[path] = true
			surplus[siblingPath(path, attach.DigestOf([]byte(standIn)).String())] = true
		}
	}
	for _, r := range records {
		if err := s.send(http.MethodPut, r); err != nil {
			return err
		}
		surplus[siblingPath(r.Path, attach.DigestOf(r.Body).String())] = true
	}
	for path := range surplus {
		if kept[path] {
			continue
		}
		if err := s.send(http.MethodDelete, record{Path: path}); err != nil {
			return err
		}
	}
	return nil
}

// children returns the paths of the manifests that the record lists where it is an index.
func children(r record) []string {
	if !types.MediaType(r.ContentType).IsIndex() {
		return nil
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(r.Body))
	if err != nil {
		return nil // the registry took it, or refuses it again
	}
	var paths []string
	for _, d := range index.Manifests {
		paths = append(paths, siblingPath(r.Path, d.Digest.String()))
	}
	return paths
}

// send makes a request to the registry as a client would.
func (s *server) send(method string, rec record) error {
	r, err := http.NewRequest(method, "http://localhost/", bytes.NewReader(rec.Body))
	if err != nil {
		return err
	}
	r.URL.Path = rec.Path
	r.Header.Set("Content-Type", rec.ContentType)
	a := newAnswer()
	s.inner.ServeHTTP(a, r)
	if !a.good() {
		return fmt.Errorf("serve kept manifest %s again: %s: %d %s", rec.Path, method, a.code, strings.TrimSpace(a.body.String()))
	}
	return nil
}
