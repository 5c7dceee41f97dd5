package verify_test

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"time"

	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// sctRows are about what certificate logs say: items 31 to 36.
func sctRows() []row {
	return []row{
		{n: 31, name: "no certificate log saw it", reason: verify.SCTMissing, spoil: ordered(func(o *order) { o.logs = nil })},
		{n: 32, name: "an unknown certificate log saw it", reason: verify.SCTMissing, spoil: func(p *plot) { p.order.logs = []*notary{newNotary(p.t)} },
			twin: func(p *plot) { p.order.logs = []*notary{newNotary(p.t), p.ctlog} }},
		{n: 33, name: "the log saw another certificate", reason: verify.SCTMissing, spoil: func(p *plot) {
			other, _ := p.certificate(p.t, p.order)
			p.order.sctOf = other.RawTBSCertificate
		}},
		{n: 34, name: "the log saw it when it was not in use any more", reason: verify.SCTMissing, spoil: func(p *plot) { p.ctWindow[1] = p.order.seen.Add(-time.Second) },
			twin: func(p *plot) { p.ctWindow[1] = p.order.seen }},
		{n: 34, name: "the log saw it before it was in use", reason: verify.SCTMissing, spoil: func(p *plot) { p.ctWindow[0] = p.order.seen.Add(time.Second) },
			twin: func(p *plot) { p.ctWindow[0] = p.order.seen }},
		{n: 36, name: "a log's signature by another key", reason: verify.SCTMissing, spoil: func(p *plot) {
			forged := *newNotary(p.t)
			forged.id = p.ctlog.id
			p.order.logs = []*notary{&forged}
		}},
	}
}

