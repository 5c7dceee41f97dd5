// Package spool keeps content that comes once and is wanted again: in memory
// while it is small, beyond that in a temporary file. What is signed or verified
// can be hundreds of megabytes, and is never in memory whole.
package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// A Spool takes content by Write and gives it out by ReadAt. It may be read by
// many at once, when all is written. Close must be called.
type Spool struct {
	size    int64
	memory  []byte
	file    *os.File // nil where the content is in memory
	removed bool     // the file has no name any more
	closed  bool
}

// New returns a spool for about expect bytes: in memory where that is at most
// limit, and else in a file in dir, or in the system's folder for temporary
// files where dir is "".
func New(expect, limit int64, dir string) (*Spool, error) {
	if expect <= limit {
		return &Spool{memory: make([]byte, 0, max(0, expect))}, nil
	}
	f, err := os.CreateTemp(dir, "hallmark-*")
	if err != nil {
		return nil, fmt.Errorf("keep %d bytes: %w", expect, err)
	}
	// Where the system lets an open file go, nothing is left behind even if the
	// process is killed. Elsewhere Close removes it.
	return &Spool{file: f, removed: os.Remove(f.Name()) == nil}, nil
}

// Write implements io.Writer. The caller bounds what is written.
func (s *Spool) Write(p []byte) (int, error) {
	if s.closed {
		return 0, os.ErrClosed
	}
	if s.file == nil {
		s.memory = append(s.memory, p...)
		s.size += int64(len(p))
		return len(p), nil
	}
	n, err := s.file.Write(p)
	s.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("keep in a temporary file: %w", err)
	}
	return n, nil
}

// Size returns how many bytes were written.
func (s *Spool) Size() int64 { return s.size }

// ReadAt implements io.ReaderAt. After Close it returns os.ErrClosed.
func (s *Spool) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case s.closed:
		return 0, os.ErrClosed
	case s.file != nil:
		return s.file.ReadAt(p, off)
	}
	return bytes.NewReader(s.memory).ReadAt(p, off)
}

// Reader returns the content from its beginning.
func (s *Spool) Reader() *io.SectionReader { return io.NewSectionReader(s, 0, s.size) }

// Close lets go of the content and removes the temporary file. Closing twice is
// no error.
func (s *Spool) Close() error {
	if s.closed {
		return nil
	}
	s.closed, s.memory = true, nil
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if !s.removed {
		err = errors.Join(err, os.Remove(s.file.Name()))
	}
	return err
}
