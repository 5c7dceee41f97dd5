package verify_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
	ct "github.com/google/certificate-transparency-go"
	"github.com/google/certificate-transparency-go/tls"
	"github.com/google/certificate-transparency-go/x509util"

	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// b64 is how JSON carries bytes.
var b64 = base64.StdEncoding.EncodeToString

// object is a JSON object that tests change before it is read.
type object = map[string]any

// A notary is a log, or an authority's key, of the forge.
type notary struct {
	key  *ecdsa.PrivateKey
	spki []byte
	id   [32]byte
}

func newNotary(t testing.TB) *notary {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	spki, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	must(t, err)
	return &notary{key: k, spki: spki, id: sha256.Sum256(spki)}
}

func (n *notary) sign(t testing.TB, msg []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(msg)
	sig, err := ecdsa.SignASN1(rand.Reader, n.key, sum[:])
	must(t, err)
	return sig
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A forge makes what a Sigstore deployment makes, at any time and as wrong as wanted:
// certificates with what certificate logs say of them, log entries of both versions,
// timestamps, and the root that trusts all of it.
type forge struct {
	now                   time.Time
	root, issuer          *x509.Certificate
	rootKey, issuerKey    *notary
	ctlog, rekor, tsa     *notary
	tsaRoot, tsaLeaf      *x509.Certificate
	rootWindow, tsaWindow [2]time.Time // zero is none
	logWindow, ctWindow   [2]time.Time
}

const (
	someone  = "dev@example.test"
	voucher  = "https://issuer.test"
	logName  = "rekor.test"
	tsaName  = "https://tsa.test"
	workflow = "https://github.com/example/app/.github/workflows/release.yml@refs/heads/main"
)

func newForge(t testing.TB) *forge {
	t.Helper()
	f := &forge{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	f.rootKey, f.issuerKey, f.ctlog, f.rekor, f.tsa = newNotary(t), newNotary(t), newNotary(t), newNotary(t), newNotary(t)
	year := [2]time.Time{f.now.AddDate(-1, 0, 0), f.now.AddDate(1, 0, 0)}
	f.root = f.authority(t, "root", year, nil, f.rootKey)
	f.issuer = f.authority(t, "issuer", year, f.root, f.issuerKey)
	tsaKey := newNotary(t)
	f.tsaRoot = f.authority(t, "clocks", f.ages(), nil, tsaKey)
	f.tsaLeaf = f.clockCertificate(t, f.tsaRoot, tsaKey, f.tsa, f.ages(), true)
	f.logWindow, f.ctWindow = [2]time.Time{year[0]}, [2]time.Time{year[0]}
	return f
}

// ages is as long as clocks are valid: what makes timestamps here also writes the time
// of the test into them, and that is checked as well.
func (f *forge) ages() [2]time.Time {
	return [2]time.Time{f.now.AddDate(-50, 0, 0), f.now.AddDate(100, 0, 0)}
}

// authority makes the certificate of an authority, by itself where parent is nil.
func (f *forge) authority(t testing.TB, name string, valid [2]time.Time, parent *x509.Certificate, k *notary, change ...func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: valid[0], NotAfter: valid[1], KeyUsage: x509.KeyUsageCertSign,
		BasicConstraintsValid: true, IsCA: true,
	}
	for _, fn := range change {
		fn(c)
	}
	signer := f.rootKey.key
	if parent == nil {
		parent, signer = c, k.key
	}
	return f.create(t, c, parent, &k.key.PublicKey, signer)
}

// clockCertificate makes the certificate of a timestamp authority.
func (f *forge) clockCertificate(t testing.TB, parent *x509.Certificate, parentKey, k *notary, valid [2]time.Time, critical bool, change ...func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	must(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "clock"},
		NotBefore: valid[0], NotAfter: valid[1], KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: critical, Value: usage}},
	}
	for _, fn := range change {
		fn(c)
	}
	return f.create(t, c, parent, &k.key.PublicKey, parentKey.key)
}

func (f *forge) create(t testing.TB, c, parent *x509.Certificate, public any, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, signer)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert
}

// An order is what a certificate is to say.
type order struct {
	emails, dns []string
	uris        []string
	oldIssuer   string // OID .1.1
	issuer      string // OID .1.8
	valid       [2]time.Time
	key         crypto.Signer // a new P-256 key when nil
	logs        []*notary     // that sign that they saw it
	seen        time.Time     // when they did
	more        []pkix.Extension
	change      func(*x509.Certificate)
	parent      *x509.Certificate
	parentKey   crypto.Signer
	sctOf       []byte // the certificate that the logs saw, when it is another one
}

// order returns what a good certificate says.
func (f *forge) order() order {
	return order{
		emails: []string{someone}, oldIssuer: voucher, issuer: voucher,
		valid: [2]time.Time{f.now.Add(-time.Minute), f.now.Add(9 * time.Minute)},
		logs:  []*notary{f.ctlog}, seen: f.now.Add(-time.Minute), parent: f.issuer, parentKey: f.issuerKey.key,
	}
}