// timeRows are about when the signature was made: items 37 to 49.
func timeRows() []row {
	return []row{
		{n: 37, name: "nobody tells the time", reason: verify.NoSigningTime, version: 2, spoil: func(p *plot) { p.stampAt = nil }},
		{n: 38, name: "logged in the future", reason: verify.CertificateExpired, spoil: func(p *plot) { p.loggedAt = p.now.AddDate(10, 0, 0) }},
		{n: 38, name: "logged in the past", reason: verify.CertificateExpired, spoil: func(p *plot) { p.loggedAt = p.now.Add(-time.Hour) }},
		{n: 39, name: "a time that no promise covers", reason: verify.NoSigningTime, twin: func(p *plot) { p.stampAt = nil },
			spoil: func(p *plot) {
				p.stampAt = nil
				p.bundle = func(b object) { delete(entryOf(b), "inclusionPromise") }
			}},
		{n: 40, name: "a time in an entry of Rekor 2", reason: verify.NoSigningTime, version: 2,
			spoil: func(p *plot) {
				p.stampAt = nil
				p.bundle = func(b object) { entryOf(b)["integratedTime"] = "1767323045" }
			}},
		{n: 40, name: "a promise in an entry of Rekor 2", reason: verify.LogEntryInvalid, version: 2,
			spoil: func(p *plot) {
				p.bundle = func(b object) {
					body := unb64(p.t, entryOf(b)["canonicalizedBody"].(string))
					entryOf(b)["integratedTime"] = "1767323045"
					entryOf(b)["inclusionPromise"] = object{"signedEntryTimestamp": b64(p.promise(p.t, p.rekor, body, time.Unix(1767323045, 0), 1))}
				}
			}},
		{n: 41, name: "stamped when the certificate was over", reason: verify.CertificateExpired, spoil: func(p *plot) { p.stampAt = []time.Time{p.order.valid[1].Add(time.Second)} },
			twin: func(p *plot) { p.stampAt = []time.Time{p.order.valid[1]} }},
		{n: 41, name: "stamped twice, once when it was over", reason: verify.CertificateExpired, version: 2,
			spoil: func(p *plot) { p.stampAt = []time.Time{p.now, p.order.valid[1].Add(time.Second)} },
			twin:  func(p *plot) { p.stampAt = []time.Time{p.now, p.order.valid[1]} }},
		{n: 42, name: "stamped when the clock did not count any more", reason: verify.TimestampInvalid, version: 2, spoil: func(p *plot) { p.tsaWindow[1] = p.now.Add(-time.Second) },
			twin: func(p *plot) { p.tsaWindow[1] = p.now }},
		{n: 42, name: "stamped before the clock counted", reason: verify.TimestampInvalid, version: 2, spoil: func(p *plot) { p.tsaWindow[0] = p.now.Add(time.Second) },
			twin: func(p *plot) { p.tsaWindow[0] = p.now }},
		{n: 42, name: "stamped before the clock's certificate was valid", reason: verify.TimestampInvalid, version: 2, spoil: func(p *plot) { p.clockFrom(p.now.Add(time.Second)) },
			twin: func(p *plot) { p.clockFrom(p.now) }},
		{n: 43, name: "a timestamp over something else", reason: verify.TimestampInvalid, spoil: func(p *plot) { p.stampOf = []byte("else") }},
		{n: 44, name: "an unknown clock", reason: verify.TimestampInvalid, version: 2, spoil: func(p *plot) { p.tokens = p.strange(false, nil) }},
		{n: 44, name: "an unknown clock with its certificate", reason: verify.TimestampInvalid, version: 2, spoil: func(p *plot) { p.tokens = p.strange(true, nil) }},
		{n: 44, name: "an unknown clock beside a known one", reason: verify.TimestampInvalid, version: 2, spoil: func(p *plot) {
			strange := p.strange(true, nil)
			p.tokens = func(over []byte) [][]byte { return append(strange(over), p.stamp(p.t, over, p.now)) }
		}},
		{n: 44, name: "a damaged timestamp that is not needed", reason: verify.TimestampInvalid, spoil: func(p *plot) {
			p.bundle = func(b object) {
				flip(p.t, at(b, "verificationMaterial", "timestampVerificationData", "rfc3161Timestamps", 0).(object), "signedTimestamp", -1)
			}
		}, twin: func(p *plot) { p.stampAt = nil }},
		{n: 45, name: "another clock's signature under the known certificate (CVE-2026-39984)", reason: verify.TimestampInvalid, version: 2,
			spoil: func(p *plot) { p.tokens = p.strange(true, p.tsaLeaf) }},
		{n: 46, name: "a clock whose purpose is not critical", reason: verify.TimestampInvalid, version: 2,
			spoil: func(p *plot) { p.clock(func(c *x509.Certificate) { c.ExtraExtensions[0].Critical = false }) },
			twin:  func(p *plot) { p.clock(func(*x509.Certificate) {}) }},
		{n: 46, name: "a clock that is for other things as well", reason: verify.TimestampInvalid, version: 2,
			spoil: func(p *plot) {
				p.clock(func(c *x509.Certificate) {
					c.ExtraExtensions[0].Value, _ = asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}, {1, 3, 6, 1, 5, 5, 7, 3, 3}})
				})
			}},
		{n: 46, name: "a clock that may issue certificates", reason: verify.TimestampInvalid, version: 2,
			spoil: func(p *plot) {
				p.clock(func(c *x509.Certificate) {
					c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
				})
			}},
	}
}

// noClocks has the root trust no timestamp authority.
func noClocks(root object) { delete(root, "timestampAuthorities") }

// clockFrom has the clock's certificate be valid from then on.
func (p *plot) clockFrom(t time.Time) {
	p.clock(func(c *x509.Certificate) { c.NotBefore = t })
}

// clock has the clock be another one, trusted as well.
func (p *plot) clock(change func(*x509.Certificate)) {
	parent := newNotary(p.t)
	p.tsaRoot = p.authority(p.t, "clocks", p.ages(), nil, parent)
	p.tsaLeaf = p.clockCertificate(p.t, p.tsaRoot, parent, p.tsa, p.ages(), true, change)
}

