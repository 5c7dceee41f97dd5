package verify_test

import (
	"fmt"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

// revoking verifies with one rule and two keys under revocations. It returns the
// checks by the names of their rules.
func revoking(t *testing.T, s *shelf, sub attach.Subject, rule verify.Rule, r verify.Revocations, keys ...*key.Private) (verify.Verdict, map[string]verify.Check) {
	t.Helper()
	trust := verify.Trust{Revoked: r}
	for _, k := range keys {
		trust.Keys = append(trust.Keys, k.PublicKey())
	}
	v, err := verify.New(trust, verify.Policy{Rules: []verify.Rule{rule}})
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := v.Verify(t.Context(), s, sub)
	if err != nil {
		t.Fatal(err)
	}
	checks := make(map[string]verify.Check)
	for _, c := range verdict.Checks {
		checks[c.Rule] = c
	}
	return verdict, checks
}

// TestRevokedKey: what a revoked key signed counts nowhere, in any format and
// for any threshold, and what other keys signed beside it does.
func TestRevokedKey(t *testing.T) {
	for _, alg := range []key.Algorithm{key.ECDSAP256, key.Ed25519} {
		lost, kept := newKey(t, alg), newKey(t, alg)
		revoked := verify.Revoke([]key.Fingerprint{lost.ID()}, nil)
		for name, c := range map[string]struct {
			rule   verify.Rule
			put    func(s *shelf, d v1.Hash)
			want   verify.Reason
			before verify.Reason // without the revocation
		}{
			"signature": {signatureRule(1), func(s *shelf, d v1.Hash) {
				s.put(t, signature(t, lost, d.String(), nil))
			}, verify.Revoked, verify.Accepted},
			"signature beside another": {signatureRule(1), func(s *shelf, d v1.Hash) {
				s.put(t, signature(t, lost, d.String(), nil))
				s.put(t, signature(t, kept, d.String(), nil))
			}, verify.Accepted, verify.Accepted},
			"threshold": {signatureRule(2), func(s *shelf, d v1.Hash) {
				s.put(t, signature(t, lost, d.String(), nil))
				s.put(t, signature(t, kept, d.String(), nil))
			}, verify.ThresholdNotMet, verify.Accepted},
			"attestation": {attestationRule(payload.SPDX), func(s *shelf, d v1.Hash) {
				s.put(t, attestation(t, lost, d, payload.SPDX))
			}, verify.Revoked, verify.Accepted},
			"bundle": {signatureRule(1), func(s *shelf, d v1.Hash) {
				bundled(t, s, envelope(t, lost, payload.MediaType, statement(d, payload.Sign)))
			}, verify.Revoked, verify.Accepted},
			"stranger": {signatureRule(1), func(s *shelf, d v1.Hash) {
				s.put(t, signature(t, newKey(t, alg), d.String(), nil))
			}, verify.NoneAccepted, verify.NoneAccepted},
		} {
			s := newShelf()
			sub := s.image(t, "app")
			c.put(s, sub.Desc.Digest)
			for _, step := range []struct {
				revoked verify.Revocations
				want    verify.Reason
			}{{verify.Revocations{}, c.before}, {revoked, c.want}} {
				v, checks := revoking(t, s, sub, c.rule, step.revoked, lost, kept)
				if got := checks[c.rule.Name]; got.Reason != step.want || (v.Outcome == verify.Accept) != (step.want == verify.Accepted) {
					t.Errorf("%s %s: %s %s (%s), want %s", alg, name, v.Outcome, got.Reason, got.Detail, step.want)
				}
			}
		}
	}
}

// TestRevokedTogether: of an envelope with two signatures that of the revoked
// key does not count, and the other one does.
func TestRevokedTogether(t *testing.T) {
	lost, kept := newKey(t, key.ECDSAP256), newKey(t, key.ECDSAP256)
	s := newShelf()
	sub := s.image(t, "app")
	bundled(t, s, signedBy(t, statement(sub.Desc.Digest, payload.SPDX), lost, kept))
	rule := attestationRule(payload.SPDX)
	revoked := verify.Revoke([]key.Fingerprint{lost.ID()}, nil)
	if v, _ := revoking(t, s, sub, rule, revoked, lost, kept); v.Outcome != verify.Accept {
		t.Errorf("one of two: %v", v)
	}
	rule.Threshold = 2
	if v, _ := revoking(t, s, sub, rule, revoked, lost, kept); v.Outcome != verify.Reject {
		t.Errorf("two of two: %v", v)
	}
}

// TestRevokedDigest: a revoked image is rejected, directly or in an index, and a
// revoked document counts as if it were not there.
func TestRevokedDigest(t *testing.T) {
	k := newKey(t, key.ECDSAP256)
	s := newShelf()
	sub := s.image(t, "app")
	raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"size":%d,"digest":%q}]}`,
		types.OCIImageIndex, types.OCIManifestSchema1, sub.Desc.Size, sub.Desc.Digest)
	index := attach.Subject{Repo: sub.Repo, Desc: v1.Descriptor{MediaType: types.OCIImageIndex, Digest: attach.DigestOf(raw), Size: int64(len(raw))}}
	s.content[index.Desc.Digest] = raw
	mislabelled := index
	mislabelled.Desc.MediaType = types.OCIManifestSchema1
	s.put(t, signature(t, k, sub.Desc.Digest.String(), nil))
	s.put(t, signature(t, k, index.Desc.Digest.String(), nil))
	spdx := s.put(t, attestation(t, k, sub.Desc.Digest, payload.SPDX))
	other := attach.DigestOf([]byte("other"))
	document := attach.DigestOf([]byte(`{"a":1}`)) // the predicate of statement
	for name, c := range map[string]struct {
		sub     attach.Subject
		rule    verify.Rule
		digest  v1.Hash
		outcome verify.Outcome
		check   string
		reason  verify.Reason
	}{
		"another":             {sub, signatureRule(1), other, verify.Accept, verify.RevocationRule, verify.Accepted},
		"the image":           {sub, signatureRule(1), sub.Desc.Digest, verify.Reject, verify.RevocationRule, verify.Revoked},
		"the index":           {index, signatureRule(1), index.Desc.Digest, verify.Reject, verify.RevocationRule, verify.Revoked},
		"in the index":        {index, signatureRule(1), sub.Desc.Digest, verify.Reject, verify.RevocationRule, verify.Revoked},
		"a mislabelled index": {mislabelled, signatureRule(1), sub.Desc.Digest, verify.Reject, verify.RevocationRule, verify.Revoked},
		"the index only":      {sub, signatureRule(1), index.Desc.Digest, verify.Accept, verify.RevocationRule, verify.Accepted},
		"the document":        {sub, attestationRule(payload.SPDX), document, verify.Reject, "attestation", verify.Revoked},
		"its envelope":        {sub, attestationRule(payload.SPDX), spdx.Desc.Digest, verify.Reject, "attestation", verify.Revoked},
		"another document":    {sub, attestationRule(payload.SPDX), other, verify.Accept, "attestation", verify.Accepted},
	} {
		v, checks := revoking(t, s, c.sub, c.rule, verify.Revoke(nil, []v1.Hash{c.digest}), k)
		if got := checks[c.check]; v.Outcome != c.outcome || got.Reason != c.reason {
			t.Errorf("%s: %s, %s %s (%s)", name, v.Outcome, c.check, got.Reason, got.Detail)
		}
	}
	// Another document of the type stands in for a revoked one.
	body := fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","predicateType":%q,"subject":[{"name":"n","digest":{"sha256":%q}}],"predicate":{"b":2}}`, payload.SPDX, sub.Desc.Digest.Hex)
	bundled(t, s, envelope(t, k, payload.MediaType, body))
	if v, _ := revoking(t, s, sub, attestationRule(payload.SPDX), verify.Revoke(nil, []v1.Hash{document}), k); v.Outcome != verify.Accept {
		t.Errorf("a document that is not revoked: %v", v)
	}
}

