package verify_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// referrer hangs a manifest with these layers from the image.
func (s *shelf) referrer(artifactType, layers string) attach.Attachment {
	m := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":%q,"config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":%q},"layers":%s}`,
		types.OCIManifestSchema1, artifactType, attach.DigestOf([]byte("{}")), layers)
	d := attach.DigestOf(m)
	s.content[d] = m
	a := attach.Attachment{Kind: attach.Artifact, Type: artifactType,
		Desc: v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: d, Size: int64(len(m))}}
	s.entries = append(s.entries, a)
	return a
}

func layerOf(b []byte) string {
	return fmt.Sprintf(`{"mediaType":%q,"size":%d,"digest":%q}`, bundleType, len(b), attach.DigestOf(b))
}

// TestBundleRejects is the table of referrers that are no evidence.
func TestBundleRejects(t *testing.T) {
	ours, theirs := newKey(t, key.ECDSAP256), newKey(t, key.ECDSAP256)
	wrap := func(content string) []byte {
		return []byte(`{"mediaType":"` + bundleType + `","verificationMaterial":{"publicKey":{"hint":"` +
			base64.StdEncoding.EncodeToString([]byte("hint")) + `"}},` + content + `}`)
	}
	signed := func(k *key.Private, d v1.Hash, predicate string) []byte {
		return wrap(`"dsseEnvelope":` + string(envelope(t, k, payload.MediaType, statement(d, predicate))))
	}
	for name, c := range map[string]struct {
		put  func(s *shelf, d v1.Hash)
		want verify.Reason // "" for what is none of the rule's business
		open bool          // a question that stays open
	}{
		"notary signature": {put: func(s *shelf, _ v1.Hash) { s.referrer("application/vnd.cncf.notary.signature", "[]") }, want: verify.UnsupportedFormat},
		"something else":   {put: func(s *shelf, _ v1.Hash) { s.referrer("application/vnd.example+json", "[]") }},
		"no layer":         {put: func(s *shelf, _ v1.Hash) { s.referrer(bundleType, "[]") }, want: verify.EntryMalformed},
		"two layers": {put: func(s *shelf, d v1.Hash) {
			b := signed(ours, d, payload.Sign)
			s.content[attach.DigestOf(b)] = b
			s.referrer(bundleType, "["+layerOf(b)+","+layerOf(b)+"]")
		}, want: verify.EntryMalformed},
		"manifest is garbage": {put: func(s *shelf, _ v1.Hash) {
			a := s.referrer(bundleType, "[]")
			s.content[a.Desc.Digest] = []byte("garbage")
		}, want: verify.EntryMalformed},
		"manifest is gone": {put: func(s *shelf, _ v1.Hash) { delete(s.content, s.referrer(bundleType, "[]").Desc.Digest) }, want: verify.ContentAbsent},
		"manifest out of reach": {put: func(s *shelf, _ v1.Hash) {
			s.broken[s.referrer(bundleType, "[]").Desc.Digest] = errors.New("reset")
		}, want: verify.Unreachable, open: true},
		"bundle is gone": {put: func(s *shelf, d v1.Hash) { s.referrer(bundleType, "["+layerOf(signed(ours, d, payload.Sign))+"]") }, want: verify.ContentAbsent},
		"bundle out of reach": {put: func(s *shelf, d v1.Hash) {
			b := signed(ours, d, payload.Vuln)
			s.broken[attach.DigestOf(b)] = fmt.Errorf("403: %w", attach.ErrDenied)
			s.referrer(bundleType, "["+layerOf(b)+"]")
		}, want: verify.AccessDenied, open: true},
		"bundle of another digest": {put: func(s *shelf, d v1.Hash) {
			b := signed(ours, d, payload.Sign)
			s.content[attach.DigestOf(b)] = append(b[:len(b)-1:len(b)-1], ' ')
			s.referrer(bundleType, "["+layerOf(b)+"]")
		}, want: verify.EntryDigest},
		"bundle too large": {put: func(s *shelf, _ v1.Hash) {
			b := []byte("{}")
			s.content[attach.DigestOf(b)] = b
			s.referrer(bundleType, "["+strings.Replace(layerOf(b), `"size":2`, fmt.Sprintf(`"size":%d`, verify.MaxBundle+1), 1)+"]")
		}, want: verify.EntryLimit},
		"bundle is garbage":   {put: func(s *shelf, _ v1.Hash) { s.bundle([]byte("garbage")) }, want: verify.BundleMalformed},
		"bundle of a message": {put: func(s *shelf, _ v1.Hash) { s.bundle(wrap(`"messageSignature":{"signature":"AA=="}`)) }, want: verify.UnsupportedFormat},
		"envelope is garbage": {put: func(s *shelf, _ v1.Hash) { s.bundle(wrap(`"dsseEnvelope":{}`)) }, want: verify.EntryMalformed},
		"stranger's key":      {put: func(s *shelf, d v1.Hash) { s.bundle(signed(theirs, d, payload.Sign)) }, want: verify.UntrustedKey},
		"another image": {put: func(s *shelf, _ v1.Hash) {
			s.bundle(signed(ours, attach.DigestOf([]byte("x")), payload.Sign))
		}, want: verify.WrongSubject},
		"an attestation": {put: func(s *shelf, d v1.Hash) { s.bundle(signed(ours, d, payload.SPDX)) }, want: verify.PayloadType},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			sub := s.image(t, "app")
			c.put(s, sub.Desc.Digest)
			verdict, check := judge(t, s, sub, signatureRule(1), ours)
			outcome := verify.Reject
			if c.open {
				outcome = verify.Undetermined
			}
			var got verify.Reason
			if len(check.Evidence) > 0 {
				got = check.Evidence[0].Reason
			}
			if verdict.Outcome != outcome || got != c.want {
				t.Fatalf("%s, %+v, want %s for %q", verdict.Outcome, check.Evidence, outcome, c.want)
			}
			s.bundle(signed(ours, sub.Desc.Digest, payload.Sign))
			if verdict, check = judge(t, s, sub, signatureRule(1), ours); verdict.Outcome != verify.Accept {
				t.Errorf("beside a good one: %s, %s", verdict.Outcome, check.Detail)
			}
		})
	}
}

// bundle hangs a bundle from the image.
func (s *shelf) bundle(b []byte) {
	s.content[attach.DigestOf(b)] = b
	s.referrer(bundleType, "["+layerOf(b)+"]")
}

// TestListedAsAnother has a list name a good bundle as something else before another
// one names it right: what a list says hides nothing.
func TestListedAsAnother(t *testing.T) {
	for _, lie := range []string{"application/vnd.cncf.notary.signature", "application/x-none", ""} {
		s := newShelf()
		sub := s.image(t, "app")
		ours := newKey(t, key.ECDSAP256)
		s.bundle([]byte(`{"mediaType":"` + bundleType + `","verificationMaterial":{"publicKey":{"hint":"k"}},"dsseEnvelope":` +
			string(envelope(t, ours, payload.MediaType, statement(sub.Desc.Digest, payload.Sign))) + `}`))
		good := s.entries[len(s.entries)-1]
		bad := good
		bad.Type = lie
		s.entries = []attach.Attachment{bad, good}
		if verdict, check := judge(t, s, sub, signatureRule(1), ours); verdict.Outcome != verify.Accept {
			t.Errorf("listed first as %q: %s, %s", lie, verdict.Outcome, check.Detail)
		}
	}
}
