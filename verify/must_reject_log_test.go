package verify_test

import (
	"bytes"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/verify"
)

// logRows are about transparency logs: items 50 to 63.
func logRows() []row {
	var rows []row
	for version := 1; version <= 2; version++ {
		bad := func(n int, name string, spoil func(p *plot, b object)) {
			rows = append(rows, row{n: n, name: name, version: version, reason: verify.LogEntryInvalid,
				spoil: func(p *plot) { p.bundle = func(b object) { spoil(p, b) } }})
		}
		bad(50, "another hash in the proof", func(p *plot, b object) {
			hash := object{"h": at(proofOf(b), "hashes", 0)}
			flip(p.t, hash, "h", 3)
			proofOf(b)["hashes"] = []any{hash["h"]}
		})
		bad(50, "no hash in the proof", func(_ *plot, b object) { proofOf(b)["hashes"] = []any{} })
		bad(50, "a hash too many", func(_ *plot, b object) { proofOf(b)["hashes"] = many(at(proofOf(b), "hashes", 0), 2) })
		bad(50, "seventy hashes", func(_ *plot, b object) { proofOf(b)["hashes"] = many(at(proofOf(b), "hashes", 0), 70) })
		bad(51, "a damaged checkpoint", func(_ *plot, b object) {
			c := at(proofOf(b), "checkpoint").(object)
			c["envelope"] = strings.Replace(c["envelope"].(string), "\n2\n", "\n3\n", 1)
		})
		bad(51, "a checkpoint by another key", func(p *plot, b object) {
			forged := *newNotary(p.t)
			forged.id = p.rekor.id
			origin := map[int]string{1: logName + " - 4242", 2: logName}[version]
			at(proofOf(b), "checkpoint").(object)["envelope"] = p.checkpoint(p.t, &forged, origin, 2, unb64(p.t, proofOf(b)["rootHash"].(string)))
		})
		bad(52, "a checkpoint of another log", func(p *plot, b object) {
			origin := map[int]string{1: logName + " - 4242", 2: logName}[version]
			at(proofOf(b), "checkpoint").(object)["envelope"] = p.checkpoint(p.t, newNotary(p.t), origin, 2, unb64(p.t, proofOf(b)["rootHash"].(string)))
		})
		bad(53, "another root in the proof than in the checkpoint", func(p *plot, b object) { flip(p.t, proofOf(b), "rootHash", 5) })
		bad(53, "no root in the proof", func(_ *plot, b object) { delete(proofOf(b), "rootHash") })
		bad(54, "another size in the proof than in the checkpoint", func(_ *plot, b object) { proofOf(b)["treeSize"] = "3" })
		bad(54, "another place in the proof", func(_ *plot, b object) { proofOf(b)["logIndex"] = "0" })
		mismatch := func(n int, name string, spoil func(p *plot)) {
			rows = append(rows, row{n: n, name: name, version: version, reason: verify.LogEntryMismatch, spoil: spoil})
		}
		mismatch(55, "another kind than the body", inBundle(func(b object) { at(entryOf(b), "kindVersion").(object)["kind"] = "dsse" }))
		mismatch(55, "another version than the body", inBundle(func(b object) { at(entryOf(b), "kindVersion").(object)["version"] = "0.0.3" }))
		mismatch(55, "no kind", inBundle(func(b object) { at(entryOf(b), "kindVersion").(object)["kind"] = "" }))
		mismatch(63, "Rekor 1 for 2 and the reverse", inBundle(func(b object) {
			at(entryOf(b), "kindVersion").(object)["version"] = map[int]string{1: "0.0.2", 2: "0.0.1"}[version]
		}))
		bad(56, "white space in the body", func(p *plot, b object) {
			entryOf(b)["canonicalizedBody"] = b64(bytes.Replace(unb64(p.t, entryOf(b)["canonicalizedBody"].(string)), []byte(":"), []byte(": "), 1))
		})
		mismatch(59, "an entry of another signature", func(p *plot) {
			p.order.key = newNotary(p.t).key
			p.logged = func(l *logging) { l.sig = signRaw(p.t, p.order.key, p.file) }
		})
		mismatch(59, "an entry of another certificate", func(p *plot) {
			p.order.key = newNotary(p.t).key
			p.logged = func(l *logging) { l.cert, _ = p.certificate(p.t, p.order) }
		})
		mismatch(59, "an entry of a key (CVE-2026-22703)", func(p *plot) { p.logged = func(l *logging) { l.public, l.cert = l.cert.RawSubjectPublicKeyInfo, nil } })
		mismatch(59, "an entry of another file", func(p *plot) {
			p.order.key = newNotary(p.t).key
			p.logged = func(l *logging) { l.sum, l.sig = sumOf([]byte("else")), signRaw(p.t, p.order.key, []byte("else")) }
		})
		rows = append(rows,
			row{n: 60, name: "an unknown version", version: version, reason: verify.UnsupportedFormat, spoil: inBundle(func(b object) { rebodied(b, "hashedrekord", "0.0.9") })},
			row{n: 60, name: "an unknown kind", version: version, reason: verify.UnsupportedFormat, spoil: inBundle(func(b object) { rebodied(b, "tuf", "0.0.1") })},
			row{n: 61, name: "a log that is not trusted", version: version, reason: verify.LogEntryMissing,
				spoil: func(p *plot) { p.logs = []*notary{newNotary(p.t)} }, twin: func(p *plot) { p.logs = []*notary{newNotary(p.t), p.rekor} }},
			row{n: 61, name: "a log that was not in use any more", version: version, reason: verify.LogExpired,
				spoil: func(p *plot) { p.logWindow[1] = p.now.Add(-time.Second) }, twin: func(p *plot) { p.logWindow[1] = p.now }},
			row{n: 61, name: "a log that was not yet in use", version: version, reason: verify.LogExpired,
				spoil: func(p *plot) { p.logWindow[0] = p.now.Add(time.Second) }, twin: func(p *plot) { p.logWindow[0] = p.now }},
			row{n: 61, name: "a log without beginning", version: version, reason: badRoot, spoil: func(p *plot) { p.logWindow = [2]time.Time{} }},
		)
	}
	return append(rows,
		row{n: 57, name: "a damaged promise", reason: verify.LogEntryInvalid, spoil: func(p *plot) {
			p.bundle = func(b object) { flip(p.t, at(entryOf(b), "inclusionPromise").(object), "signedEntryTimestamp", -1) }
		}},
		row{n: 58, name: "a promise for another body", reason: verify.LogEntryInvalid, spoil: func(p *plot) {
			p.bundle = func(b object) {
				at(entryOf(b), "inclusionPromise").(object)["signedEntryTimestamp"] = b64(p.promise(p.t, p.rekor, []byte("{}"), p.now, 1001))
			}
		}},
		row{n: 58, name: "a promise for another time", reason: verify.LogEntryInvalid, spoil: func(p *plot) {
			p.bundle = func(b object) { entryOf(b)["integratedTime"] = "1767323046" }
		}},
		row{n: 59, name: "an entry of another payload", reason: verify.LogEntryMismatch, envelope: true, spoil: func(p *plot) {
			p.logged = func(l *logging) { l.payload = []byte("{}") }
		}},
		row{n: 59, name: "an entry of a plain message for an envelope", reason: verify.LogEntryMismatch, envelope: true, spoil: func(p *plot) {
			p.logged = func(l *logging) { l.payload = nil }
		}},
		row{n: 59, name: "an entry of an envelope for a plain message", reason: verify.LogEntryMismatch, spoil: func(p *plot) {
			p.logged = func(l *logging) { l.payload = p.file }
		}},
		row{n: 62, name: "an entry twice", reason: verify.LogEntryInvalid, spoil: inBundle(func(b object) { materialOf(b)["tlogEntries"] = many(entryOf(b), 2) })},
	)
}

// rebodied has entry and body be of another kind.
func rebodied(b object, kind, version string) {
	entryOf(b)["kindVersion"] = object{"kind": kind, "version": version}
	entryOf(b)["canonicalizedBody"] = b64([]byte(`{"apiVersion":"` + version + `","kind":"` + kind + `","spec":{}}`))
}
