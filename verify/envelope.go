package verify

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"

	"github.com/hallmark-oci/hallmark/sign/bundle"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// VerifyDocument judges a document that is signed by itself: a Sigstore bundle around
// a DSSE envelope whose payload is of the type and has at most limit bytes. Any one of
// the trusted keys and identities will do. The payload is returned where the check
// accepts, and nil otherwise. The error is for a caller's mistake.
func VerifyDocument(ctx context.Context, trust Trust, typ string, text []byte, limit int64) ([]byte, Check, error) {
	who, err := trust.authorities(Rule{})
	if err == nil && who.number() == 0 {
		err = fmt.Errorf("no accepted key or identity: %w", ErrConfig)
	}
	if err != nil {
		return nil, Check{}, err
	}
	e := Evidence{Outcome: Reject}
	if err := ctx.Err(); err != nil {
		return nil, blobCheck(who, unreadable(e, err)), nil
	}
	b, err := bundle.Open(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		e.Reason, e.Detail = BundleMalformed, err.Error()
		return nil, blobCheck(who, e), nil
	}
	defer b.Close()
	j := &blobJudge{who: who, revoked: trust.Revoked, sums: make(map[crypto.Hash][]byte)}
	payload, e := j.document(ctx, e, b, typ, limit)
	return payload, blobCheck(who, e), nil
}

// document judges the envelope in the bundle and returns its payload.
func (j *blobJudge) document(ctx context.Context, e Evidence, b *bundle.Bundle, typ string, limit int64) ([]byte, Evidence) {
	m, err := keyless.FromBundle(b.MediaType, b.Material())
	if err != nil {
		return nil, refused(e, err)
	}
	text := b.Envelope()
	if text == nil {
		e.Reason, e.Detail = PayloadType, "the bundle holds a signature over a file, not a signed document"
		return nil, e
	}
	env, err := dsse.Open(text, text.Size(), dsse.Options{MaxSize: MaxEnvelope})
	if err != nil {
		return nil, unreadable(e, err)
	}
	defer env.Close()
	if env.Type() != typ {
		e.Reason, e.Detail = PayloadType, fmt.Sprintf("signed as %.100q, not as %q", env.Type(), typ)
		return nil, e
	}
	if env.Size() > limit {
		e.Reason, e.Detail = EntryLimit, fmt.Sprintf("a document of %d bytes, at most %d are read", env.Size(), limit)
		return nil, e
	}
	signed, err := signedEnvelope(env)
	if err != nil {
		e.Reason, e.Detail = SignatureMalformed, err.Error()
		return nil, e
	}
	e, ok := j.signed(ctx, e, b, m, signed)
	if !ok {
		return nil, e
	}
	payload, err := io.ReadAll(env.Payload())
	if err != nil || int64(len(payload)) != env.Size() {
		return nil, unreadable(e, errors.Join(err, io.ErrUnexpectedEOF))
	}
	e.Outcome, e.Reason = Accept, Accepted
	return payload, e
}
