package main

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
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"
)

// vouchFor signs images without a key, as somebody whom a new private authority knows and
// a new clock dates, and writes a TrustRoot of that name that believes both:
//
//	vouch NAME SUBJECT ISSUER IMAGE...   writes NAME.yaml
//
// The signature hangs from the image as a referrer. No log sees it.
func vouchFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: vouch NAME SUBJECT ISSUER IMAGE...")
	}
	a := newPrivateAuthority(ts)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".yaml"), a.trustRoot(args[0]), 0o600))
	for _, image := range args[3:] {
		a.sign(ts, args[1], args[2], image)
	}
}

// privateAuthority issues certificates and timestamps.
type privateAuthority struct {
	root, clock       *x509.Certificate
	rootKey, clockKey *ecdsa.PrivateKey
}

func newPrivateAuthority(ts *testscript.TestScript) *privateAuthority {
	a := &privateAuthority{rootKey: newP256(ts), clockKey: newP256(ts)}
	a.root = a.issue(ts, &x509.Certificate{Subject: pkix.Name{CommonName: "private"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, a.rootKey)
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	ts.Check(err)
	a.clock = a.issue(ts, &x509.Certificate{
		Subject: pkix.Name{CommonName: "clock"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}},
	}, a.clockKey)
	return a
}

func newP256(ts *testscript.TestScript) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	return k
}

// issue makes the certificate, by itself where there is no root yet.
func (a *privateAuthority) issue(ts *testscript.TestScript, c *x509.Certificate, k *ecdsa.PrivateKey) *x509.Certificate {
	c.SerialNumber, c.BasicConstraintsValid = big.NewInt(time.Now().UnixNano()), true
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent := a.root
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &k.PublicKey, a.rootKey)
	ts.Check(err)
	out, err := x509.ParseCertificate(der)
	ts.Check(err)
	return out
}

func (a *privateAuthority) trustRoot(of string) []byte {
	chain := func(certificates ...*x509.Certificate) string {
		var out []byte
		for _, c := range certificates {
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
		}
		return base64.StdEncoding.EncodeToString(out)
	}
	return fmt.Appendf(nil, `apiVersion: policy.sigstore.dev/v1alpha1
kind: TrustRoot
metadata:
  name: %s
spec:
  sigstoreKeys:
    certificateAuthorities:
    - {subject: {organization: o, commonName: private}, uri: "https://fulcio.test", certChain: %s}
    timestampAuthorities:
    - {subject: {organization: o, commonName: clock}, uri: "https://tsa.test", certChain: %s}
`, of, chain(a.root), chain(a.clock, a.root))
}

// sign hangs a bundle from the image.
func (a *privateAuthority) sign(ts *testscript.TestScript, subject, issuer, image string) {
	const mediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	b64 := base64.StdEncoding.EncodeToString
	named, err := asn1.MarshalWithParams(issuer, "utf8")
	ts.Check(err)
	k := newP256(ts)
	leaf := a.issue(ts, &x509.Certificate{
		EmailAddresses: []string{subject}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}, Value: named}},
	}, k)
	at := digestOf(ts, image)
	const in = "application/vnd.in-toto+json"
	body := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":%q}}],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{}}`, at.DigestStr()[len("sha256:"):])
	sum := sha256.Sum256(fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(in), in, len(body), body))
	sig, err := ecdsa.SignASN1(rand.Reader, k, sum[:])
	ts.Check(err)
	stamped := sha256.Sum256(sig)
	token, err := (&timestamp.Timestamp{
		HashAlgorithm: crypto.SHA256, HashedMessage: stamped[:], Time: time.Now(), Policy: asn1.ObjectIdentifier{1, 2, 3},
	}).CreateResponseWithOpts(a.clock, a.clockKey, crypto.SHA256)
	ts.Check(err)
	bundle, err := json.Marshal(map[string]any{
		"mediaType": mediaType,
		"verificationMaterial": map[string]any{
			"certificate":               map[string]any{"rawBytes": b64(leaf.Raw)},
			"timestampVerificationData": map[string]any{"rfc3161Timestamps": []any{map[string]any{"signedTimestamp": b64(token)}}},
		},
		"dsseEnvelope": map[string]any{"payload": b64([]byte(body)), "payloadType": in, "signatures": []any{map[string]any{"sig": b64(sig)}}},
	})
	ts.Check(err)
	empty := map[string]any{"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": blob(ts, at, []byte("{}"))}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": ociManifest, "artifactType": mediaType, "config": empty,
		"layers":  []any{map[string]any{"mediaType": mediaType, "size": len(bundle), "digest": blob(ts, at, bundle)}},
		"subject": map[string]any{"mediaType": ociManifest, "size": sizeOf(ts, image), "digest": at.DigestStr()},
	})
	ts.Check(err)
	send(ts, http.MethodPut, fmt.Sprintf("manifests/sha256:%x", sha256.Sum256(manifest)), at.Tag("x"), ociManifest, manifest)
}

func sizeOf(ts *testscript.TestScript, ref string) int64 {
	r, err := name.ParseReference(ref)
	ts.Check(err)
	d, err := remote.Head(r)
	ts.Check(err)
	return d.Size
}
