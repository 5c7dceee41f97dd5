package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
	"github.com/hallmark-oci/hallmark/sign/bundle"
)

// notation is the artifact type of Notary Project signatures.
const notation = "application/vnd.cncf.notary.signature"

// artifact judges what hangs from the subject as a referrer: Sigstore bundles
// are evidence, Notary signatures are named as what hallmark does not judge, and
// anything else is none of this rule's business.
func (j *judge) artifact(ctx context.Context, a attach.Attachment, early *fetched) (Evidence, bool, error) {
	e := Evidence{Attachment: a, Outcome: Reject}
	switch {
	case a.Type == notation && j.rule.Kind == attach.Signature:
		e.Reason, e.Detail = UnsupportedFormat, "a Notary Project signature"
		return e, true, nil
	case !strings.HasPrefix(a.Type, bundle.MediaTypePrefix):
		return e, false, nil
	case j.revoked.digests[a.Desc.Digest]:
		return revoke(e, "the entry is revoked"), true, nil
	}
	b, err := j.bundle(ctx, a, early)
	switch {
	case errors.Is(err, bundle.ErrMalformed):
		e.Reason, e.Detail = BundleMalformed, err.Error()
		return e, true, nil
	case err != nil:
		return failed(a, fmt.Errorf("bundle %s: %w", a.Desc.Digest, err)), true, nil
	}
	defer b.Close()
	env := b.Envelope()
	if env == nil {
		e.Reason, e.Detail = UnsupportedFormat, "the bundle holds no DSSE envelope"
		return e, true, nil
	}
	e, err = j.envelope(ctx, e, env, env.Size(), j.cameWith(b))
	if e.Reason == PredicateType || (e.Reason == PayloadType && j.rule.Kind == attach.Signature) {
		// A good statement about something else is no failed signature.
		return e, j.rule.Exhaustive, err
	}
	return e, true, err
}

// fetched is a small bundle that was read before its turn.
type fetched struct {
	raw []byte
	err error
}

// early returns the task to read a bundle before its turn, nil for what is no
// bundle, or a large one. A task that finds it large after all returns nil.
func (j *judge) early(f found) func(context.Context) *fetched {
	a := f.a
	if f.err != nil || a.Removed != "" || a.Kind != attach.Artifact || !strings.HasPrefix(a.Type, bundle.MediaTypePrefix) || a.Desc.Size > maxEarly {
		return nil
	}
	return func(ctx context.Context) *fetched {
		layer, err := artifact.OnlyLayer(ctx, j, j.subject, a)
		if err != nil {
			return &fetched{err: err}
		}
		if layer.Size > maxEarly {
			return nil
		}
		rc, err := j.Blob(ctx, j.subject, layer)
		if err != nil {
			return &fetched{err: err}
		}
		raw, err := attach.ReadAll(rc, layer, maxEarly)
		return &fetched{raw, err}
	}
}

// bundle returns the bundle that is the referrer's one layer. Its digest and size
// are checked before it is looked into.
func (j *judge) bundle(ctx context.Context, a attach.Attachment, early *fetched) (*bundle.Bundle, error) {
	if early != nil && early.err != nil {
		return nil, early.err
	}
	if early != nil {
		return bundle.Open(bytes.NewReader(early.raw), int64(len(early.raw)))
	}
	layer, err := artifact.OnlyLayer(ctx, j, j.subject, a)
	if err != nil {
		return nil, err
	}
	if layer.Size > MaxBundle {
		return nil, fmt.Errorf("%s has %d bytes, the limit is %d: %w", layer.Digest, layer.Size, MaxBundle, attach.ErrLimit)
	}
	rc, err := j.Blob(ctx, j.subject, layer)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return bundle.Open(rc, layer.Size)
}
