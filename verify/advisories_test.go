package verify_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// advisoryRows are attacks of advisories against other verifiers that the list of a
// hundred does not hold. They run like its rows.
func advisoryRows() []row {
	return []row{
		{name: "CVE-2022-36056 a log entry that does not hold beside one that does", reason: verify.LogEntryInvalid, twin: twoLogs(nil),
			spoil: twoLogs(func(p *plot, second object) {
				flip(p.t, second["inclusionPromise"].(object), "signedEntryTimestamp", -1)
			})},
		{name: "CVE-2022-36056 a log entry of something else beside one of this", reason: verify.LogEntryMismatch, twin: twoLogs(nil),
			spoil: twoLogs(func(p *plot, second object) {
				by := newNotary(p.t)
				kind, version, body := logging{sig: by.sign(p.t, []byte("else")), public: by.spki, sum: sumOf([]byte("else"))}.bodyV1(p.t)
				for name, value := range p.entry(p.t, p.logs[1], 1, kind, version, body, p.now) {
					second[name] = value
				}
			})},
		{name: "CVE-2026-39984 a forged certificate before the one that signed", reason: verify.TimestampInvalid, version: 2, spoil: bagged,
			twin: func(p *plot) {
				p.tokens = func(over []byte) [][]byte {
					return [][]byte{p.stampBy(p.t, p.tsaLeaf, p.tsa, over, p.now, crypto.SHA256, true)}
				}
			}},
		{name: "CVE-2025-66564 a timestamp of a megabyte", reason: verify.TimestampInvalid, version: 2, spoil: func(p *plot) {
			p.tokens = func(over []byte) [][]byte { return [][]byte{append(p.stamp(p.t, over, p.now), make([]byte, 1<<20)...)} }
		}},
		{name: "CVE-2025-66564 a timestamp of values without end inside each other", reason: verify.TimestampInvalid, version: 2, spoil: func(p *plot) {
			p.tokens = func([]byte) [][]byte { return [][]byte{bytes.Repeat([]byte{0x30, 0x80}, 30_000)} }
		}},
		{name: "CVE-2025-66564 an object identifier of sixty thousand bytes", reason: verify.TimestampInvalid, version: 2, spoil: func(p *plot) {
			p.tokens = func([]byte) [][]byte {
				oid := append([]byte{0x06, 0x82, 0xea, 0x60}, bytes.Repeat([]byte{0x81}, 0xea60)...)
				return [][]byte{append([]byte{0x30, 0x82, 0xea, 0x64}, oid...)}
			}
		}},
		{name: "GHSA-fx35-mq7g-6g98 a key in the place of the certificate", reason: verify.CertificateMalformed, spoil: func(p *plot) {
			p.bundle = func(b object) { materialOf(b)["certificate"] = object{"rawBytes": b64(newNotary(p.t).spki)} }
		}},
		{name: "GHSA-fx35-mq7g-6g98 the hint of a key in the place of the certificate", reason: verify.CertificateMismatch, spoil: func(p *plot) {
			p.bundle = func(b object) {
				delete(materialOf(b), "certificate")
				materialOf(b)["publicKey"] = object{"hint": b64([]byte("hint"))}
			}
		}},
		{name: "CVE-2024-45395 a hundred thousand log entries", reason: verify.BundleMalformed, spoil: func(p *plot) {
			p.bundle = func(b object) { materialOf(b)["tlogEntries"] = many(object{"logIndex": "1"}, 100_000) }
		}},
		{name: "CVE-2024-45395 a hundred thousand timestamps", reason: verify.BundleMalformed, spoil: func(p *plot) {
			p.bundle = func(b object) {
				materialOf(b)["timestampVerificationData"] = object{"rfc3161Timestamps": many(object{"signedTimestamp": "AA=="}, 100_000)}
			}
		}},
		{name: "CVE-2024-45395 a hundred thousand subjects", reason: verify.PayloadMalformed, envelope: true, spoil: func(p *plot) {
			one := `{"name":"f","digest":{"sha256":"` + hexOf(sumOf(p.file)) + `"}},`
			p.payload = []byte(strings.Replace(string(p.payload), `"subject":[`, `"subject":[`+strings.Repeat(one, 100_000), 1))
		}},
	}
}

