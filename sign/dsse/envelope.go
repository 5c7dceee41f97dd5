package dsse

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
)

// An Envelope is an envelope that was read. Its payload is not to be believed
// before a signature was verified. It is safe for concurrent use until Close.
type Envelope struct {
	payloadType string
	signatures  []Signature
	kept
	closed bool

	once sync.Once
	sum  [sha256.Size]byte
	err  error
}

// kept is a payload in memory or in a temporary file.
type kept struct {
	size    int64
	memory  []byte
	file    *os.File // nil where the payload is in memory
	removed bool     // the file has no name any more
}

// Type returns the type of the payload, which the signatures cover.
func (e *Envelope) Type() string { return e.payloadType }

// Size returns the size of the payload in bytes.
func (e *Envelope) Size() int64 { return e.size }

// Signatures returns the signatures, at least one.
func (e *Envelope) Signatures() []Signature { return slices.Clone(e.signatures) }

// Payload returns the payload from its beginning.
func (e *Envelope) Payload() io.Reader {
	switch {
	case e.closed:
		return closed{}
	case e.file != nil:
		return io.NewSectionReader(e.file, 0, e.size)
	default:
		return bytes.NewReader(e.memory)
	}
}

// PAE returns the bytes that were signed.
func (e *Envelope) PAE() io.Reader {
	return io.MultiReader(strings.NewReader(paeHead(e.payloadType, e.size)), exactly(e.Payload(), e.size))
}

// Sum returns the SHA-256 of the PAE. It is computed once, however many
// signatures and keys are to be tried.
func (e *Envelope) Sum() ([sha256.Size]byte, error) {
	e.once.Do(func() {
		h := sha256.New()
		if _, e.err = io.Copy(h, e.PAE()); e.err == nil {
			h.Sum(e.sum[:0])
		}
	})
	return e.sum, e.err
}

// Close lets go of the payload and removes the temporary file.
func (e *Envelope) Close() error {
	if e.closed {
		return nil
	}
	e.closed, e.memory = true, nil
	if e.file == nil {
		return nil
	}
	err := e.file.Close()
	if !e.removed {
		err = errors.Join(err, os.Remove(e.file.Name()))
	}
	return err
}

// closed is the payload of an envelope that was closed.
type closed struct{}

// Read implements io.Reader.
func (closed) Read([]byte) (int, error) { return 0, os.ErrClosed }
