package verify_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// asked judges the plot's file, as trust is changed.
func (p *plot) asked(change func(*verify.Trust)) (verify.Check, error) {
	p.t.Helper()
	bundle, root := p.make()
	trusted, err := keyless.ParseRoot(text(p.t, root))
	must(p.t, err)
	id, err := keyless.NewIdentity(p.names)
	must(p.t, err)
	trust := verify.Trust{Root: trusted, Identities: []keyless.Identity{id}, Now: func() time.Time { return p.now }}
	change(&trust)
	raw := text(p.t, bundle)
	blob := verify.Blob{Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p.file)), nil }}
	return verify.VerifyBlob(p.t.Context(), trust, verify.Statements{Any: true}, blob, bytes.NewReader(raw), int64(len(raw)))
}

// TestQuorum asks for fewer and for more than the default. Each row is refused under
// the default unless fine says otherwise, and ends as told under its own quorum.
func TestQuorum(t *testing.T) {
	const none = keyless.None
	noEntries := func(p *plot) { p.logs = nil }
	noTime := func(p *plot) { p.version, p.stampAt = 2, nil }
	for name, c := range map[string]struct {
		change func(p *plot)
		otherw verify.Reason // under the default
		quorum keyless.Quorum
		want   verify.Reason
		waived int
	}{
		"no certificate log is asked":          {ordered(func(o *order) { o.logs = nil }), verify.SCTMissing, keyless.Quorum{CertificateLogs: none}, verify.Accepted, 1},
		"no log is asked":                      {noEntries, verify.LogEntryMissing, keyless.Quorum{Logs: none}, verify.Accepted, 1},
		"no clock is asked":                    {noTime, verify.NoSigningTime, keyless.Quorum{Clocks: none}, verify.Accepted, 1},
		"nobody is asked":                      {func(p *plot) { noEntries(p); noTime(p); p.order.logs = nil }, verify.LogEntryMissing, keyless.Quorum{CertificateLogs: none, Logs: none, Clocks: none, Timestamps: none}, verify.Accepted, 3},
		"another one is still asked":           {func(p *plot) { noEntries(p); p.order.logs = nil }, verify.LogEntryMissing, keyless.Quorum{Logs: none}, verify.SCTMissing, 1},
		"no log, and a clock":                  {func(p *plot) { noEntries(p); p.stampAt = nil }, verify.LogEntryMissing, keyless.Quorum{Logs: none}, verify.NoSigningTime, 1},
		"a bad entry where none is asked":      {func(p *plot) { p.logged = func(l *logging) { l.sum = sumOf([]byte("x")) } }, verify.LogEntryInvalid, keyless.Quorum{Logs: none}, verify.LogEntryInvalid, 1},
		"a bad timestamp where none is asked":  {func(p *plot) { p.stampOf = []byte("x") }, verify.TimestampInvalid, keyless.Quorum{Clocks: none}, verify.TimestampInvalid, 1},
		"a bad time where none is asked":       {func(p *plot) { p.loggedAt = p.now.Add(-time.Hour) }, verify.CertificateExpired, keyless.Quorum{Clocks: none}, verify.CertificateExpired, 1},
		"an authority besides the log's clock": {func(p *plot) { p.stampAt = nil }, verify.Accepted, keyless.Quorum{Timestamps: 1}, verify.NoSigningTime, 0},
		"an authority that is there":           {func(*plot) {}, verify.Accepted, keyless.Quorum{Timestamps: 1}, verify.Accepted, 0},
		"an authority in place of a clock":     {func(*plot) {}, verify.Accepted, keyless.Quorum{Clocks: none, Timestamps: 1}, verify.Accepted, 0},
		"two logs of one":                      {func(*plot) {}, verify.Accepted, keyless.Quorum{Logs: 2}, verify.LogEntryMissing, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlot(t, false, 1)
			c.change(p)
			got, err := p.asked(func(*verify.Trust) {})
			must(t, err)
			if got.Reason != c.otherw || len(got.Waived) != 0 {
				t.Errorf("under the default: %s, not %s: %s; waived %q", got.Reason, c.otherw, got.Detail, got.Waived)
			}
			got, err = p.asked(func(trust *verify.Trust) { trust.Quorum = c.quorum })
			must(t, err)
			if got.Reason != c.want || len(got.Waived) != c.waived {
				t.Errorf("%s, not %s: %s; waived %q, not %d", got.Reason, c.want, got.Detail, got.Waived, c.waived)
			}
		})
	}
}

