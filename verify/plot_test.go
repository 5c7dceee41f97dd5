package verify_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"

	"io"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/network"
)

// A plot is one signature of a file in the making: everything about it can be made
// otherwise before it is judged. As newPlot returns it, it is good.
type plot struct {
	*forge
	t        testing.TB
	order    order
	envelope bool
	version  int // of Rekor
	file     []byte
	judged   []byte // the file that is judged
	typ      string // of the envelope's payload
	payload  []byte
	message  []byte         // what is signed, where it is not what it should be
	signWith crypto.Signer  // where it is not the certificate's key
	logs     []*notary      // that hold it
	logged   func(*logging) // changes what they hold
	loggedAt time.Time      // when
	stampAt  []time.Time    // when timestamps were made
	stampOf  []byte         // what they are over, where it is not the signature
	tokens   func([]byte) [][]byte
	bundle   func(object) // changes the bundle
	raw      func([]byte) []byte
	trust    func(object) // changes the root
	wanted   []keyless.Witness
	witness  int // how many of them are asked for
	quorum   keyless.Quorum
	names    keyless.Names
	revoked  verify.Revocations
	made     func(*x509.Certificate) // is told of the certificate
	hosts    *network.Hosts          // that may be asked
	key      *keyTrust               // by which it is judged; by the identity where it is nil
	public   any                     // the key that signs, once it was made
}

// keyTrust is how a key is trusted by itself.
type keyTrust struct {
	valid  keyless.Validity
	quorum keyless.Quorum
	now    time.Time // the present
}

