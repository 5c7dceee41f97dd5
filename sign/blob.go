package sign

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/hallmark-oci/hallmark/sign/bundle"
	"github.com/hallmark-oci/hallmark/sign/key"
)

// A BlobSignature is a signature over a file.
type BlobSignature struct {
	// Bundle is the Sigstore bundle that holds it.
	Bundle []byte
	// Sum is the SHA-256 of the file, Key the signer's.
	Sum [sha256.Size]byte
	Key key.Fingerprint
}

// Blob signs what open yields each time anew, and checks the signature before it
// returns it. What was signed and what has the digest must be the same: a file that
// changes meanwhile is refused with ErrUnfit.
func Blob(ctx context.Context, open func() (io.ReadCloser, error), s Signer) (BlobSignature, error) {
	list, err := parties([]Signer{s})
	if err != nil {
		return BlobSignature{}, err
	}
	first, err := sumOf(open)
	if err != nil {
		return BlobSignature{}, err
	}
	sig, err := list[0].sign(ctx, open)
	if err != nil {
		return BlobSignature{}, err
	}
	last, err := sumOf(open)
	if err == nil && last != first {
		err = fmt.Errorf("it changed while it was signed: %w", ErrUnfit)
	}
	if err != nil {
		return BlobSignature{}, err
	}
	out := BlobSignature{Sum: first, Key: list[0].public.Fingerprint()}
	out.Bundle, err = bundle.Message(Hint(out.Key), first, sig)
	return out, err
}

// sumOf returns the SHA-256 of what open yields.
func sumOf(open func() (io.ReadCloser, error)) (sum [sha256.Size]byte, err error) {
	rc, err := open()
	if err != nil {
		return sum, err
	}
	defer rc.Close()
	h := sha256.New()
	if _, err = io.Copy(h, rc); err == nil {
		h.Sum(sum[:0])
	}
	return sum, err
}
