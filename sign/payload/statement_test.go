package payload_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/sigstore/cosign/v2/pkg/cosign/attestation"
)

func read(t testing.TB, s payload.Source) []byte {
	t.Helper()
	rc, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	raw, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(raw)) != s.Size {
		t.Errorf("source of %d bytes yields %d", s.Size, len(raw))
	}
	return raw
}

// documents holds a fit document for each type name.
func documents() map[string]string {
	return map[string]string{
		"spdxjson":         `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"<x>","packages":[]}`,
		"spdx":             "SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\n",
		"cyclonedx":        `{"bomFormat":"CycloneDX","specVersion":"1.6","version":1}`,
		"slsaprovenance1":  `{"buildDefinition":{"buildType":"https://b/1","externalParameters":{"a":1}},"runDetails":{"builder":{"id":"https://b"},"metadata":{}}}`,
		"slsaprovenance02": `{"builder":{"id":"https://b"},"buildType":"https://b/1","invocation":{"configSource":{}}}`,
		"slsaprovenance":   `{"builder":{"id":"https://b"},"buildType":"https://b/1","invocation":{"configSource":{}}}`,
		"vuln": `{"invocation":{"parameters":null,"uri":"","event_id":"","builder.id":""},"scanner":{"uri":"pkg:x","version":"1","db":{"uri":"","version":""},` +
			`"result":{}},"metadata":{"scanStartedOn":"2026-01-02T03:04:05Z","scanFinishedOn":"2026-01-02T03:04:06Z"}}`,
		"openvex":                        `{"@context":"https://openvex.dev/ns/v0.2.0","@id":"x","author":"a","timestamp":"2026-01-02T03:04:05Z","version":1,"statements":[]}`,
		"link":                           `{"_type":"link","name":"build","materials":{},"products":{},"byproducts":{},"command":[],"environment":{}}`,
		"custom":                         "anything \" at all <é>\n",
		"https://example.com/a-type/v1":  `{"x":{"y":[1,2]}}`,
		"https://openvex.dev/ns/v0.2.0":  `{"@context":"https://openvex.dev/ns/v0.2.0","statements":[]}`,
		"https://slsa.dev/provenance/v1": `{"buildDefinition":{"buildType":"https://b/1","externalParameters":{}},"runDetails":{"builder":{"id":"https://b"},"metadata":{}}}`,
	}
}

// TestStatementIsCosigns compares whole statements with those that the cosign
// library makes of the same document.
func TestStatementIsCosigns(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("x", 3600))
	for name, document := range documents() {
		theirs, err := attestation.GenerateStatement(attestation.GenerateOpts{
			Predicate: strings.NewReader(document), Type: name, Digest: digest[7:], Repo: "registry.example/app", Time: func() time.Time { return now },
		})
		if err != nil {
			t.Fatal(name, err)
		}
		want, err := json.Marshal(theirs)
		if err != nil {
			t.Fatal(err)
		}
		uri, predicate, err := payload.NewPredicate(name, payload.Bytes([]byte(document)), now)
		if err != nil {
			t.Error(name, err)
			continue
		}
		subject := payload.Subject{Name: "registry.example/app", Digest: map[string]string{"sha256": digest[7:]}}
		s, err := payload.NewStatement(payload.StatementV01, uri, []payload.Subject{subject}, predicate)
		if err != nil {
			t.Fatal(name, err)
		}
		var ours, cosigns any
		got := read(t, s)
		if json.Unmarshal(got, &ours) != nil || json.Unmarshal(want, &cosigns) != nil {
			t.Fatalf("%s: %s", name, got)
		}
		if d := cmp.Diff(cosigns, ours); d != "" {
			t.Errorf("%s differs from cosign's:\n%s", name, d)
		}
		h, err := payload.ReadHeader(bytes.NewReader(got))
		if err != nil {
			t.Fatal(name, err)
		}
		if in := got[h.PredicateOffset : h.PredicateOffset+h.PredicateLength]; !bytes.Equal(bytes.TrimSpace(read(t, predicate)), in) {
			t.Errorf("%s: predicate at the place that was told: %.100s", name, in)
		}
		if d := cmp.Diff([]payload.Subject{subject}, h.Subjects); d != "" || h.Type != payload.StatementV01 || h.PredicateType != uri {
			t.Errorf("%s: header %+v\n%s", name, h, d)
		}
		if h, err := payload.ReadHeader(bytes.NewReader(want)); err != nil || h.PredicateType != uri {
			t.Errorf("%s: cosign's own: %+v, %v", name, h, err)
		}
	}
}

