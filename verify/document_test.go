package verify_test

import (
	"fmt"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

// TestOneDocument: two keys that signed different documents are two keys behind
// the image, and one behind each document.
func TestOneDocument(t *testing.T) {
	a, b := newKey(t, key.ECDSAP256), newKey(t, key.ECDSAP256)
	type signed struct {
		by        *key.Private
		typ, text string
	}
	for _, c := range []struct {
		name   string
		one    bool
		signed []signed
		want   verify.Reason
	}{
		{"two documents, any", false, []signed{{a, payload.SPDX, `{"a":1}`}, {b, payload.SPDX, `{"b":1}`}}, verify.Accepted},
		{"two documents", true, []signed{{a, payload.SPDX, `{"a":1}`}, {b, payload.SPDX, `{"b":1}`}}, verify.ThresholdNotMet},
		{"one document", true, []signed{{a, payload.SPDX, `{"a":1}`}, {b, payload.SPDX, `{"a":1}`}}, verify.Accepted},
		{"one text, two types", true, []signed{{a, payload.SPDX, `{"a":1}`}, {b, payload.CycloneDX, `{"a":1}`}}, verify.ThresholdNotMet},
		{"other spelling", true, []signed{{a, payload.SPDX, `{"a":1}`}, {b, payload.SPDX, `{"a": 1}`}}, verify.ThresholdNotMet},
		{"one key twice", true, []signed{{a, payload.SPDX, `{"a":1}`}, {a, payload.SPDX, `{"a":1}`}}, verify.ThresholdNotMet},
		{"the later one", true, []signed{{a, payload.SPDX, `{"x":1}`}, {b, payload.SPDX, `{"a":1}`}, {a, payload.SPDX, `{"a":1}`}}, verify.Accepted},
	} {
		s := newShelf()
		sub := s.image(t, "a")
		for i, d := range c.signed {
			body := fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","predicateType":%q,"subject":[{"name":"n%d","digest":{"sha256":%q}}],"predicate":%s}`,
				d.typ, i, sub.Desc.Digest.Hex, d.text)
			s.put(t, cosign.NewAttestation(attach.Bytes(envelope(t, d.by, payload.MediaType, body)), d.typ))
		}
		rule := attestationRule(payload.SPDX, payload.CycloneDX)
		rule.Threshold, rule.OneDocument = 2, c.one
		verdict, check := judge(t, s, sub, rule, a, b)
		if check.Reason != c.want || (verdict.Outcome == verify.Accept) != (c.want == verify.Accepted) {
			t.Errorf("%s: %s %s (%s)", c.name, verdict.Outcome, check.Reason, check.Detail)
		}
	}
	rule := verify.Rule{Name: "signature", Kind: attach.Signature, Threshold: 1, OneDocument: true}
	if _, err := verify.New(verify.Trust{Keys: []*key.Public{a.PublicKey()}}, verify.Policy{Rules: []verify.Rule{rule}}); err == nil {
		t.Error("a signature rule that asks for one document was taken")
	}
}
