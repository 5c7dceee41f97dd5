package verify_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// ClusterImagePolicies with identities, logs and clocks are judged here, where there is
// a forge to make all of these.

// pemOf writes certificates, or a key, as TrustRoots hold them.
func pemOf(certificates ...*x509.Certificate) string {
	var out []byte
	for _, c := range certificates {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return b64(out)
}

func (n *notary) pem() string {
	return b64(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: n.spki}))
}

// trustRoot is a TrustRoot of that name that believes those of the forge that are
// named: ca, ct, log, tsa.
func (f *forge) trustRoot(name string, who string) string {
	out := "---\napiVersion: policy.sigstore.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: " + name + "}\nspec:\n  sigstoreKeys:\n"
	subject := "subject: {organization: o, commonName: c}, "
	for _, w := range strings.Fields(who) {
		switch w {
		case "ca": // any order will do
			out += "    certificateAuthorities: [{" + subject + "uri: 'https://fulcio.test', certChain: " + pemOf(f.root, f.issuer) + "}]\n"
		case "ct":
			out += "    ctLogs: [{baseURL: 'https://ct.test', hashAlgorithm: sha-256, publicKey: " + f.ctlog.pem() + "}]\n"
		case "log":
			out += "    tLogs: [{baseURL: 'https://" + logName + "', hashAlgorithm: sha-256, publicKey: " + f.rekor.pem() + "}]\n"
		case "tsa":
			out += "    timestampAuthorities: [{" + subject + "uri: 'https://tsa.test', certChain: " + pemOf(f.tsaLeaf, f.tsaRoot) + "}]\n"
		}
	}
	return out
}

// roots are TrustRoots for all that tests ask for.
func (f *forge) roots() string {
	return f.trustRoot("all", "ca ct log tsa") + f.trustRoot("unlogged", "ca ct tsa") + f.trustRoot("logs", "log tsa") +
		f.trustRoot("clocks", "tsa") + newQuietForge(f).trustRoot("others", "ca ct log tsa")
}

// newQuietForge is another forge with the same clock.
func newQuietForge(f *forge) *forge {
	return &forge{now: f.now, root: f.tsaRoot, issuer: f.tsaRoot, ctlog: f.tsa, rekor: f.ctlog, tsaLeaf: f.tsaLeaf, tsaRoot: f.tsaRoot}
}

// clustered judges the subject by ClusterImagePolicies with the authorities.
func (f *forge) clustered(t *testing.T, s attach.Reader, sub attach.Subject, authorities, beside string) verify.Verdict {
	t.Helper()
	text := "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: c}\nspec:\n  images: [{glob: '**'}]\n  authorities: [" + authorities + "]\n" + beside
	set, err := policy.Parse(policy.Options{
		Now:  func() time.Time { return f.now },
		Root: func() (*keyless.Root, error) { return f.parsed(t), nil },
	}, policy.File{Name: "p.yaml", Text: []byte(text)})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	v, err := set.Verify(t.Context(), s, sub, "registry.example/app")
	must(t, err)
	return v
}

// told is the outcome with the reasons of what does not accept, down to the entries.
func told(v verify.Verdict) string {
	out := v.Outcome.String()
	for _, c := range v.Checks {
		if c.Outcome == verify.Accept {
			continue
		}
		out += " " + string(c.Reason)
		for _, e := range c.Evidence {
			out += "/" + string(e.Reason)
		}
	}
	return out
}

