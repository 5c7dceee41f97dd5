package sign_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

// outsider is a key with a certificate, used with Go's own library alone.
type outsider struct {
	*ecdsa.PrivateKey
	cert string
}

func newOutsider(t *testing.T) outsider {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "outsider"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	return outsider{k, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

func (o outsider) sign(t *testing.T, message []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(message)
	sig, err := o.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func (o outsider) public(t *testing.T) *key.Public {
	t.Helper()
	p, err := key.NewPublic(o.Public())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// payloadOf is a simple signing payload, written by hand.
func payloadOf(s attach.Subject) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"x"},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, s.Desc.Digest)
}

func TestGiven(t *testing.T) {
	store, subjects := place(t, 2)
	o, stranger := newOutsider(t), newOutsider(t)
	raw := payloadOf(subjects[0])
	good := sign.Given{Payload: raw, Signature: o.sign(t, raw), Certificate: o.cert, Chain: o.cert}
	c, err := good.Content(subjects[0], stranger.public(t), o.public(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), attach.Parcel{Subject: subjects[0], Content: c}); err != nil {
		t.Fatal(err)
	}
	v, err := verify.New(verify.Trust{Keys: []*key.Public{o.public(t)}}, verify.Policy{Rules: []verify.Rule{{Name: "s", Kind: attach.Signature, Threshold: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if verdict, err := v.Verify(t.Context(), store, subjects[0]); err != nil || verdict.Outcome != verify.Accept {
		t.Errorf("%+v, %v", verdict, err)
	}
	for name, tt := range map[string]struct {
		change func(*sign.Given)
		by     []*key.Public
		want   error
	}{
		"another image":      {func(g *sign.Given) { g.Payload = payloadOf(subjects[1]) }, nil, sign.ErrUnfit},
		"no payload":         {func(g *sign.Given) { g.Payload = []byte("x") }, nil, payload.ErrMalformed},
		"no signature":       {func(g *sign.Given) { g.Signature = nil }, nil, sign.ErrUnfit},
		"other signature":    {func(g *sign.Given) { g.Signature = stranger.sign(t, raw) }, nil, key.ErrSignature},
		"other certificate":  {func(g *sign.Given) { g.Certificate = stranger.cert }, nil, key.ErrSignature},
		"broken certificate": {func(g *sign.Given) { g.Certificate = "x" }, nil, sign.ErrUnfit},
		"broken chain":       {func(g *sign.Given) { g.Chain = "x" }, nil, sign.ErrUnfit},
		"chain alone":        {func(g *sign.Given) { g.Certificate = "" }, nil, sign.ErrUnfit},
		"other key":          {func(*sign.Given) {}, []*key.Public{stranger.public(t)}, key.ErrSignature},
	} {
		g := good
		tt.change(&g)
		if c, err := g.Content(subjects[0], tt.by...); !errors.Is(err, tt.want) || c.Body.Open != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGivenStatement(t *testing.T) {
	_, subjects := place(t, 2)
	o, stranger := newOutsider(t), newOutsider(t)
	statement := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://example.com/p","subject":[{"name":"x","digest":{"sha256":%q}}],"predicate":{}}`, subjects[0].Desc.Digest.Hex)
	envelope := func(typ, statement string) attach.Body {
		pae := fmt.Sprintf("DSSEv1 %d %s %d %s", len(typ), typ, len(statement), statement)
		return attach.Bytes(fmt.Appendf(nil, `{"payloadType":%q,"payload":%q,"signatures":[{"keyid":"","sig":%q}]}`, typ,
			base64.StdEncoding.EncodeToString([]byte(statement)), base64.StdEncoding.EncodeToString(o.sign(t, []byte(pae)))))
	}
	good := envelope(payload.MediaType, statement)
	c, err := sign.GivenStatement(subjects[0], good, t.TempDir(), o.public(t))
	if err != nil || c.Body.Digest != good.Digest || c.Annotations[cosign.PredicateTypeAnnotation] != "https://example.com/p" {
		t.Fatalf("%+v, %v", c, err)
	}
	if want := attach.DigestOf([]byte(statement)).String(); c.Annotations[sign.PayloadAnnotation] != want {
		t.Errorf("payload %s, want %s", c.Annotations[sign.PayloadAnnotation], want)
	}
	for name, tt := range map[string]struct {
		subject  attach.Subject
		envelope attach.Body
		by       *key.Public
		want     error
	}{
		"another image": {subjects[1], good, o.public(t), sign.ErrUnfit},
		"other key":     {subjects[0], good, stranger.public(t), key.ErrSignature},
		"other type":    {subjects[0], envelope("text/plain", statement), o.public(t), sign.ErrUnfit},
		"no statement":  {subjects[0], envelope(payload.MediaType, "{}"), o.public(t), payload.ErrMalformed},
		"no envelope":   {subjects[0], attach.Bytes([]byte("{}")), o.public(t), dsse.ErrMalformed},
		"no digest":     {subjects[0], envelope(payload.MediaType, strings.ReplaceAll(statement, "sha256", "sha512")), o.public(t), sign.ErrUnfit},
	} {
		if _, err := sign.GivenStatement(tt.subject, tt.envelope, t.TempDir(), tt.by); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
