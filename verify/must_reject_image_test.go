package verify_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

// A hanging is an image and what hangs from it in the making.
type hanging struct {
	*shelf
	t           *testing.T
	ours, other *key.Private
	image, twin attach.Subject // the one that is judged, and another
	rule        verify.Rule
}

// sign hangs the signature of a key for an image, with these annotations in its payload.
func (h *hanging) sign(k *key.Private, of attach.Subject, annotations map[string]string) *attach.Attachment {
	h.put(h.t, signature(h.t, k, of.Desc.Digest.String(), annotations))
	return &h.entries[len(h.entries)-1]
}

// attest hangs a statement about an image.
func (h *hanging) attest(k *key.Private, of attach.Subject, predicateType string) *attach.Attachment {
	h.put(h.t, attestation(h.t, k, of.Desc.Digest, predicateType))
	return &h.entries[len(h.entries)-1]
}

// mark hangs a bundle in which a key says that an image is signed.
func (h *hanging) mark(k *key.Private, of attach.Subject) {
	bundled(h.t, h.shelf, envelope(h.t, k, payload.MediaType, statement(of.Desc.Digest, payload.Sign)))
}

// An imageRow is one thing that must be refused of what hangs from an image. The good
// hangs the twin, which must be accepted.
type imageRow struct {
	n         int
	name      string
	reason    verify.Reason
	good, bad func(h *hanging)
}

// imageRows are about what binds evidence to an image: items 79 to 91.
func imageRows() []imageRow {
	signed := func(h *hanging) { h.sign(h.ours, h.image, nil) }
	marked := func(h *hanging) { h.mark(h.ours, h.image) }
	attested := func(h *hanging) {
		h.rule = attestationRule(payload.SPDX)
		h.attest(h.ours, h.image, payload.SPDX)
	}
	return []imageRow{
		{79, "a payload for another image", verify.WrongSubject, signed, func(h *hanging) { h.sign(h.ours, h.twin, nil) }},
		{79, "a statement for another image", verify.WrongSubject, attested, func(h *hanging) {
			h.rule = attestationRule(payload.SPDX)
			h.attest(h.ours, h.twin, payload.SPDX)
		}},
		{80, "a signature that was copied to another image", verify.WrongSubject, signed, func(h *hanging) {
			signed(h)
			h.image, h.twin = h.twin, h.image
		}},
		{80, "a bundle that was copied to another image", verify.WrongSubject, marked, func(h *hanging) {
			marked(h)
			h.image, h.twin = h.twin, h.image
		}},
		{81, "a referrer of another image among this one's", verify.WrongSubject, marked, func(h *hanging) { h.mark(h.ours, h.twin) }},
		{84, "a payload with other bytes than its digest says", verify.EntryDigest, signed, func(h *hanging) {
			a := h.sign(h.ours, h.image, nil)
			h.content[a.Desc.Digest][3] ^= 1
		}},
		{84, "a payload that is cut off", verify.EntryDigest, signed, func(h *hanging) {
			a := h.sign(h.ours, h.image, nil)
			h.content[a.Desc.Digest] = h.content[a.Desc.Digest][:20]
		}},
		{84, "a bundle with other bytes than its digest says", verify.EntryDigest, marked, func(h *hanging) {
			marked(h)
			for d, b := range h.content {
				if bytes.HasPrefix(b, []byte(`{"mediaType":`)) { // no manifest
					h.content[d] = append(slices.Clone(b[:len(b)-1]), ' ')
				}
			}
		}},
		{85, "a smaller size than the payload has", verify.EntryDigest, signed, func(h *hanging) { h.sign(h.ours, h.image, nil).Desc.Size-- }},
		{85, "a larger size than the payload has", verify.EntryDigest, signed, func(h *hanging) { h.sign(h.ours, h.image, nil).Desc.Size++ }},
		{86, "a payload that is said to be an envelope", verify.UnsupportedFormat, signed, func(h *hanging) { h.sign(h.ours, h.image, nil).Desc.MediaType = cosign.DSSE }},
		{86, "an envelope that is said to be a payload", verify.UnsupportedFormat, attested, func(h *hanging) {
			h.rule = attestationRule(payload.SPDX)
			h.attest(h.ours, h.image, payload.SPDX).Desc.MediaType = cosign.SimpleSigning
		}},
		{86, "a bundle that is said to be something else", verify.UnsupportedFormat, marked, func(h *hanging) {
			marked(h)
			h.entries[len(h.entries)-1].Type = "application/vnd.cncf.notary.signature"
		}},
		{87, "an annotation that only the manifest has", verify.AnnotationMismatch,
			func(h *hanging) {
				h.rule.Annotations = map[string]string{"env": "prod"}
				h.sign(h.ours, h.image, map[string]string{"env": "prod"})
			}, func(h *hanging) {
				h.rule.Annotations = map[string]string{"env": "prod"}
				h.sign(h.ours, h.image, nil).Annotations["env"] = "prod"
			}},
		{88, "ten thousand signatures by strangers", verify.UntrustedKey,
			func(h *hanging) { flood(h); signed(h) }, flood},
		{90, "a stored SBOM, which nobody signed", verify.NoAttestation, attested, func(h *hanging) {
			h.rule = attestationRule(payload.SPDX)
			h.put(h.t, attach.Content{Kind: attach.SBOM, MediaType: "text/spdx+json", Body: attach.Bytes([]byte(`{"spdxVersion":"SPDX-2.3"}`))})
		}},
		{91, "nothing", verify.NoSignature, signed, func(*hanging) {}},
		{91, "no statement of the type that is asked for (CVE-2022-35929)", verify.PredicateType, attested, func(h *hanging) {
			h.rule = attestationRule(payload.SPDX)
			h.attest(h.ours, h.image, payload.Vuln)
		}},
		{91, "a statement alone, which is no signature", verify.NoSignature, signed, func(h *hanging) { h.attest(h.ours, h.image, payload.SPDX) }},
		{91, "a bundle of a statement, which is no signature", verify.PayloadType, marked, func(h *hanging) {
			bundled(h.t, h.shelf, envelope(h.t, h.ours, payload.MediaType, statement(h.image.Desc.Digest, payload.SPDX)))
		}},
	}
}

