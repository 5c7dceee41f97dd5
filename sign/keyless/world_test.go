package keyless_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"

	"github.com/hallmark-oci/hallmark/sign/keyless"
)

// must returns the value where there is no error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A world is a Sigstore instance: a certificate authority with its certificate log,
// logs of both versions and a timestamp authority, each of which lies where it is
// told to.
type world struct {
	t       *testing.T
	server  *httptest.Server
	mux     http.ServeMux // the services
	lies    lies
	turn    sync.Mutex // one request at a time
	mu      sync.Mutex
	asked   []string // the paths, in order
	pauses  []time.Duration
	subject string // who has to prove that the key is his

	caRoot, caCert       *x509.Certificate
	caKey                *ecdsa.PrivateKey
	tsaRoot, tsaMid, tsa *x509.Certificate
	tsaKey               *ecdsa.PrivateKey
	ct, rekor1, rekor2   *ecdsa.PrivateKey
}

// lies are what the services do wrong; the zero value is honest.
type lies struct {
	fronts      map[string]http.HandlerFunc // answer in the place of a service, by path
	certificate func(*x509.Certificate)     // changes what is certified
	key         crypto.PublicKey            // that is certified
	sct         func([]byte) []byte         // changes the list of SCTs
	otherCA     bool
	chain       func([]string) []string
	body        func(map[string]any) // changes what is logged
	entry1      func(map[string]any) // changes the answer of Rekor 1
	entry2      func(map[string]any) // and of Rekor 2
	otherLog    bool
	imprint     func([]byte) []byte // changes what is timestamped
	nonce       func(*big.Int) *big.Int
	otherTSA    bool
	at          time.Time // that is stamped
}

// The paths of the services.
const (
	fulcioPath = "/api/v2/signingCert"
	rekor1Path = "/api/v1/log/entries"
	rekor2Path = "/api/v2/log/entries"
	tsaPath    = "/tsa"
)

func newWorld(t *testing.T) *world {
	w := &world{t: t, subject: person}
	caRoot, rootKey, err := ca.GenerateRootCa()
	if err != nil {
		t.Fatal(err)
	}
	w.caRoot = caRoot
	if w.caCert, w.caKey, err = ca.GenerateFulcioIntermediate(caRoot, rootKey); err != nil {
		t.Fatal(err)
	}
	w.tsaRoot = caRoot
	mid, midKey, err := ca.GenerateTSAIntermediate(caRoot, rootKey)
	if err != nil {
		t.Fatal(err)
	}
	w.tsaMid, w.tsaKey = mid, newKey()
	w.tsa = must(ca.GenerateTSALeafCert(time.Now().Add(-5*time.Minute), w.tsaKey, mid, midKey))
	w.ct, w.rekor1, w.rekor2 = newKey(), newKey(), newKey()
	for _, before := range []string{"", "/0", "/1", "/2"} { // several of each, which share their keys
		w.mux.HandleFunc(before+fulcioPath, w.fulcio)
		w.mux.HandleFunc(before+rekor1Path, w.log1)
		w.mux.HandleFunc(before+rekor2Path, w.log2)
		w.mux.HandleFunc(before+tsaPath, w.stamp)
	}
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.turn.Lock()
		defer w.turn.Unlock()
		w.mu.Lock()
		w.asked = append(w.asked, r.URL.Path)
		w.mu.Unlock()
		if lie := w.lies.fronts[r.URL.Path]; lie != nil {
			lie(rw, r)
			return
		}
		w.mux.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.server.Close)
	return w
}

func newKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

// logID is the identity of a log (RFC 6962): the digest of its key.
func logID(k *ecdsa.PrivateKey) []byte {
	sum := sha256.Sum256(must(x509.MarshalPKIXPublicKey(k.Public())))
	return sum[:]
}

// trusted is the trusted root of the world, as JSON.
func (w *world) trusted() []byte {
	since := time.Now().Add(-2 * time.Hour)
	logs := make(map[string]*root.TransparencyLog)
	for _, k := range []*ecdsa.PrivateKey{w.rekor1, w.rekor2} {
		logs[hex.EncodeToString(logID(k))] = &root.TransparencyLog{
			BaseURL: "https://rekor.localhost", ID: logID(k), ValidityPeriodStart: since, HashFunc: crypto.SHA256, PublicKey: k.Public(), SignatureHashFunc: crypto.SHA256,
		}
	}
	ctLogs := map[string]*root.TransparencyLog{hex.EncodeToString(logID(w.ct)): {
		BaseURL: "https://ct.localhost", ID: logID(w.ct), ValidityPeriodStart: since, HashFunc: crypto.SHA256, PublicKey: w.ct.Public(), SignatureHashFunc: crypto.SHA256,
	}}
	tr := must(root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{Root: w.caRoot, Intermediates: []*x509.Certificate{w.caCert}, URI: "https://ca.localhost", ValidityPeriodStart: since}},
		ctLogs,
		[]root.TimestampingAuthority{&root.SigstoreTimestampingAuthority{Root: w.tsaRoot, Intermediates: []*x509.Certificate{w.tsaMid}, Leaf: w.tsa, URI: "https://tsa.localhost", ValidityPeriodStart: since}},
		logs))
	return must(tr.MarshalJSON())
}

// services is the signing configuration with a log of that version.
func (w *world) services(version uint32) []byte {
	one := func(url string, version uint32) []root.Service {
		return []root.Service{{URL: url, MajorAPIVersion: version, ValidityPeriodStart: time.Now().Add(-time.Hour), Operator: "localhost"}}
	}
	any1 := root.ServiceConfiguration{Selector: v1.ServiceSelector_ANY}
	config := must(root.NewSigningConfig(root.SigningConfigMediaType02, one(w.server.URL, 1), one(w.server.URL, 1),
		one(w.server.URL+"/", version), any1, one(w.server.URL+tsaPath, 1), any1))
	return must(config.MarshalJSON())
}

