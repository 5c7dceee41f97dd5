package verify_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// as asks for another identity.
func as(n keyless.Names) func(*plot) { return func(p *plot) { p.names = n } }

// ordered has the certificate say something else.
func ordered(fn func(o *order)) func(*plot) { return func(p *plot) { fn(&p.order) } }

// both does one thing and then another.
func both(list ...func(*plot)) func(*plot) {
	return func(p *plot) {
		for _, fn := range list {
			fn(p)
		}
	}
}

// github puts what Fulcio says of a GitHub workflow into the certificate.
func github(p *plot) {
	p.order.emails, p.order.uris = nil, []string{workflow}
	p.names.Subject = workflow
	for n, text := range map[int]string{2: "push", 3: "0123abc", 4: "Release", 5: "example/app", 6: "refs/heads/main"} {
		p.order.more = append(p.order.more, pkix.Extension{Id: fulcio(n), Value: []byte(text)})
	}
	p.names.Workflow = keyless.Workflow{Trigger: "push", SHA: "0123abc", Name: "Release", Repository: "example/app", Ref: "refs/heads/main"}
}

// claim has the GitHub workflow be another one than is asked for.
func claim(fn func(w *keyless.Workflow)) func(*plot) {
	return both(github, func(p *plot) { fn(&p.names.Workflow) })
}

// identityRows are about whom the certificate names: items 13 to 20.
func identityRows() []row {
	rows := []row{
		{n: 15, name: "a pattern for a part", reason: verify.UntrustedIdentity, spoil: as(keyless.Names{SubjectPattern: `dev@example`, Issuer: voucher}),
			twin: as(keyless.Names{SubjectPattern: `dev@example\..*`, Issuer: voucher})},
		{n: 15, name: "a pattern for the end", reason: verify.UntrustedIdentity, spoil: as(keyless.Names{SubjectPattern: `example\.test$`, Issuer: voucher}),
			twin: as(keyless.Names{SubjectPattern: `.*example\.test$`, Issuer: voucher})},
		{n: 15, name: "an alternative that would reach beyond", reason: verify.UntrustedIdentity, spoil: as(keyless.Names{SubjectPattern: `dev|nobody`, Issuer: voucher}),
			twin: as(keyless.Names{SubjectPattern: `nobody|dev@example\.test`, Issuer: voucher})},
		{n: 15, name: "a pattern that closes our brackets", reason: badIdentity, spoil: as(keyless.Names{SubjectPattern: `x)|(?:.*`, Issuer: voucher})},
		{n: 15, name: "a pattern for part of the issuer", reason: verify.UntrustedIdentity, spoil: as(keyless.Names{Subject: someone, IssuerPattern: `issuer`}),
			twin: as(keyless.Names{Subject: someone, IssuerPattern: `https://issuer\.test`})},
		{n: 15, name: "a second line", reason: verify.UntrustedIdentity, spoil: both(as(keyless.Names{Subject: someone, IssuerPattern: `(?m)^https://issuer\.test$`}),
			ordered(func(o *order) { o.oldIssuer, o.issuer = "", voucher+"\nhttps://evil.test" }))},
		{n: 16, name: "a subject without issuer", reason: badIdentity, spoil: as(keyless.Names{Subject: someone})},
		{n: 16, name: "an issuer without subject", reason: badIdentity, spoil: as(keyless.Names{Issuer: voucher})},
		{n: 16, name: "text and pattern", reason: badIdentity, spoil: as(keyless.Names{Subject: someone, SubjectPattern: ".*", Issuer: voucher})},
		{n: 17, name: "a host name for an address", reason: verify.CertificateUnfit, spoil: ordered(func(o *order) { o.emails, o.dns = nil, []string{"example.test"} })},
		{n: 17, name: "an address that is a URI", reason: verify.CertificateUnfit,
			spoil: both(as(keyless.Names{Subject: "https://a@b.test", Issuer: voucher}), ordered(func(o *order) { o.emails = []string{"https://a@b.test"} })),
			twin:  both(as(keyless.Names{Subject: "https://a@b.test", Issuer: voucher}), ordered(func(o *order) { o.emails, o.uris = nil, []string{"https://a@b.test"} }))},
		{n: 17, name: "a URI that is an address", reason: verify.CertificateUnfit, spoil: ordered(func(o *order) { o.emails, o.uris = nil, []string{someone} })},
		{n: 17, name: "a user name that is a URI", reason: verify.CertificateUnfit,
			spoil: both(as(keyless.Names{Subject: "https://x!y", Issuer: voucher}), userName("https://x!y")),
			twin:  both(as(keyless.Names{Subject: "dev!example.test", Issuer: voucher}), userName("dev!example.test"))},
		{n: 17, name: "a user name that is an address", reason: verify.CertificateUnfit, spoil: userName(someone)},
		{n: 17, name: "a user name that is an address with a mark", reason: verify.CertificateUnfit,
			spoil: both(as(keyless.Names{Subject: "dev!x@example.test", Issuer: voucher}), userName("dev!x@example.test"))},
		{n: 17, name: "a user name without domain", reason: verify.CertificateUnfit, spoil: both(as(keyless.Names{Subject: "dev", Issuer: voucher}), userName("dev"))},
		{n: 17, name: "a user name with an empty domain", reason: verify.CertificateUnfit, spoil: both(as(keyless.Names{Subject: "dev!", Issuer: voucher}), userName("dev!"))},
		{n: 17, name: "a domain without user name", reason: verify.CertificateUnfit, spoil: both(as(keyless.Names{Subject: "!example.test", Issuer: voucher}), userName("!example.test"))},
		{n: 18, name: "two issuers", reason: verify.CertificateUnfit, spoil: ordered(func(o *order) { o.issuer = "https://evil.test" }), twin: ordered(func(o *order) { o.issuer = "" })},
		{n: 18, name: "no issuer", reason: verify.CertificateUnfit, spoil: ordered(func(o *order) { o.oldIssuer, o.issuer = "", "" }), twin: ordered(func(o *order) { o.oldIssuer = "" })},
		{n: 20, name: "two addresses", reason: verify.CertificateUnfit, spoil: ordered(func(o *order) { o.emails = append(o.emails, "evil@example.test") })},
		{n: 20, name: "an address and a URI", reason: verify.CertificateUnfit, spoil: ordered(func(o *order) { o.uris = []string{workflow} })},
		{n: 20, name: "no name", reason: verify.CertificateUnfit, spoil: ordered(func(o *order) { o.emails = nil })},
	}
	for name, subject := range map[string]string{
		"one character off": "dev@example.tesu", "another case": "Dev@example.test", "a prefix": "dev@example.tes",
		"something behind": someone + ".evil.test", "something before": "x" + someone, "white space": someone + " ",
	} {
		rows = append(rows, row{n: 13, name: name, reason: verify.UntrustedIdentity, spoil: as(keyless.Names{Subject: subject, Issuer: voucher})})
	}
	for name, issuer := range map[string]string{
		"slash at the end": voucher + "/", "http": "http://issuer.test", "another case": "https://Issuer.test", "another": "https://evil.test",
	} {
		rows = append(rows, row{n: 14, name: "issuer: " + name, reason: verify.UntrustedIdentity, spoil: as(keyless.Names{Subject: someone, Issuer: issuer})})
	}
	for name, fn := range map[string]func(w *keyless.Workflow){
		"ref":        func(w *keyless.Workflow) { w.Ref = "refs/heads/evil" },
		"repository": func(w *keyless.Workflow) { w.Repository = "evil/app" },
		"commit":     func(w *keyless.Workflow) { w.SHA = "0123abd" },
		"trigger":    func(w *keyless.Workflow) { w.Trigger = "pull_request" },
		"name":       func(w *keyless.Workflow) { w.Name = "release" },
	} {
		rows = append(rows, row{n: 19, name: "GitHub " + name, reason: verify.UntrustedIdentity, twin: github, spoil: claim(fn)})
	}
	return append(rows, row{n: 19, name: "no word of GitHub", reason: verify.UntrustedIdentity,
		spoil: func(p *plot) { p.names.Workflow.Ref = "refs/heads/main" }})
}

