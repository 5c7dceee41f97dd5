package verify_test

import (
	"bytes"
	"crypto"
	"errors"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// signed is a signature over the plot's file.
func (p *plot) signed(sig []byte) keyless.Signed {
	return keyless.Signed{
		Signature: sig,
		MadeBy:    func(k *key.Public) error { return k.VerifyMessage(sig, bytes.NewReader(p.file)) },
		Sum: func(h crypto.Hash) ([]byte, error) {
			sum := h.New()
			sum.Write(p.file)
			return sum.Sum(nil), nil
		},
	}
}

// under judges the plot's message under another quorum.
func (p *plot) under(quorum keyless.Quorum) error {
	p.t.Helper()
	bundle, root := p.make()
	trusted, err := keyless.ParseRoot(text(p.t, root))
	must(p.t, err)
	m, err := keyless.FromBundle(bundleType, bytes.NewReader(text(p.t, bundle["verificationMaterial"])))
	must(p.t, err)
	id, err := keyless.NewIdentity(p.names)
	must(p.t, err)
	sig := unb64(p.t, at(bundle, "messageSignature", "signature").(string))
	_, err = trusted.Verify(m, p.signed(sig), []keyless.Identity{id}, keyless.Terms{Quorum: quorum})
	return err
}

// trustAlso has the root trust another log of the kind.
func (p *plot) trustAlso(kind string, n *notary) {
	was := p.trust
	p.trust = func(root object) {
		if was != nil {
			was(root)
		}
		more := at(p.trusted(), kind, 0).(object)
		more["logId"] = object{"keyId": b64(n.id[:])}
		more["publicKey"].(object)["rawBytes"] = b64(n.spki)
		root[kind] = append(root[kind].([]any), more)
	}
}

// TestThresholdsCountAuthorities: one log, certificate log or clock that speaks twice is
// one; two are two (items 35, 48 and 62; CVE-2026-49834).
func TestThresholdsCountAuthorities(t *testing.T) {
	for name, c := range map[string]struct {
		quorum keyless.Quorum
		code   keyless.Code
		once   func(p *plot) // one authority twice
		two    func(p *plot)
	}{
		"35 certificate logs": {keyless.Quorum{CertificateLogs: 2, Logs: 1, Clocks: 1}, keyless.NoSCT,
			func(p *plot) { p.order.logs = []*notary{p.ctlog, p.ctlog} },
			func(p *plot) {
				other := newNotary(p.t)
				p.order.logs = []*notary{p.ctlog, other}
				p.trustAlso("ctlogs", other)
			}},
		"48 clocks": {keyless.Quorum{CertificateLogs: 1, Logs: 1, Clocks: 2}, keyless.NoTime,
			func(p *plot) { p.version, p.stampAt = 2, []time.Time{p.now, p.now.Add(time.Second)} },
			func(p *plot) { p.version, p.stampAt = 1, []time.Time{p.now} }},
		"62 logs": {keyless.Quorum{CertificateLogs: 1, Logs: 2, Clocks: 1}, keyless.NoLogEntry,
			func(p *plot) {
				p.bundle = func(b object) { // the same entry in another place, under a promise of its own
					again := entryOf(p.remade(b))
					materialOf(b)["tlogEntries"] = append(materialOf(b)["tlogEntries"].([]any), again)
				}
			},
			func(p *plot) {
				other := newNotary(p.t)
				p.logs = []*notary{p.rekor, other}
				p.trustAlso("tlogs", other)
			}},
	} {
		p := newPlot(t, false, 1)
		c.once(p)
		var refusal *keyless.Refusal
		if err := p.under(c.quorum); !errors.As(err, &refusal) || refusal.Code != c.code {
			t.Errorf("%s: one twice: %v, want %s", name, err, c.code)
		}
		p = newPlot(t, false, 1)
		c.two(p)
		if err := p.under(c.quorum); err != nil {
			t.Errorf("%s: two: %v", name, err)
		}
	}
}

// remade returns the bundle with its first entry logged again in another place.
func (p *plot) remade(b object) object {
	e := entryOf(b)
	again := make(object)
	for k, v := range e {
		again[k] = v
	}
	body := unb64(p.t, e["canonicalizedBody"].(string))
	again["logIndex"] = "2002"
	again["inclusionPromise"] = object{"signedEntryTimestamp": b64(p.promise(p.t, p.rekor, body, p.loggedAt, 2002))}
	return object{"verificationMaterial": object{"tlogEntries": []any{again}}}
}

// TestThresholdCountsIdentities: a pattern is one authority, however many certificates
// fit it, and one signer is one, however many identities it fits.
func TestThresholdCountsIdentities(t *testing.T) {
	const release = "https://github.com/example/app/.github/workflows/release.yml@"
	main, next, other := release+"refs/heads/main", release+"refs/heads/next", "https://github.com/example/other/.github/workflows/o.yml@refs/heads/main"
	named := func(uri string) keyless.Names { return keyless.Names{Subject: uri, Issuer: voucher} }
	fits := func(expr string) keyless.Names { return keyless.Names{SubjectPattern: expr, Issuer: voucher} }
	app, all := fits(`https://github\.com/example/app/.*`), fits(`https://.*`)
	anyone := keyless.Names{Subject: "nobody@example.test", Issuer: voucher}
	for _, c := range []struct {
		name       string
		identities []keyless.Names
		signers    []string
		want       verify.Reason
	}{
		{"one workflow on two refs", []keyless.Names{app, anyone}, []string{main, next}, verify.ThresholdNotMet},
		{"two workflows, one pattern", []keyless.Names{all, anyone}, []string{main, other}, verify.ThresholdNotMet},
		{"one signer, two identities", []keyless.Names{app, named(main)}, []string{main, main}, verify.ThresholdNotMet},
		{"two names", []keyless.Names{named(main), named(next)}, []string{main, next}, verify.Accepted},
		{"a name and a pattern", []keyless.Names{named(main), all}, []string{main, other}, verify.Accepted},
		{"a pattern and a name", []keyless.Names{all, named(main)}, []string{main, other}, verify.Accepted},
		{"a pattern and a name, the other way round", []keyless.Names{all, named(main)}, []string{other, main}, verify.Accepted},
		{"two patterns of which one fits both", []keyless.Names{all, app}, []string{main, other}, verify.Accepted},
	} {
		p, s := newPlot(t, true, 1), newShelf()
		sub := s.image(t, "app")
		p.payload = statement(sub.Desc.Digest, payload.Sign)
		for _, uri := range c.signers {
			p.order.emails, p.order.uris = nil, []string{uri}
			b, _ := p.make()
			s.bundle(text(t, b))
		}
		trust := verify.Trust{Root: p.parsed(t)}
		for _, n := range c.identities {
			id, err := keyless.NewIdentity(n)
			must(t, err)
			trust.Identities = append(trust.Identities, id)
		}
		v, err := verify.New(trust, verify.Policy{Rules: []verify.Rule{signatureRule(2)}})
		must(t, err)
		verdict, err := v.Verify(t.Context(), s, sub)
		must(t, err)
		if check := verdict.Checks[1]; check.Reason != c.want {
			t.Errorf("%s: %s %s: %s", c.name, check.Outcome, check.Reason, check.Detail)
		}
	}
}

// TestThresholdAbovePatterns: a pattern does not stand for as many authorities as a
// threshold asks for.
func TestThresholdAbovePatterns(t *testing.T) {
	p := newPlot(t, false, 1)
	k := newKey(t, key.ECDSAP256).PublicKey()
	one, err := keyless.NewIdentity(keyless.Names{SubjectPattern: ".*", Issuer: voucher})
	must(t, err)
	two, err := keyless.NewIdentity(keyless.Names{SubjectPattern: ".*@example.test", Issuer: voucher})
	must(t, err)
	for name, c := range map[string]struct {
		trust     verify.Trust
		threshold int
		fine      bool
	}{
		"a pattern for two":             {verify.Trust{Identities: []keyless.Identity{one}}, 2, false},
		"a pattern twice for two":       {verify.Trust{Identities: []keyless.Identity{one, one}}, 2, false},
		"two patterns for two":          {verify.Trust{Identities: []keyless.Identity{one, two}}, 2, true},
		"a key and a pattern for two":   {verify.Trust{Keys: []*key.Public{k}, Identities: []keyless.Identity{one}}, 2, true},
		"a key and a pattern for three": {verify.Trust{Keys: []*key.Public{k}, Identities: []keyless.Identity{one}}, 3, false},
	} {
		c.trust.Root = p.parsed(t)
		_, err := verify.New(c.trust, verify.Policy{Rules: []verify.Rule{signatureRule(c.threshold)}})
		if c.fine != (err == nil) || err != nil && !errors.Is(err, verify.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
