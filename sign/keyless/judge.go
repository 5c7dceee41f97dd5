package keyless

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/hallmark-oci/hallmark/attach/cosign"
	sealed "github.com/hallmark-oci/hallmark/sign/bundle"
	"github.com/hallmark-oci/hallmark/sign/key"
	judge "github.com/hallmark-oci/hallmark/verify/keyless"
)

// judged has the evidence judged by those who will judge it later, in each form in
// which it may be stored: what 'hallmark verify' would refuse is not handed out. This
// is stricter than what Sigstore's library asks for.
func (s *Signer) judged(w *work, material []byte, annotations map[string]string) error {
	m, err := judge.FromBundle(sealed.MediaType, bytes.NewReader(material))
	if err == nil {
		err = s.accepted(m, w.signed())
	}
	if err != nil {
		return refuse(Unverifiable, err, "verify the verification material")
	}
	if annotations == nil {
		return nil
	}
	m, err = judge.FromAnnotations(judge.Annotations{
		Certificate: annotations[cosign.CertificateAnnotation],
		Bundle:      annotations[cosign.BundleAnnotation],
		Timestamp:   annotations[cosign.TimestampAnnotation],
	})
	if err == nil {
		signed := w.signed()
		if w.envelope != nil {
			signed.Stamped = func() (io.Reader, error) { return bytes.NewReader(w.envelope), nil }
		}
		err = s.accepted(m, signed)
	}
	if err != nil {
		return refuse(Unverifiable, err, "verify the annotations")
	}
	return nil
}

// accepted judges under the default terms, with the name of the certificate as the
// only one that is wanted.
func (s *Signer) accepted(m judge.Material, w judge.Signed) error {
	id, err := s.Identity()
	if err != nil {
		return err
	}
	_, err = s.trusted.root.Verify(m, w, []judge.Identity{id}, judge.Terms{})
	return err
}

// signed is the work as a judge wants it.
func (w *work) signed() judge.Signed {
	j := judge.Signed{
		Signature: w.signature,
		MadeBy: func(k *key.Public) error {
			_, err := k.VerifyDigest(w.signature, w.sum)
			return err
		},
		Sum: func(h crypto.Hash) ([]byte, error) {
			if h != crypto.SHA256 {
				return nil, fmt.Errorf("only a SHA-256 was signed, not a %v", h)
			}
			return w.sum[:], nil
		},
	}
	if w.envelope != nil {
		j.Payload = func() ([]byte, error) {
			sum := sha256.Sum256(w.payload)
			return sum[:], nil
		}
	}
	return j
}
