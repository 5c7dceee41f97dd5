package verify_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

// says signs another payload.
func says(format string, args ...any) func(*plot) {
	return func(p *plot) { p.payload = fmt.Appendf(nil, format, args...) }
}

const statementOf = `{"_type":"https://in-toto.io/Statement/%s","subject":%s,"predicateType":"https://example.test/p","predicate":{}}`

// payloadRows are about signature and payload: items 66 to 78.
func payloadRows() []row {
	envelope := func(n int, name string, reason verify.Reason, spoil func(*plot)) row {
		return row{n: n, name: name, reason: reason, envelope: true, spoil: spoil}
	}
	right := fmt.Sprintf(`[{"name":"f","digest":{"sha256":"%x"}}]`, sumOf([]byte("hello\n")))
	return []row{
		{n: 66, name: "a signature over something else", reason: verify.SignatureInvalid, spoil: func(p *plot) { p.message = []byte("else") }},
		{n: 66, name: "another file", reason: verify.DigestMismatch, spoil: func(p *plot) { p.judged = []byte("else") }},
		{n: 67, name: "another digest beside the signature", reason: verify.DigestMismatch, spoil: func(p *plot) {
			p.bundle = func(b object) { flip(p.t, at(b, "messageSignature", "messageDigest").(object), "digest", 9) }
		}},
		{n: 67, name: "no digest beside the signature", reason: verify.BundleMalformed, spoil: inBundle(func(b object) { delete(b["messageSignature"].(object), "messageDigest") })},
		{n: 68, name: "a SHA-1 beside the signature", reason: verify.BundleMalformed, spoil: inBundle(func(b object) {
			sum := sha1.Sum([]byte("hello\n"))
			b["messageSignature"].(object)["messageDigest"] = object{"algorithm": "SHA2_256", "digest": b64(sum[:])}
		})},
		{n: 68, name: "a digest of no hash", reason: verify.BundleMalformed, spoil: inBundle(func(b object) {
			at(b, "messageSignature", "messageDigest").(object)["algorithm"] = "HASH_ALGORITHM_UNSPECIFIED"
		})},
		envelope(71, "another type than was signed", verify.SignatureInvalid, inBundle(func(b object) { at(b, "dsseEnvelope").(object)["payloadType"] = "text/plain" })),
		envelope(71, "type and payload cut elsewhere", verify.SignatureInvalid, func(p *plot) {
			p.message = fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(p.typ)+1, p.typ+" ", len(p.payload)-1, p.payload)
		}),
		envelope(72, "a signature over the bare payload", verify.SignatureInvalid, func(p *plot) { p.message = p.payload }),
		envelope(73, "no signature", verify.EntryMalformed, inBundle(func(b object) { at(b, "dsseEnvelope").(object)["signatures"] = []any{} })),
		envelope(73, "two signatures", verify.SignatureMalformed, inBundle(func(b object) {
			at(b, "dsseEnvelope").(object)["signatures"] = many(at(b, "dsseEnvelope", "signatures", 0), 2)
		})),
		envelope(74, "another payload", verify.SignatureInvalid, func(p *plot) {
			p.bundle = func(b object) { at(b, "dsseEnvelope").(object)["payload"] = b64(append(p.payload, ' ')) }
		}),
		envelope(75, "signed as something else", verify.PayloadType, func(p *plot) { p.typ = "text/plain" }),
		envelope(76, "no subject", verify.PayloadMalformed, says(statementOf, "v1", "[]")),
		envelope(76, "another subject", verify.WrongSubject, func(p *plot) { p.judged = []byte("else") }),
		envelope(76, "the right digest by a weak hash", verify.WrongSubject, says(statementOf, "v1", fmt.Sprintf(`[{"name":"f","digest":{"sha1":"%x"}}]`, sha1.Sum([]byte("hello\n"))))),
		envelope(76, "the right digest under another name", verify.WrongSubject, says(statementOf, "v1", fmt.Sprintf(`[{"name":"f","digest":{"SHA256":"%x"}}]`, sumOf([]byte("hello\n"))))),
		{n: 77, name: "a statement that is none", reason: verify.PayloadMalformed, envelope: true, spoil: says(`"hello"`), twin: says(statementOf, "v1", right)},
		envelope(77, "a predicate that is cut off", verify.PayloadMalformed, func(p *plot) { p.payload = bytes.TrimSuffix(p.payload, []byte("}")) }),
		{n: 78, name: "an unknown version of statements", reason: verify.PayloadMalformed, envelope: true, spoil: says(statementOf, "v9", right), twin: says(statementOf, "v0.1", right)},
	}
}

