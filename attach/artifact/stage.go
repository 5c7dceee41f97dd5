package artifact

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/inflate"
)

// A stage is the directory that files are unpacked into before all of them are
// there.
type stage struct {
	ctx   context.Context
	root  *os.Root // no name and no link leads out of it
	path  string   // of the root, for messages
	made  bool     // the root was made here
	temp  string   // the directory below it that holds what is not placed yet
	force bool
	left  int64 // bytes that may still be written
	max   int64
	names *names
	dirs  []string
	list  []File
	exec  []bool // of the files in list
}

func openStage(ctx context.Context, o Options) (*stage, error) {
	st := &stage{ctx: ctx, path: o.Dir, force: o.Force, max: o.MaxBytes, names: newNames()}
	if st.max == 0 {
		st.max = MaxBytes
	}
	st.left = st.max
	if _, err := os.Stat(o.Dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(o.Dir, 0o777); err != nil {
			return nil, err
		}
		st.made = true
	}
	var err error
	if st.root, err = os.OpenRoot(o.Dir); err != nil {
		return nil, err
	}
	st.temp = ".hallmark-" + rand.Text()
	if err := st.root.Mkdir(st.temp, 0o700); err != nil {
		st.root.Close()
		return nil, fmt.Errorf("write into %s: %w", o.Dir, err)
	}
	return st, nil
}

// close removes what was not placed, and the directory where it was made here
// and is empty.
func (st *stage) close() error {
	err := st.root.RemoveAll(st.temp)
	st.root.Close()
	if st.made {
		_ = os.Remove(st.path) // stays unless it is empty
	}
	return err
}

// room looks whether a file of that name and size has a place.
func (st *stage) room(name string, size int64) error {
	if size > st.left {
		return fmt.Errorf("%s: the files have more than %d bytes together: %w", name, st.max, attach.ErrLimit)
	}
	if st.force {
		return nil
	}
	_, err := st.root.Lstat(name)
	if err == nil {
		return st.exists(name)
	}
	return nil // whatever keeps the file from its place shows when it is put there
}

func (st *stage) exists(name string) error {
	return fmt.Errorf("%s is there already in %s: %w", name, st.path, fs.ErrExist)
}

// file takes in the content of one file.
func (st *stage) file(name string, exec bool, r io.Reader) error {
	if err := st.names.add(name, false); err != nil {
		return err
	}
	if err := st.room(name, 0); err != nil {
		return err
	}
	f, err := st.root.OpenFile(st.staged(len(st.list)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(&stoppable{st.ctx, r}, st.left+1))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil && n > st.left {
		err = fmt.Errorf("the files have more than %d bytes together: %w", st.max, attach.ErrLimit)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	st.left -= n
	st.list = append(st.list, File{Name: name, Size: n, Digest: hashOf(h)})
	st.exec = append(st.exec, exec)
	return nil
}

func (st *stage) staged(i int) string { return st.temp + "/" + strconv.Itoa(i) }

// untar takes in the files of an archive, compressed or not, and reads it to its
// end, so that all of it was checked.
func (st *stage) untar(blob io.Reader) error {
	src := &inflate.Source{Blob: blob}
	err := st.unpack(src)
	if src.Err != nil && err != nil {
		return src.Err // the archive may be well, it did not arrive
	}
	return err
}

func (st *stage) unpack(blob io.Reader) error {
	content, err := inflate.Reader(blob, maxWindow)
	if err != nil {
		return err
	}
	defer content.Close()
	// Headers and padding count too: an archive of nothing else ends here.
	metered := &io.LimitedReader{R: &stoppable{st.ctx, content}, N: st.left + st.left/8 + 64<<20}
	tr := tar.NewReader(metered)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = st.entry(h, tr)
		}
		switch {
		case metered.N <= 0:
			return fmt.Errorf("the archive is larger than its files may be, %d bytes: %w", st.max, attach.ErrLimit)
		case err != nil:
			return broken(err)
		}
	}
	if _, err := io.Copy(io.Discard, metered); err != nil {
		return broken(err)
	}
	if metered.N <= 0 {
		return fmt.Errorf("the archive goes on behind its end: %w", attach.ErrLimit)
	}
	_, err = io.Copy(io.Discard, blob) // up to the digest
	return err
}

// broken says of an error of the format that it is one. Those that say what they
// are, of the connection, the disk or a limit, stay what they are.
func broken(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("the archive is broken: %w: %w", err, attach.ErrMalformed)
	}
	return err
}

// entry takes in one entry of an archive.
func (st *stage) entry(h *tar.Header, r io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name := strings.TrimPrefix(h.Name, "./")
	switch h.Typeflag {
	case tar.TypeDir:
		name = strings.TrimSuffix(name, "/")
		if name == "" || name == "." {
			return nil // the directory that the files are put into
		}
		if err := st.names.add(name, true); err != nil {
			return err
		}
		st.dirs = append(st.dirs, name)
		return nil
	case tar.TypeReg:
		if err := CheckName(name); err != nil {
			return err
		}
		if err := st.room(name, h.Size); err != nil {
			return err
		}
		return st.file(name, h.Mode&0o111 != 0, r)
	}
	return fmt.Errorf("%q is neither a file nor a directory (type %q); what can hold such a thing is the file system of a container image, not an artifact: %w", h.Name, h.Typeflag, attach.ErrMalformed)
}

// place puts all files where they belong. When one cannot be put there, those
// that were are taken away again, unless they replaced others.
func (st *stage) place() error {
	for _, d := range st.dirs {
		if err := st.root.MkdirAll(d, 0o777); err != nil {
			return fmt.Errorf("make the directory %s in %s: %w", d, st.path, err)
		}
	}
	for i, f := range st.list {
		if err := st.put(i, f.Name); err != nil {
			for _, done := range st.list[:i] {
				if !st.force {
					_ = st.root.Remove(done.Name)
				}
			}
			return fmt.Errorf("put %s into %s: %w", f.Name, st.path, err)
		}
	}
	return nil
}

// put puts one file where it belongs.
func (st *stage) put(i int, name string) error {
	if dir := path.Dir(name); dir != "." {
		if err := st.root.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	temp := st.staged(i)
	if st.exec[i] {
		info, err := st.root.Stat(temp)
		if err == nil {
			mode := info.Mode().Perm()
			err = st.root.Chmod(temp, mode|mode&0o444>>2) // who may read may execute
		}
		if err != nil {
			return err
		}
	}
	if st.force {
		return st.root.Rename(temp, name)
	}
	// A link is made only where nothing stands, a rename takes its place.
	switch err := st.root.Link(temp, name); {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return st.exists(name)
	}
	if _, err := st.root.Lstat(name); err == nil { // no hard links here
		return st.exists(name)
	}
	return st.root.Rename(temp, name)
}

// A stoppable reader ends with its context.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (s *stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.r.Read(p)
}
