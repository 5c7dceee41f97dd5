package sign

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/hallmark-oci/hallmark/sign/bundle"
	"github.com/hallmark-oci/hallmark/sign/dsse"
)

// Document signs a document that is about no image and no file, and returns the
// Sigstore bundle around the DSSE envelope that holds it. The type keeps it apart from
// what else the key signs. The document is held in memory.
func Document(ctx context.Context, typ string, text []byte, s Signer) ([]byte, error) {
	list, err := parties([]Signer{s})
	if err != nil {
		return nil, err
	}
	p := dsse.Payload{Type: typ, Size: int64(len(text)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }}
	sig, err := list[0].sign(ctx, p.PAE)
	if err != nil {
		return nil, fmt.Errorf("sign a document with key %s: %w", list[0].public.Fingerprint(), err)
	}
	evidence, err := list[0].vouch(ctx, Signed{Signature: sig, Envelope: &p})
	if err != nil {
		return nil, err
	}
	sealed, err := dsse.Seal(p, dsse.Signature{Sig: sig})
	if err != nil {
		return nil, err
	}
	rc, err := bundle.Wrap(evidence.Material, sealed.Size, sealed.Open).Open()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(rc)
}
