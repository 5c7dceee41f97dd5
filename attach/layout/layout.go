// Package layout keeps attachments in an OCI image layout directory: the image
// and all that hangs from it in plain files, with no registry anywhere.
//
// A layout (image specification 1.1, image-layout.md) is a directory of blobs
// named by digest, and index.json, which names the manifests among them. An
// attachment is an entry of index.json of its own. Two habits exist and both
// are served: entries tagged like cosign's tags in a registry, with the
// annotation org.opencontainers.image.ref.name "sha256-<hex>.sig" (regctl), and
// entries whose manifest has a subject, shown with artifactType and annotations
// (oras). Layouts written by "cosign save" are read too. Entries and fields
// that are not understood stay as they are.
//
// # Many writers
//
// Other tools read index.json, change it and write it back with nothing to stop
// a second process that does the same. Here every writer holds a lock of the
// operating system on a side file, .hallmark/lock, for the length of one Put.
// The lock ends with the process that holds it, however that ends. A tool that
// knows nothing of the lock can still overwrite index.json; the entries are
// then gone from it, and the next Put of the same content brings them back.
//
// Readers take no lock: every file is written under a temporary name in
// .hallmark, flushed to the disk and renamed, so that a reader sees the old file
// or the new one, and so does whoever starts the machine again after a crash. A
// full disk leaves the old file in place.
//
// # What a layout may not do
//
// Only sha256 digests become paths, and no symbolic link leads out of the
// directory. Files other than regular ones are not opened. Sizes are looked at
// before memory is taken.
package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// Options changes how a layout is used. The zero value is right for most.
type Options struct {
	// Journal changes how the writing protocol works.
	Journal []journal.Option
}

// A Store is an OCI layout directory. It is safe for concurrent use, by any
// number of processes too. Close it when done.
type Store struct {
	*journal.Store
	medium *medium
}

// Open opens the layout in the directory, or in the tar file, which is only read.
// It returns an error that wraps [attach.ErrNotFound] when there is no layout, and
// [attach.ErrMalformed] when it is a broken one.
func Open(path string, o Options) (*Store, error) {
	open := openDir
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		open = openArchive
	}
	d, err := open(path)
	if err != nil {
		return nil, err
	}
	s := newStore(d, o)
	err = s.check()
	if err == nil && d.archive != nil {
		err = d.archive.locate()
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return s, nil
}

// Create makes an empty layout in the directory, which is made too where it
// does not exist, and opens it. A layout that is there already is opened as it
// is. A directory that holds anything else is refused and left alone.
func Create(ctx context.Context, path string, o Options) (*Store, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("create oci:%s: %w", path, err)
	}
	d, err := openDir(path)
	if err != nil {
		return nil, err
	}
	s := newStore(d, o)
	if err := s.create(ctx); err != nil {
		d.close()
		return nil, err
	}
	return s, nil
}

func openDir(path string) (*dir, error) {
	name := "oci:" + path
	root, err := os.OpenRoot(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %s: %w: %w", name, attach.ErrNotFound, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return &dir{root: root, name: name}, nil
}

func newStore(d *dir, o Options) *Store {
	m := &medium{dir: d, lock: newLock(d)}
	return &Store{Store: journal.New(m, d.name, o.Journal...), medium: m}
}

var (
	_ attach.Store     = (*Store)(nil)
	_ attach.Publisher = (*Store)(nil)
)

// Publish implements [attach.Publisher].
func (s *Store) Publish(ctx context.Context, tag string, m attach.Manifest, parts ...attach.Body) (attach.Subject, error) {
	return journal.Publish(ctx, s.medium, s.String(), tag, m, parts...)
}

// Close releases the directory. Files that are open for reading stay open.
func (s *Store) Close() error { return s.medium.dir.close() }

// String returns the layout as a user types it: "oci:DIR".
func (s *Store) String() string { return s.medium.dir.name }

// check looks at oci-layout and index.json.
func (s *Store) check() error {
	d := s.medium.dir
	raw, err := d.read(markerFile, 64<<10)
	if errors.Is(err, attach.ErrNotFound) {
		return fmt.Errorf("%s is no OCI layout: it has no file %s: %w", d.name, markerFile, attach.ErrNotFound)
	}
	if err != nil {
		return err
	}
	var marker struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := json.Unmarshal(raw, &marker); err != nil {
		return fmt.Errorf("read %s in %s: %v: %w", markerFile, d.name, err, attach.ErrMalformed)
	}
	if marker.Version != layoutVersion {
		return fmt.Errorf("read %s in %s: imageLayoutVersion is %q, only %q is known: %w",
			markerFile, d.name, marker.Version, layoutVersion, attach.ErrMalformed)
	}
	_, err = s.medium.index()
	return err
}

// layoutVersion is the one version of image layouts that there is.
const layoutVersion = "1.0.0"

// create writes the files of an empty layout, the marker last: until it
// stands, the directory is no layout.
func (s *Store) create(ctx context.Context) error {
	d := s.medium.dir
	if err := s.vacant(); err != nil {
		return err
	}
	return s.medium.lock.under(ctx, func() error {
		if _, err := d.root.Stat(markerFile); err == nil {
			return s.check()
		}
		if err := d.root.MkdirAll(blobsDir, 0o755); err != nil {
			return d.wrap("create", blobsDir, err)
		}
		empty := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`
		if _, err := d.root.Stat(indexFile); err != nil {
			if err := d.write(ctx, indexFile, strings.NewReader(empty)); err != nil {
				return err
			}
		}
		marker := `{"imageLayoutVersion":"` + layoutVersion + `"}`
		if err := d.write(ctx, markerFile, strings.NewReader(marker)); err != nil {
			return err
		}
		if err := d.sync("."); err != nil {
			return err
		}
		return s.check()
	})
}

// vacant refuses a directory that holds something else than a layout, whole
// or begun by this package.
func (s *Store) vacant() error {
	d := s.medium.dir
	f, err := d.root.Open(".")
	if err != nil {
		return d.wrap("read", ".", err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return d.wrap("read", ".", err)
	}
	begun, foreign := false, ""
	for _, name := range names {
		switch name {
		case markerFile:
			return nil
		case ours:
			begun = true
		case indexFile, "blobs":
			if foreign == "" {
				foreign = name
			}
		default:
			return fmt.Errorf("create %s: the directory is not empty and no OCI layout: it holds %q", d.name, name)
		}
	}
	if foreign != "" && !begun {
		return fmt.Errorf("create %s: the directory is not empty and no OCI layout: it holds %q but no %s", d.name, foreign, markerFile)
	}
	return nil
}