// TestClusterIdentities judges an image that somebody signed without a key, in both
// forms, under what an authority can ask for.
func TestClusterIdentities(t *testing.T) {
	const who = "identities: [{issuer: '" + voucher + "', subject: " + someone + "}]"
	for authority, want := range map[string]string{
		"keyless: {" + who + "}":                             "accept",
		"keyless: {url: 'https://fulcio.test', " + who + "}": "accept",
		"keyless: {" + who + ", trustRootRef: all}":          "accept",
		"keyless: {" + who + ", trustRootRef: others}":       "reject none-accepted/log-entry-missing",
		"keyless: {" + who + ", trustRootRef: nowhere}":      "undetermined no-trusted-root",
		"keyless: {" + who + "}, signatureFormat: bundle":    "accept",
		"keyless: {" + who + "}, signatureFormat: legacy":    "accept",

		// Who it may be: a pattern need only be found, as by the policy-controller.
		"keyless: {identities: [{issuer: '" + voucher + "', subject: x" + someone + "}]}":                         "reject none-accepted/untrusted-identity",
		"keyless: {identities: [{issuer: '" + voucher + "x', subject: " + someone + "}]}":                         "reject none-accepted/untrusted-identity",
		"keyless: {identities: [{issuer: '" + voucher + "', subject: '*@example.test'}]}":                         "reject none-accepted/untrusted-identity",
		"keyless: {identities: [{issuer: '" + voucher + "', subjectRegExp: ev@ex}]}":                              "accept",
		"keyless: {identities: [{issuerRegExp: ssuer, subjectRegExp: 'd|nobody'}]}":                               "accept",
		"keyless: {identities: [{issuer: '" + voucher + "', subjectRegExp: '^ev@ex'}]}":                           "reject none-accepted/untrusted-identity",
		"keyless: {identities: [{issuer: '" + voucher + "', subjectRegExp: 'ample$'}]}":                           "reject none-accepted/untrusted-identity",
		"keyless: {identities: [{issuerRegExp: '^ssuer', subject: " + someone + "}]}":                             "reject none-accepted/untrusted-identity",
		"keyless: {identities: [{issuer: x, subject: y}, {issuer: '" + voucher + "', subject: " + someone + "}]}": "accept",

		// Which log, which clock.
		"keyless: {" + who + "}, ctlog: {url: 'https://rekor.test'}":                               "accept",
		"keyless: {" + who + "}, ctlog: {trustRootRef: logs}":                                      "accept",
		"keyless: {" + who + "}, ctlog: {trustRootRef: others}":                                    "reject none-accepted/log-entry-missing",
		"keyless: {" + who + "}, ctlog: {trustRootRef: nowhere}":                                   "undetermined no-trusted-root",
		"keyless: {" + who + ", trustRootRef: unlogged}":                                           "reject none-accepted/log-entry-missing",
		"keyless: {" + who + ", trustRootRef: unlogged}, rfc3161timestamp: {trustRootRef: clocks}": "accept",
		"keyless: {" + who + "}, rfc3161timestamp: {}":                                             "accept",
		"keyless: {" + who + "}, rfc3161timestamp: {trustRootRef: logs}, ctlog: {}":                "accept",
		"keyless: {" + who + ", trustRootRef: all}, rfc3161timestamp: {trustRootRef: nolog}":       "undetermined no-trusted-root",
	} {
		for _, form := range []string{"annotations", "bundle"} {
			p, s := newPlot(t, true, 1), newShelf()
			sub := s.image(t, "app")
			p.hang(t, s, sub, form)
			if got := told(p.clustered(t, s, sub, "{"+authority+"}", p.roots())); got != want {
				t.Errorf("%s, %s: %s, want %s", form, authority, got, want)
			}
		}
	}
}

// hang signs the image and puts the signature beside it.
func (p *plot) hang(t *testing.T, s *shelf, sub attach.Subject, form string) {
	t.Helper()
	if form == "bundle" {
		p.payload = statement(sub.Desc.Digest, payload.Sign)
		b, _ := p.make()
		s.bundle(text(t, b))
		return
	}
	k := newKey(t, "ecdsa-p256")
	p.order.key = privateSigner{k}
	content := signature(t, k, sub.Desc.Digest.String(), nil)
	sig := unb64(t, content.Annotations[cosign.SignatureAnnotation])
	for n, v := range p.legacy(sig, readAll(t, content.Body), sig, nil) {
		content.Annotations[n] = v
	}
	s.put(t, content)
}

