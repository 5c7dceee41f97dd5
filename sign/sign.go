// Package sign is the door to signing: images, statements about images, and
// the objects that hang from them.
//
// [Image] signs images, [Statement] signs what a document says about an image.
// Both build the exact bytes (sign/payload), have every signer sign them, check
// each signature under the signer's public key before anything is stored, and
// then attach everything in one Put, in the formats of cosign: whatever ends
// half-way has either attached nothing or is completed by running it again.
//
// Signing twice adds nothing: an entry that already holds a good signature by
// the same key over the same bytes stands for the new one, unless the caller
// says Again. A [Witness] has a new key each time, so that it always adds one.
package sign

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/key"
)

// A Signer makes signatures with one key.
type Signer interface {
	// Sign reads the message to its end and returns the signature over it: DER
	// for ECDSA, raw for Ed25519, PKCS #1 v1.5 or PSS for RSA. It hashes the
	// message itself.
	Sign(ctx context.Context, message io.Reader) ([]byte, error)
	// Public returns the public key.
	Public() crypto.PublicKey
}

// ErrUnfit says that a request to sign makes no sense: no signer, no subject,
// the same key twice, a subject without sha256 digest.
var ErrUnfit = errors.New("cannot be signed")

// A party is a signer with its public key ready to verify.
type party struct {
	Signer
	public  *key.Public
	witness Witness // nil for a key that others know
}

// parties checks the signers: at least one, with keys that are fit to verify
// with, and no key twice.
func parties(signers []Signer) ([]party, error) {
	if len(signers) == 0 {
		return nil, fmt.Errorf("no key to sign with: %w", ErrUnfit)
	}
	seen := make(map[key.Fingerprint]bool)
	list := make([]party, len(signers))
	for i, s := range signers {
		public, err := publicOf(s)
		if err != nil {
			return nil, fmt.Errorf("signing key %d: %w", i+1, err)
		}
		if seen[public.Fingerprint()] {
			return nil, fmt.Errorf("the key %s is given twice: %w", public.Fingerprint(), ErrUnfit)
		}
		seen[public.Fingerprint()] = true
		witness, _ := s.(Witness)
		list[i] = party{s, public, witness}
	}
	return list, nil
}

// publicOf returns the signer's public key, with the mark for PSS where it has one.
func publicOf(s Signer) (*key.Public, error) {
	public, err := key.NewPublic(s.Public())
	if err != nil {
		return nil, err
	}
	if k, ok := s.(interface{ PublicKey() *key.Public }); ok && k.PublicKey().Fingerprint() == public.Fingerprint() {
		return k.PublicKey(), nil
	}
	return public, nil
}

// sign signs what open yields, and verifies the signature as others will: a
// key service or a broken key must not get a signature stored that is none.
func (p party) sign(ctx context.Context, open func() (io.ReadCloser, error)) ([]byte, error) {
	rc, err := open()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	sig, err := p.Sign(ctx, rc)
	if err != nil {
		return nil, err
	}
	again, err := open()
	if err != nil {
		return nil, err
	}
	defer again.Close()
	if err := p.public.VerifyMessage(sig, again); err != nil {
		return nil, fmt.Errorf("check the new signature: %w", err)
	}
	return sig, nil
}

// AgainAnnotation is an annotation of entries that were added on purpose
// although the same stood already: a random value. Most signatures are
// deterministic, so that without it the new entry would be the old one.
const AgainAnnotation = "dev.hallmark.again"

// markAgain makes the content an entry of its own.
func markAgain(c attach.Content) { c.Annotations[AgainAnnotation] = rand.Text() }

// checkSubject accepts subjects that are named by a sha256 digest.
func checkSubject(s attach.Subject) error {
	if s.Repo == "" || s.Desc.Digest.Algorithm != "sha256" {
		return fmt.Errorf("subject %s has no repository or no sha256 digest: %w", s, ErrUnfit)
	}
	return nil
}

// reference returns the name of the subject's repository that is signed along.
func reference(name func(attach.Subject) string, s attach.Subject) string {
	if name == nil {
		return s.Repo
	}
	return name(s)
}