func TestReadHeaderOrders(t *testing.T) {
	members := []string{
		`"_type":"https://in-toto.io/Statement/v1"`, `"predicateType":"https://x/y"`,
		`"subject":[{"digest":{"sha256":"` + digest[7:] + `","sha1":"00"},"uri":"u","annotations":{"k":"v","n":1.50}}]`,
		`"predicate":{"subject":[],"_type":1,"x":[[]]}`, `"unknown":{"a":1,"a":1}`,
	}
	for shift := range members {
		text := " {" + strings.Join(append(append([]string{}, members[shift:]...), members[:shift]...), " ,\n") + "}\n"
		h, err := payload.ReadHeader(iotest.OneByteReader(strings.NewReader(text)))
		if err != nil {
			t.Fatal(shift, err)
		}
		want := payload.Header{
			Type: payload.StatementV1, PredicateType: "https://x/y",
			Subjects: []payload.Subject{{Digest: map[string]string{"sha256": digest[7:], "sha1": "00"},
				Annotations: map[string]any{"k": "v", "n": json.Number("1.50")}}},
			PredicateOffset: int64(strings.Index(text, `"predicate":`) + len(`"predicate":`)), PredicateLength: int64(len(`{"subject":[],"_type":1,"x":[[]]}`)),
		}
		if d := cmp.Diff(want, h); d != "" {
			t.Errorf("%d: %s", shift, d)
		}
	}
}