// twoLogs has two logs hold the signature, and spoils the entry of the second.
func twoLogs(spoil func(p *plot, second object)) func(*plot) {
	return func(p *plot) {
		other := newNotary(p.t)
		p.logs = []*notary{p.rekor, other}
		p.trustAlso("tlogs", other)
		p.bundle = func(b object) {
			if spoil != nil {
				spoil(p, at(b, "verificationMaterial", "tlogEntries", 1).(object))
			}
		}
	}
}

// bagged stamps with a certificate for signing code that the clocks' own authority
// issued, and puts a forged certificate, which would be fit, in front of it.
func bagged(p *plot) {
	parent, evil, forger := newNotary(p.t), newNotary(p.t), newNotary(p.t)
	p.tsaRoot = p.authority(p.t, "clocks", p.ages(), nil, parent)
	p.tsaLeaf = p.clockCertificate(p.t, p.tsaRoot, parent, p.tsa, p.ages(), true)
	leaf := p.clockCertificate(p.t, p.tsaRoot, parent, evil, p.ages(), true, func(c *x509.Certificate) {
		usage, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 3}})
		must(p.t, err)
		c.ExtraExtensions[0].Value = usage
	})
	forged := p.clockCertificate(p.t, p.authority(p.t, "clocks", p.ages(), nil, forger), forger, evil, p.ages(), true)
	p.tokens = func(over []byte) [][]byte {
		token := p.stampBy(p.t, leaf, evil, over, p.now, crypto.SHA256, true)
		return [][]byte{inBag(p.t, token, forged)}
	}
}

// inBag puts a certificate before those that a timestamp brings along (RFC 5652,
// section 5.1).
func inBag(t testing.TB, response []byte, c *x509.Certificate) []byte {
	t.Helper()
	var r struct{ Status, Token asn1.RawValue }
	var info struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}
	var data struct {
		Version                                   int
		Algorithms, Content, Certificates, Signer asn1.RawValue
	}
	for _, step := range []struct {
		from func() []byte
		to   any
	}{
		{func() []byte { return response }, &r},
		{func() []byte { return r.Token.FullBytes }, &info},
		{func() []byte { return info.Content.Bytes }, &data},
	} {
		_, err := asn1.Unmarshal(step.from(), step.to)
		must(t, err)
	}
	der := func(v any) []byte {
		raw, err := asn1.Marshal(v)
		must(t, err)
		return raw
	}
	data.Certificates = asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: append(bytes.Clone(c.Raw), data.Certificates.Bytes...)}
	info.Content = asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: der(data)}
	r.Token = asn1.RawValue{FullBytes: der(info)}
	return der(r)
}

// TestAdvisoryRows runs them.
func TestAdvisoryRows(t *testing.T) {
	for _, r := range advisoryRows() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.check(t)
		})
	}
}

