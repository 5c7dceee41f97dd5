package verify_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

// signedBy makes a DSSE envelope of the statement with a signature by each key.
func signedBy(t *testing.T, body []byte, keys ...*key.Private) []byte {
	t.Helper()
	p := dsse.Payload{Type: payload.MediaType, Size: int64(len(body)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(body)), nil
	}}
	var sigs []dsse.Signature
	for _, k := range keys {
		pae, err := p.PAE()
		if err != nil {
			t.Fatal(err)
		}
		msg, err := io.ReadAll(pae)
		if err != nil {
			t.Fatal(err)
		}
		sigs = append(sigs, dsse.Signature{Sig: signBytes(t, k, msg)})
	}
	sealed, err := dsse.Seal(p, sigs...)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, sealed.Open)
}

func read(t *testing.T, open func() (io.ReadCloser, error)) []byte {
	t.Helper()
	rc, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	b, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// strangers hangs from the image what somebody can put there who may write to
// the repository and has every public entry at hand, but no accepted key. Each
// call to one of the functions adds one entry.
func strangers(t *testing.T, s *shelf, d v1.Hash, theirs *key.Private, good []attach.Content) []func(*rand.Rand) {
	t.Helper()
	other := attach.DigestOf([]byte("another image"))
	put := func(c attach.Content) func(*rand.Rand) { return func(*rand.Rand) { s.put(t, c) } }
	// twin is a copy of a good entry with one annotation spoilt: an entry of its
	// own, which must not hide the good one.
	twin := func(annotation, value string) func(*rand.Rand) {
		return func(r *rand.Rand) {
			if len(good) == 0 {
				return
			}
			c := good[r.IntN(len(good))]
			c.Annotations = maps.Clone(c.Annotations)
			if c.Annotations == nil {
				c.Annotations = make(map[string]string)
			}
			c.Annotations[annotation] = value
			s.put(t, c)
		}
	}
	absent := signature(t, theirs, d.String(), map[string]string{"n": "absent"})
	garbage := attach.Bytes([]byte(`{"payloadType":`))
	return []func(*rand.Rand){
		put(signature(t, theirs, d.String(), nil)),
		put(signature(t, theirs, other.String(), nil)),
		put(attestation(t, theirs, d, payload.SPDX)),
		put(attestation(t, theirs, d, payload.Sign)),
		put(attestation(t, theirs, d, payload.Vuln)),
		put(cosign.NewAttestation(garbage, payload.SPDX)),
		put(cosign.NewSignature([]byte("{}"), []byte("sig"))),
		put(attach.Content{Kind: attach.Signature, MediaType: "text/plain", Body: garbage}),
		put(attach.Content{Kind: attach.Attestation, MediaType: "text/plain", Body: garbage}),
		twin(cosign.CertificateAnnotation, "garbage"),
		twin(cosign.CertificateAnnotation, certificate(t)),
		twin(cosign.BundleAnnotation, "garbage"),
		twin(cosign.SignatureAnnotation, base64.StdEncoding.EncodeToString([]byte("other"))),
		twin(cosign.PredicateTypeAnnotation, payload.Vuln),
		func(*rand.Rand) { a := s.put(t, absent); delete(s.content, a.Desc.Digest) },
		func(*rand.Rand) { bundled(t, s, envelope(t, theirs, payload.MediaType, statement(d, payload.Sign))) },
		func(*rand.Rand) { bundled(t, s, []byte(`{"x":1}`)) },
		func(*rand.Rand) { s.bundle([]byte("garbage")) },
		func(*rand.Rand) { s.referrer("application/vnd.cncf.notary.signature", "[]") },
		func(*rand.Rand) { s.referrer(bundleType, "[]") },
	}
}

// TestStrangersChangeNothing: whatever a stranger hangs from an image, in
// whatever order it is found, the outcome of the rule stays what it was.
func TestStrangersChangeNothing(t *testing.T) {
	a, b, theirs := newKey(t, key.ECDSAP256), newKey(t, key.Ed25519), newKey(t, key.ECDSAP256)
	seen := make(map[verify.Outcome]int)
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := newShelf()
		sub := s.image(t, "app")
		d := sub.Desc.Digest
		rule := signatureRule(1 + r.IntN(2))
		if r.IntN(2) == 0 {
			rule = attestationRule(payload.SPDX)
			rule.Threshold = 1 + r.IntN(2)
		}
		rule.Exhaustive = r.IntN(2) == 0
		var good []attach.Content
		for _, k := range []*key.Private{a, b} {
			switch {
			case r.IntN(3) == 0:
			case rule.Kind == attach.Signature:
				good = append(good, signature(t, k, d.String(), nil))
			default:
				good = append(good, attestation(t, k, d, payload.SPDX))
			}
		}
		for _, c := range good {
			s.put(t, c)
		}
		before, _ := judge(t, s, sub, rule, a, b)
		seen[before.Outcome]++
		add := strangers(t, s, d, theirs, good)
		for range 1 + r.IntN(12) {
			add[r.IntN(len(add))](r)
		}
		r.Shuffle(len(s.entries), func(i, j int) { s.entries[i], s.entries[j] = s.entries[j], s.entries[i] })
		after, check := judge(t, s, sub, rule, a, b)
		if before.Outcome != after.Outcome {
			t.Fatalf("seed %d, %s, threshold %d: %s became %s: %s", seed, rule.Kind, rule.Threshold, before.Outcome, after.Outcome, check.Detail)
		}
	}
	if seen[verify.Accept] < 50 || seen[verify.Reject] < 50 || seen[verify.Undetermined] > 0 {
		t.Errorf("the mixes are not mixed: %v", seen)
	}
}

