package sign

import (
	"context"
	"fmt"

	"github.com/hallmark-oci/hallmark/sign/bundle"
	"github.com/hallmark-oci/hallmark/sign/dsse"
)

// A Witness is a signer whose key nobody knows: what tells who signed, and when,
// comes with each signature. Its key is made for the occasion, so that signing
// again always adds a signature.
type Witness interface {
	Signer
	// Vouch returns the evidence for a signature that Sign returned. It asks others
	// for it, some of whom keep a public record for ever, and checks what they answer:
	// evidence that does not verify is an error.
	Vouch(ctx context.Context, s Signed) (Evidence, error)
}

// Signed is a signature and what it is over.
type Signed struct {
	Signature []byte
	// Message is what was signed, nil where an envelope holds it.
	Message []byte
	// Envelope is what stands in a DSSE envelope; the signature is over its
	// pre-authentication encoding. It is nil for a message.
	Envelope *dsse.Payload
	// Annotated says that the evidence is wanted as cosign's annotations too, which
	// have no place for everything that a bundle holds.
	Annotated bool
}

// Evidence tells who made a signature and when.
type Evidence struct {
	// Material is the verification material of a Sigstore bundle, JSON.
	Material []byte
	// Annotations are those of cosign's signatures and attestations, where they are wanted.
	Annotations map[string]string
}

// vouch returns the evidence for a signature of the party's. For a key that others
// know there is none: bundles name the key.
func (p party) vouch(ctx context.Context, s Signed) (Evidence, error) {
	if p.witness == nil {
		material, err := bundle.KeyMaterial(Hint(p.public.Fingerprint()))
		return Evidence{Material: material}, err
	}
	e, err := p.witness.Vouch(ctx, s)
	if err == nil && (len(e.Material) == 0 || s.Annotated && len(e.Annotations) == 0) {
		err = fmt.Errorf("no evidence for the signature: %w", ErrUnfit)
	}
	return e, err
}