// userName gives the certificate a name of Fulcio's own kind.
func userName(name string) func(*plot) {
	return ordered(func(o *order) {
		o.emails = nil
		names, err := cryptoutils.MarshalOtherNameSAN(name, true)
		if err != nil {
			panic(err)
		}
		o.more = append(o.more, *names)
	})
}

// chainRows are about the certificate and those above it: items 21 to 29.
func chainRows() []row {
	return []row{
		{n: 21, name: "another instance", reason: verify.CertificateUntrusted, spoil: func(p *plot) {
			other := newForge(p.t)
			p.trust = func(root object) { root["certificateAuthorities"] = other.trusted()["certificateAuthorities"] }
		}},
		{n: 21, name: "an authority of the same name", reason: verify.CertificateUntrusted, spoil: func(p *plot) {
			k := newNotary(p.t)
			twin := p.authority(p.t, "issuer", [2]time.Time{p.now.AddDate(-1, 0, 0), p.now.AddDate(1, 0, 0)}, nil, k)
			p.order.parent, p.order.parentKey = twin, k.key
		}},
		{n: 22, name: "a certificate for issuing others", reason: verify.CertificateUnfit, spoil: changed(func(c *x509.Certificate) {
			c.IsCA, c.KeyUsage = true, x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign
		})},
		{n: 22, name: "not for signing code", reason: verify.CertificateUnfit, spoil: changed(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })},
		{n: 22, name: "for anything", reason: verify.CertificateUnfit, spoil: changed(func(c *x509.Certificate) { c.ExtKeyUsage = nil })},
		{n: 22, name: "not for signatures", reason: verify.CertificateUnfit, spoil: changed(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment })},
		{n: 23, name: "the authority's certificate was over (CVE-2026-24122)", reason: verify.CertificateExpired, spoil: func(p *plot) { p.issued(-365*24*time.Hour, -time.Hour) },
			twin: func(p *plot) { p.issued(-365*24*time.Hour, time.Hour) }},
		{n: 23, name: "the authority's certificate was not yet valid", reason: verify.CertificateExpired, spoil: func(p *plot) { p.issued(time.Minute, 24*time.Hour) }},
		{n: 24, name: "the certificate was over", reason: verify.CertificateExpired, spoil: func(p *plot) { p.order.valid[1] = p.now.Add(-time.Second) },
			twin: func(p *plot) { p.order.valid[1] = p.now }},
		{n: 24, name: "the certificate was not yet valid", reason: verify.CertificateExpired, spoil: func(p *plot) { p.order.valid[0] = p.now.Add(time.Second) },
			twin: func(p *plot) { p.order.valid[0] = p.now }},
		{n: 25, name: "the root does not count any more", reason: verify.CertificateExpired, spoil: func(p *plot) { p.rootWindow[1] = p.now.Add(-time.Second) },
			twin: func(p *plot) { p.rootWindow[1] = p.now }},
		{n: 25, name: "the root does not count yet", reason: verify.CertificateExpired, spoil: func(p *plot) { p.rootWindow[0] = p.now.Add(time.Second) },
			twin: func(p *plot) { p.rootWindow[0] = p.now }},
		{n: 26, name: "a name that the authority may not issue", reason: verify.CertificateUntrusted,
			spoil: func(p *plot) {
				p.limited(func(c *x509.Certificate) {
					c.PermittedEmailAddresses, c.PermittedDNSDomainsCritical = []string{"other.test"}, true
				})
			},
			twin: func(p *plot) {
				p.limited(func(c *x509.Certificate) {
					c.PermittedEmailAddresses, c.PermittedDNSDomainsCritical = []string{"example.test"}, true
				})
			}},
		{n: 26, name: "a chain longer than allowed", reason: verify.CertificateUntrusted, spoil: func(p *plot) { p.deeper(1) }, twin: func(p *plot) { p.deeper(2) }},
		{n: 27, name: "signed by itself", reason: verify.CertificateUntrusted, spoil: func(p *plot) {
			k := newNotary(p.t)
			self := p.create(p.t, &x509.Certificate{SerialNumber: p.issuer.SerialNumber, NotBefore: p.order.valid[0], NotAfter: p.order.valid[1]}, &x509.Certificate{}, &k.key.PublicKey, k.key)
			p.order.key, p.order.parent, p.order.parentKey = k.key, self, k.key
		}},
		{n: 28, name: "signed by another key", reason: verify.SignatureInvalid, spoil: func(p *plot) { p.signWith = newNotary(p.t).key }},
		{n: 29, name: "P-224", reason: verify.CertificateUnfit, spoil: keyed(func(t testing.TB) crypto.Signer {
			k, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
			must(t, err)
			return k
		})},
		{n: 29, name: "RSA of 1024 bits", reason: verify.CertificateUnfit, spoil: keyed(func(t testing.TB) crypto.Signer {
			k, err := rsa.GenerateKey(rand.Reader, 1024)
			must(t, err)
			return k
		})},
	}
}

