package format_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ctypes "github.com/sigstore/cosign/v2/pkg/types"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/format"
	"github.com/hallmark-oci/hallmark/sbom/purl"
)

// TestMediaTypes holds the media types against those of cosign.
func TestMediaTypes(t *testing.T) {
	want := map[format.Format]string{
		format.SPDXJSON: ctypes.SPDXJSONMediaType, format.SPDXTagValue: ctypes.SPDXMediaType,
		format.CycloneDXJSON: ctypes.CycloneDXJSONMediaType, format.CycloneDXXML: ctypes.CycloneDXXMLMediaType,
		format.SyftJSON: ctypes.SyftMediaType,
	}
	for _, i := range format.Formats() {
		if string(i.MediaType) != want[i.Format] || i.Format.MediaType() != want[i.Format] || i.Format.Title("") == "" {
			t.Errorf("%+v, want %s", i, want[i.Format])
		}
		for _, s := range []string{string(i.Format), i.MediaType, strings.ToUpper(string(i.Format))} {
			if f, err := format.Parse(s); err != nil || f != i.Format {
				t.Errorf("%s: %v, %v", s, f, err)
			}
		}
		delete(want, i.Format)
	}
	if len(want) > 0 || format.Format("x").MediaType() != "" {
		t.Errorf("missing %v", want)
	}
	if got := format.CycloneDXJSON.Title("1.5") + ", " + format.CycloneDXXML.Title(""); got != "CycloneDX 1.5 JSON, CycloneDX XML" {
		t.Error(got)
	}
	if _, err := format.Parse("spdx-yaml"); err == nil {
		t.Error("an unknown format was accepted")
	}
}

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// random returns an inventory with all that an inventory can hold.
func random(r *rand.Rand, n int) sbom.Inventory {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	v := sbom.Inventory{
		Subject: sbom.Subject{Name: pick("registry.example/a/b", "oci:./dir", "app"), Digest: pick(digestA, digestB, ""), Platform: pick("", "linux/amd64")},
		Tool:    sbom.Tool{Name: "hallmark", Version: pick("", "1.2.3", "v2-rc1")},
		Created: time.Date(2026, 1, 1, 0, 0, r.IntN(60), 0, time.UTC),
		Distro:  sbom.Distro{ID: pick("", "alpine"), VersionID: pick("", "3.20")},
	}
	odd := func() string { return pick("a", "b+", "ü", "\"", "\\", "<&>", "\n", "x y", "@s/n", "/") }
	for i := range n {
		c := sbom.Component{Type: sbom.Type(pick("library", "application", "file")), Name: odd() + fmt.Sprint(i),
			Version: pick("", "1", "1:2~3+4"), Supplier: pick("", "A <a@b.c>", "A (x)", "A <a b@c>", "<a@b>", "a@b", "A (a@b.c)"),
			Ecosystem: pick("", "dpkg", "odd")}
		if r.IntN(3) > 0 {
			c.PURL = purl.PURL{Type: pick("deb", "npm", "golang", "pypi"), Namespace: pick("", "n/m"), Name: odd() + fmt.Sprint(i), Version: c.Version}
			if strings.Trim(c.PURL.Name, "/") == "" {
				c.PURL = purl.PURL{}
			}
		}
		for range r.IntN(4) {
			c.Licenses = append(c.Licenses, pick("MIT", "mit", "GPL-2.0-or-later WITH Bison-exception-2.2", "MIT OR Apache-2.0",
				"(MIT AND Zlib) OR ISC", "Expat & more", "LicenseRef-x", "AND", "(", "NOASSERTION", "a (b) AND c"))
		}
		for range r.IntN(3) {
			c.Locations = append(c.Locations, sbom.Location{Path: odd()[1:] + "p" + odd(), Layer: pick("", digestA)})
		}
		if r.IntN(3) == 0 {
			c.SourceName, c.SourceVersion = "src "+odd(), pick("", "9")
			c.Hashes = []sbom.Hash{{Algorithm: "SHA-1", Value: strings.Repeat("a", 40)}, {Algorithm: "BLAKE3", Value: strings.Repeat("0", 64)}}
		}
		v.Components = append(v.Components, c)
	}
	for range n {
		v.Relations = append(v.Relations, sbom.Relation{From: v.Components[r.IntN(n)].StableID(), To: v.Components[r.IntN(n)].StableID(),
			Type: sbom.RelationType(pick("depends-on", "depends-on", "contains"))})
	}
	return v
}

