package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// A spool is a bundle's text, in memory or in a temporary file.
type spool struct {
	io.ReaderAt
	file    *os.File // nil where the text is in memory
	removed bool     // the file has no name any more
}

// keep reads r to its end, which must come after size bytes.
func keep(r io.Reader, size int64) (*spool, error) {
	if size < 0 {
		return nil, refuse("a size of %d bytes", size)
	}
	s, w, err := newSpool(size)
	if err != nil {
		return nil, fmt.Errorf("keep bundle of %d bytes: %w", size, err)
	}
	n, err := io.Copy(w, io.LimitReader(r, size+1))
	if err == nil && n != size {
		err = refuse("%d bytes or more, %d expected", n, size)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if b, ok := w.(*bytes.Buffer); ok {
		s.ReaderAt = bytes.NewReader(b.Bytes())
	}
	return s, nil
}

// newSpool makes the place for size bytes, and what is to be written to.
func newSpool(size int64) (*spool, io.Writer, error) {
	if size <= MaxMemory {
		// A buffer wants room behind the text to find the end in.
		return &spool{}, bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead)), nil
	}
	f, err := os.CreateTemp("", "hallmark-bundle-*")
	if err != nil {
		return nil, nil, err
	}
	// Where the system lets an open file go, nothing is left behind even if
	// the process is killed. Elsewhere Close removes it.
	return &spool{ReaderAt: f, file: f, removed: os.Remove(f.Name()) == nil}, f, nil
}

// Close lets go of the text and removes the temporary file.
func (s *spool) Close() error {
	s.ReaderAt = closed{}
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	err := f.Close()
	if !s.removed {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// closed is the text of a bundle that was closed.
type closed struct{}

// ReadAt implements io.ReaderAt.
func (closed) ReadAt([]byte, int64) (int, error) { return 0, os.ErrClosed }