// flood hangs ten thousand signatures by one stranger from the image.
func flood(h *hanging) {
	a := *h.sign(h.other, h.image, nil)
	for i := range 10_000 {
		raw := fmt.Appendf(nil, `{"n":%d}`, i)
		a.Desc.Digest, a.Desc.Size = attach.DigestOf(raw), int64(len(raw))
		h.content[a.Desc.Digest] = raw
		h.entries = append(h.entries, a)
	}
}

// TestMustRejectImages judges images from which the wrong thing hangs. Each row must be
// refused for its own reason, and its twin be accepted.
func TestMustRejectImages(t *testing.T) {
	for _, r := range imageRows() {
		t.Run(fmt.Sprintf("%02d %s", r.n, r.name), func(t *testing.T) {
			t.Parallel()
			judged := func(hang func(*hanging)) verify.Check {
				s := newShelf()
				h := &hanging{
					shelf: s, t: t, ours: newKey(t, key.ECDSAP256), other: newKey(t, key.ECDSAP256),
					image: s.image(t, "app"), twin: s.image(t, "another"), rule: signatureRule(1),
				}
				hang(h)
				_, check := judge(t, s, h.image, h.rule, h.ours)
				return check
			}
			if c := judged(r.good); c.Outcome != verify.Accept {
				t.Errorf("the twin: %s %s: %s", c.Outcome, c.Reason, c.Detail)
			}
			c := judged(r.bad)
			why := c.Reason
			if len(c.Evidence) > 0 {
				why = c.Evidence[0].Reason
			}
			if c.Outcome != verify.Reject || why != r.reason {
				t.Errorf("%s %s (%s), want %s", c.Outcome, why, c.Detail, r.reason)
			}
		})
	}
}
