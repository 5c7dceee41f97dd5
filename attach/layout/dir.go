package layout

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// The files of a layout, relative to its root. Everything below ours belongs
// to hallmark alone: the lock and files that are not yet whole. No other tool
// looks there, so that a process that dies leaves nothing odd among the blobs.
const (
	markerFile = "oci-layout"
	indexFile  = "index.json"
	blobsDir   = "blobs/sha256"
	ours       = ".hallmark"
	lockName   = ours + "/lock"
	tempPrefix = "tmp-"
)

// dir is a directory that no path and no symbolic link leads out of, or an
// archive of one.
type dir struct {
	root    *os.Root // nil for an archive
	archive *archive // nil for a directory
	// name is the directory as messages show it: "oci:" and the path that was given.
	name string
}

// close releases the directory or the archive.
func (d *dir) close() error {
	if d.archive != nil {
		return d.archive.file.Close()
	}
	return d.root.Close()
}

// blobPath returns the path of the blob. Only a digest of exactly the form
// sha256:<64 lower-case hexadecimal digits> becomes a path.
func blobPath(h v1.Hash) (string, error) {
	if h.Algorithm != "sha256" || len(h.Hex) != 64 {
		return "", fmt.Errorf("digest %q: only sha256 is supported: %w", h.String(), attach.ErrMalformed)
	}
	for _, c := range []byte(h.Hex) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", fmt.Errorf("digest %q is not hexadecimal: %w", h.String(), attach.ErrMalformed)
		}
	}
	return blobsDir + "/" + h.Hex, nil
}

// open opens a regular file for reading. Anything else, a named pipe above
// all, would make the reader wait for ever.
func (d *dir) open(name string) (io.ReadCloser, int64, error) {
	if d.archive != nil {
		rc, size, err := d.archive.open(name)
		if err != nil {
			return nil, 0, d.wrap("read", name, err)
		}
		return rc, size, nil
	}
	info, err := d.root.Stat(name)
	if err != nil {
		return nil, 0, d.wrap("read", name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("read %s in %s: not a regular file: %w", name, d.name, attach.ErrMalformed)
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, 0, d.wrap("read", name, err)
	}
	return f, info.Size(), nil
}

// read returns the whole file, refusing more than limit bytes with [attach.ErrLimit].
func (d *dir) read(name string, limit int64) ([]byte, error) {
	f, size, err := d.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > limit {
		return nil, d.tooLarge(name, limit)
	}
	buf := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead)) // never to be grown, unless the file is
	if _, err := buf.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, d.wrap("read", name, err)
	}
	if int64(buf.Len()) > limit {
		return nil, d.tooLarge(name, limit)
	}
	return buf.Bytes(), nil
}

func (d *dir) tooLarge(name string, limit int64) error {
	return fmt.Errorf("read %s in %s: more than %d bytes: %w", name, d.name, limit, attach.ErrLimit)
}

// write gives the file new content in one step: the content goes to a file of
// its own, reaches the disk, and is then renamed. Whatever fails, the old
// content stays. The new name reaches the disk with the next sync of its directory.
func (d *dir) write(ctx context.Context, name string, src io.Reader) (err error) {
	if err := d.root.MkdirAll(ours, 0o755); err != nil {
		return d.wrap("write", name, err)
	}
	temp := ours + "/" + tempPrefix + rand.Text()
	f, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return d.wrap("write", name, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			d.root.Remove(temp)
			err = d.wrap("write", name, err)
		}
	}()
	if old, err := d.root.Stat(name); err == nil && old.Mode().Perm() != 0o644 {
		if err := f.Chmod(old.Mode().Perm()); err != nil {
			return err
		}
	}
	if _, err := io.Copy(f, &cancelReader{ctx, src}); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return d.root.Rename(temp, name)
}

// sync makes the names in the directory durable.
func (d *dir) sync(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return d.wrap("sync", name, err)
	}
	defer f.Close()
	if err := syncDir(f); err != nil {
		return d.wrap("sync", name, err)
	}
	return nil
}

// sweep removes what dead processes left unfinished. The lock must be held:
// under it every unfinished file is somebody else's and nobody's any more.
func (d *dir) sweep() error {
	f, err := d.root.Open(ours)
	if err != nil {
		return d.wrap("read", ours, err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return d.wrap("read", ours, err)
	}
	for _, name := range names {
		if len(name) > len(tempPrefix) && name[:len(tempPrefix)] == tempPrefix {
			if err := d.root.Remove(ours + "/" + name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return d.wrap("remove", ours+"/"+name, err)
			}
		}
	}
	return nil
}

// wrap says what was tried, on what file of which layout. A missing file also
// is [attach.ErrNotFound]; a refused one also is [attach.ErrDenied].
func (d *dir) wrap(verb, name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s %s in %s: %w: %w", verb, name, d.name, attach.ErrNotFound, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s %s in %s: %w: %w", verb, name, d.name, attach.ErrDenied, err)
	}
	return fmt.Errorf("%s %s in %s: %w", verb, name, d.name, err)
}

// cancelReader ends a long copy when its context ends.
type cancelReader struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (c *cancelReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