// certificate makes the certificate and returns it with its key.
func (f *forge) certificate(t testing.TB, o order) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	if o.key == nil {
		o.key = newNotary(t).key
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(42), NotBefore: o.valid[0], NotAfter: o.valid[1],
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		EmailAddresses: o.emails, DNSNames: o.dns, BasicConstraintsValid: true,
	}
	for _, u := range o.uris {
		parsed, err := url.Parse(u)
		must(t, err)
		c.URIs = append(c.URIs, parsed)
	}
	if o.oldIssuer != "" {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: fulcio(1), Value: []byte(o.oldIssuer)})
	}
	if o.issuer != "" {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: fulcio(8), Value: derText(t, o.issuer)})
	}
	c.ExtraExtensions = append(c.ExtraExtensions, o.more...)
	if o.change != nil {
		o.change(c)
	}
	if len(o.logs) > 0 {
		seen := o.sctOf
		if seen == nil {
			seen = f.create(t, c, o.parent, o.key.Public(), o.parentKey).RawTBSCertificate
		}
		c.ExtraExtensions = append(c.ExtraExtensions, f.scts(t, o, seen))
	}
	return f.create(t, c, o.parent, o.key.Public(), o.parentKey), o.key
}

// fulcio returns the identifier of one of the extensions of Sigstore's certificates.
func fulcio(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, n} }

func derText(t testing.TB, s string) []byte {
	t.Helper()
	der, err := asn1.MarshalWithParams(s, "utf8")
	must(t, err)
	return der
}

// scts returns the extension in which certificate logs say that they saw tbs (RFC 6962).
func (f *forge) scts(t testing.TB, o order, tbs []byte) pkix.Extension {
	t.Helper()
	var list []*ct.SignedCertificateTimestamp
	for i, log := range o.logs {
		sct := ct.SignedCertificateTimestamp{SCTVersion: ct.V1, LogID: ct.LogID{KeyID: log.id}, Timestamp: uint64(o.seen.UnixMilli()) + uint64(i)}
		input, err := ct.SerializeSCTSignatureInput(sct, ct.LogEntry{Leaf: ct.MerkleTreeLeaf{
			Version: ct.V1, LeafType: ct.TimestampedEntryLeafType,
			TimestampedEntry: &ct.TimestampedEntry{
				Timestamp: sct.Timestamp, EntryType: ct.PrecertLogEntryType,
				PrecertEntry: &ct.PreCert{IssuerKeyHash: sha256.Sum256(o.parent.RawSubjectPublicKeyInfo), TBSCertificate: tbs},
			},
		}})
		must(t, err)
		sct.Signature = ct.DigitallySigned{
			Algorithm: tls.SignatureAndHashAlgorithm{Hash: tls.SHA256, Signature: tls.ECDSA}, Signature: log.sign(t, input),
		}
		list = append(list, &sct)
	}
	packed, err := x509util.MarshalSCTsIntoSCTList(list)
	must(t, err)
	raw, err := tls.Marshal(*packed)
	must(t, err)
	der, err := asn1.Marshal(raw)
	must(t, err)
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, Value: der}
}

// stamp returns a timestamp over the bytes.
func (f *forge) stamp(t testing.TB, over []byte, at time.Time) []byte {
	t.Helper()
	return f.stampBy(t, f.tsaLeaf, f.tsa, over, at, crypto.SHA256, false)
}

func (f *forge) stampBy(t testing.TB, leaf *x509.Certificate, k *notary, over []byte, at time.Time, h crypto.Hash, embed bool) []byte {
	t.Helper()
	sum := h.New()
	sum.Write(over)
	token, err := (&timestamp.Timestamp{
		HashAlgorithm: h, HashedMessage: sum.Sum(nil), Time: at, AddTSACertificate: embed,
		Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2},
	}).CreateResponseWithOpts(leaf, k.key, crypto.SHA256)
	must(t, err)
	return token
}

