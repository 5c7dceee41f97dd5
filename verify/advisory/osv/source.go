package osv

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// An item is one record that was found and not read yet.
type item struct {
	path string
	size int64 // 0 when not known
	bad  error // why it cannot be read
	open func() (io.ReadCloser, error)
}

// A source finds items and keeps open what they are read from.
type source struct {
	limits
	items   []item
	ignored int
	closers []io.Closer
}

func (s *source) close() {
	for _, c := range s.closers {
		c.Close()
	}
}

func (s *source) add(it item) error {
	if len(s.items) >= s.files {
		return fmt.Errorf("more than %d records: %w", s.files, ErrLimit)
	}
	s.items = append(s.items, it)
	return nil
}

// find lists the items at a path that the user named. A symbolic link there is
// followed.
func (s *source) find(ctx context.Context, name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if info.IsDir() {
		root, err := os.OpenRoot(name)
		if err != nil {
			return err
		}
		s.closers = append(s.closers, root)
		return s.directory(ctx, root)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, f)
	base := filepath.Base(name)
	if info.Mode().IsRegular() {
		var magic [4]byte
		if n, _ := f.ReadAt(magic[:], 0); n == len(magic) && isZip(magic) {
			return s.archive(base, f, info.Size())
		}
		return s.add(item{path: base, size: info.Size(), open: func() (io.ReadCloser, error) { return io.NopCloser(f), nil }})
	}
	return s.add(item{path: base, open: func() (io.ReadCloser, error) { return io.NopCloser(f), nil }})
}

// isZip reports whether a file begins like an archive, be it an empty one.
func isZip(magic [4]byte) bool {
	return string(magic[:]) == "PK\x03\x04" || string(magic[:]) == "PK\x05\x06"
}

// directory lists what lies below root. A link is followed as long as it stays
// below root and leads to a file.
func (s *source) directory(ctx context.Context, root *os.Root) error {
	return fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if p != "." && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		ext := strings.ToLower(path.Ext(p))
		switch {
		case d.IsDir():
			return nil
		case ext != ".json" && ext != ".zip":
			s.ignored++
			return nil
		}
		info, err := root.Stat(p)
		switch {
		case err != nil:
			return s.add(item{path: p, bad: err})
		case !info.Mode().IsRegular():
			return s.add(item{path: p, bad: errors.New("no regular file")})
		case ext == ".zip":
			f, err := root.Open(p)
			if err != nil {
				return err
			}
			s.closers = append(s.closers, f)
			return s.archive(p, f, info.Size())
		}
		return s.add(item{path: p, size: info.Size(), open: func() (io.ReadCloser, error) { return root.Open(p) }})
	})
}

// archive lists the records in a zip archive. An archive that cannot be read,
// or that inflates beyond the limits, is an error: there is no telling what it
// would have said.
func (s *source) archive(name string, r io.ReaderAt, size int64) error {
	if size > s.limits.archive {
		return fmt.Errorf("archive %s has %d bytes, the limit is %d: %w", name, size, s.limits.archive, ErrLimit)
	}
	budget := &budget{ReaderAt: r}
	budget.left.Store(s.limits.directory)
	z, err := zip.NewReader(budget, size)
	if err != nil {
		return fmt.Errorf("archive %s: %w", name, err)
	}
	budget.left.Store(-1)
	var total uint64
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		if strings.ToLower(path.Ext(f.Name)) != ".json" {
			s.ignored++
			continue
		}
		it := item{path: name + "!" + f.Name, open: f.Open}
		if f.UncompressedSize64 > uint64(s.record) {
			it.bad = fmt.Errorf("record of %d bytes, the limit is %d: %w", f.UncompressedSize64, s.record, ErrLimit)
		} else {
			it.size = int64(f.UncompressedSize64)
			total += f.UncompressedSize64
		}
		if limit := max(uint64(size)*uint64(s.ratio), uint64(s.record)); total > limit {
			return fmt.Errorf("archive %s of %d bytes inflates to more than %d: %w", name, size, limit, ErrLimit)
		}
		if err := s.add(it); err != nil {
			return err
		}
	}
	return nil
}

// A budget bounds how much is read while the list of files of an archive is
// taken in, because every entry of it costs memory. Negative means no bound.
type budget struct {
	io.ReaderAt
	left atomic.Int64
}

// ReadAt implements io.ReaderAt.
func (b *budget) ReadAt(p []byte, off int64) (int, error) {
	if b.left.Load() >= 0 && b.left.Add(-int64(len(p))) < 0 {
		b.left.Store(0)
		return 0, fmt.Errorf("list of files is too long: %w", ErrLimit)
	}
	return b.ReaderAt.ReadAt(p, off)
}