// counted counts what is read from a shelf.
type counted struct {
	*shelf
	yielded, opened int
}

// List implements attach.Reader.
func (c *counted) List(ctx context.Context, s attach.Subject, kinds ...attach.Kind) iter.Seq2[attach.Attachment, error] {
	return func(yield func(attach.Attachment, error) bool) {
		for a, err := range c.shelf.List(ctx, s, kinds...) {
			c.yielded++
			if !yield(a, err) {
				return
			}
		}
	}
}

// Open implements attach.Reader.
func (c *counted) Open(ctx context.Context, s attach.Subject, a attach.Attachment) (io.ReadCloser, error) {
	c.opened++
	return c.shelf.Open(ctx, s, a)
}

// TestReadsNoMore: a rule that is met reads no further, and a stranger's
// signature is known as such without its payload.
func TestReadsNoMore(t *testing.T) {
	a, b, theirs := newKey(t, key.ECDSAP256), newKey(t, key.ECDSAP256), newKey(t, key.ECDSAP256)
	for name, c := range map[string]struct {
		threshold       int
		exhaustive      bool
		yielded, opened int
	}{
		"one of two":      {1, false, 4, 1},
		"both":            {2, false, 6, 3},
		"everything":      {1, true, 9, 4},
		"both, and after": {2, true, 9, 4},
	} {
		s := &counted{shelf: newShelf()}
		sub := s.image(t, "app")
		digest := sub.Desc.Digest.String()
		note := func(n string) map[string]string { return map[string]string{"n": n} }
		for _, k := range []struct {
			k    *key.Private
			note string
		}{{theirs, "1"}, {theirs, "2"}, {theirs, "3"}, {a, "4"}, {a, "5"}, {b, "6"}, {theirs, "7"}, {b, "8"}} {
			s.put(t, signature(t, k.k, digest, note(k.note)))
		}
		s.errs = []error{errors.New("a place behind them that cannot be read")}
		rule := signatureRule(c.threshold)
		rule.Exhaustive = c.exhaustive
		verdict, _ := judge(t, s, sub, rule, a, b)
		if verdict.Outcome != verify.Accept || s.yielded != c.yielded || s.opened != c.opened {
			t.Errorf("%s: %s after %d entries and %d payloads, want %d and %d", name, verdict.Outcome, s.yielded, s.opened, c.yielded, c.opened)
		}
	}
}

// TestEnvelopeSigners: the signers of one envelope count one by one, and each once.
func TestEnvelopeSigners(t *testing.T) {
	a, b, theirs := newKey(t, key.ECDSAP256), newKey(t, key.RSA2048), newKey(t, key.ECDSAP256)
	for name, c := range map[string]struct {
		envelopes [][]*key.Private
		want      verify.Outcome
	}{
		"one envelope by both":       {[][]*key.Private{{a, b}}, verify.Accept},
		"one each":                   {[][]*key.Private{{a}, {b}}, verify.Accept},
		"both and a stranger":        {[][]*key.Private{{theirs, b, a}}, verify.Accept},
		"one of them twice":          {[][]*key.Private{{a, a}}, verify.Reject},
		"one of them in two":         {[][]*key.Private{{a}, {a, theirs}}, verify.Reject},
		"one of them and a stranger": {[][]*key.Private{{theirs, b}}, verify.Reject},
		"strangers":                  {[][]*key.Private{{theirs}, {theirs, theirs}}, verify.Reject},
	} {
		s := newShelf()
		sub := s.image(t, "app")
		body := statement(sub.Desc.Digest, payload.SPDX)
		for _, keys := range c.envelopes {
			s.put(t, cosign.NewAttestation(attach.Bytes(signedBy(t, body, keys...)), payload.SPDX))
		}
		rule := attestationRule(payload.SPDX)
		rule.Threshold = 2
		if verdict, check := judge(t, s, sub, rule, a, b); verdict.Outcome != c.want {
			t.Errorf("%s: %s %s", name, verdict.Outcome, check.Detail)
		}
	}
}