func changed(fn func(c *x509.Certificate)) func(*plot) {
	return ordered(func(o *order) { o.change = fn })
}

func keyed(fn func(t testing.TB) crypto.Signer) func(*plot) {
	return func(p *plot) { p.order.key = fn(p.t) }
}

// issued has the issuing authority be valid between two times from now.
func (p *plot) issued(from, to time.Duration) {
	p.issuer = p.authority(p.t, "issuer", [2]time.Time{p.now.Add(from), p.now.Add(to)}, p.root, p.issuerKey)
	p.order.parent = p.issuer
}

// limited has the issuing authority be limited in what it may issue.
func (p *plot) limited(fn func(c *x509.Certificate)) {
	p.issuer = p.authority(p.t, "issuer", [2]time.Time{p.now.AddDate(-1, 0, 0), p.now.AddDate(1, 0, 0)}, p.root, p.issuerKey, fn)
	p.order.parent = p.issuer
}

// deeper has the root allow so many authorities below it, and there are two.
func (p *plot) deeper(allowed int) {
	year := [2]time.Time{p.now.AddDate(-1, 0, 0), p.now.AddDate(1, 0, 0)}
	p.root = p.authority(p.t, "root", year, nil, p.rootKey, func(c *x509.Certificate) { c.MaxPathLen = allowed })
	middle := newNotary(p.t)
	between := p.authority(p.t, "between", year, p.root, middle)
	p.issuer = p.create(p.t, &x509.Certificate{
		SerialNumber: between.SerialNumber, Subject: pkix.Name{CommonName: "issuer"}, NotBefore: year[0], NotAfter: year[1],
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}, between, &p.issuerKey.key.PublicKey, middle.key)
	p.order.parent = p.issuer
	p.trust = func(root object) {
		chain := at(root, "certificateAuthorities", 0, "certChain").(object)
		chain["certificates"] = []any{object{"rawBytes": b64(p.issuer.Raw)}, object{"rawBytes": b64(between.Raw)}, object{"rawBytes": b64(p.root.Raw)}}
	}
}
