// Package payload knows the exact bytes that get signed.
//
// There are two forms. A signature over an image signs a small JSON document,
// "simple signing" ([NewSimpleSigning], [ParseSimpleSigning]), which names the
// image's digest. An attestation signs an in-toto statement ([NewStatement],
// [ReadHeader]), which names subjects by digest and says something about them:
// the predicate, an SBOM for instance.
//
// Statements can be as large as the SBOM that they carry. They are built and
// read as streams: [NewStatement] joins a head, the predicate's bytes as they
// are and a tail, and [ReadHeader] skips the predicate, checking only that it is
// JSON, and tells where in the stream it stands.
//
// All readers are strict, because a signed document must mean the same to
// everyone who reads it: members that stand twice, names that differ from a
// known one in case only, trailing bytes and bytes that are no UTF-8 are refused.
package payload

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
)

// ErrMalformed says that bytes arrived whole but are not what they should be,
// or larger than is read. Errors of the underlying reader do not wrap it.
var ErrMalformed = errors.New("malformed payload")

// A Source is content of known size that can be read any number of times.
type Source struct {
	Size int64
	Open func() (io.ReadCloser, error)
}

// Bytes returns the source that yields b, which must not change afterwards.
func Bytes(b []byte) Source {
	return Source{Size: int64(len(b)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b)), nil
	}}
}

// malformed marks what the scanner refuses, and leaves the errors of the
// underlying reader as they are.
func malformed(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jsonscan.ErrSyntax), errors.Is(err, jsonscan.ErrLimit):
		return fmt.Errorf("%s: %w: %w", what, ErrMalformed, err)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

// refuse returns the error for a text that is JSON but not what it should be.
func refuse(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrMalformed)
}

// checkDigest accepts "sha256:" and 64 lower-case hexadecimal digits.
func checkDigest(digest string) error {
	hexed, ok := strings.CutPrefix(digest, "sha256:")
	if !ok || !isSHA256(hexed) {
		return refuse("digest %.100q is not sha256 and 64 lower-case hexadecimal digits", digest)
	}
	return nil
}

func isSHA256(s string) bool {
	if len(s) != 64 || strings.ToLower(s) != s {
		return false
	}
	_, err := hex.DecodeString(s)
	return err == nil
}
