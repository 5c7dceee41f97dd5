package dsse_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/key"
	ssl "github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/sigstore/pkg/signature"
	sigstore "github.com/sigstore/sigstore/pkg/signature/dsse"
)

const inToto = "application/vnd.in-toto+json"

func payloadOf(payloadType string, b []byte) dsse.Payload {
	return dsse.Payload{Type: payloadType, Size: int64(len(b)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

func all(t testing.TB, open func() (io.ReadCloser, error)) []byte {
	t.Helper()
	rc, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	b, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func generate(t testing.TB) *key.Private {
	t.Helper()
	k, err := key.Generate(key.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// seal signs the payload and returns the envelope.
func seal(t testing.TB, k *key.Private, p dsse.Payload) []byte {
	t.Helper()
	pae, err := p.PAE()
	if err != nil {
		t.Fatal(err)
	}
	defer pae.Close()
	sig, err := k.Sign(context.Background(), pae)
	if err != nil {
		t.Fatal(err)
	}
	s, err := dsse.Seal(p, dsse.Signature{Sig: sig})
	if err != nil {
		t.Fatal(err)
	}
	b := all(t, s.Open)
	if int64(len(b)) != s.Size {
		t.Errorf("envelope of %d bytes yields %d", s.Size, len(b))
	}
	return b
}

func open(raw []byte) (*dsse.Envelope, error) {
	return dsse.Open(bytes.NewReader(raw), int64(len(raw)), dsse.Options{})
}

// verify is what a verifier does: any signature that holds will do.
func verify(pub *key.Public, raw []byte) error {
	e, err := open(raw)
	if err != nil {
		return err
	}
	defer e.Close()
	sum, err := e.Sum()
	if err != nil {
		return err
	}
	err = errors.New("no signature")
	for _, s := range e.Signatures() {
		if _, err = pub.VerifyDigest(s.Sig, sum); err == nil {
			return pub.VerifyMessage(s.Sig, e.PAE())
		}
	}
	return err
}

// TestProtocolVector checks the test vector of the DSSE specification,
// protocol.md, section "Test Vectors". Its signature is r and s next to each other.
func TestProtocolVector(t *testing.T) {
	raw := []byte(`{"payload": "aGVsbG8gd29ybGQ=",
 "payloadType": "http://example.com/HelloWorld",
 "signatures": [{"sig": "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}]}`)
	e, err := open(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	pae, err := io.ReadAll(e.PAE())
	if err != nil || string(pae) != "DSSEv1 29 http://example.com/HelloWorld 11 hello world" {
		t.Errorf("PAE %q, %v", pae, err)
	}
	number := func(s string) *big.Int { n, _ := new(big.Int).SetString(s, 10); return n }
	point := append([]byte{4}, number("46950820868899156662930047687818585632848591499744589407958293238635476079160").FillBytes(make([]byte, 32))...)
	point = append(point, number("5640078356564379163099075877009565129882514886557779369047442380624545832820").FillBytes(make([]byte, 32))...)
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		t.Fatal(err)
	}
	sig := e.Signatures()[0].Sig
	sum, err := e.Sum()
	if err != nil || !ecdsa.Verify(pub, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		t.Errorf("the signature does not verify, %v", err)
	}
}

func TestPAEIsTheOthers(t *testing.T) {
	types := []string{"a", inToto, "x y", "é", "1 1", strings.Repeat("t", 300), "DSSEv1 1 a"}
	bodies := []string{"", " ", "a", "1 a", "hello world", "\x00\xff", "é", strings.Repeat("x", 9), strings.Repeat("x", 10), strings.Repeat("y", 100001)}
	for _, payloadType := range types {
		for _, body := range bodies {
			p := payloadOf(payloadType, []byte(body))
			if got, want := all(t, p.PAE), ssl.PAE(payloadType, []byte(body)); !bytes.Equal(got, want) {
				t.Errorf("PAE of %.20q, %.20q is %.60q, not %.60q", payloadType, body, got, want)
			}
			s, err := dsse.Seal(p, dsse.Signature{KeyID: "k", Sig: []byte{1}})
			if err != nil {
				t.Fatal(err)
			}
			raw := all(t, s.Open)
			var theirs ssl.Envelope
			if err := json.Unmarshal(raw, &theirs); err != nil {
				t.Fatal(err)
			}
			if b, err := theirs.DecodeB64Payload(); err != nil || string(b) != body || theirs.PayloadType != payloadType || theirs.Signatures[0].KeyID != "k" {
				t.Errorf("others read %+v, %v", theirs, err)
			}
			e, err := open(raw)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(iotest.OneByteReader(e.Payload()))
			if err != nil || string(got) != body || e.Size() != int64(len(body)) || e.Type() != payloadType {
				t.Errorf("payload %.60q, %v", got, err)
			}
			if got, err := io.ReadAll(e.PAE()); err != nil || !bytes.Equal(got, ssl.PAE(payloadType, []byte(body))) {
				t.Errorf("PAE %.60q, %v", got, err)
			}
			e.Close()
		}
	}
}

// TestBothWays lets the sigstore library verify what was sealed, and the other way round.
func TestBothWays(t *testing.T) {
	k := generate(t)
	body := []byte(strings.Repeat("statement ", 5000))
	v, err := signature.LoadVerifier(k.Public(), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	raw := seal(t, k, payloadOf(inToto, body))
	if err := sigstore.WrapVerifier(v).VerifySignature(bytes.NewReader(raw), nil); err != nil {
		t.Error(err)
	}
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sv, err := signature.LoadSigner(priv, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := sigstore.WrapSigner(sv, inToto).SignMessage(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	pub, err := key.NewPublic(priv.Public())
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(pub, theirs); err != nil {
		t.Error(err)
	}
	// Cosign writes the same members in the same order.
	if ours, want := shape(t, raw), shape(t, theirs); ours != want {
		t.Errorf("shape %s, not %s", ours, want)
	}
}

// shape returns the names of an envelope in their order.
func shape(t *testing.T, raw []byte) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	var out []string
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return strings.Join(out, " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := tok.(string); ok && len(s) < 20 {
			out = append(out, s)
		}
	}
}

// TestAnyChangeBreaks flips each bit of an envelope: what still verifies still
// says the same.
func TestAnyChangeBreaks(t *testing.T) {
	k := generate(t)
	body := []byte(`{"_type":"x"}`)
	raw := seal(t, k, payloadOf(inToto, body))
	if err := verify(k.PublicKey(), raw); err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			bad := bytes.Clone(raw)
			bad[i] ^= 1 << bit
			if verify(k.PublicKey(), bad) != nil {
				continue
			}
			e, err := open(bad)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := io.ReadAll(e.Payload()); !bytes.Equal(got, body) || e.Type() != inToto {
				t.Errorf("bit %d of byte %d: %q of type %q verifies", bit, i, got, e.Type())
			}
			e.Close()
			if hint := bytes.Index(raw, []byte(`keyid":""`)); i >= hint && i < hint+len("keyid") {
				continue // keyid is a hint; renamed it is an unknown member
			}
			t.Errorf("bit %d of byte %d, %q: verifies", bit, i, raw[i])
		}
	}
}
