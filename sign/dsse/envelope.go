package dsse

import (
	"crypto/sha256"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/hallmark-oci/hallmark/sign/spool"
)

// An Envelope is an envelope that was read. Its payload is not to be believed
// before a signature was verified. It is safe for concurrent use until Close.
type Envelope struct {
	payloadType string
	signatures  []Signature
	payload     *spool.Spool

	once sync.Once
	sum  [sha256.Size]byte
	err  error
}

// Type returns the type of the payload, which the signatures cover.
func (e *Envelope) Type() string { return e.payloadType }

// Size returns the size of the payload in bytes.
func (e *Envelope) Size() int64 { return e.payload.Size() }

// Signatures returns the signatures, at least one.
func (e *Envelope) Signatures() []Signature { return slices.Clone(e.signatures) }

// Payload returns the payload from its beginning.
func (e *Envelope) Payload() io.Reader { return e.payload.Reader() }

// PAE returns the bytes that were signed.
func (e *Envelope) PAE() io.Reader {
	return io.MultiReader(strings.NewReader(paeHead(e.payloadType, e.Size())), exactly(e.Payload(), e.Size()))
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
func (e *Envelope) Close() error { return e.payload.Close() }
