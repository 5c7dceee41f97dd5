package verify_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
)

// liar is a shelf on which one layer in image form does not hold what it claims to.
type liar struct {
	*shelf
	lie v1.Hash
}

// Open implements attach.Reader.
func (l liar) Open(ctx context.Context, s attach.Subject, a attach.Attachment) (io.ReadCloser, error) {
	if p := a.Places[0]; p.Layer != nil && p.Layer.Digest == l.lie {
		return attach.Check(io.NopCloser(bytes.NewReader([]byte("none of it"))), a.Desc)
	}
	return l.shelf.Open(ctx, s, a)
}

// TestFalseLayers has any number of layers claim to hold a good signature, before
// and behind the one that does: they change nothing.
func TestFalseLayers(t *testing.T) {
	k := newKey(t, key.Ed25519) // whose signatures need the payload
	for _, bare := range []bool{true, false} {
		for at := range 4 {
			s := newShelf()
			sub := s.image(t, "app")
			good := s.put(t, signature(t, k, sub.Desc.Digest.String(), nil))
			s.entries = nil
			lie := v1.Descriptor{Digest: attach.DigestOf([]byte("lie"))}
			for i := range 4 {
				a := good
				a.Places = []attach.Place{{Scheme: attach.CosignTag, Layer: &lie}}
				if i == at {
					a.Places = []attach.Place{{Scheme: attach.CosignTag, Layer: &v1.Descriptor{Digest: attach.DigestOf([]byte("good"))}}}
					if bare {
						a.Places[0].Layer = nil
					}
				}
				s.entries = append(s.entries, a)
			}
			v, err := verify.New(verify.Trust{Keys: []*key.Public{k.PublicKey()}}, verify.Policy{Rules: []verify.Rule{signatureRule(1)}})
			if err != nil {
				t.Fatal(err)
			}
			verdict, err := v.Verify(t.Context(), liar{s, lie.Digest}, sub)
			if err != nil || verdict.Outcome != verify.Accept {
				t.Errorf("bare %v, at %d: %s, %+v, %v", bare, at, verdict.Outcome, verdict.Checks, err)
			}
			s.entries = s.entries[:at]
			if verdict, err = v.Verify(t.Context(), liar{s, lie.Digest}, sub); err != nil || verdict.Outcome != verify.Reject {
				t.Errorf("false ones alone: %s, %v", verdict.Outcome, err)
			}
		}
	}
}

// TestFalseSizes has an entry stand in other places with a size that is not that of
// its content, before and behind the good one: that changes nothing.
func TestFalseSizes(t *testing.T) {
	k := newKey(t, key.Ed25519)
	for at := range 3 {
		s := newShelf()
		sub := s.image(t, "app")
		good := s.put(t, signature(t, k, sub.Desc.Digest.String(), nil))
		s.entries = nil
		for i := range 3 {
			a := good
			if i != at {
				a.Desc.Size += int64(i) + 1
				a.Desc.Data = nil
			}
			s.entries = append(s.entries, a)
		}
		v, err := verify.New(verify.Trust{Keys: []*key.Public{k.PublicKey()}}, verify.Policy{Rules: []verify.Rule{signatureRule(1)}})
		if err != nil {
			t.Fatal(err)
		}
		if verdict, err := v.Verify(t.Context(), s, sub); err != nil || verdict.Outcome != verify.Accept {
			t.Errorf("at %d: %s, %+v, %v", at, verdict.Outcome, verdict.Checks, err)
		}
	}
}
