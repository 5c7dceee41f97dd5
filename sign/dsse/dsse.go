// Package dsse builds and reads envelopes of the Dead Simple Signing Envelope,
// version 1 (github.com/secure-systems-lab/dsse), of any size as streams.
//
// An envelope carries a payload, its type and signatures. What is signed is
// neither the payload nor the envelope but the "pre-authentication encoding" of
// payload and type, the PAE:
//
//	"DSSEv1" SP LEN(type) SP type SP LEN(payload) SP payload
//
// [Seal] makes an envelope whose bytes are produced whenever it is read, so
// that an attestation of a large SBOM is never in memory. [Open] reads one: it
// keeps the bytes in memory up to [MaxMemory] and else in a temporary file, and
// then hands out the payload and the PAE as often as they are wanted.
//
// Whether a signature is good is not judged here: verify it over the bytes of
// [Envelope.PAE], or over [Envelope.Sum] where the digest is enough.
package dsse

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
)

// ErrMalformed says that bytes arrived whole but are no envelope that is
// accepted, or one beyond the limits. Errors of the underlying reader and of
// temporary files do not wrap it.
var ErrMalformed = errors.New("malformed envelope")

// A Signature is one signature of an envelope.
type Signature struct {
	// KeyID is a hint that nobody vouches for. Cosign leaves it empty.
	KeyID string
	Sig   []byte
}

// A Payload is what an envelope carries: content of known size that can be read
// any number of times, and its type.
type Payload struct {
	Type string
	Size int64
	Open func() (io.ReadCloser, error)
}

// PAE returns the bytes that are signed.
func (p Payload) PAE() (io.ReadCloser, error) {
	rc, err := p.Open()
	if err != nil {
		return nil, err
	}
	return readCloser{io.MultiReader(strings.NewReader(paeHead(p.Type, p.Size)), exactly(rc, p.Size)), rc}, nil
}

// paeHead returns the PAE up to the payload.
func paeHead(payloadType string, size int64) string {
	return "DSSEv1 " + strconv.Itoa(len(payloadType)) + " " + payloadType + " " + strconv.FormatInt(size, 10) + " "
}

type readCloser struct {
	io.Reader
	io.Closer
}

// exactly returns a reader of r that fails where r does not yield size bytes:
// the size is signed along, and a file may have changed meanwhile.
func exactly(r io.Reader, size int64) io.Reader { return &exact{r: r, size: size} }

type exact struct {
	r       io.Reader
	size, n int64
}

// Read implements io.Reader.
func (e *exact) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.n += int64(n)
	if e.n > e.size || errors.Is(err, io.EOF) && e.n != e.size {
		return 0, fmt.Errorf("payload of %d bytes or more, %d expected: %w", e.n, e.size, ErrMalformed)
	}
	return n, err
}

// refuse returns the error for an envelope that is JSON but not accepted.
func refuse(format string, args ...any) error {
	return fmt.Errorf("envelope: %s: %w", fmt.Sprintf(format, args...), ErrMalformed)
}

// malformed marks what the scanner refuses, and leaves other errors as they are.
func malformed(err error) error {
	if errors.Is(err, jsonscan.ErrSyntax) || errors.Is(err, jsonscan.ErrLimit) {
		return fmt.Errorf("envelope: %w: %w", ErrMalformed, err)
	}
	return err
}