// TestTake: what is handed out is what was signed, byte for byte, and nothing
// that was not accepted.
func TestTake(t *testing.T) {
	k, theirs := newKey(t, key.ECDSAP256), newKey(t, key.ECDSAP256)
	s := newShelf()
	sub := s.image(t, "app")
	predicate := "{ \"b\" : 1,\n\t\"a\":[ 1.0, 1e3 ,\"\\u0041<&>\u00e9\"] , \"\":null }"
	body := []byte(` {"predicate":` + predicate + ` ,"subject":[{"digest":{"sha256":"` + sub.Desc.Digest.Hex + `"},"name":"x"}],` +
		`"predicateType":"` + payload.SPDX + `","_type":"https://in-toto.io/Statement/v1"}` + "\n")
	s.put(t, cosign.NewAttestation(attach.Bytes(signedBy(t, body, theirs)), payload.SPDX))
	s.put(t, cosign.NewAttestation(attach.Bytes(signedBy(t, body, k, theirs)), payload.SPDX))
	s.put(t, attestation(t, k, attach.DigestOf([]byte("other")), payload.SPDX))
	taken := 0
	rule := attestationRule(payload.SPDX)
	rule.Take = func(st verify.Statement) error {
		taken++
		got, err := io.ReadAll(st.Predicate)
		if err != nil || string(got) != predicate {
			t.Errorf("predicate %q, %v", got, err)
		}
		if st.Header.PredicateType != payload.SPDX || st.Evidence.Outcome != verify.Accept || !slices.Equal(st.Evidence.Signers, []key.Fingerprint{k.ID()}) {
			t.Errorf("%+v", st.Evidence)
		}
		raw := read(t, st.Envelope.Open)
		env, err := dsse.Open(bytes.NewReader(raw), int64(len(raw)), dsse.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer env.Close()
		if again, err := io.ReadAll(env.Payload()); err != nil || !bytes.Equal(again, body) || len(env.Signatures()) != 2 {
			t.Errorf("the envelope holds %q with %d signatures, %v", again, len(env.Signatures()), err)
		}
		return nil
	}
	if verdict, _ := judge(t, s, sub, rule, k); verdict.Outcome != verify.Accept || taken != 1 {
		t.Errorf("%s, %d statements taken", verdict.Outcome, taken)
	}
	rule.Take = func(verify.Statement) error { return io.ErrShortWrite }
	v, err := verify.New(verify.Trust{Keys: []*key.Public{k.PublicKey()}}, verify.Policy{Rules: []verify.Rule{rule}})
	if err != nil {
		t.Fatal(err)
	}
	if verdict, err := v.Verify(t.Context(), s, sub); !errors.Is(err, io.ErrShortWrite) || verdict.Outcome != verify.Undetermined {
		t.Errorf("a Take that fails: %s, %v", verdict.Outcome, err)
	}
}

// FuzzVerify hangs entries of any bytes from an image, as a signature and as an
// attestation. No accepted key ever signs, so that nothing may be accepted, and
// nothing may leave the question open or end in an error.
func FuzzVerify(f *testing.F) {
	trusted, err := key.Generate(key.Ed25519) // the kind that needs the payload
	if err != nil {
		f.Fatal(err)
	}
	second, err := key.Generate(key.ECDSAP256)
	if err != nil {
		f.Fatal(err)
	}
	v, err := verify.New(verify.Trust{Keys: []*key.Public{trusted.PublicKey(), second.PublicKey()}},
		verify.Policy{Rules: []verify.Rule{signatureRule(1), attestationRule(payload.SPDX)}, Deep: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":"sha256:00"},"type":"cosign container image signature"},"optional":null}`), "AAAA", "", "")
	f.Add([]byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"sig":"AA=="}]}`), "!", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", "{}")
	f.Add([]byte(`{"mediaType":"`+bundleType+`","verificationMaterial":{"publicKey":{}},"dsseEnvelope":{"payloadType":"x","payload":"","signatures":[{"sig":"AA=="}]}}`), "", "", "[")
	f.Add([]byte(nil), "AA==", "\n", "{\"a\":1}")
	f.Fuzz(func(t *testing.T, content []byte, sig, certificate, log string) {
		s := newShelf()
		sub := s.image(t, "app")
		c := cosign.NewSignature(content, []byte("x"))
		c.Annotations = map[string]string{cosign.SignatureAnnotation: sig}
		if certificate != "" {
			c.Annotations[cosign.CertificateAnnotation] = certificate
		}
		if log != "" {
			c.Annotations[cosign.BundleAnnotation] = log
		}
		s.put(t, c)
		s.put(t, cosign.NewAttestation(attach.Bytes(content), payload.SPDX))
		s.bundle(content)
		verdict, err := v.Verify(t.Context(), s, sub)
		if err != nil || verdict.Outcome != verify.Reject {
			t.Fatalf("%s, %v", verdict.Outcome, err)
		}
		for _, check := range verdict.Checks {
			for _, e := range check.Evidence {
				if e.Outcome != verify.Reject || len(e.Signers) > 0 {
					t.Errorf("%s for %s", e.Outcome, e.Reason)
				}
			}
		}
	})
}