// options are those of a signer who is somebody.
func (w *world) options(version uint32) keyless.Options {
	return keyless.Options{
		Token:    must(keyless.ParseToken(token(nil), "", time.Now())),
		Services: must(keyless.ParseServices(w.services(version))),
		Trusted:  must(keyless.ParseTrusted(w.trusted())),
		Network:  w.network(),
	}
}

// network is one on which nobody really waits; the pauses are kept.
func (w *world) network() keyless.Network {
	return keyless.Network{
		Now:    time.Now,
		Jitter: func() float64 { return 0 },
		Sleep: func(ctx context.Context, d time.Duration) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.pauses = append(w.pauses, d)
			return ctx.Err()
		},
	}
}

const (
	issuer = "https://issuer.example"
	person = "dev@example.test"
)

// token makes a token with changed claims; a nil value removes one.
func token(change map[string]any) string {
	claims := map[string]any{
		"iss": issuer, "aud": keyless.Audience, "sub": person, "email": person, "email_verified": true,
		"exp": time.Now().Add(5 * time.Minute).Unix(), "iat": time.Now().Unix(),
	}
	for k, v := range change {
		if claims[k] = v; v == nil {
			delete(claims, k)
		}
	}
	part := func(v any) string { return base64.RawURLEncoding.EncodeToString(must(json.Marshal(v))) }
	return part(map[string]any{"alg": "ES256", "typ": "JWT"}) + "." + part(claims) + "." + base64.RawURLEncoding.EncodeToString([]byte("a signature of sixty-four bytes that nobody but the CA checks..."))
}

// fulcio certifies the key of the request, for the name in the token.
func (w *world) fulcio(rw http.ResponseWriter, r *http.Request) {
	var q struct {
		PublicKeyRequest struct {
			PublicKey         struct{ Algorithm, Content string }
			ProofOfPossession []byte
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	block, _ := pem.Decode([]byte(q.PublicKeyRequest.PublicKey.Content))
	public := must(x509.ParsePKIXPublicKey(block.Bytes)).(*ecdsa.PublicKey)
	sum := sha256.Sum256([]byte(w.subject))
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ey") || !ecdsa.VerifyASN1(public, sum[:], q.PublicKeyRequest.ProofOfPossession) {
		http.Error(rw, "no proof of possession", http.StatusBadRequest)
		return
	}
	chain := []string{encode(w.certify(public)), encode(w.caCert), encode(w.caRoot)}
	if w.lies.chain != nil {
		chain = w.lies.chain(chain)
	}
	answer(rw, http.StatusOK, map[string]any{"signedCertificateEmbeddedSct": map[string]any{"chain": map[string]any{"certificates": chain}}})
}

// uri has a certificate name a URI.
func uri(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.EmailAddresses, c.URIs = nil, []*url.URL{must(url.Parse(name))} }
}

func encode(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

func answer(rw http.ResponseWriter, status int, v any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	rw.Write(must(json.Marshal(v)))
}

// certify makes a certificate with an SCT in it (RFC 6962, section 3.3): what the
// log signs is the certificate as it is without.
func (w *world) certify(key crypto.PublicKey) *x509.Certificate {
	if w.lies.key != nil {
		key = w.lies.key
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), EmailAddresses: []string{person},
		NotBefore: time.Now().Add(-time.Second), NotAfter: time.Now().Add(10 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}, Value: []byte(issuer)},
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}, Value: must(asn1.MarshalWithParams(issuer, "utf8"))},
		},
	}
	if w.lies.certificate != nil {
		w.lies.certificate(template)
	}
	parent, parentKey := w.caCert, w.caKey
	if w.lies.otherCA {
		other, otherKey, err := ca.GenerateRootCa()
		if err != nil {
			panic(err)
		}
		if parent, parentKey, err = ca.GenerateFulcioIntermediate(other, otherKey); err != nil {
			panic(err)
		}
	}
	bare := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, key, parentKey))))
	list := w.scts(bare, parent)
	if w.lies.sct != nil {
		list = w.lies.sct(list)
	}
	if list != nil {
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, Value: must(asn1.Marshal(list))})
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, key, parentKey))))
}

// scts is the list of the log's one signature (RFC 6962, section 3.2 and 3.3).
func (w *world) scts(bare, parent *x509.Certificate) []byte {
	stamp := binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMilli()))
	parentKey := sha256.Sum256(parent.RawSubjectPublicKeyInfo)
	tbs := bare.RawTBSCertificate
	signed := append([]byte{0, 0}, stamp...)
	signed = append(signed, 0, 1)
	signed = append(signed, parentKey[:]...)
	signed = append(signed, byte(len(tbs)>>16), byte(len(tbs)>>8), byte(len(tbs)))
	signed = append(append(signed, tbs...), 0, 0)
	sum := sha256.Sum256(signed)
	sig := must(ecdsa.SignASN1(rand.Reader, w.ct, sum[:]))
	one := append([]byte{0}, logID(w.ct)...)
	one = append(append(one, stamp...), 0, 0, 4, 3)
	one = append(binary.BigEndian.AppendUint16(one, uint16(len(sig))), sig...)
	list := binary.BigEndian.AppendUint16(nil, uint16(len(one)+2))
	return append(binary.BigEndian.AppendUint16(list, uint16(len(one))), one...)
}

// address is that of a service, without the scheme.
func (w *world) address() string { return must(url.Parse(w.server.URL)).Host }

func (w *world) paths() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.asked...)
}
