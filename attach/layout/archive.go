package layout

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
)

// maxMembers is how many members of an archive are looked at: one for each
// manifest and blob, the directories that hold them, and room for what other
// tools put beside them.
const maxMembers = 1 << 20

// An archive is a layout in a tar file, which is read in place: nothing of it is
// unpacked, so that no name in it becomes a path.
type archive struct {
	file    *os.File
	members map[string]section // the regular files by their names
}

// A section is where a file stands in the archive, in bytes.
type section struct{ at, size int64 }

// openArchive reads the names of what is in the tar file. It refuses one that
// breaks off, and one that holds what no layout holds: links, names that lead out
// of it, two files of one name.
func openArchive(name string) (*dir, error) {
	display := "oci:" + name
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", display, err)
	}
	a := &archive{file: f, members: make(map[string]section)}
	if err := a.scan(); err != nil {
		f.Close()
		return nil, fmt.Errorf("read the archive %s: %w", display, err)
	}
	return &dir{name: display, archive: a}, nil
}

// scan notes the files of the archive.
func (a *archive) scan() error {
	if err := a.compressed(); err != nil {
		return err
	}
	info, err := a.file.Stat()
	if err != nil {
		return err
	}
	r := tar.NewReader(a.file)
	last := int64(0) // where the last file ended
	for n := 0; ; n++ {
		h, err := r.Next()
		switch {
		case errors.Is(err, io.EOF) && n == 0:
			return fmt.Errorf("it is empty, or no tar file: %w", attach.ErrMalformed)
		case errors.Is(err, io.EOF):
			return a.ends(last, n)
		case errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("it breaks off after %d files: %w: %w", n, attach.ErrMalformed, err)
		case err != nil:
			return fmt.Errorf("%w: %w", attach.ErrMalformed, err)
		case n == maxMembers:
			return fmt.Errorf("it holds more than %d files: %w", maxMembers, attach.ErrLimit)
		}
		at, err := a.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if err := a.add(h, at); err != nil {
			return err
		}
		if last = at + h.Size; last > info.Size() {
			return fmt.Errorf("it breaks off in %q: %w", h.Name, attach.ErrMalformed)
		}
	}
}

// ends looks for the block of zeros that ends an archive: one that was cut off
// between two files has none.
func (a *archive) ends(last int64, files int) error {
	const block = 512
	at := (last + block - 1) / block * block
	zeros := make([]byte, block)
	if n, err := a.file.ReadAt(zeros, at); n < block {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("it breaks off after %d files: %w: %w", files, attach.ErrMalformed, err)
	}
	return nil
}

// compressed says so where the file is a compressed one.
func (a *archive) compressed() error {
	var magic [4]byte
	n, err := a.file.ReadAt(magic[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, known := range []string{"\x1f\x8b", "\x28\xb5\x2f\xfd", "BZh", "\xfd7zX"} {
		if strings.HasPrefix(string(magic[:n]), known) {
			return fmt.Errorf("it is compressed; decompress it first: what is in it is read in place: %w", attach.ErrMalformed)
		}
	}
	return nil
}

// add notes one member of the archive.
func (a *archive) add(h *tar.Header, at int64) error {
	name := strings.TrimPrefix(h.Name, "./")
	if h.Typeflag == tar.TypeDir {
		name = strings.TrimSuffix(name, "/")
		if name == "" || name == "." {
			return nil
		}
	}
	if !fs.ValidPath(name) || strings.Contains(name, `\`) {
		return fmt.Errorf("it holds a file %q, whose name leads elsewhere: %w", h.Name, attach.ErrMalformed)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return nil
	case tar.TypeReg:
	default:
		return fmt.Errorf("it holds %q, a link or a special file, which no layout has: %w", h.Name, attach.ErrMalformed)
	}
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return fmt.Errorf("it holds %q as a sparse file, which cannot be read in place: %w", h.Name, attach.ErrMalformed)
		}
	}
	if _, twice := a.members[name]; twice {
		return fmt.Errorf("it holds %q twice: %w", h.Name, attach.ErrMalformed)
	}
	a.members[name] = section{at, h.Size}
	return nil
}

// open opens a file of the archive.
func (a *archive) open(name string) (io.ReadCloser, int64, error) {
	s, ok := a.members[name]
	if !ok {
		return nil, 0, fs.ErrNotExist
	}
	return io.NopCloser(io.NewSectionReader(a.file, s.at, s.size)), s.size, nil
}
