package verify_test

import (
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

// TestCheckReference: a rule that asks for it takes only what was signed for the
// repository in which the image is, in each form in which signers name it; a rule that
// does not takes all of them.
func TestCheckReference(t *testing.T) {
	k := newKey(t, key.ECDSAP256)
	signed := func(ref string) func(v1.Hash) attach.Content {
		return func(d v1.Hash) attach.Content {
			raw := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, ref, d)
			return cosign.NewSignature(raw, signBytes(t, k, raw))
		}
	}
	stated := func(subject string) func(v1.Hash) attach.Content {
		return func(d v1.Hash) attach.Content {
			body := fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","predicateType":%q,"subject":[{%s"digest":{"sha256":%q}}],"predicate":{}}`, payload.SPDX, subject, d.Hex)
			return cosign.NewAttestation(attach.Bytes(envelope(t, k, payload.MediaType, body)), payload.SPDX)
		}
	}
	for name, c := range map[string]struct {
		repo string // of the image
		put  func(v1.Hash) attach.Content
		rule verify.Rule
		want verify.Reason
	}{
		"the repository":                 {"registry.example/app", signed("registry.example/app"), signatureRule(1), verify.Accepted},
		"with a tag":                     {"registry.example/app", signed("registry.example/app:1.0"), signatureRule(1), verify.Accepted},
		"with a digest":                  {"registry.example/app", signed("registry.example/app@sha256:" + hexOf(sumOf(nil))), signatureRule(1), verify.Accepted},
		"Docker Hub's short name":        {"index.docker.io/library/app", signed("app"), signatureRule(1), verify.Accepted},
		"another repository":             {"registry.example/app", signed("registry.example/other"), signatureRule(1), verify.WrongReference},
		"one that begins like it":        {"registry.example/app", signed("registry.example/app2"), signatureRule(1), verify.WrongReference},
		"one below it":                   {"registry.example/app", signed("registry.example/app/evil"), signatureRule(1), verify.WrongReference},
		"another registry":               {"registry.example/app", signed("evil.example/app"), signatureRule(1), verify.WrongReference},
		"no registry":                    {"registry.example/app", signed("app"), signatureRule(1), verify.WrongReference},
		"no name":                        {"registry.example/app", signed(""), signatureRule(1), verify.WrongReference},
		"no name that can be read":       {"registry.example/app", signed("registry.example/app:"), signatureRule(1), verify.WrongReference},
		"an image that has no registry":  {"oci:5000/app", signed("oci:5000/app"), signatureRule(1), verify.WrongReference},
		"a statement":                    {"registry.example/app", stated(`"name":"registry.example/app",`), attestationRule(payload.SPDX), verify.Accepted},
		"a statement about another":      {"registry.example/app", stated(`"name":"registry.example/other",`), attestationRule(payload.SPDX), verify.WrongReference},
		"a statement without repository": {"registry.example/app", stated(""), attestationRule(payload.SPDX), verify.WrongReference},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			sub := s.image(t, "app")
			sub.Repo = c.repo
			s.put(t, c.put(sub.Desc.Digest))
			if verdict, check := judge(t, s, sub, c.rule, k); verdict.Outcome != verify.Accept {
				t.Errorf("without the question: %s %s", check.Reason, check.Detail)
			}
			c.rule.CheckReference = true
			verdict, check := judge(t, s, sub, c.rule, k)
			if accepted := c.want == verify.Accepted; accepted != (verdict.Outcome == verify.Accept) || check.Evidence[0].Reason != c.want {
				t.Errorf("%s, %s: %s, want %s", verdict.Outcome, check.Evidence[0].Reason, check.Evidence[0].Detail, c.want)
			}
		})
	}
}

// FuzzReference: of all texts that a signer may have named only those count that begin
// with the repository and go on with a tag or a digest.
func FuzzReference(f *testing.F) {
	for _, text := range []string{"registry.example/app", "registry.example/app:1.0", "registry.example/app@sha256:" + hexOf(sumOf(nil)), "registry.example/app/x", "app", "", "//", "registry.example/app:1@"} {
		f.Add(text)
	}
	k, err := key.Generate(key.ECDSAP256)
	must(f, err)
	rule := signatureRule(1)
	rule.CheckReference = true
	v, err := verify.New(verify.Trust{Keys: []*key.Public{k.PublicKey()}}, verify.Policy{Rules: []verify.Rule{rule}})
	must(f, err)
	f.Fuzz(func(t *testing.T, named string) {
		s := newShelf()
		sub := s.image(t, "app")
		raw, err := payload.NewSimpleSigning(named, sub.Desc.Digest.String(), nil)
		if err != nil {
			return // not in UTF-8
		}
		s.put(t, cosign.NewSignature(raw, signBytes(t, k, raw)))
		verdict, err := v.Verify(t.Context(), s, sub)
		must(t, err)
		rest, ours := strings.CutPrefix(named, sub.Repo)
		if verdict.Outcome == verify.Accept && (!ours || rest != "" && rest[0] != ':' && rest[0] != '@') {
			t.Errorf("%q counts in %s", named, sub.Repo)
		}
	})
}
