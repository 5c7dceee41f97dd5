package verify_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// certifiedSignature makes a cosign signature of the digest, with a certificate, a log
// entry and a timestamp in its annotations.
func (p *plot) certifiedSignature(t *testing.T, digest string, annotations map[string]string) attach.Content {
	t.Helper()
	k := newKey(t, key.ECDSAP256)
	p.order.key = privateSigner{k}
	c := signature(t, k, digest, annotations)
	sig := unb64(t, c.Annotations[cosign.SignatureAnnotation])
	maps.Copy(c.Annotations, p.legacy(sig, readAll(t, c.Body), sig, nil))
	return c
}

// judgeAs verifies with one rule for the plot's identity.
func (p *plot) judgeAs(t *testing.T, s *shelf, sub attach.Subject, root *keyless.Root, rule verify.Rule) verify.Check {
	t.Helper()
	id, err := keyless.NewIdentity(p.names)
	must(t, err)
	v, err := verify.New(verify.Trust{Root: root, Identities: []keyless.Identity{id}}, verify.Policy{Rules: []verify.Rule{rule}})
	must(t, err)
	verdict, err := v.Verify(t.Context(), s, sub)
	must(t, err)
	return verdict.Checks[1]
}

// flipped calls try with the bytes and one bit turned, a bit in each byte and all bits
// of some.
func flipped(b []byte, try func(changed []byte, where string)) {
	for i := range b {
		for bit := range 8 {
			if bit != i%8 && i%64 != 0 {
				continue
			}
			changed := slices.Clone(b)
			changed[i] ^= 1 << bit
			try(changed, fmt.Sprintf("bit %d of byte %d", bit, i))
		}
	}
}

// TestFlippedBytesOfIdentities turns bits of everything that a signature by an identity
// consists of, in both forms in which it is stored: payload, signature, certificate, log
// entry, timestamp. None may be accepted.
func TestFlippedBytesOfIdentities(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of verifications, one after the other")
	}
	t.Parallel()
	p := newPlot(t, true, 1)
	root := p.parsed(t)
	refuse := func(what, where string, rule verify.Rule, put func(s *shelf, sub attach.Subject)) {
		t.Helper()
		s := newShelf()
		sub := s.image(t, "app")
		put(s, sub)
		if c := p.judgeAs(t, s, sub, root, rule); c.Outcome != verify.Reject {
			t.Errorf("%s, %s: %s %s", what, where, c.Outcome, c.Detail)
		}
	}
	sub := newShelf().image(t, "app")
	good := p.certifiedSignature(t, sub.Desc.Digest.String(), nil)
	s := newShelf()
	s.image(t, "app")
	s.put(t, good)
	if c := p.judgeAs(t, s, sub, root, signatureRule(1)); c.Outcome != verify.Accept {
		t.Fatalf("unchanged: %s %s", c.Reason, c.Detail)
	}
	flipped(readAll(t, good.Body), func(changed []byte, where string) {
		refuse("payload", where, signatureRule(1), func(s *shelf, _ attach.Subject) {
			c := good
			c.Body = attach.Bytes(changed)
			s.put(t, c)
		})
	})
	for name, value := range good.Annotations {
		flipped([]byte(value), func(changed []byte, where string) {
			if sameText(value, string(changed)) {
				return
			}
			refuse(name, where+" "+around(value, changed), signatureRule(1), func(s *shelf, _ attach.Subject) {
				c := good
				c.Annotations = maps.Clone(c.Annotations)
				c.Annotations[name] = string(changed)
				s.put(t, c)
			})
		})
	}
	p.payload = statement(sub.Desc.Digest, payload.SPDX)
	p.order.key = nil
	bundle, _ := p.make()
	for name, holder := range map[string]object{
		"payload": bundle["dsseEnvelope"].(object), "sig": at(bundle, "dsseEnvelope", "signatures", 0).(object),
		"rawBytes": at(bundle, "verificationMaterial", "certificate").(object), "canonicalizedBody": entryOf(bundle),
		"signedTimestamp": at(bundle, "verificationMaterial", "timestampVerificationData", "rfc3161Timestamps", 0).(object),
	} {
		value := holder[name].(string)
		flipped(unb64(t, value), func(changed []byte, where string) {
			holder[name] = b64(changed)
			raw := text(t, bundle)
			refuse("bundle, "+name, where, attestationRule(payload.SPDX), func(s *shelf, _ attach.Subject) { s.bundle(raw) })
		})
		holder[name] = value
	}
	raw := text(t, bundle)
	s = newShelf()
	s.image(t, "app")
	s.bundle(raw)
	if c := p.judgeAs(t, s, sub, root, attestationRule(payload.SPDX)); c.Outcome != verify.Accept {
		t.Fatalf("the bundle, unchanged: %s %s", c.Reason, c.Detail)
	}
}

