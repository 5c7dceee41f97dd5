package verify

import (
	"context"
	"crypto"
	"fmt"
	"io"

	"github.com/hallmark-oci/hallmark/sign/bundle"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// evidenceOf is what came with an envelope.
type evidenceOf struct {
	keyless.Material
	// stamped reads what timestamps are over; nil where it is the signature.
	stamped func() (io.Reader, error)
}

// A reading reads what came with an envelope, when that is wanted.
type reading struct {
	certified bool // a certificate came, and identities count
	read      func() (evidenceOf, error)
}

// cameWith returns how to read what a bundle holds beside its envelope.
func (j *judge) cameWith(b *bundle.Bundle) reading {
	return reading{b.HasCertificate && len(j.who.identities) > 0, func() (evidenceOf, error) {
		m, err := keyless.FromBundle(b.MediaType, b.Material())
		return evidenceOf{Material: m}, err
	}}
}

// certifiedEnvelope judges an envelope by what came with it.
func (j *judge) certifiedEnvelope(ctx context.Context, e Evidence, env *dsse.Envelope, came reading) (Evidence, bool) {
	with, err := came.read()
	if err == nil {
		err = keyless.Wanted(with.Material, j.who.identities)
	}
	if err != nil {
		return refused(e, err), false
	}
	signed, err := with.signed(env)
	if err != nil {
		e.Outcome, e.Reason, e.Detail = Reject, SignatureMalformed, err.Error()
		return e, false
	}
	return j.identified(ctx, e, with.Material, signed)
}

// datedEnvelope judges what came with an envelope that accepted keys signed, where one
// of them is asked for more than that.
func (j *judge) datedEnvelope(ctx context.Context, e Evidence, env *dsse.Envelope, came reading) (Evidence, bool) {
	if !j.who.asksAny() {
		return e, true
	}
	with, err := came.read()
	if err != nil {
		return refused(e, err), false
	}
	signed, err := with.signed(env)
	if err != nil {
		e.Outcome, e.Reason, e.Detail = Reject, SignatureMalformed, err.Error()
		return e, false
	}
	return j.dated(ctx, e, with.Material, signed)
}

// signed is the one signature of the envelope, as what came with it speaks of it.
func (w evidenceOf) signed(env *dsse.Envelope) (keyless.Signed, error) {
	s, err := signedEnvelope(env)
	s.Stamped = w.stamped
	return s, err
}

// signedEnvelope is the one signature of an envelope. A log holds one, so that nobody
// could tell of a second one when it was made.
func signedEnvelope(env *dsse.Envelope) (keyless.Signed, error) {
	signatures := env.Signatures()
	if len(signatures) != 1 {
		return keyless.Signed{}, fmt.Errorf("an envelope with %d signatures, and logs and timestamps speak of one", len(signatures))
	}
	sig := signatures[0].Sig
	return keyless.Signed{
		Signature: sig,
		MadeBy: func(k *key.Public) error {
			sum, err := env.Sum()
			if err != nil {
				return err
			}
			decided, err := k.VerifyDigest(sig, sum)
			if !decided {
				err = k.VerifyMessage(sig, env.PAE())
			}
			return err
		},
		Sum:     func(h crypto.Hash) ([]byte, error) { return digest(h, env.PAE()) },
		Payload: func() ([]byte, error) { return digest(crypto.SHA256, env.Payload()) },
	}, nil
}

// digest reads r to its end.
func digest(h crypto.Hash, r io.Reader) ([]byte, error) {
	if !h.Available() {
		return nil, fmt.Errorf("hash %v is not known", h)
	}
	sum := h.New()
	_, err := io.Copy(sum, r)
	return sum.Sum(nil), err
}