// TestRoundTrips writes many inventories in each format and reads them back:
// the document is valid, names its subject, and comes out the same when
// written again. Shuffling what goes in changes nothing.
func TestRoundTrips(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		v := random(r, 1+r.IntN(12))
		for _, f := range []format.Format{format.SPDXJSON, format.CycloneDXJSON} {
			first := encode(t, f, v)
			if got, err := format.Validate(bytes.NewReader(first)); err != nil || got != f {
				t.Fatalf("seed %d, %s: %v, %v\n%s", seed, f, got, err, first)
			}
			doc, got, err := format.Decode(bytes.NewReader(first))
			if err != nil || got != f || len(doc.Lost) > 0 {
				t.Fatalf("seed %d, %s: %v, %v, lost %v\n%s", seed, f, got, err, doc.Lost, first)
			}
			if d := doc.Inventory.Subject.Digest; d != v.Subject.Digest || d != "" && !cmp.Equal(doc.Subjects, []string{d}) {
				t.Fatalf("seed %d, %s: subject %q, %v", seed, f, d, doc.Subjects)
			}
			if second := encode(t, f, doc.Inventory); !bytes.Equal(first, second) {
				t.Fatalf("seed %d, %s: -first +second\n%s", seed, f, cmp.Diff(strings.Split(string(first), "\n"), strings.Split(string(second), "\n")))
			}
			r.Shuffle(len(v.Components), func(i, j int) { v.Components[i], v.Components[j] = v.Components[j], v.Components[i] })
			r.Shuffle(len(v.Relations), func(i, j int) { v.Relations[i], v.Relations[j] = v.Relations[j], v.Relations[i] })
			if again := encode(t, f, v); !bytes.Equal(first, again) {
				t.Fatalf("seed %d, %s: the order of components shows", seed, f)
			}
		}
	}
}

// TestConvert goes from one format to the other and keeps every component.
func TestConvert(t *testing.T) {
	v := random(rand.New(rand.NewPCG(7, 7)), 10).Sorted()
	doc, _, err := format.Decode(bytes.NewReader(encode(t, format.CycloneDXJSON, v)))
	if err != nil {
		t.Fatal(err)
	}
	doc, _, err = format.Decode(bytes.NewReader(encode(t, format.SPDXJSON, doc.Inventory)))
	if err != nil {
		t.Fatal(err)
	}
	names := func(v sbom.Inventory) map[string]string {
		m := make(map[string]string)
		for _, c := range v.Components {
			m[c.ID] = c.Name + " " + c.Version + " " + c.PURL.String()
		}
		return m
	}
	if d := cmp.Diff(names(v), names(doc.Inventory)); d != "" {
		t.Error(d)
	}
}

func encode(t testing.TB, f format.Format, v sbom.Inventory) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := format.Encode(&out, f, v); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestRefuses holds what the reasons for refusing a document say.
func TestRefuses(t *testing.T) {
	valid := string(encode(t, format.CycloneDXJSON, random(rand.New(rand.NewPCG(1, 1)), 3)))
	for doc, want := range map[string]string{
		"": "empty", " \n\t": "empty", "\xef\xbb\xbf": "empty",
		"hello":                           "starts with \"hello\"",
		"\x1f\x8b\x08":                    "gzip",
		"[]":                              "a JSON list",
		"\xff\xfe{\x00":                   "UTF-16",
		`{"hello":1}`:                     "neither bomFormat (CycloneDX) nor spdxVersion (SPDX)",
		`{"hello":`:                       "cut off",
		`{"a":{"bomFormat":"CycloneDX"}}`: "neither",
		`{"a":"bomFormat"}`:               "neither",
		`{"bomFormat":"CycloneDX","spdxVersion":"SPDX-2.3"}`:                "both",
		`{"bomFormat":"Other"}`:                                             "bomFormat is \"Other\"",
		`{"bomFormat":"CycloneDX"}`:                                         "specVersion",
		`{"spdxVersion":1}`:                                                 "no string",
		`{"spdxVersion":"SPDX-2.1"}`:                                        "spdxVersion is \"SPDX-2.1\"",
		`{"spdxVersion":"SPDX-2.3"}`:                                        "documentNamespace",
		`{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld"}`:     "SPDX 3",
		`{"_type":"x","predicateType":"y"}`:                                 "in-toto",
		`{"payloadType":"x","payload":"y"}`:                                 "DSSE",
		`{"artifacts":[],"source":{}}`:                                      "Syft JSON is not read",
		`<html></html>`:                                                     "not CycloneDX",
		"SPDXVersion: SPDX-2.3\nHello":                                      "tag-value",
		valid[:len(valid)/2]:                                                "cut off",
		valid + "{":                                                         "at byte",
		strings.Replace(valid, `"version":1`, `"version":1,"version":2`, 1): "twice",
		strings.Replace(valid, `"specVersion"`, `"specVersio"`, 1):          "specVersion",
	} {
		if _, err := format.Validate(strings.NewReader(doc)); err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, sbom.ErrInvalid) {
			t.Errorf("validate %.60q: got %v, want an error with %q", doc, err, want)
		}
	}
	if f, err := format.Detect([]byte(valid[:100])); f != format.CycloneDXJSON || err != nil {
		t.Errorf("the beginning of a document: %v, %v", f, err)
	}
}