func newPlot(t testing.TB, envelope bool, version int) *plot {
	t.Helper()
	f := newForge(t)
	p := &plot{
		forge: f, t: t, order: f.order(), envelope: envelope, version: version,
		file: []byte("hello\n"), typ: payload.MediaType, logs: []*notary{f.rekor},
		loggedAt: f.now, stampAt: []time.Time{f.now}, names: keyless.Names{Subject: someone, Issuer: voucher},
	}
	p.judged = p.file
	p.payload = fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"f","digest":{"sha256":"%x"}}],"predicateType":"https://example.test/p","predicate":{}}`, sha256.Sum256(p.file))
	return p
}

// pae is what an envelope's signature is over (DSSE protocol.md).
func pae(typ string, body []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(typ), typ, len(body), body)
}

// signRaw signs the message as its key does.
func signRaw(t testing.TB, k crypto.Signer, msg []byte) []byte {
	t.Helper()
	var h crypto.Hash
	sum := msg
	switch k := k.(type) {
	case *ecdsa.PrivateKey:
		h = map[int]crypto.Hash{224: crypto.SHA256, 256: crypto.SHA256, 384: crypto.SHA384, 521: crypto.SHA512}[k.Curve.Params().BitSize]
	case ed25519.PrivateKey:
	default:
		h = crypto.SHA256
	}
	if h != 0 {
		d := h.New()
		d.Write(msg)
		sum = d.Sum(nil)
	}
	sig, err := k.Sign(rand.Reader, sum, h)
	must(t, err)
	return sig
}

// make makes the bundle and the root.
func (p *plot) make() (bundle, root object) {
	p.t.Helper()
	cert, k := p.certificate(p.t, p.order)
	p.public = cert.PublicKey
	if p.made != nil {
		p.made(cert)
	}
	if p.signWith != nil {
		k = p.signWith
	}
	msg := p.file
	if p.envelope {
		msg = pae(p.typ, p.payload)
	}
	signed := msg
	if p.message != nil {
		signed = p.message
	}
	sig := signRaw(p.t, k, signed)
	bundle = object{"mediaType": bundleType, "verificationMaterial": p.material(cert, sig, msg)}
	sum := sha256.Sum256(p.file)
	if p.envelope {
		bundle["dsseEnvelope"] = object{"payload": b64(p.payload), "payloadType": p.typ, "signatures": []any{object{"sig": b64(sig)}}}
	} else {
		bundle["messageSignature"] = object{"messageDigest": object{"algorithm": "SHA2_256", "digest": b64(sum[:])}, "signature": b64(sig)}
	}
	root = p.trusted()
	if p.bundle != nil {
		p.bundle(bundle)
	}
	if p.trust != nil {
		p.trust(root)
	}
	return bundle, root
}

// material is what stands beside the signature.
func (p *plot) material(cert *x509.Certificate, sig, msg []byte) object {
	sum := sha256.Sum256(msg)
	l := logging{sig: sig, cert: cert, sum: sum[:]}
	by, said := "certificate", object{"rawBytes": b64(cert.Raw)}
	if p.key != nil {
		l.cert, l.public = nil, cert.RawSubjectPublicKeyInfo
		by, said = "publicKey", object{"hint": "x"}
	}
	if p.envelope {
		l.payload = p.payload
	}
	if p.logged != nil {
		p.logged(&l)
	}
	var entries, stamps []any
	for _, log := range p.logs {
		kind, version, body := l.bodyV1(p.t)
		if p.version == 2 {
			kind, version, body = l.bodyV2(p.t)
		}
		entries = append(entries, p.entry(p.t, log, p.version, kind, version, body, p.loggedAt))
	}
	over := sig
	if p.stampOf != nil {
		over = p.stampOf
	}
	var tokens [][]byte
	for _, at := range p.stampAt {
		tokens = append(tokens, p.stamp(p.t, over, at))
	}
	if p.tokens != nil {
		tokens = p.tokens(over)
	}
	for _, token := range tokens {
		stamps = append(stamps, object{"signedTimestamp": b64(token)})
	}
	return object{
		by: said, "tlogEntries": entries,
		"timestampVerificationData": object{"rfc3161Timestamps": stamps},
	}
}

// judge judges the file by the bundle.
func (p *plot) judge() verify.Check {
	p.t.Helper()
	bundle, root := p.make()
	raw := text(p.t, bundle)
	if p.raw != nil {
		raw = p.raw(raw)
	}
	return p.judgeRaw(raw, text(p.t, root))
}

// judgeRaw judges the file by the texts of a bundle and a root.
func (p *plot) judgeRaw(bundle, root []byte) verify.Check {
	p.t.Helper()
	trusted, err := keyless.ParseRoot(root)
	if err != nil {
		return verify.Check{Outcome: verify.Reject, Reason: badRoot, Detail: err.Error()}
	}
	if p.witness != 0 || len(p.wanted) > 0 {
		if trusted, err = trusted.Witnessed(p.witness, p.wanted); err != nil {
			return verify.Check{Outcome: verify.Reject, Reason: badRoot, Detail: err.Error()}
		}
	}
	id, err := keyless.NewIdentity(p.names)
	if err != nil {
		return verify.Check{Outcome: verify.Reject, Reason: badIdentity, Detail: err.Error()}
	}
	trust := verify.Trust{Root: trusted, Identities: []keyless.Identity{id}, Revoked: p.revoked, Quorum: p.quorum, Hosts: p.hosts}
	if p.key != nil {
		k, err := key.NewPublic(p.public)
		must(p.t, err)
		trust.Identities, trust.Keys, trust.KeyQuorum = nil, []*key.Public{k}, p.key.quorum
		trust.Validity = map[key.Fingerprint]keyless.Validity{k.Fingerprint(): p.key.valid}
		trust.Now = func() time.Time { return p.key.now }
	}
	blob := verify.Blob{Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p.judged)), nil }}
	check, err := verify.VerifyBlob(p.t.Context(), trust, verify.Statements{Any: true}, blob, bytes.NewReader(bundle), int64(len(bundle)))
	must(p.t, err)
	return check
}

// What is refused before anything is judged: hallmark ends with a usage error.
const (
	badRoot     verify.Reason = "(trusted root refused)"
	badIdentity verify.Reason = "(identity refused)"
)

func hexOf(b []byte) string { return fmt.Sprintf("%x", b) }

// readAll reads content to its end.
func readAll(t testing.TB, b attach.Body) []byte {
	t.Helper()
	rc, err := b.Open()
	must(t, err)
	defer rc.Close()
	raw, err := io.ReadAll(rc)
	must(t, err)
	return raw
}

// openEnvelope returns the first signature and the payload of an envelope.
func openEnvelope(t testing.TB, raw []byte) (sig, body []byte) {
	t.Helper()
	var env struct {
		Payload    []byte
		Signatures []struct{ Sig []byte }
	}
	must(t, json.Unmarshal(raw, &env))
	return env.Signatures[0].Sig, env.Payload
}

// privateSigner only tells the public key.
type privateSigner struct{ *key.Private }

func (p privateSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("not needed")
}
