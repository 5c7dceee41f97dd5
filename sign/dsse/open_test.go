package dsse_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hallmark-oci/hallmark/sign/dsse"
	ssl "github.com/secure-systems-lab/go-securesystemslib/dsse"
)

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
