package bundle_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	oracle "github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/hallmark-oci/hallmark/sign/bundle"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/jsonscan"
)

const (
	v03      = `"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"`
	keyOnly  = `"verificationMaterial":{"publicKey":{"hint":"k"}}`
	envelope = `"dsseEnvelope":{"payload":"e30=","payloadType":"t","signatures":[{"sig":"AA=="}]}`
	message  = `"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"AA=="},"signature":"AA=="}`
)

func doc(members ...string) string { return "{" + strings.Join(members, ",") + "}" }

// material is a bundle whose verification material has these members.
func material(members ...string) string {
	return doc(v03, `"verificationMaterial":`+doc(members...), envelope)
}

// open opens a bundle and returns it with its envelope, nil where it has none.
// It is closed at the end of the test.
func open(t *testing.T, text string) (*bundle.Bundle, []byte, error) {
	t.Helper()
	b, err := bundle.Open(strings.NewReader(text), int64(len(text)))
	if err != nil {
		return b, nil, err
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	if b.Envelope() == nil {
		return b, nil, nil
	}
	env, err := io.ReadAll(b.Envelope())
	if err != nil {
		t.Fatal(err)
	}
	return b, env, nil
}

// large puts white space before a bundle, so that it is kept in a file.
func large(text string) string { return strings.Repeat(" ", bundle.MaxMemory) + text }

func TestOpen(t *testing.T) {
	key := `"publicKey":{"hint":"k"}`
	wide := "{" // one object with as many and as long names as are read
	for i := range jsonscan.MaxMembers {
		wide += fmt.Sprintf(`"%0*d":1,`, jsonscan.MaxName, i)
	}
	wide = strings.TrimSuffix(wide, ",") + "}"
	for name, c := range map[string]struct {
		in   string
		want bundle.Bundle
	}{
		"key and envelope":        {doc(v03, keyOnly, envelope), bundle.Bundle{Hint: "k"}},
		"key without hint":        {material(`"publicKey":{}`), bundle.Bundle{}},
		"certificate":             {material(`"certificate":{"rawBytes":"AA=="}`), bundle.Bundle{HasCertificate: true}},
		"chain":                   {material(`"x509CertificateChain":{"certificates":[{"rawBytes":"AA=="}]}`), bundle.Bundle{HasCertificate: true}},
		"log entries":             {material(key, `"tlogEntries":[{},{"logIndex":"1"}]`), bundle.Bundle{Hint: "k", LogEntries: 2}},
		"timestamps":              {material(key, `"timestampVerificationData":{"rfc3161Timestamps":[{"signedTimestamp":"AA=="}]}`), bundle.Bundle{Hint: "k", Timestamps: 1}},
		"null is absent":          {material(key, `"certificate":null`, `"tlogEntries":null`, `"timestampVerificationData":null`), bundle.Bundle{Hint: "k"}},
		"unknown member":          {doc(v03, keyOnly, envelope, `"later":{"a":[1,{"b":2}]}`), bundle.Bundle{Hint: "k"}},
		"null beside the content": {doc(v03, keyOnly, envelope, `"messageSignature":null`), bundle.Bundle{Hint: "k"}},
		"many names":              {doc(v03, keyOnly, envelope, `"x":[`+wide+","+wide+","+wide+`]`), bundle.Bundle{Hint: "k"}},
		"as many as are allowed":  {material(key, `"tlogEntries":[{}`+strings.Repeat(",{}", bundle.MaxLogEntries-1)+`]`), bundle.Bundle{Hint: "k", LogEntries: bundle.MaxLogEntries}},
		"envelope is kept as is":  {doc(v03, keyOnly, strings.Replace(envelope, `{`, "{ \n\t", 1)), bundle.Bundle{Hint: "k"}},
	} {
		for _, in := range []string{c.in, large(c.in)} {
			b, env, err := open(t, in)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if !strings.Contains(c.in, `"dsseEnvelope":`+string(env)) || len(env) == 0 {
				t.Errorf("%s: envelope %s", name, env)
			}
			if b.Hint != c.want.Hint || b.HasCertificate != c.want.HasCertificate || b.LogEntries != c.want.LogEntries || b.Timestamps != c.want.Timestamps {
				t.Errorf("%s: %+v, want %+v", name, *b, c.want)
			}
		}
	}
	b, env, err := open(t, doc(v03, keyOnly, message))
	if err != nil || env != nil {
		t.Errorf("message signature: %+v, %s, %v", b, env, err)
	}
}

// TestOpenRefuses is the table of what must not pass for a bundle.
func TestOpenRefuses(t *testing.T) {
	many := func(n int) string { return "[{}" + strings.Repeat(",{}", n) + "]" }
	names := func(n int) string {
		var list strings.Builder
		for i := range n {
			fmt.Fprintf(&list, `"%01000d":1,`, i)
		}
		return list.String()
	}
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	key := `"publicKey":{"hint":"k"}`
	for name, in := range map[string]string{
		"empty":                        "",
		"no object":                    `[` + doc(v03, keyOnly, envelope) + `]`,
		"null":                         "null",
		"cut off":                      strings.TrimSuffix(doc(v03, keyOnly, envelope), "}"),
		"something behind it":          doc(v03, keyOnly, envelope) + "{}",
		"byte order mark":              "\ufeff" + doc(v03, keyOnly, envelope),
		"not UTF-8":                    doc(v03, keyOnly, envelope, "\"x\":\"\xff\""),
		"no media type":                doc(keyOnly, envelope),
		"media type of something else": doc(`"mediaType":"application/json"`, keyOnly, envelope),
		"media type that only begins":  doc(`"mediaType":"application/vnd.dev.sigstore.bundlerama"`, keyOnly, envelope),
		"version of the future":        doc(`"mediaType":"application/vnd.dev.sigstore.bundle.v0.4+json"`, keyOnly, envelope),
		"version 99.9":                 doc(`"mediaType":"application/vnd.dev.sigstore.bundle+json;version=99.9"`, keyOnly, envelope),
		"media type is a number":       doc(`"mediaType":3`, keyOnly, envelope),
		"no material":                  doc(v03, envelope),
		"material is null":             doc(v03, `"verificationMaterial":null`, envelope),
		"material is a list":           doc(v03, `"verificationMaterial":[]`, envelope),
		"material names no key":        doc(v03, `"verificationMaterial":{}`, envelope),
		"no content":                   doc(v03, keyOnly),
		"content is null":              doc(v03, keyOnly, `"dsseEnvelope":null`),
		"both contents":                doc(v03, keyOnly, envelope, message),
		"envelope is text":             doc(v03, keyOnly, `"dsseEnvelope":"{}"`),
		"message is text":              doc(v03, keyOnly, `"messageSignature":""`),
		"key and certificate":          material(key, `"certificate":{"rawBytes":"AA=="}`),
		"certificate and chain":        material(`"certificate":{"rawBytes":"AA=="}`, `"x509CertificateChain":{"certificates":[{}]}`),
		"empty chain":                  material(`"x509CertificateChain":{"certificates":[]}`),
		"chain without list":           material(`"x509CertificateChain":{}`),
		"long chain":                   material(`"x509CertificateChain":{"certificates":` + many(bundle.MaxCertificates) + `}`),
		"hint is a number":             material(`"publicKey":{"hint":1}`),
		"hint is long":                 material(`"publicKey":{"hint":"` + strings.Repeat("k", bundle.MaxHint+1) + `"}`),
		"too many log entries":         material(key, `"tlogEntries":`+many(bundle.MaxLogEntries)),
		"too many timestamps":          material(key, `"timestampVerificationData":{"rfc3161Timestamps":`+many(bundle.MaxTimestamps)+`}`),
		"log entry is text":            material(key, `"tlogEntries":["a"]`),
		"log entries are an object":    material(key, `"tlogEntries":{}`),
		"nested too deep":              doc(v03, keyOnly, envelope, `"x":`+deep(600)),
		"nested too deep in a log":     material(key, `"tlogEntries":[{"x":`+deep(600)+`}]`),
		"media type twice":             doc(v03, v03, keyOnly, envelope),
		"envelope twice":               doc(v03, keyOnly, envelope, envelope),
		"envelope twice, once escaped": doc(v03, keyOnly, envelope, strings.Replace(envelope, "dsse", `dss\u0065`, 1)),
		"envelope null and given":      doc(v03, keyOnly, `"dsseEnvelope":null`, envelope),
		"key twice":                    material(key, key),
		"hint twice":                   material(`"publicKey":{"hint":"a","hint":"b"}`),
		"log index twice":              material(key, `"tlogEntries":[{"logIndex":"1","logIndex":"2"}]`),
		"deep in a log entry twice":    material(key, `"tlogEntries":[{"a":{"b":[{"c":1,"c":1}]}}]`),
		"in an unknown member twice":   doc(v03, keyOnly, envelope, `"later":{"a":1,"a":1}`),
		"long names on all levels":     doc(v03, keyOnly, envelope, `"x":{`+names(1000)+`"a":{`+names(1000)+`"b":1}}`),
		"long names around a log":      doc(names(1000)+v03, strings.Replace(keyOnly, `{`, `{`+names(1000), 1), envelope),
		"another case":                 doc(v03, keyOnly, envelope, `"MediaType":"x"`),
		"protobuf's own name":          doc(v03, keyOnly, envelope, `"message_signature":{}`),
		"protobuf's own name within":   material(key, `"x509_certificate_chain":{}`),
	} {
		for _, in := range []string{in, large(in)} {
			if b, _, err := open(t, in); !errors.Is(err, bundle.ErrMalformed) || b != nil {
				t.Errorf("%s: %+v, %v", name, b, err)
			}
		}
	}
}

// corpus returns the bundles of sigstore's conformance suite by the names of
// their cases. A name ending in _fail says that a verifier must refuse it.
func corpus(tb testing.TB) map[string][]byte {
	tb.Helper()
	root := os.Getenv("HALLMARK_CORPORA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	files, err := filepath.Glob(filepath.Join(root, "sigstore-conformance", "bundle-verify", "*", "bundle.sigstore.json"))
	if err != nil || len(files) < 50 {
		tb.Fatalf("test data is missing, set HALLMARK_CORPORA to its folder: %d bundles, %v", len(files), err)
	}
	out := make(map[string][]byte)
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		out[filepath.Base(filepath.Dir(f))] = raw
	}
	return out
}

// TestConformance reads real bundles of all versions. Those that a verifier
// must accept are read; those that are wrong in form are refused; what
// sigstore's own library reads, and what it finds there, is the oracle.
func TestConformance(t *testing.T) {
	malformed := map[string]bool{
		"bundle-malformed-json_fail":          true,
		"bundle-unknown-version_fail":         true,
		"bundle-empty-certificate-chain_fail": true,
	}
	for name, raw := range corpus(t) {
		b, env, err := open(t, string(raw))
		switch {
		case malformed[name] != (err != nil):
			t.Errorf("%s: %v", name, err)
			continue
		case err != nil:
			continue
		}
		var o oracle.Bundle
		if err := o.UnmarshalJSON(raw); err != nil {
			if !strings.HasSuffix(name, "_fail") {
				t.Errorf("%s: the oracle does not read it: %v", name, err)
			}
			continue
		}
		compare(t, name, b, env, &o)
	}
}

// compare holds what we found against what the oracle found.
func compare(t *testing.T, name string, b *bundle.Bundle, text []byte, o *oracle.Bundle) {
	t.Helper()
	if b.MediaType != o.MediaType || b.Hint != o.GetVerificationMaterial().GetPublicKey().GetHint() ||
		b.HasCertificate != (o.GetVerificationMaterial().GetPublicKey() == nil) ||
		b.LogEntries != len(o.GetVerificationMaterial().GetTlogEntries()) ||
		b.Timestamps != len(o.GetVerificationMaterial().GetTimestampVerificationData().GetRfc3161Timestamps()) {
		t.Errorf("%s: %+v differs from the oracle", name, *b)
	}
	want := o.GetDsseEnvelope()
	if (want == nil) != (text == nil) {
		t.Errorf("%s: envelope %s, the oracle has %v", name, text, want)
	}
	if want == nil || text == nil {
		return
	}
	env, err := dsse.Open(b.Envelope(), b.Envelope().Size(), dsse.Options{})
	if err != nil {
		return // dsse is stricter: no signature, base64 without padding
	}
	defer env.Close()
	payload, err := io.ReadAll(env.Payload())
	if err != nil || !bytes.Equal(payload, want.Payload) || env.Type() != want.PayloadType || len(env.Signatures()) != len(want.Signatures) {
		t.Errorf("%s: the oracle reads another envelope", name)
		return
	}
	for i, s := range env.Signatures() {
		if !bytes.Equal(s.Sig, want.Signatures[i].Sig) {
			t.Errorf("%s: the oracle reads another signature", name)
		}
	}
}

// FuzzOpen looks for panics, for text that passes and is no JSON, and for
// bundles that sigstore's library reads in another way.
func FuzzOpen(f *testing.F) {
	for _, raw := range corpus(f) {
		f.Add(raw)
	}
	f.Add([]byte(doc(v03, keyOnly, envelope)))
	f.Add([]byte(doc(v03, keyOnly, message)))
	f.Add([]byte(material(`"x509CertificateChain":{"certificates":[{"rawBytes":"AA=="}]}`)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, env, err := open(t, string(raw))
		if err != nil {
			if b != nil || !errors.Is(err, bundle.ErrMalformed) {
				t.Errorf("%+v, %v", b, err)
			}
			return
		}
		if !json.Valid(raw) {
			t.Errorf("accepted, and is no JSON: %q", raw)
		}
		var o oracle.Bundle
		if o.UnmarshalJSON(raw) == nil {
			compare(t, "fuzzed", b, env, &o)
		}
	})
}