// sameText reports whether two annotations hold the same bytes in another spelling:
// base64 whose last character has bits to spare, a log's identifier in capitals.
func sameText(a, b string) bool {
	if x, _ := pem.Decode([]byte(a)); x != nil {
		y, rest := pem.Decode([]byte(b))
		return y != nil && len(rest) == 0 && y.Type == x.Type && bytes.Equal(x.Bytes, y.Bytes)
	}
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(bare(x), bare(y))
}

// bare returns a JSON value with the bytes that stand in it in one spelling.
func bare(v any) any {
	switch v := v.(type) {
	case object:
		for name, inside := range v {
			v[name] = bare(inside)
		}
	case string:
		if raw, err := hex.DecodeString(v); err == nil {
			return string(raw)
		}
		if raw, err := base64.StdEncoding.DecodeString(v); err == nil {
			return string(raw)
		}
	}
	return v
}

// around returns what stands around the first difference.
func around(a string, b []byte) string {
	for i := range b {
		if a[i] != b[i] {
			return fmt.Sprintf("%.40q", b[max(0, i-20):])
		}
	}
	return ""
}

// TestStrangersChangeNoIdentity: whatever a stranger hangs from an image, who has an
// identity of his own, an authority of his own, and every public entry at hand, the
// outcome of a rule about identities stays what it was.
func TestStrangersChangeNoIdentity(t *testing.T) {
	t.Parallel()
	theirs := newKey(t, key.ECDSAP256)
	seen := make(map[verify.Outcome]int)
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 2))
		p := newPlot(t, true, 1+r.IntN(2))
		root := p.parsed(t)
		s := newShelf()
		sub := s.image(t, "app")
		rule := signatureRule(1)
		var good []attach.Content
		switch r.IntN(5) {
		case 0:
		case 1, 2:
			good = append(good, p.certifiedSignature(t, sub.Desc.Digest.String(), nil))
			s.put(t, good[0])
		default:
			rule = attestationRule(payload.SPDX)
			p.payload = statement(sub.Desc.Digest, payload.SPDX)
			p.order.key = nil
			b, _ := p.make()
			s.bundle(text(t, b))
		}
		rule.Exhaustive = r.IntN(2) == 0
		before := p.judgeAs(t, s, sub, root, rule)
		seen[before.Outcome]++
		add := append(strangers(t, s, sub.Desc.Digest, theirs, good), p.strangers(t, s, sub, good)...)
		for range 1 + r.IntN(10) {
			add[r.IntN(len(add))](r)
		}
		r.Shuffle(len(s.entries), func(i, j int) { s.entries[i], s.entries[j] = s.entries[j], s.entries[i] })
		if after := p.judgeAs(t, s, sub, root, rule); before.Outcome != after.Outcome {
			t.Fatalf("seed %d, %s: %s became %s: %s", seed, rule.Kind, before.Outcome, after.Outcome, after.Detail)
		}
	}
	if seen[verify.Accept] < 20 || seen[verify.Reject] < 5 || seen[verify.Undetermined] > 0 {
		t.Errorf("the mixes are not mixed: %v", seen)
	}
}

// strangers hangs from the image what somebody can who has a certificate of the same
// authority in another name, or one of an authority of his own in the right name.
func (p *plot) strangers(t *testing.T, s *shelf, sub attach.Subject, good []attach.Content) []func(*rand.Rand) {
	t.Helper()
	eve := *p
	eve.order.emails = []string{"eve@example.test"}
	foreign := newPlot(t, true, p.version)
	var all []func(*rand.Rand)
	for _, who := range []*plot{&eve, foreign} {
		who.payload, who.order.key = statement(sub.Desc.Digest, payload.SPDX), nil
		attested, _ := who.make()
		who.payload = statement(sub.Desc.Digest, payload.Sign)
		marked, _ := who.make()
		own := who.certifiedSignature(t, sub.Desc.Digest.String(), map[string]string{"by": "a stranger"})
		all = append(all,
			func(*rand.Rand) { s.bundle(text(t, attested)) },
			func(*rand.Rand) { s.bundle(text(t, marked)) },
			func(*rand.Rand) { s.put(t, own) },
			// The good entry under the stranger's certificate, and the other way round.
			func(r *rand.Rand) {
				for _, g := range good {
					c, name := g, []string{cosign.CertificateAnnotation, cosign.BundleAnnotation, cosign.TimestampAnnotation}[r.IntN(3)]
					c.Annotations = maps.Clone(c.Annotations)
					c.Annotations[name] = own.Annotations[name]
					s.put(t, c)
					c = own
					c.Annotations = maps.Clone(c.Annotations)
					c.Annotations[name] = g.Annotations[name]
					s.put(t, c)
				}
			},
			// The good entry without a part of its evidence.
			func(r *rand.Rand) {
				for _, c := range good {
					c.Annotations = maps.Clone(c.Annotations)
					delete(c.Annotations, []string{cosign.CertificateAnnotation, cosign.BundleAnnotation, cosign.SignatureAnnotation}[r.IntN(3)])
					s.put(t, c)
				}
			})
	}
	return all
}