// TestQuorumOfThePresent: where no clock is asked and none tells, the certificate must
// be valid now.
func TestQuorumOfThePresent(t *testing.T) {
	for _, c := range []struct {
		later time.Duration
		want  verify.Reason
	}{{0, verify.Accepted}, {9 * time.Minute, verify.Accepted}, {10 * time.Minute, verify.CertificateExpired}, {-2 * time.Minute, verify.CertificateExpired}} {
		p := newPlot(t, false, 2)
		p.stampAt = nil
		got, err := p.asked(func(trust *verify.Trust) {
			trust.Quorum.Clocks = keyless.None
			trust.Now = func() time.Time { return p.now.Add(c.later) }
		})
		must(t, err)
		if got.Reason != c.want {
			t.Errorf("%v later: %s: %s", c.later, got.Reason, got.Detail)
		}
		if id := got.Evidence[0].Identity; got.Outcome == verify.Accept && (!id.Time.IsZero() || !id.Until.Equal(p.order.valid[1])) {
			t.Errorf("signed at %v, good until %v", id.Time, id.Until)
		}
	}
}

// TestQuorumRefuses: numbers that mean nothing, and questions that nobody could answer.
func TestQuorumRefuses(t *testing.T) {
	k := newKey(t, key.ECDSAP256).PublicKey()
	byKey := func(trust *verify.Trust) { trust.Identities, trust.Keys = nil, []*key.Public{k} }
	for name, change := range map[string]func(*verify.Trust){
		"below none":           func(trust *verify.Trust) { trust.Quorum.Logs = -2 },
		"more than a root has": func(trust *verify.Trust) { trust.Quorum.CertificateLogs = 10000 },
		"no present time":      func(trust *verify.Trust) { trust.Quorum.Clocks, trust.Now = keyless.None, nil },
		"a key without root":   func(trust *verify.Trust) { byKey(trust); trust.Root, trust.KeyQuorum.Logs = nil, 1 },
		"a key's certificate log": func(trust *verify.Trust) {
			byKey(trust)
			trust.KeyQuorum.CertificateLogs = 1
		},
		"a validity that ends first": func(trust *verify.Trust) {
			byKey(trust)
			trust.Validity = map[key.Fingerprint]keyless.Validity{k.Fingerprint(): {NotBefore: time.Unix(2, 0), NotAfter: time.Unix(1, 0)}}
		},
		"a validity without present": func(trust *verify.Trust) {
			byKey(trust)
			trust.Validity, trust.Now = map[key.Fingerprint]keyless.Validity{k.Fingerprint(): {}}, nil
		},
	} {
		if _, err := newPlot(t, false, 1).asked(change); !errors.Is(err, verify.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestQuorumOfRules: a rule says by itself whom it asks, number by number, and by which
// root; what it does not say the trust says.
func TestQuorumOfRules(t *testing.T) {
	p, s := newPlot(t, true, 1), newShelf()
	sub := s.image(t, "app")
	p.payload = statement(sub.Desc.Digest, payload.Sign)
	p.order.logs, p.logs = nil, nil // neither a certificate log nor a log
	b, _ := p.make()
	s.bundle(text(t, b))
	id, err := keyless.NewIdentity(p.names)
	must(t, err)
	other := newForge(t).parsed(t)
	for name, c := range map[string]struct {
		trust, rule keyless.Quorum
		root        *keyless.Root
		want        verify.Reason
	}{
		"the trust":                     {trust: keyless.Quorum{CertificateLogs: keyless.None, Logs: keyless.None}, want: verify.Accepted},
		"the rule":                      {rule: keyless.Quorum{CertificateLogs: keyless.None, Logs: keyless.None}, want: verify.Accepted},
		"half by each":                  {trust: keyless.Quorum{CertificateLogs: keyless.None}, rule: keyless.Quorum{Logs: keyless.None}, want: verify.Accepted},
		"the rule over the trust":       {trust: keyless.Quorum{CertificateLogs: keyless.None, Logs: keyless.None}, rule: keyless.Quorum{Logs: 1}, want: verify.LogEntryMissing},
		"another root for the rule":     {trust: keyless.Quorum{CertificateLogs: keyless.None, Logs: keyless.None}, root: other, want: verify.TimestampInvalid},
		"composed of its own":           {rule: keyless.Quorum{CertificateLogs: keyless.None, Logs: keyless.None}, root: keyless.Compose(p.parsed(t), other, p.parsed(t)), want: verify.Accepted},
		"composed with other clocks":    {rule: keyless.Quorum{CertificateLogs: keyless.None, Logs: keyless.None}, root: keyless.Compose(p.parsed(t), p.parsed(t), other), want: verify.TimestampInvalid},
		"composed with other issuers":   {rule: keyless.Quorum{CertificateLogs: keyless.None, Logs: keyless.None}, root: keyless.Compose(other, p.parsed(t), p.parsed(t)), want: verify.CertificateUntrusted},
		"composed with no clocks":       {rule: keyless.Quorum{CertificateLogs: keyless.None, Logs: keyless.None}, root: keyless.Compose(p.parsed(t), nil, nil), want: verify.NoSigningTime},
		"nothing that is said anywhere": {want: verify.LogEntryMissing},
	} {
		rule := signatureRule(1)
		rule.Quorum, rule.Root = c.rule, c.root
		v, err := verify.New(verify.Trust{Root: p.parsed(t), Identities: []keyless.Identity{id}, Quorum: c.trust}, verify.Policy{Rules: []verify.Rule{rule}})
		must(t, err)
		verdict, err := v.Verify(t.Context(), s, sub)
		must(t, err)
		if got := verdict.Checks[1].Evidence[0]; got.Reason != c.want {
			t.Errorf("%s: %s: %s", name, got.Reason, got.Detail)
		}
	}
}

// keyPlot makes signatures by a key with what logs and clocks say of them.
type keyPlot struct {
	*plot
	k      *key.Private
	spki   []byte
	bare   func(annotations map[string]string) // changes cosign's annotations
	object func(object)                        // changes the bundle
}

func newKeyPlot(t *testing.T) *keyPlot {
	k := newKey(t, key.ECDSAP256)
	return &keyPlot{plot: newPlot(t, true, 1), k: k, spki: derOf(t, k.PublicKey())}
}

// derOf returns the key's SubjectPublicKeyInfo.
func derOf(t *testing.T, k *key.Public) []byte {
	t.Helper()
	block, _ := pem.Decode(k.PEM())
	if block == nil {
		t.Fatal("the key has no PEM form")
	}
	return block.Bytes
}

// annotated is a signature, or an attestation, in cosign's form.
func (k *keyPlot) annotated(content attach.Content, l logging, stamped []byte) attach.Content {
	k.t.Helper()
	l.public = k.spki
	if k.logged != nil {
		k.logged(&l)
	}
	notes := k.legacyBy(nil, l, stamped)
	delete(notes, cosign.CertificateAnnotation)
	if k.bare != nil {
		k.bare(notes)
	}
	for n, v := range notes {
		content.Annotations[n] = v
	}
	return content
}

// another has the log hold a signature by another key over the same.
func (k *keyPlot) another(l *logging) {
	sig, err := ecdsa.SignASN1(rand.Reader, k.tsa.key, l.sum)
	must(k.t, err)
	l.sig, l.public = sig, k.tsa.spki
}

// puts hangs a signature of the key from the image in each form there is.
func (k *keyPlot) puts() map[string]struct {
	rule verify.Rule
	put  func(*testing.T, *shelf, attach.Subject)
} {
	type form = struct {
		rule verify.Rule
		put  func(*testing.T, *shelf, attach.Subject)
	}
	bundle := func(predicate string) func(*testing.T, *shelf, attach.Subject) {
		return func(t *testing.T, s *shelf, sub attach.Subject) {
			env := envelope(t, k.k, payload.MediaType, statement(sub.Desc.Digest, predicate))
			sig, body := openEnvelope(t, env)
			l := logging{sig: sig, public: k.spki, sum: sumOf(pae(payload.MediaType, body)), payload: body}
			if k.logged != nil {
				k.logged(&l)
			}
			kind, version, logged := l.bodyV1(t)
			b := object{"mediaType": bundleType, "verificationMaterial": object{
				"publicKey": object{"hint": "x"}, "tlogEntries": []any{k.entry(t, k.rekor, 1, kind, version, logged, k.loggedAt)},
				"timestampVerificationData": object{"rfc3161Timestamps": []any{object{"signedTimestamp": b64(k.stamp(t, sig, k.stampAt[0]))}}},
			}, "dsseEnvelope": object{"payload": b64(body), "payloadType": payload.MediaType, "signatures": []any{object{"sig": b64(sig)}}}}
			if k.object != nil {
				k.object(b)
			}
			s.bundle(text(t, b))
		}
	}
	return map[string]form{
		"cosign signature": {signatureRule(1), func(t *testing.T, s *shelf, sub attach.Subject) {
			content := signature(t, k.k, sub.Desc.Digest.String(), nil)
			sig := unb64(t, content.Annotations[cosign.SignatureAnnotation])
			s.put(t, k.annotated(content, logging{sig: sig, sum: sumOf(readAll(t, content.Body))}, sig))
		}},
		"cosign attestation": {attestationRule(payload.SPDX), func(t *testing.T, s *shelf, sub attach.Subject) {
			content := attestation(t, k.k, sub.Desc.Digest, payload.SPDX)
			env := readAll(t, content.Body)
			sig, body := openEnvelope(t, env)
			s.put(t, k.annotated(content, logging{sig: sig, sum: sumOf(pae(payload.MediaType, body)), payload: body}, env))
		}},
		"bundle of a signature":    {signatureRule(1), bundle(payload.Sign)},
		"bundle of an attestation": {attestationRule(payload.SPDX), bundle(payload.SPDX)},
	}
}

// TestKeyQuorum: of a key it can be asked that logs hold its signatures and that clocks
// date them, in each form in which signatures and statements are attached.
func TestKeyQuorum(t *testing.T) {
	noEntry := func(k *keyPlot) {
		k.bare = func(a map[string]string) { delete(a, cosign.BundleAnnotation) }
		k.object = func(b object) { delete(materialOf(b), "tlogEntries") }
	}
	noStamp := func(k *keyPlot) {
		k.bare = func(a map[string]string) { delete(a, cosign.TimestampAnnotation) }
		k.object = func(b object) { delete(materialOf(b), "timestampVerificationData") }
	}
	both := keyless.Quorum{Logs: 1, Clocks: 1, Timestamps: 1}
	for name, c := range map[string]struct {
		change func(k *keyPlot)
		quorum keyless.Quorum
		want   verify.Reason
	}{
		"all of it":                {nil, both, verify.Accepted},
		"two clocks":               {nil, keyless.Quorum{Clocks: 2}, verify.Accepted},
		"no entry":                 {noEntry, both, verify.LogEntryMissing},
		"no entry, none asked":     {noEntry, keyless.Quorum{Timestamps: 1}, verify.Accepted},
		"no timestamp":             {noStamp, both, verify.NoSigningTime},
		"no timestamp, none asked": {noStamp, keyless.Quorum{Logs: 1}, verify.Accepted},
		"the log's clock will do":  {noStamp, keyless.Quorum{Clocks: 1}, verify.Accepted},
		"nothing is asked":         {noEntry, keyless.Quorum{}, verify.Accepted},
		"logged for another key":   {func(k *keyPlot) { k.logged = k.another }, both, verify.LogEntryMismatch},
		"logged for another digest": {func(k *keyPlot) {
			k.logged = func(l *logging) {
				l.sig, l.sum, l.payload = signBytes(k.t.(*testing.T), k.k, []byte("x")), sumOf([]byte("x")), orNil(l.payload, []byte("{}"))
			}
		}, both, verify.LogEntryMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKeyPlot(t)
			if c.change != nil {
				c.change(k)
			}
			for form, f := range k.puts() {
				s := newShelf()
				sub := s.image(t, "app")
				f.put(t, s, sub)
				f.rule.KeyQuorum = c.quorum
				got := k.verify(s, sub, f.rule)
				if got.Evidence[0].Reason != c.want {
					t.Errorf("%s: %s: %s", form, got.Evidence[0].Reason, got.Evidence[0].Detail)
				}
			}
		})
	}
}

// orNil returns b where there was something.
func orNil(was, b []byte) []byte {
	if was == nil {
		return nil
	}
	return b
}

// verify judges the image by the key, at the forge's time.
func (k *keyPlot) verify(s *shelf, sub attach.Subject, rule verify.Rule) verify.Check {
	k.t.Helper()
	v, err := verify.New(verify.Trust{Keys: []*key.Public{k.k.PublicKey()}, Root: k.parsed(k.t), Now: func() time.Time { return k.forge.now }},
		verify.Policy{Rules: []verify.Rule{rule}})
	must(k.t, err)
	verdict, err := v.Verify(k.t.Context(), s, sub)
	must(k.t, err)
	return verdict.Checks[1]
}