// strange stamps with a clock that nobody trusts, in the name of another certificate
// where one is given.
func (p *plot) strange(embed bool, name *x509.Certificate) func([]byte) [][]byte {
	k, parent := newNotary(p.t), newNotary(p.t)
	if name == nil {
		name = p.clockCertificate(p.t, p.authority(p.t, "clocks", p.ages(), nil, parent), parent, k, p.ages(), true)
	}
	return func(over []byte) [][]byte {
		return [][]byte{p.stampBy(p.t, name, k, over, p.now, crypto.SHA256, embed)}
	}
}

// keyTimeRows are about keys that count for a time: item 49. Each end is included.
// GHSA-wqqc-jjcq-vfxm was a verifier that never looked at these times.
func keyTimeRows() []row {
	const second = time.Second
	// between has the key count from and until so long after the plot's time, and be
	// judged so long after it; none has its times told by nobody.
	between := func(from, until, now time.Duration, more ...func(*plot)) func(*plot) {
		return func(p *plot) {
			p.key = &keyTrust{
				valid:  keyless.Validity{NotBefore: p.now.Add(from), NotAfter: p.now.Add(until)},
				quorum: keyless.Quorum{Logs: 1, Clocks: 1}, now: p.now.Add(now),
			}
			for _, fn := range more {
				fn(p)
			}
		}
	}
	stamps := func(times ...time.Duration) func(*plot) {
		return func(p *plot) {
			p.stampAt = nil
			for _, t := range times {
				p.stampAt = append(p.stampAt, p.now.Add(t))
			}
		}
	}
	undated := func(p *plot) { p.stampAt, p.key.quorum = nil, keyless.Quorum{Logs: 1} }
	bare := func(p *plot) { p.logs, p.stampAt, p.key.quorum = nil, nil, keyless.Quorum{} }
	const day = 24 * time.Hour
	return []row{
		{n: 49, name: "stamped when the key was over", reason: verify.KeyExpired, version: 2,
			spoil: between(-day, -second, 0), twin: between(-day, 0, day)},
		{n: 49, name: "stamped before the key began", reason: verify.KeyExpired, version: 2,
			spoil: between(second, day, 2*second), twin: between(0, day, -day)},
		{n: 49, name: "stamped once in time and once too late", reason: verify.KeyExpired, version: 2,
			spoil: between(-day, 0, 0, stamps(0, second)), twin: between(-day, second, day, stamps(0, second))},
		{n: 49, name: "stamped in an envelope when the key was over", reason: verify.KeyExpired, version: 2, envelope: true,
			spoil: between(-day, -second, 0), twin: between(-day, 0, day)},
		{n: 49, name: "promised when the key was over", reason: verify.KeyExpired,
			spoil: between(-day, -second, -2*second, stamps()), twin: between(-day, 0, day, stamps())},
		{n: 49, name: "dated by nobody, and the key is over", reason: verify.KeyExpired, version: 2,
			spoil: between(-day, day, day+second, undated), twin: between(-day, day, day, undated)},
		{n: 49, name: "dated by nobody, and the key is yet to come", reason: verify.KeyExpired, version: 2,
			spoil: between(0, day, -second, undated), twin: between(0, day, 0, undated)},
		{n: 49, name: "neither logged nor dated, and the key is over", reason: verify.KeyExpired,
			spoil: between(-day, day, day+second, bare), twin: between(-day, day, day, bare)},
		{n: 49, name: "dated by a clock that nobody trusts", reason: verify.KeyExpired, version: 2,
			spoil: between(-day, second, day, undated, stamps(0), func(p *plot) { p.trust = noClocks }),
			twin:  between(-day, second, second, undated, stamps(0), func(p *plot) { p.trust = noClocks })},
		{n: 49, name: "dated by an entry of Rekor 2, which nobody promised", reason: verify.KeyExpired, version: 2,
			spoil: between(-day, second, day, undated, func(p *plot) {
				p.bundle = func(b object) { entryOf(b)["integratedTime"] = "1767323045" }
			}),
			twin: between(-day, second, second, undated)},
	}
}