// TestClusterLacking: what a signature lacks is asked for unless the policy says that it
// is not.
func TestClusterLacking(t *testing.T) {
	const who = "identities: [{issuer: '" + voucher + "', subject: " + someone + "}]"
	unseen, unlogged, unstamped := func(p *plot) { p.order.logs = nil }, func(p *plot) { p.logs = nil }, func(p *plot) { p.stampAt = nil }
	for _, c := range []struct {
		what      string
		lacks     func(*plot)
		authority string
		want      string
	}{
		{"no certificate log", unseen, "keyless: {" + who + "}", "reject none-accepted/sct-missing"},
		{"no certificate log", unseen, "keyless: {" + who + ", insecureIgnoreSCT: true}", "accept"},
		{"no certificate log", unseen, "keyless: {" + who + ", insecureIgnoreSCT: false}", "reject none-accepted/sct-missing"},
		{"no log", unlogged, "keyless: {" + who + "}", "reject none-accepted/log-entry-missing"},
		{"no log", unlogged, "keyless: {" + who + "}, rfc3161timestamp: {trustRootRef: clocks}", "accept"},
		{"no log", unlogged, "keyless: {" + who + ", trustRootRef: unlogged}", "reject none-accepted/log-entry-missing"},
		{"no timestamp", unstamped, "keyless: {" + who + "}", "accept"},
		{"no timestamp", unstamped, "keyless: {" + who + "}, rfc3161timestamp: {trustRootRef: clocks}", "reject none-accepted/no-signing-time"},
		{"another authority", unseen, "keyless: {" + who + ", insecureIgnoreSCT: true, ca-cert: {data: CA}}", "accept"},
		{"another authority", unseen, "keyless: {" + who + ", insecureIgnoreSCT: true, ca-cert: {data: OTHER}}", "reject none-accepted/certificate-untrusted"},
		{"another authority", unseen, "keyless: {" + who + ", insecureIgnoreSCT: true, ca-cert: {secretRef: {name: ca}}}", "accept"},
		{"another authority", unseen, "keyless: {" + who + ", insecureIgnoreSCT: true, ca-cert: {secretRef: {name: none}}}", "undetermined reference-missing"},
		{"another authority", unseen, "keyless: {" + who + ", ca-cert: {data: CA}}", "undetermined no-trusted-root"},
		{"a CA by its key", unseen, "keyless: {" + who + ", insecureIgnoreSCT: true, ca-cert: {data: KEY}}", "undetermined authority-unsupported"},
	} {
		p, s := newPlot(t, true, 1), newShelf()
		sub := s.image(t, "app")
		c.lacks(p)
		p.hang(t, s, sub, "bundle")
		plain := func(encoded string) string {
			return `"` + strings.ReplaceAll(string(unb64(t, encoded)), "\n", `\n`) + `"`
		}
		authority := strings.NewReplacer("CA", plain(pemOf(p.issuer, p.root)), "OTHER", plain(pemOf(p.tsaRoot)), "KEY", plain(p.issuerKey.pem())).Replace(strings.ReplaceAll(c.authority, "SCT", "S_T"))
		authority = strings.ReplaceAll(authority, "S_T", "SCT")
		secret := "---\napiVersion: v1\nkind: Secret\nmetadata: {name: ca, namespace: cosign-system}\ndata: {ca.pem: " + pemOf(p.issuer, p.root) + "}\n"
		if got := told(p.clustered(t, s, sub, "{"+authority+"}", p.roots()+secret)); got != c.want {
			t.Errorf("%s, %s: %s, want %s", c.what, c.authority, got, c.want)
		}
	}
}

