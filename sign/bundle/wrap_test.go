package bundle_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	oracle "github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/hallmark-oci/hallmark/sign/bundle"
)

const sealed = `{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"keyid":"","sig":"AAAA"}]}`

// TestWrap has sigstore-go and this package read what Wrap writes.
func TestWrap(t *testing.T) {
	for _, hint := range []string{"", "UFwvXqdhSGmCquBfmB6GWa3u2+HMUokQIcL4VdmzF6Y=", "a \"quoted\" hint\n", "<&>"} {
		material, err := bundle.KeyMaterial(hint)
		if err != nil {
			t.Fatal(err)
		}
		w := bundle.Wrap(material, int64(len(sealed)), func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(sealed)), nil
		})
		for range 2 {
			rc, err := w.Open()
			if err != nil {
				t.Fatal(err)
			}
			raw, err := io.ReadAll(rc)
			if err != nil || int64(len(raw)) != w.Size {
				t.Fatalf("%d bytes, %d announced, %v", len(raw), w.Size, err)
			}
			var b oracle.Bundle
			if err := b.UnmarshalJSON(raw); err != nil {
				t.Fatalf("sigstore-go: %v: %s", err, raw)
			}
			if got := b.GetVerificationMaterial().GetPublicKey().GetHint(); got != hint {
				t.Errorf("hint %q, want %q", got, hint)
			}
			ours, envelope, err := open(t, string(raw))
			if err != nil || ours.MediaType != bundle.MediaType || ours.Hint != hint || string(envelope) != sealed {
				t.Errorf("%+v, %s, %v", ours, envelope, err)
			}
		}
	}
	for _, bad := range []string{"\xff", strings.Repeat("x", bundle.MaxHint+1)} {
		if _, err := bundle.KeyMaterial(bad); !errors.Is(err, bundle.ErrMalformed) {
			t.Errorf("hint %.10q: %v", bad, err)
		}
	}
}

// TestWrapFails hands on what the envelope fails with.
func TestWrapFails(t *testing.T) {
	gone := errors.New("gone")
	w := bundle.Wrap([]byte("{}"), 1, func() (io.ReadCloser, error) { return nil, gone })
	if _, err := w.Open(); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
}