// rootRows are about trusted roots and revocation: items 93, 94 and 97.
func rootRows() []row {
	inRoot := func(fn func(root object)) func(*plot) { return func(p *plot) { p.trust = fn } }
	return []row{
		{n: 93, name: "unknown media type", reason: badRoot, spoil: inRoot(func(r object) { r["mediaType"] = "application/json" })},
		{n: 93, name: "a log twice", reason: badRoot, spoil: inRoot(func(r object) { r["tlogs"] = many(at(r, "tlogs", 0), 2) })},
		{n: 93, name: "a certificate log twice", reason: badRoot, spoil: inRoot(func(r object) { r["ctlogs"] = many(at(r, "ctlogs", 0), 2) })},
		{n: 93, name: "a log under another name than its key's", reason: badRoot, spoil: func(p *plot) {
			p.trust = func(r object) { flip(p.t, at(r, "tlogs", 0, "logId").(object), "keyId", 0) }
		}},
		{n: 93, name: "a member twice", reason: badRoot, spoil: inRoot(func(r object) { r["tlogs"] = json.RawMessage(`[{"baseUrl":"a","baseUrl":"b"}]`) })},
		{n: 93, name: "snake case", reason: badRoot, spoil: inRoot(func(r object) { r["media_type"] = r["mediaType"]; delete(r, "mediaType") })},
		{n: 93, name: "an unknown member", reason: badRoot, spoil: inRoot(func(r object) { r["more"] = 1 })},
		{n: 93, name: "a weak kind of key", reason: badRoot, spoil: inRoot(func(r object) { at(r, "tlogs", 0, "publicKey").(object)["keyDetails"] = "PKCS1_RSA_PSS" })},
		{n: 93, name: "nobody", reason: verify.LogEntryMissing, spoil: inRoot(func(r object) {
			for _, name := range []string{"tlogs", "ctlogs", "certificateAuthorities", "timestampAuthorities"} {
				r[name] = []any{}
			}
		})},
		{n: 94, name: "the root of another instance", reason: verify.LogEntryMissing, spoil: func(p *plot) {
			other := newForge(p.t).trusted()
			p.trust = func(r object) {
				for name, value := range other {
					r[name] = value
				}
			}
		}},
		{n: 97, name: "a revoked key", reason: verify.Revoked, spoil: func(p *plot) {
			k := newNotary(p.t)
			public, err := key.NewPublic(&k.key.PublicKey)
			must(p.t, err)
			p.order.key, p.revoked = k.key, verify.Revoke([]key.Fingerprint{public.Fingerprint()}, nil)
		}},
		{n: 97, name: "a revoked certificate", reason: verify.Revoked, spoil: func(p *plot) {
			p.made = func(c *x509.Certificate) {
				p.revoked = verify.Revoke(nil, []v1.Hash{{Algorithm: "sha256", Hex: hexOf(sumOf(c.Raw))}})
			}
		}},
		{n: 97, name: "a revoked document", reason: verify.Revoked, envelope: true, spoil: func(p *plot) {
			p.revoked = verify.Revoke(nil, []v1.Hash{{Algorithm: "sha256", Hex: hexOf(sumOf([]byte("{}")))}})
		}},
		{n: 78, name: "a statement that claims to be an envelope", reason: verify.PayloadType, envelope: true, spoil: func(p *plot) { p.typ = payload.MediaType + ";v=2" }},
	}
}