// TestClusterKeys: a key is believed by itself unless the policy names a log or a clock.
func TestClusterKeys(t *testing.T) {
	for _, c := range []struct {
		what      string
		change    func(*keyPlot)
		authority string
		want      string
	}{
		{"all", func(*keyPlot) {}, "key: {secretRef: {name: k}}", "accept"},
		{"all", func(*keyPlot) {}, "key: {secretRef: {name: k, namespace: a}}", "accept"},
		{"all", func(*keyPlot) {}, "key: {secretRef: {name: other}}", "undetermined reference-missing"},
		{"all", func(*keyPlot) {}, "key: {secretRef: {name: k}}, ctlog: {url: 'https://rekor.test'}", "accept"},
		{"all", func(*keyPlot) {}, "key: {secretRef: {name: k}}, ctlog: {trustRootRef: logs}", "accept"},
		{"all", func(*keyPlot) {}, "key: {secretRef: {name: k}}, ctlog: {trustRootRef: clocks}", "reject none-accepted/log-entry-missing"},
		{"all", func(*keyPlot) {}, "key: {secretRef: {name: k}}, rfc3161timestamp: {trustRootRef: clocks}", "accept"},
		{"no log", func(k *keyPlot) { k.object = dropEntries }, "key: {secretRef: {name: k}}", "accept"},
		{"no log", func(k *keyPlot) { k.object = dropEntries }, "key: {secretRef: {name: k}}, ctlog: {trustRootRef: logs}", "reject none-accepted/log-entry-missing"},
		{"no log", func(k *keyPlot) { k.object = dropEntries }, "key: {secretRef: {name: k}}, rfc3161timestamp: {trustRootRef: clocks}", "accept"},
		{"no timestamp", func(k *keyPlot) { k.object = dropStamps }, "key: {secretRef: {name: k}}, rfc3161timestamp: {trustRootRef: clocks}", "reject none-accepted/no-signing-time"},
		{"no timestamp", func(k *keyPlot) { k.object = dropStamps }, "key: {secretRef: {name: k}}, ctlog: {trustRootRef: logs}", "accept"},
	} {
		k, s := newKeyPlot(t), newShelf()
		sub := s.image(t, "app")
		c.change(k)
		k.puts()["bundle of a signature"].put(t, s, sub)
		secret := "---\napiVersion: v1\nkind: Secret\ntype: Opaque\nmetadata: {name: k, namespace: a}\nstringData: {cosign.pub: \"" + strings.ReplaceAll(string(k.k.PublicKey().PEM()), "\n", `\n`) + "\"}\n"
		if got := told(k.clustered(t, s, sub, "{"+c.authority+"}", k.roots()+secret)); got != c.want {
			t.Errorf("%s, %s: %s, want %s", c.what, c.authority, got, c.want)
		}
	}
}

func dropEntries(b object) { delete(b["verificationMaterial"].(object), "tlogEntries") }

func dropStamps(b object) { delete(b["verificationMaterial"].(object), "timestampVerificationData") }

// TestNewRoot refuses what is no root.
func TestNewRoot(t *testing.T) {
	f := newForge(t)
	raw := func(s string) []byte { return unb64(t, s) }
	good := keyless.Authorities{
		Certificates: []keyless.Chain{{PEM: raw(pemOf(f.issuer, f.root))}}, Timestamps: []keyless.Chain{{PEM: raw(pemOf(f.tsaLeaf, f.tsaRoot))}},
		Logs: []keyless.Log{{URL: "https://" + logName, PEM: raw(f.rekor.pem())}}, CertificateLogs: []keyless.Log{{PEM: raw(f.ctlog.pem())}},
	}
	if _, err := keyless.NewRoot(good); err != nil {
		t.Error(err)
	}
	chain := func(pem string) keyless.Authorities {
		return keyless.Authorities{Certificates: []keyless.Chain{{PEM: raw(pem)}}}
	}
	log := func(pem []byte) keyless.Authorities { return keyless.Authorities{Logs: []keyless.Log{{PEM: pem}}} }
	leaf, _ := f.certificate(t, f.order())
	many := make([]*x509.Certificate, 40)
	for i := range many {
		many[i] = f.root
	}
	for name, a := range map[string]keyless.Authorities{
		"nothing in a chain":          chain(""),
		"no end of the chain":         chain(pemOf(f.issuer)),
		"two that issue none":         chain(pemOf(leaf, f.tsaLeaf, f.root)),
		"a key in a chain":            chain(f.rekor.pem()),
		"more than are read":          chain(pemOf(many...)),
		"no PEM":                      log([]byte("x")),
		"a certificate as a log":      log(raw(pemOf(f.root))),
		"two keys":                    log(append(raw(f.rekor.pem()), raw(f.ctlog.pem())...)),
		"one log twice":               {Logs: []keyless.Log{good.Logs[0], good.Logs[0]}},
		"rubbish behind certificates": chain(b64(append(raw(pemOf(f.root)), "rubbish"...))),
	} {
		if _, err := keyless.NewRoot(a); !errors.Is(err, keyless.ErrRoot) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r, err := keyless.NewRoot(keyless.Authorities{}); err != nil || r == nil {
		t.Errorf("a root that believes nobody: %v", err)
	}
}