// TestRevokedEntry: to revoke a stored entry by its digest revokes these bytes. All
// signatures over one payload go with it; an envelope that is written anew, with the
// same signature in it, does not, and is reached by its document alone.
func TestRevokedEntry(t *testing.T) {
	k, other := newKey(t, key.ECDSAP256), newKey(t, key.ECDSAP256)
	s := newShelf()
	sub := s.image(t, "app")
	first := s.put(t, signature(t, k, sub.Desc.Digest.String(), nil))
	s.put(t, signature(t, other, sub.Desc.Digest.String(), nil))
	entry := verify.Revoke(nil, []v1.Hash{first.Desc.Digest})
	if v, checks := revoking(t, s, sub, signatureRule(1), entry, k, other); v.Outcome != verify.Reject || checks["signature"].Reason != verify.Revoked {
		t.Errorf("two signatures over one payload: %v", v)
	}
	s.put(t, signature(t, other, sub.Desc.Digest.String(), map[string]string{"a": "b"}))
	if v, _ := revoking(t, s, sub, signatureRule(1), entry, k, other); v.Outcome != verify.Accept {
		t.Errorf("another payload: %v", v)
	}

	raw := envelope(t, k, payload.MediaType, statement(sub.Desc.Digest, payload.SPDX))
	stored := s.put(t, cosign.NewAttestation(attach.Bytes(raw), payload.SPDX))
	entry = verify.Revoke(nil, []v1.Hash{stored.Desc.Digest})
	if v, _ := revoking(t, s, sub, attestationRule(payload.SPDX), entry, k); v.Outcome != verify.Reject {
		t.Errorf("the envelope: %v", v)
	}
	s.put(t, cosign.NewAttestation(attach.Bytes(append([]byte(" "), raw...)), payload.SPDX))
	if v, _ := revoking(t, s, sub, attestationRule(payload.SPDX), entry, k); v.Outcome != verify.Accept {
		t.Errorf("the envelope written anew: %v", v)
	}
	document := verify.Revoke(nil, []v1.Hash{attach.DigestOf([]byte(`{"a":1}`))})
	if v, _ := revoking(t, s, sub, attestationRule(payload.SPDX), document, k); v.Outcome != verify.Reject {
		t.Errorf("the document in both: %v", v)
	}
}