func TestReadHeaderRefuses(t *testing.T) {
	good := `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://x/y","subject":[{"name":"n","digest":{"sha256":"` + digest[7:] + `"}}],"predicate":{}}`
	if _, err := payload.ReadHeader(strings.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	subject := `{"name":"n","digest":{"sha256":"` + digest[7:] + `"}}`
	cases := map[string]string{
		"type twice":           strings.Replace(good, `"predicateType"`, `"_type":"https://in-toto.io/Statement/v0.1","predicateType"`, 1),
		"predicate type twice": strings.Replace(good, `"subject"`, `"predicateType":"https://x/y","subject"`, 1),
		"subject twice":        strings.Replace(good, `"predicate":`, `"subject":[],"predicate":`, 1),
		"subject in capitals":  strings.Replace(good, `"predicate":`, `"Subject":[],"predicate":`, 1),
		"predicate twice":      strings.Replace(good, `{}}`, `{},"predicate":{}}`, 1),
		"digest twice":         strings.Replace(good, `{"sha256"`, `{"sha256":"00","sha256"`, 1),
		"digest in capitals":   strings.Replace(good, `"digest"`, `"Digest":{},"digest"`, 1),
		"name twice":           strings.Replace(good, `{"name"`, `{"name":"x","name"`, 1),
		"statement v2":         strings.Replace(good, `v0.1`, `v2`, 1),
		"no type":              strings.Replace(good, `"_type":"https://in-toto.io/Statement/v0.1",`, ``, 1),
		"no predicate type":    strings.Replace(good, `"predicateType":"https://x/y",`, ``, 1),
		"no subject":           strings.Replace(good, subject, ``, 1),
		"no digest":            strings.Replace(good, `{"sha256":"`+digest[7:]+`"}`, `{}`, 1),
		"short digest":         strings.Replace(good, digest[7:], digest[8:], 1),
		"capital digest":       strings.Replace(good, digest[7:], strings.ToUpper(digest[7:]), 1),
		"predicate not JSON":   strings.Replace(good, `{}}`, `{"a":01}}`, 1),
		"predicate not UTF-8":  strings.Replace(good, `{}}`, "{\"a\":\"\xff\"}}", 1),
		"deep predicate":       strings.Replace(good, `{}}`, strings.Repeat("[", 600)+strings.Repeat("]", 600)+"}", 1),
		"trailing":             good + "{}",
		"cut":                  good[:len(good)-1],
		"many subjects":        strings.Replace(good, subject, strings.Repeat(subject+",", payload.MaxSubjects)+subject, 1),
		"not an object":        `"` + digest + `"`,
	}
	for what, text := range cases {
		if h, err := payload.ReadHeader(strings.NewReader(text)); !errors.Is(err, payload.ErrMalformed) {
			t.Errorf("%s: %+v, %v", what, h, err)
		}
	}
	broken := errors.New("connection reset")
	_, err := payload.ReadHeader(io.MultiReader(strings.NewReader(good[:100]), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || errors.Is(err, payload.ErrMalformed) {
		t.Errorf("broken connection: %v", err)
	}
}

func TestPredicatesAreValidated(t *testing.T) {
	for name, document := range documents() {
		uri, err := payload.TypeURI(name)
		if err != nil {
			t.Fatal(err)
		}
		if name != "custom" && name != "spdx" {
			for _, garbage := range []string{`{"hello":1}`, `[]`, `"x"`, `1`, ``, `{`, `not json`, document + "x", "null"} {
				_, _, err := payload.NewPredicate(name, payload.Bytes([]byte(garbage)), time.Unix(0, 0))
				if fine := garbage == `{"hello":1}` && name == "https://example.com/a-type/v1"; fine != (err == nil) || err != nil && !errors.Is(err, payload.ErrMalformed) {
					t.Errorf("%s: %.100s: %v", name, garbage, err)
				}
			}
		}
		var m map[string]any
		if json.Unmarshal([]byte(document), &m) != nil || strings.Contains(name, "example") {
			continue
		}
		for member := range m {
			if fine := strings.Contains("name packages version invocation @id author timestamp", member) && name != "link"; fine {
				continue
			}
			less := make(map[string]any)
			for k, v := range m {
				if k != member {
					less[k] = v
				}
			}
			raw, _ := json.Marshal(less)
			if err := payload.ValidatePredicate(uri, bytes.NewReader(raw)); !errors.Is(err, payload.ErrMalformed) {
				t.Errorf("%s without %s: %v", name, member, err)
			}
			if strings.ToUpper(member) == member {
				continue
			}
			less[strings.ToUpper(member)] = m[member]
			raw, _ = json.Marshal(less)
			if err := payload.ValidatePredicate(uri, bytes.NewReader(raw)); !errors.Is(err, payload.ErrMalformed) {
				t.Errorf("%s with %s in capitals: %v", name, member, err)
			}
		}
	}
}

func TestMorePredicates(t *testing.T) {
	cases := []struct {
		name, document string
		ok             bool
	}{
		{"spdx", documents()["spdxjson"], true},
		{"spdxjson", documents()["spdx"], false},
		{"spdxjson", `{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[]}`, true},
		{"spdxjson", `{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","SPDXID":"SPDXRef-DOCUMENT"}`, false},
		{"spdxjson", `{"spdxVersion":"2.3","SPDXID":"SPDXRef-DOCUMENT"}`, false},
		{"spdx", "nothing of the kind", false},
		{"spdx", "", false},
		{"custom", "\xff\xfe", false},
		{"custom", "", true},
		{"custom", strings.Repeat("a", payload.MaxWrapped+1), false},
		{"vuln", strings.Replace(documents()["vuln"], "2026-01-02T03", "yesterday", 1), false},
		{"slsaprovenance1", strings.Replace(documents()["slsaprovenance1"], `"externalParameters"`, `"externalparameters"`, 1), false},
		{"slsaprovenance1", strings.Replace(documents()["slsaprovenance1"], `"https://b/1"`, `""`, 1), false},
		{"cyclonedx", `{"bomFormat":"CycloneDX","bomFormat":"CycloneDX","specVersion":"1.6"}`, false},
		{"no such type", `{}`, false},
		{"relative/path", `{}`, false},
		{"https://a b/", `{}`, false},
	}
	for _, c := range cases {
		_, _, err := payload.NewPredicate(c.name, payload.Bytes([]byte(c.document)), time.Unix(0, 0))
		if (err == nil) != c.ok || err != nil && !errors.Is(err, payload.ErrMalformed) {
			t.Errorf("%s %.100q: %v", c.name, c.document, err)
		}
	}
}

func FuzzReadHeader(f *testing.F) {
	f.Add([]byte(`{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://x/y","subject":[{"name":"n","digest":{"sha256":"` + digest[7:] + `"}}],"predicate":{}}`))
	f.Add([]byte(`{"predicate":[1,2],"subject":[{"digest":{"sha1":"a"},"annotations":{"a":null}}],"predicateType":"p","_type":"https://in-toto.io/Statement/v1"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := payload.ReadHeader(bytes.NewReader(raw))
		if err != nil {
			if !errors.Is(err, payload.ErrMalformed) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		var theirs struct {
			Type          string          `json:"_type"`
			PredicateType string          `json:"predicateType"`
			Predicate     json.RawMessage `json:"predicate"`
			Subject       []struct {
				Name   string            `json:"name"`
				Digest map[string]string `json:"digest"`
			} `json:"subject"`
		}
		if err := json.Unmarshal(raw, &theirs); err != nil {
			t.Fatalf("accepted, but %v", err)
		}
		mine := raw[h.PredicateOffset : h.PredicateOffset+h.PredicateLength]
		if theirs.Type != h.Type || theirs.PredicateType != h.PredicateType || !bytes.Equal(theirs.Predicate, mine) || len(theirs.Subject) != len(h.Subjects) {
			t.Fatalf("%+v is to others %+v", h, theirs)
		}
		for i, s := range h.Subjects {
			if s.Name != theirs.Subject[i].Name || !cmp.Equal(s.Digest, theirs.Subject[i].Digest) {
				t.Fatalf("subject %d: %+v is to others %+v", i, s, theirs.Subject[i])
			}
		}
	})
}

// BenchmarkReadHeader reads a statement around a large SPDX document.
func BenchmarkReadHeader(b *testing.B) {
	var sbom bytes.Buffer
	sbom.WriteString(`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","packages":[`)
	for i := 0; sbom.Len() < 16<<20; i++ {
		fmt.Fprintf(&sbom, "{\n  \"name\": \"package-%d\",\n  \"SPDXID\": \"SPDXRef-%d\",\n  \"versionInfo\": \"1.%d\"\n},", i, i, i%7)
	}
	sbom.WriteString(`{}]}`)
	s, err := payload.NewStatement(payload.StatementV01, payload.SPDX, []payload.Subject{{Digest: map[string]string{"sha256": digest[7:]}}}, payload.Bytes(sbom.Bytes()))
	if err != nil {
		b.Fatal(err)
	}
	text := read(b, s)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := payload.ReadHeader(bytes.NewReader(text)); err != nil {
			b.Fatal(err)
		}
	}
}