// TestAdvisoryAnnotations: what stands in the annotations of a cosign signature is of
// that signature, or the signature does not count.
func TestAdvisoryAnnotations(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, mine, other map[string]string)
		want   verify.Reason
	}{
		"unchanged": {func(*testing.T, map[string]string, map[string]string) {}, verify.Accepted},
		"CVE-2022-23649 the log entry of another signature": {func(_ *testing.T, mine, other map[string]string) {
			mine[cosign.BundleAnnotation] = other[cosign.BundleAnnotation]
		}, verify.LogEntryMismatch},
		"CVE-2022-23649 certificate and log entry of another signature": {func(_ *testing.T, mine, other map[string]string) {
			mine[cosign.BundleAnnotation], mine[cosign.CertificateAnnotation] = other[cosign.BundleAnnotation], other[cosign.CertificateAnnotation]
		}, verify.SignatureInvalid},
		"CVE-2022-36056 a log entry that cannot be read": {func(_ *testing.T, mine, _ map[string]string) {
			mine[cosign.BundleAnnotation] = "garbage"
		}, verify.BundleMalformed},
		"CVE-2022-36056 a log entry that says nothing": {func(_ *testing.T, mine, _ map[string]string) {
			mine[cosign.BundleAnnotation] = "{}"
		}, verify.BundleMalformed},
		"CVE-2022-36056 no log entry": {func(_ *testing.T, mine, _ map[string]string) {
			delete(mine, cosign.BundleAnnotation)
		}, verify.LogEntryMissing},
		"GHSA-fx35-mq7g-6g98 a key in the place of the certificate": {func(t *testing.T, mine, _ map[string]string) {
			mine[cosign.CertificateAnnotation] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: newNotary(t).spki}))
		}, verify.CertificateMalformed},
		"CVE-2026-44310 a certificate that is none": {func(_ *testing.T, mine, _ map[string]string) {
			mine[cosign.CertificateAnnotation] = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"
		}, verify.CertificateMalformed},
		"CVE-2026-44309 a signature with white space in it": {func(_ *testing.T, mine, _ map[string]string) {
			sig := mine[cosign.SignatureAnnotation]
			mine[cosign.SignatureAnnotation] = sig[:8] + " " + sig[8:]
		}, verify.SignatureMalformed},
		"a signature in lines, as cosign takes it": {func(_ *testing.T, mine, _ map[string]string) {
			sig := mine[cosign.SignatureAnnotation]
			mine[cosign.SignatureAnnotation] = sig[:8] + "\n" + sig[8:]
		}, verify.Accepted},
		"CVE-2026-44309 a signature without its end": {func(_ *testing.T, mine, _ map[string]string) {
			mine[cosign.SignatureAnnotation] = strings.TrimRight(mine[cosign.SignatureAnnotation], "=") + "*"
		}, verify.SignatureMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			p, s := newPlot(t, false, 1), newShelf()
			sub := s.image(t, "app")
			signed := func(digest string) map[string]string {
				k := newKey(t, key.ECDSAP256)
				p.order.key = privateSigner{k}
				content := signature(t, k, digest, nil)
				sig := unb64(t, content.Annotations[cosign.SignatureAnnotation])
				for n, v := range p.legacy(sig, readAll(t, content.Body), sig, nil) {
					content.Annotations[n] = v
				}
				s.put(t, content)
				return content.Annotations
			}
			mine := signed(sub.Desc.Digest.String())
			other := signed("sha256:" + strings.Repeat("ab", 32))
			s.entries = s.entries[:1]
			c.change(t, mine, other)
			id, err := keyless.NewIdentity(p.names)
			must(t, err)
			v, err := verify.New(verify.Trust{Root: p.parsed(t), Identities: []keyless.Identity{id}}, verify.Policy{Rules: []verify.Rule{signatureRule(1)}})
			must(t, err)
			verdict, err := v.Verify(t.Context(), s, sub)
			must(t, err)
			if e := verdict.Checks[1].Evidence[0]; e.Reason != c.want || (verdict.Outcome == verify.Accept) != (c.want == verify.Accepted) {
				t.Errorf("%s, %s: %s, want %s", verdict.Outcome, e.Reason, e.Detail, c.want)
			}
		})
	}
}

// TestPatternCost: a pattern that would cost much is refused, or read in no time
// (CVE-2023-25656, for the names of identities).
func TestPatternCost(t *testing.T) {
	p := newPlot(t, false, 2)
	start := time.Now()
	for pattern, want := range map[string]verify.Reason{
		strings.Repeat("a", 5000):                    badIdentity,
		strings.Repeat("(", 1000):                    badIdentity,
		"((a{1000}){1000}){1000}":                    badIdentity,
		strings.Repeat("(a*)*", 500) + "b":           verify.UntrustedIdentity,
		strings.Repeat("(.*)*", 500) + "nobody":      verify.UntrustedIdentity,
		strings.Repeat("=#", 2000):                   verify.UntrustedIdentity,
		`.*` + strings.Repeat(`(\pL|.)?`, 400) + `!`: verify.UntrustedIdentity,
	} {
		p.names = keyless.Names{SubjectPattern: pattern, Issuer: voucher}
		if c := p.judge(); c.Outcome != verify.Reject || c.Reason != want {
			t.Errorf("%.40s: %s %s, want %s", pattern, c.Outcome, c.Reason, want)
		}
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
}
