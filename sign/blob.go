package sign

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"io"
	"strings"

	"github.com/hallmark-oci/hallmark/sign/bundle"
	"github.com/hallmark-oci/hallmark/sign/key"
)

// A BlobSignature is a signature over a file.
type BlobSignature struct {
	// Bundle is the Sigstore bundle that holds it.
	Bundle []byte
	// Sum is the digest of the file by Hash, Key the signer's.
	Hash crypto.Hash
	Sum  []byte
	Key  key.Fingerprint
}

// Digest returns the digest of the file as sha256:HEX, sha384:HEX or sha512:HEX.
func (s BlobSignature) Digest() string {
	return fmt.Sprintf("%s:%x", strings.ToLower(strings.ReplaceAll(s.Hash.String(), "-", "")), s.Sum)
}

// Blob signs what open yields each time anew, and checks the signature before it
// returns it. The digest in the bundle is by the hash that the signature is over,
// where the signer has a method Hash that names it, else by SHA-256. What was signed and what has the digest must be the same: a file that
// changes meanwhile is refused with ErrUnfit.
func Blob(ctx context.Context, open func() (io.ReadCloser, error), s Signer) (BlobSignature, error) {
	list, err := parties([]Signer{s})
	if err != nil {
		return BlobSignature{}, err
	}
	h := crypto.SHA256
	if own, ok := s.(interface{ Hash() crypto.Hash }); ok {
		h = own.Hash()
	}
	first, err := sumOf(h, open)
	if err != nil {
		return BlobSignature{}, err
	}
	sig, err := list[0].sign(ctx, open)
	if err != nil {
		return BlobSignature{}, err
	}
	last, err := sumOf(h, open)
	if err == nil && !bytes.Equal(last, first) {
		err = fmt.Errorf("it changed while it was signed: %w", ErrUnfit)
	}
	if err != nil {
		return BlobSignature{}, err
	}
	out := BlobSignature{Hash: h, Sum: first, Key: list[0].public.Fingerprint()}
	out.Bundle, err = bundle.Message(Hint(out.Key), h, first, sig)
	return out, err
}

// sumOf returns the digest of what open yields.
func sumOf(h crypto.Hash, open func() (io.ReadCloser, error)) ([]byte, error) {
	rc, err := open()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	sum := h.New()
	_, err = io.Copy(sum, rc)
	return sum.Sum(nil), err
}