// TestTooLarge makes sure that an endless document ends at the limit.
func TestTooLarge(t *testing.T) {
	r := io.MultiReader(strings.NewReader("{"), endless{})
	if _, err := format.Validate(r); !errors.Is(err, sbom.ErrLimit) {
		t.Errorf("got %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestCheckSubject(t *testing.T) {
	for _, f := range []format.Format{format.SPDXJSON, format.CycloneDXJSON} {
		v := random(rand.New(rand.NewPCG(3, 3)), 3)
		v.Subject.Digest = digestA
		doc, _, err := format.Decode(bytes.NewReader(encode(t, f, v)))
		if err != nil {
			t.Fatal(err)
		}
		if err := format.CheckSubject(doc, digestB, digestA); err != nil {
			t.Error(err)
		}
		if err := format.CheckSubject(doc, digestB); !errors.Is(err, format.ErrOtherImage) {
			t.Errorf("got %v", err)
		}
		if err := format.CheckSubject(doc); !errors.Is(err, format.ErrOtherImage) {
			t.Errorf("got %v", err)
		}
	}
	if err := format.CheckSubject(sbom.Document{}, digestA); err != nil {
		t.Error(err)
	}
	if err := format.Encode(io.Discard, format.SyftJSON, sbom.Inventory{}); err == nil {
		t.Error("Syft JSON was written")
	}
}

// TestCorpus detects the documents of the CycloneDX project.
func TestCorpus(t *testing.T) {
	root := os.Getenv("HALLMARK_CORPORA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	files, err := filepath.Glob(filepath.Join(root, "cyclonedx", "1.?", "valid-*"))
	if err != nil || len(files) < 100 {
		t.Fatalf("test data is missing, set HALLMARK_CORPORA to its folder: %d files, %v", len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]format.Format{".json": format.CycloneDXJSON, ".xml": format.CycloneDXXML}[filepath.Ext(file)]
		if got, err := format.Detect(raw); got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v", file, got, err)
		}
	}
}

func FuzzValidate(f *testing.F) {
	for _, x := range []format.Format{format.SPDXJSON, format.CycloneDXJSON} {
		f.Add(encode(f, x, random(rand.New(rand.NewPCG(1, 1)), 2)))
	}
	f.Add([]byte(`{"a":"\`))
	f.Add([]byte(`{"bomFormat":"CycloneDX","specVersion":"1.6"}`))
	f.Add([]byte("SPDXVersion: SPDX-2.3\n"))
	f.Add([]byte("<bom"))
	f.Fuzz(func(t *testing.T, data []byte) {
		was := bytes.Clone(data)
		got, err := format.Validate(bytes.NewReader(data))
		if !bytes.Equal(was, data) {
			t.Fatal("the document was changed")
		}
		if err != nil {
			return
		}
		if _, again, err := format.Decode(bytes.NewReader(data)); err != nil || again != got {
			t.Fatalf("valid %s does not decode: %v, %v", got, again, err)
		}
	})
}
