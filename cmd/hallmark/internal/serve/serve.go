// Package serve runs a small OCI registry: for demonstrations, for tests, and
// for places that have none. Storage and protocol are go-containerregistry's;
// this package bounds what comes in and keeps the manifests over a restart.
package serve

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/hallmark-oci/hallmark/attach"
)

// Options say how the registry behaves.
type Options struct {
	// Dir keeps blobs and manifests; empty means memory only.
	Dir string
	// Referrers switches the referrers API of OCI 1.1 on.
	Referrers bool
	// Log receives one line for each request; nil means none.
	Log io.Writer
}

// New returns the registry. With Options.Dir, what an earlier run kept is
// served again; a directory that cannot be read is an error.
func New(opts Options) (http.Handler, error) {
	out := opts.Log
	if out == nil {
		out = io.Discard
	}
	with := []registry.Option{
		registry.Logger(log.New(out, "", 0)),
		registry.WithReferrersSupport(opts.Referrers),
	}
	if opts.Dir == "" {
		return bounded(registry.New(with...)), nil
	}
	blobs := filepath.Join(opts.Dir, "blobs")
	s := &server{manifests: filepath.Join(opts.Dir, "manifests")}
	for _, d := range []string{blobs, s.manifests} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	with = append(with, registry.WithBlobHandler(registry.NewDiskBlobHandler(blobs)))
	s.inner = registry.New(with...)
	if err := s.replay(); err != nil {
		return nil, err
	}
	return bounded(s), nil
}

// bounded refuses manifests above the size that the distribution specification
// asks a registry to take.
func bounded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && manifestPath.MatchString(r.URL.Path) {
			r.Body = http.MaxBytesReader(w, r.Body, attach.MaxManifest)
		}
		h.ServeHTTP(w, r)
	})
}

var manifestPath = regexp.MustCompile(`^/v2/(.+)/manifests/([^/]+)$`)

// A server keeps each manifest that the registry accepted in a file.
type server struct {
	inner     http.Handler
	manifests string
}

// A record is one kept manifest.
type record struct {
	Path        string `json:"path"` // of the request
	ContentType string `json:"contentType"`
	Body        []byte `json:"body"`
}

// ServeHTTP implements http.Handler. A manifest is kept before the client
// hears that it was accepted.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !manifestPath.MatchString(r.URL.Path) || (r.Method != http.MethodPut && r.Method != http.MethodDelete) {
		s.inner.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "manifest too large or not readable", http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	s.inner.ServeHTTP(answer, r)
	if answer.Code/100 == 2 {
		if err := s.keep(r, body); err != nil {
			http.Error(w, fmt.Sprintf("keep the manifest: %v", err), http.StatusInsufficientStorage)
			return
		}
	}
	for k, v := range answer.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the client is gone where this fails
}

// keep writes or removes the file of a manifest.
func (s *server) keep(r *http.Request, body []byte) error {
	sum := sha256.Sum256([]byte(r.URL.Path))
	file := filepath.Join(s.manifests, hex.EncodeToString(sum[:])+".json")
	if r.Method == http.MethodDelete {
		err := os.Remove(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	raw, err := json.Marshal(record{Path: r.URL.Path, ContentType: r.Header.Get("Content-Type"), Body: body})
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(s.manifests, "new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(raw)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}

// replay puts the kept manifests back: images first, since an index is refused
// while a manifest that it lists is missing.
func (s *server) replay() error {
	files, err := filepath.Glob(filepath.Join(s.manifests, "*.json"))
	if err != nil {
		return err
	}
	var indexes []record
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		var r record
		if err := json.Unmarshal(raw, &r); err != nil {
			return fmt.Errorf("kept manifest %s: %w", f, err)
		}
		if strings.Contains(r.ContentType, "index") || strings.Contains(r.ContentType, "list") {
			indexes = append(indexes, r)
			continue
		}
		if err := s.put(r); err != nil {
			return err
		}
	}
	return s.replayIndexes(indexes)
}

// replayIndexes puts indexes until no more can be put: they may be nested.
func (s *server) replayIndexes(left []record) error {
	for len(left) > 0 {
		var again []record
		var last error
		for _, r := range left {
			if err := s.put(r); err != nil {
				again, last = append(again, r), err
			}
		}
		if len(again) == len(left) {
			return last
		}
		left = again
	}
	return nil
}

func (s *server) put(rec record) error {
	r := httptest.NewRequest(http.MethodPut, rec.Path, bytes.NewReader(rec.Body))
	r.Header.Set("Content-Type", rec.ContentType)
	answer := httptest.NewRecorder()
	s.inner.ServeHTTP(answer, r)
	if answer.Code/100 != 2 {
		return fmt.Errorf("serve kept manifest %s again: %s", rec.Path, strings.TrimSpace(answer.Body.String()))
	}
	return nil
}