// trusted returns the JSON of the root that trusts the forge, to be changed by tests.
func (f *forge) trusted() object {
	log := func(n *notary, address string, window [2]time.Time) object {
		return object{
			"baseUrl": address, "hashAlgorithm": "SHA2_256", "logId": object{"keyId": b64(n.id[:])},
			"publicKey": object{"rawBytes": b64(n.spki), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": validFor(window)},
		}
	}
	authority := func(address string, window [2]time.Time, chain ...*x509.Certificate) object {
		var list []any
		for _, c := range chain {
			list = append(list, object{"rawBytes": b64(c.Raw)})
		}
		return object{"uri": address, "certChain": object{"certificates": list}, "validFor": validFor(window)}
	}
	return object{
		"mediaType":              "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
		"tlogs":                  []any{log(f.rekor, "https://"+logName, f.logWindow)},
		"ctlogs":                 []any{log(f.ctlog, "https://ct.test", f.ctWindow)},
		"certificateAuthorities": []any{authority("https://fulcio.test", f.rootWindow, f.issuer, f.root)},
		"timestampAuthorities":   []any{authority(tsaName, f.tsaWindow, f.tsaLeaf, f.tsaRoot)},
	}
}

func validFor(w [2]time.Time) object {
	o := object{}
	if !w[0].IsZero() {
		o["start"] = w[0].Format(time.RFC3339)
	}
	if !w[1].IsZero() {
		o["end"] = w[1].Format(time.RFC3339)
	}
	return o
}

// parsed returns the root that trusts the forge.
func (f *forge) parsed(t testing.TB) *keyless.Root {
	t.Helper()
	root, err := keyless.ParseRoot(text(t, f.trusted()))
	must(t, err)
	return root
}

func text(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	must(t, err)
	return raw
}

// A logging is what goes into an entry of a log.
type logging struct {
	sig     []byte
	cert    *x509.Certificate
	public  []byte // SPKI, in place of a certificate
	sum     []byte // of the message, or of the envelope's PAE
	payload []byte // of an envelope
}

func (l logging) pem() string {
	block := &pem.Block{Type: "PUBLIC KEY", Bytes: l.public}
	if l.cert != nil {
		block = &pem.Block{Type: "CERTIFICATE", Bytes: l.cert.Raw}
	}
	return b64(pem.EncodeToMemory(block))
}

// bodyV1 is the body of an entry of Rekor 1: of kind hashedrekord, or dsse.
func (l logging) bodyV1(t testing.TB) (kind, version string, body []byte) {
	if l.payload == nil {
		return "hashedrekord", "0.0.1", text(t, object{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": object{
			"data":      object{"hash": object{"algorithm": "sha256", "value": hex.EncodeToString(l.sum)}},
			"signature": object{"content": b64(l.sig), "publicKey": object{"content": l.pem()}},
		}})
	}
	sum := sha256.Sum256(l.payload)
	hash := object{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}
	return "dsse", "0.0.1", text(t, object{"apiVersion": "0.0.1", "kind": "dsse", "spec": object{
		"envelopeHash": hash, "payloadHash": hash,
		"signatures": []any{object{"signature": b64(l.sig), "verifier": l.pem()}},
	}})
}

// bodyV2 is the body of an entry of Rekor 2.
func (l logging) bodyV2(t testing.TB) (kind, version string, body []byte) {
	verifier := object{"keyDetails": "PKIX_ECDSA_P256_SHA_256", "publicKey": object{"rawBytes": b64(l.public)}}
	if l.cert != nil {
		verifier = object{"keyDetails": "PKIX_ECDSA_P256_SHA_256", "x509Certificate": object{"rawBytes": b64(l.cert.Raw)}}
	}
	return "hashedrekord", "0.0.2", text(t, object{"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": object{
		"hashedRekordV002": object{
			"data":      object{"algorithm": "SHA2_256", "digest": b64(l.sum)},
			"signature": object{"content": b64(l.sig), "verifier": verifier},
		},
	}})
}

// entry logs a body and returns the entry as bundles carry it: the second of a log with
// two. Version 1 comes with a promise for the time; version 2 with none.
func (f *forge) entry(t testing.TB, log *notary, v int, kind, version string, body []byte, at time.Time) object {
	t.Helper()
	first := sha256.Sum256([]byte("\x00another entry"))
	leaf := sha256.Sum256(append([]byte{0}, body...))
	root := sha256.Sum256(append(append([]byte{1}, first[:]...), leaf[:]...))
	origin, index := logName, "1"
	if v == 1 {
		origin, index = logName+" - 4242", "1001"
	}
	e := object{
		"logIndex": index, "logId": object{"keyId": b64(log.id[:])},
		"kindVersion": object{"kind": kind, "version": version}, "canonicalizedBody": b64(body),
		"inclusionProof": object{
			"logIndex": "1", "treeSize": "2", "rootHash": b64(root[:]), "hashes": []any{b64(first[:])},
			"checkpoint": object{"envelope": f.checkpoint(t, log, origin, 2, root[:])},
		},
	}
	if v == 1 {
		e["integratedTime"] = fmt.Sprint(at.Unix())
		e["inclusionPromise"] = object{"signedEntryTimestamp": b64(f.promise(t, log, body, at, 1001))}
	}
	return e
}

// promise signs that the log will hold the body.
func (f *forge) promise(t testing.TB, log *notary, body []byte, at time.Time, index int64) []byte {
	t.Helper()
	return log.sign(t, text(t, object{"body": b64(body), "integratedTime": at.Unix(), "logID": hex.EncodeToString(log.id[:]), "logIndex": index}))
}

// checkpoint is the signed head of a tree (C2SP tlog-checkpoint).
func (f *forge) checkpoint(t testing.TB, log *notary, origin string, size int, root []byte) string {
	t.Helper()
	head := fmt.Sprintf("%s\n%d\n%s\n", origin, size, b64(root))
	return head + "\n— " + logName + " " + b64(append(log.id[:4:4], log.sign(t, []byte(head))...)) + "\n"
}
