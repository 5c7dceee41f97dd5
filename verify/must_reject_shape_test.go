package verify_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/verify"
)

// at returns a member deep in a JSON value, by names and by places in lists.
func at(v any, path ...any) any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			v = v.(object)[s]
		case int:
			v = v.([]any)[s]
		}
	}
	return v
}

// material returns the verification material of a bundle.
func materialOf(b object) object { return at(b, "verificationMaterial").(object) }

// entryOf returns the first log entry of a bundle, and proofOf its inclusion proof.
func entryOf(b object) object { return at(b, "verificationMaterial", "tlogEntries", 0).(object) }
func proofOf(b object) object { return entryOf(b)["inclusionProof"].(object) }

// flip changes one bit of bytes in base64; from the end where bit is negative.
func flip(t testing.TB, o object, name string, bit int) {
	t.Helper()
	raw := unb64(t, o[name].(string))
	if bit < 0 {
		bit += 8 * len(raw)
	}
	raw[bit/8] ^= 1 << (bit % 8)
	o[name] = b64(raw)
}

// inBundle spoils the bundle.
func inBundle(fn func(b object)) func(*plot) { return func(p *plot) { p.bundle = fn } }

// inText spoils the text of the bundle.
func inText(old, new string) func(*plot) {
	return func(p *plot) {
		p.raw = func(b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				p.t.Fatalf("%q is not in the bundle", old)
			}
			return bytes.Replace(b, []byte(old), []byte(new), 1)
		}
	}
}

// many returns n times the value.
func many(v any, n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = v
	}
	return list
}

// shapeRows are about the shape of bundles: items 1 to 12.
func shapeRows() []row {
	return []row{
		{n: 1, name: "malformed JSON", reason: verify.BundleMalformed, spoil: inText(`{"`, `{`)},
		{n: 1, name: "cut off", reason: verify.BundleMalformed, spoil: func(p *plot) { p.raw = func(b []byte) []byte { return b[:len(b)-1] } }},
		{n: 2, name: "unknown version", reason: verify.BundleMalformed, spoil: inBundle(func(b object) { b["mediaType"] = "application/vnd.dev.sigstore.bundle.v9.9+json" })},
		{n: 2, name: "no media type", reason: verify.BundleMalformed, spoil: inBundle(func(b object) { delete(b, "mediaType") })},
		{n: 3, name: "snake case", reason: verify.BundleMalformed, spoil: inText(`"tlogEntries"`, `"tlog_entries"`)},
		{n: 3, name: "snake case deep inside", reason: verify.BundleMalformed, spoil: inText(`"logIndex"`, `"log_index"`)},
		{n: 3, name: "number for a word", reason: verify.BundleMalformed, spoil: inText(`"SHA2_256"`, `1`)},
		{n: 4, name: "negative log index", reason: verify.BundleMalformed, spoil: inBundle(func(b object) { entryOf(b)["logIndex"] = "-1" })},
		{n: 5, name: "empty chain", reason: verify.BundleMalformed, spoil: inBundle(func(b object) {
			delete(materialOf(b), "certificate")
			materialOf(b)["x509CertificateChain"] = object{"certificates": []any{}}
		})},
		{n: 5, name: "empty certificate", reason: verify.BundleMalformed, spoil: inBundle(func(b object) { materialOf(b)["certificate"] = object{"rawBytes": ""} })},
		{n: 6, name: "chain in version 0.3", reason: verify.BundleMalformed, twin: chained("application/vnd.dev.sigstore.bundle+json;version=0.2"), spoil: chained(bundleType)},
		{n: 7, name: "signature not base64", reason: verify.BundleMalformed, spoil: inBundle(func(b object) { b["messageSignature"].(object)["signature"] = "!!!" })},
		{n: 8, name: "message and envelope", reason: verify.BundleMalformed, spoil: inBundle(func(b object) {
			b["dsseEnvelope"] = object{"payload": "", "payloadType": "t", "signatures": []any{object{"sig": "AA=="}}}
		})},
		{n: 8, name: "neither message nor envelope", reason: verify.BundleMalformed, spoil: inBundle(func(b object) { delete(b, "messageSignature") })},
		{n: 9, name: "a member twice", reason: verify.BundleMalformed, spoil: inText(`"logIndex"`, `"logIndex":"1","logIndex"`)},
		{n: 9, name: "the media type twice", reason: verify.BundleMalformed, spoil: inText(`"mediaType"`, `"mediaType":"x","mediaType"`)},
		{n: 9, name: "something behind", reason: verify.BundleMalformed, spoil: func(p *plot) { p.raw = func(b []byte) []byte { return append(b, '1') } },
			twin: func(p *plot) { p.raw = func(b []byte) []byte { return append(b, '\n', ' ') } }},
		{n: 9, name: "deeply nested", reason: verify.BundleMalformed, spoil: inBundle(func(b object) {
			materialOf(b)["more"] = json.RawMessage(strings.Repeat("[", 600) + strings.Repeat("]", 600))
		})},
		{n: 10, name: "too many log entries", reason: verify.BundleMalformed, spoil: inBundle(func(b object) { materialOf(b)["tlogEntries"] = many(entryOf(b), 33) })},
		{n: 10, name: "too many timestamps", reason: verify.BundleMalformed, spoil: inBundle(func(b object) {
			stamps := materialOf(b)["timestampVerificationData"].(object)
			stamps["rfc3161Timestamps"] = many(at(stamps, "rfc3161Timestamps", 0), 33)
		})},
		{n: 10, name: "material of five megabytes", reason: verify.BundleMalformed, spoil: inBundle(func(b object) {
			big := maps.Clone(entryOf(b))
			big["canonicalizedBody"] = strings.Repeat("A", 1<<20)
			materialOf(b)["tlogEntries"] = many(big, 5)
		})},
		{n: 11, name: "version 0.1 without promise", reason: verify.BundleMalformed,
			twin: inBundle(func(b object) { b["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1" }),
			spoil: inBundle(func(b object) {
				b["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1"
				delete(entryOf(b), "inclusionPromise")
			})},
		{n: 11, name: "version 0.3 without proof", reason: verify.BundleMalformed, spoil: inBundle(func(b object) { delete(entryOf(b), "inclusionProof") })},
		{n: 12, name: "unknown material", reason: verify.BundleMalformed, spoil: inBundle(func(b object) { materialOf(b)["quantumProof"] = object{} })},
		{n: 12, name: "unknown content alone", reason: verify.BundleMalformed, spoil: inBundle(func(b object) {
			delete(b, "messageSignature")
			b["otherSignature"] = object{"signature": "AA=="}
		})},
		{n: 12, name: "unknown member of an entry", reason: verify.BundleMalformed, spoil: inBundle(func(b object) { entryOf(b)["more"] = "x" })},
	}
}

// chained has the certificate in a chain with the root.
func chained(mediaType string) func(*plot) {
	return func(p *plot) {
		p.bundle = func(b object) {
			b["mediaType"] = mediaType
			leaf := materialOf(b)["certificate"]
			delete(materialOf(b), "certificate")
			materialOf(b)["x509CertificateChain"] = object{"certificates": []any{leaf, object{"rawBytes": b64(p.root.Raw)}}}
		}
	}
}
