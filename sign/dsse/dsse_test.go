package dsse_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
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
	pub := &ecdsa.PublicKey{Curve: elliptic.P256(),
		X: number("46950820868899156662930047687818585632848591499744589407958293238635476079160"),
		Y: number("5640078356564379163099075877009565129882514886557779369047442380624545832820")}
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

func TestOpenRefuses(t *testing.T) {
	good := `{"payloadType":"` + inToto + `","payload":"aGVsbG8=","signatures":[{"keyid":"","sig":"AQ=="}]}`
	swap := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the envelope", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	sig := `{"sig":"AQ=="}`
	cases := map[string]string{
		"empty": "", "null": "null", "array": "[]", "no members": "{}", "cut": good[:len(good)-1],
		"trailing":              good + "x",
		"two":                   good + good,
		"type twice":            swap(`"payload":`, `"payloadType":"`+inToto+`","payload":`),
		"payload twice":         swap(`"payload":`, `"payload":"aGVsbG8=","payload":`),
		"payload twice, hidden": swap(`"payload":`, `"payloa\u0064":"aGVsbG8=","payload":`),
		"payload in capitals":   swap(`"payload":`, `"Payload":"aGVsbG8=","payload":`),
		"signatures twice":      swap(`"signatures":`, `"signatures":[],"signatures":`),
		"sig twice":             swap(`"sig":`, `"sig":"AQ==","sig":`),
		"sig in capitals":       swap(`"sig":`, `"Sig":"AQ==","sig":`),
		"keyid twice":           swap(`"keyid":`, `"keyid":"","keyid":`),
		"no type":               swap(`"payloadType":"`+inToto+`",`, ``),
		"empty type":            swap(inToto, ``),
		"long type":             swap(inToto, strings.Repeat("t", dsse.MaxText+1)),
		"no payload":            swap(`"payload":"aGVsbG8=",`, ``),
		"payload null":          swap(`"aGVsbG8="`, `null`),
		"payload object":        swap(`"aGVsbG8="`, `{}`),
		"payload escaped":       swap(`aGVsbG8=`, `\u0061GVsbG8=`),
		"payload slash escaped": swap(`aGVsbG8=`, `aGV\/bG8=`),
		"payload broken line":   swap(`aGVsbG8=`, "aGVs\nbG8="),
		"payload hidden line":   swap(`aGVsbG8=`, `aGVs\nbG8=`),
		"payload unpadded":      swap(`aGVsbG8=`, `aGVsbG8`),
		"payload overpadded":    swap(`aGVsbG8=`, `aGVsbG8=====`),
		"padding inside":        swap(`aGVsbG8=`, `aGVsbG8=aGVs`),
		"loose bits":            swap(`aGVsbG8=`, `aGVsbG9=`),
		"alphabets mixed":       swap(`aGVsbG8=`, `+_+_`),
		"blank inside":          swap(`aGVsbG8=`, `aGVs bG8`),
		"no signatures":         swap(`,"signatures":[{"keyid":"","sig":"AQ=="}]`, ``),
		"empty signatures":      swap(`{"keyid":"","sig":"AQ=="}`, ``),
		"signatures null":       swap(`[{"keyid":"","sig":"AQ=="}]`, `null`),
		"no sig":                swap(`,"sig":"AQ=="`, ``),
		"sig empty":             swap(`AQ==`, ``),
		"sig no base64":         swap(`AQ==`, `A*==`),
		"sig loose bits":        swap(`AQ==`, `AR==`),
		"sig broken line":       swap(`AQ==`, `AQ=\n=`),
		"sig long":              swap(`AQ==`, strings.Repeat("AAAA", dsse.MaxSignature/4+1)),
		"33 signatures":         swap(`{"keyid":"","sig":"AQ=="}`, strings.Repeat(sig+",", dsse.MaxSignatures)+sig),
		"unknown not JSON":      swap(`"payload":`, `"x":01,"payload":`),
		"unknown too deep":      swap(`"payload":`, `"x":`+strings.Repeat("[", 600)+strings.Repeat("]", 600)+`,"payload":`),
		"invalid UTF-8":         swap(`"keyid":""`, "\"keyid\":\"\xff\""),
	}
	for what, text := range cases {
		if err := drain([]byte(text)); !errors.Is(err, dsse.ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, text := range map[string]string{
		"as it is":         good,
		"unknown members":  swap(`"payload":`, `"x":{"a":1,"a":2},"payload":`),
		"signatures first": `{"signatures":[` + sig + `],"payload":"aGVsbG8=","payloadType":"t"}`,
		"32 signatures":    swap(`{"keyid":"","sig":"AQ=="}`, strings.Repeat(sig+",", dsse.MaxSignatures-1)+sig),
		"keyid null":       swap(`"keyid":""`, `"keyid":null`),
		"URL alphabet":     swap(`aGVsbG8=`, `-_-_`),
		"URL sig":          swap(`AQ==`, `_-8=`),
		"empty payload":    swap(`aGVsbG8=`, ``),
	} {
		if err := drain([]byte(text)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// drain opens an envelope and reads all there is to read.
func drain(raw []byte) error {
	e, err := open(raw)
	if err != nil {
		return err
	}
	defer e.Close()
	_, err = e.Sum()
	if _, perr := io.Copy(io.Discard, e.Payload()); (perr == nil) != (err == nil) {
		return fmt.Errorf("PAE: %w, but payload: %w", err, perr)
	}
	return err
}

func TestSizes(t *testing.T) {
	raw := seal(t, generate(t), payloadOf(inToto, []byte("x")))
	for _, size := range []int{-1, 0, len(raw) - 1, len(raw) + 1} {
		if _, err := dsse.Open(bytes.NewReader(raw), int64(size), dsse.Options{}); !errors.Is(err, dsse.ErrMalformed) {
			t.Errorf("size %d of %d: %v", size, len(raw), err)
		}
	}
	if _, err := dsse.Open(iotest.ErrReader(errors.New("must not be read")), 1<<40, dsse.Options{}); !errors.Is(err, dsse.ErrMalformed) {
		t.Error(err)
	}
	if _, err := dsse.Open(bytes.NewReader(raw), int64(len(raw)), dsse.Options{MaxSize: int64(len(raw) - 1)}); !errors.Is(err, dsse.ErrMalformed) {
		t.Error(err)
	}
	broken := errors.New("connection reset")
	_, err := dsse.Open(io.MultiReader(bytes.NewReader(raw[:20]), iotest.ErrReader(broken)), int64(len(raw)), dsse.Options{})
	if !errors.Is(err, broken) || errors.Is(err, dsse.ErrMalformed) {
		t.Error(err)
	}
	// A payload that changed since it was measured is never sealed.
	for _, size := range []int64{0, 2} {
		p := payloadOf(inToto, []byte("x"))
		p.Size = size
		s, err := dsse.Seal(p, dsse.Signature{Sig: []byte{1}})
		if err != nil {
			t.Fatal(err)
		}
		rc, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(rc); !errors.Is(err, dsse.ErrMalformed) {
			t.Errorf("size %d of 1: %v", size, err)
		}
	}
	if _, err := dsse.Seal(payloadOf(inToto, nil)); !errors.Is(err, dsse.ErrMalformed) {
		t.Errorf("without signatures: %v", err)
	}
	if _, err := dsse.Seal(payloadOf("", nil), dsse.Signature{Sig: []byte{1}}); !errors.Is(err, dsse.ErrMalformed) {
		t.Errorf("without type: %v", err)
	}
}

// TestLargeEnvelope goes through a temporary file.
func TestLargeEnvelope(t *testing.T) {
	k := generate(t)
	body := bytes.Repeat([]byte("0123456789abcde\n"), dsse.MaxMemory/16)
	raw := seal(t, k, payloadOf(inToto, body))
	dir := t.TempDir()
	e, err := dsse.Open(iotest.HalfReader(bytes.NewReader(raw)), int64(len(raw)), dsse.Options{TempDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.PublicKey().VerifyMessage(e.Signatures()[0].Sig, e.PAE()); err != nil {
		t.Error(err)
	}
	sum, err := e.Sum()
	if want := sha256.Sum256(ssl.PAE(inToto, body)); err != nil || sum != want {
		t.Errorf("sum %x, %v", sum, err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadAll(e.Payload()); err == nil {
		t.Error("the payload can be read after Close")
	}
	raw[len(raw)-1] = 'x'
	if _, err := dsse.Open(bytes.NewReader(raw), int64(len(raw)), dsse.Options{TempDir: dir}); !errors.Is(err, dsse.ErrMalformed) {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := dsse.Open(bytes.NewReader(raw), int64(len(raw)), dsse.Options{TempDir: dir + "/none"}); err == nil || errors.Is(err, dsse.ErrMalformed) {
		t.Errorf("no directory: %v", err)
	}
}

// FuzzOpen checks that an accepted envelope is the same to the others.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"payloadType":"t","payload":"aGVsbG8=","signatures":[{"keyid":"k","sig":"AQ=="}]}`))
	f.Add([]byte(`{"signatures":[{"sig":"_-8="}],"x":[1],"payload":"-_-_","payloadType":"application/vnd.in-toto+json"}`))
	f.Add([]byte(`{"payload":"","payload":""}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := open(raw)
		if err != nil {
			if !errors.Is(err, dsse.ErrMalformed) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		defer e.Close()
		pae, err := io.ReadAll(e.PAE())
		if err != nil {
			if !errors.Is(err, dsse.ErrMalformed) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		var theirs ssl.Envelope
		if err := json.Unmarshal(raw, &theirs); err != nil {
			t.Fatalf("accepted, but %v", err)
		}
		body, err := theirs.DecodeB64Payload()
		if err != nil || !bytes.Equal(ssl.PAE(theirs.PayloadType, body), pae) || len(theirs.Signatures) != len(e.Signatures()) {
			t.Fatalf("%.200q differs, %v", pae, err)
		}
		for i, s := range e.Signatures() {
			std, e1 := base64.StdEncoding.DecodeString(theirs.Signatures[i].Sig)
			url, e2 := base64.URLEncoding.DecodeString(theirs.Signatures[i].Sig)
			if (e1 != nil || !bytes.Equal(std, s.Sig)) && (e2 != nil || !bytes.Equal(url, s.Sig)) {
				t.Fatalf("signature %d differs", i)
			}
		}
	})
}
