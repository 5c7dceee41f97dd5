package dsse

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
)

// An Envelope is an envelope that was read. Its payload is not to be believed
// before a signature was verified. It is safe for concurrent use until Close.
type Envelope struct {
	payloadType    string
	signatures     []Signature
	offset, length int64 // of the payload's base64
	size           int64 // of the payload
	alphabet       *base64.Encoding
	bytes          io.ReaderAt
	file           *os.File // nil where the bytes are in memory
	removed        bool

	once sync.Once
	sum  [sha256.Size]byte
	err  error
}

// Type returns the type of the payload, which the signatures cover.
func (e *Envelope) Type() string { return e.payloadType }

// Size returns the size of the payload in bytes.
func (e *Envelope) Size() int64 { return e.size }

// Signatures returns the signatures, at least one.
func (e *Envelope) Signatures() []Signature { return slices.Clone(e.signatures) }

// Payload returns the payload from its beginning.
func (e *Envelope) Payload() io.Reader {
	if e.bytes == nil {
		return failed{errClosed}
	}
	return &decoder{r: io.NewSectionReader(e.bytes, e.offset, e.length), alphabet: e.alphabet}
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

// Close lets go of the bytes and removes the temporary file.
func (e *Envelope) Close() error {
	e.bytes = nil
	if e.file == nil {
		return nil
	}
	err := e.file.Close()
	if !e.removed {
		err = errors.Join(err, os.Remove(e.file.Name()))
	}
	e.file = nil
	return err
}

type failed struct{ err error }

// Read implements io.Reader.
func (f failed) Read([]byte) (int, error) { return 0, f.err }

// decoder yields what the base64 that r yields stands for. Unlike the one of
// encoding/base64 it takes whole chunks and lets no line break pass.
type decoder struct {
	r        *io.SectionReader
	alphabet *base64.Encoding
	decoded  []byte // not yet read
	in, out  []byte
	err      error
}

// Read implements io.Reader.
func (d *decoder) Read(p []byte) (int, error) {
	if len(d.decoded) == 0 {
		if d.err == nil {
			d.err = d.fill()
		}
		if len(d.decoded) == 0 && d.err != nil {
			return 0, d.err
		}
	}
	n := copy(p, d.decoded)
	d.decoded = d.decoded[n:]
	return n, nil
}

// fill decodes the next chunk.
func (d *decoder) fill() error {
	if d.in == nil {
		d.out, d.in = make([]byte, chunk), make([]byte, base64.StdEncoding.EncodedLen(chunk))
	}
	n, err := io.ReadFull(d.r, d.in)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read envelope again: %w", err)
	}
	m, bad := d.alphabet.Decode(d.out, d.in[:n])
	if bad != nil {
		return refuse("payload is no base64: %v", bad)
	}
	if at, _ := d.r.Seek(0, io.SeekCurrent); m < n/4*3 && at < d.r.Size() {
		return refuse("payload has base64 padding in its middle")
	}
	d.decoded = d.out[:m]
	return err
}
