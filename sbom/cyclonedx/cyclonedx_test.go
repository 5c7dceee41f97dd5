package cyclonedx_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/cyclonedx"
	"github.com/hallmark-oci/hallmark/sbom/purl"
)

const imageDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func inventory() sbom.Inventory {
	layer := "sha256:" + strings.Repeat("a", 64)
	deb := func(name string, licenses ...string) sbom.Component {
		return sbom.Component{Type: sbom.Library, Name: name, Version: "1:2.0-1+b1", Ecosystem: "dpkg", Licenses: licenses,
			PURL:       purl.PURL{Type: "deb", Namespace: "debian", Name: name, Version: "1:2.0-1+b1"},
			Supplier:   "The Team <team@example.org>",
			SourceName: "src-" + name, SourceVersion: "2.0",
			Locations: []sbom.Location{{Path: "var/lib/dpkg/status", Layer: layer}, {Path: "etc/" + name}}}
	}
	a, b := deb("a", "MIT", "GPL-2+ & friends <\"x\">"), deb("b", "MIT OR Apache-2.0", "GPL-2.0-only")
	c := deb("c", "Apache-2.0", "MIT AND Zlib", "Something else")
	app := sbom.Component{Type: sbom.Application, Name: "app\u2028", Ecosystem: "own",
		Hashes:    []sbom.Hash{{Algorithm: "SHA-256", Value: strings.Repeat("b", 64)}},
		Locations: []sbom.Location{{Path: "opt/a\"pp\n", Layer: layer}}}
	rel := func(x sbom.Component, t sbom.RelationType, y sbom.Component) sbom.Relation {
		return sbom.Relation{From: x.StableID(), To: y.StableID(), Type: t}
	}
	return sbom.Inventory{
		Subject:    sbom.Subject{Name: "registry.example/team/app", Digest: imageDigest, Platform: "linux/arm64/v8"},
		Tool:       sbom.Tool{Name: "hallmark", Version: "1.0"},
		Created:    time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Distro:     sbom.Distro{ID: "debian", VersionID: "12", PrettyName: "Debian GNU/Linux 12"},
		Components: []sbom.Component{a, b, c, app},
		Relations: []sbom.Relation{rel(a, sbom.DependsOn, b), rel(b, sbom.DependsOn, a), rel(app, sbom.Contains, c),
			rel(a, sbom.Contains, c), rel(c, sbom.Contains, app)},
		Unknowns: []sbom.Unknown{{Path: "opt/x\"\n", Reason: "no \"idea\""}},
	}
}

func encode(t testing.TB, v sbom.Inventory) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := cyclonedx.Encode(&out, v); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestEncodeValid holds the output against the published schema, our own
// rules and the reader of the CycloneDX project.
func TestEncodeValid(t *testing.T) {
	raw := encode(t, inventory())
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema(t, "1.6").Validate(doc); err != nil {
		t.Errorf("%v\n%s", err, raw)
	}
	if err := cyclonedx.Validate(bytes.NewReader(raw)); err != nil {
		t.Error(err)
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(raw), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	root := bom.Metadata.Component
	if root.Type != cdx.ComponentTypeContainer || (*root.Hashes)[0].Value != imageDigest[7:] ||
		root.PackageURL != "pkg:oci/app@"+imageDigest+"?arch=arm64&repository_url=registry.example%2Fteam%2Fapp" {
		t.Errorf("the subject is %+v", root)
	}
	if bom.Metadata.Timestamp != "2026-01-02T03:04:05Z" || len(bom.SerialNumber) != len("urn:uuid:")+36 || bom.SerialNumber[9+14] != '5' {
		t.Errorf("timestamp %s, serial number %s", bom.Metadata.Timestamp, bom.SerialNumber)
	}
	edges := make(map[string][]string)
	for _, d := range *bom.Dependencies {
		edges[d.Ref] = *d.Dependencies
	}
	if got := edges[root.BOMRef]; len(got) != 2 {
		t.Errorf("walks start at %v, want one of the circle and the operating system", got)
	}
}

// TestLicenses holds how licenses are laid out.
func TestLicenses(t *testing.T) {
	var doc struct {
		Components []struct {
			Name       string
			Licenses   json.RawMessage
			Components []struct{ Name string }
		}
	}
	if err := json.Unmarshal(encode(t, inventory()), &doc); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, c := range doc.Components {
		got[c.Name] = string(c.Licenses)
	}
	if want := `[{"license":{"name":"GPL-2+ & friends <\"x\">","acknowledgement":"declared"}},{"license":{"id":"MIT","acknowledgement":"declared"}}]`; got["a"] != want {
		t.Errorf("a: %s", got["a"])
	}
	if want := `[{"expression":"GPL-2.0-only AND (MIT OR Apache-2.0)","acknowledgement":"declared"}]`; got["b"] != want {
		t.Errorf("b: %s", got["b"])
	}
}

// TestRoundTrip reads back what was written: nothing is lost, and writing it
// again gives the same bytes.
func TestRoundTrip(t *testing.T) {
	want := inventory()
	raw := encode(t, want)
	doc, err := cyclonedx.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if len(doc.Lost) > 0 {
		t.Errorf("lost %+v", doc.Lost)
	}
	if d := cmp.Diff([]string{imageDigest}, doc.Subjects); d != "" {
		t.Error(d)
	}
	want.Sort()
	for i := range want.Components {
		if want.Components[i].Name == "b" { // two licenses became one expression
			want.Components[i].Licenses = []string{"GPL-2.0-only AND (MIT OR Apache-2.0)"}
		}
	}
	if d := cmp.Diff(want, doc.Inventory); d != "" {
		t.Error(d)
	}
	if again := encode(t, doc.Inventory); !bytes.Equal(raw, again) {
		t.Errorf("first\n%s\nthen\n%s", raw, again)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for want, spoil := range map[string]func(*sbom.Inventory){
		"no subject": func(v *sbom.Inventory) { v.Subject = sbom.Subject{} },
		"no name":    func(v *sbom.Inventory) { v.Components[0].Name = "" },
		"there is no": func(v *sbom.Inventory) {
			v.Relations = append(v.Relations, sbom.Relation{From: "x", To: "y", Type: sbom.DependsOn})
		},
	} {
		v := inventory()
		spoil(&v)
		if err := cyclonedx.Encode(&bytes.Buffer{}, v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	bom := func(rest string) string { return `{"bomFormat":"CycloneDX","specVersion":"1.6",` + rest + `}` }
	for in, want := range map[string]string{
		"":            "empty",
		`{"hello":1}`: "bomFormat",
		`{"bomFormat":"CycloneDX","specVersion":"9.9"}`:    "specVersion",
		`{"spdxVersion":"SPDX-2.3"}`:                       "bomFormat",
		bom(`"components":{}`):                             "want a list",
		bom(`"components":[{"type":"library","name":""}]`): "no name",
		bom(`"components":[{"type":"library","name":"a","bom-ref":"x"},{"type":"library","name":"b","bom-ref":"x"}]`): "two components",
		bom(`"metadata":{"timestamp":"yesterday"}`):                                        "RFC 3339",
		bom(`"components":[{"type":1}]`):                                                   "cannot unmarshal",
		`<bom xmlns="http://example.org/"/>`:                                               "no CycloneDX",
		`<bom xmlns="http://cyclonedx.org/schema/bom/0.9"/>`:                               "want 1.2",
		`<!DOCTYPE x [<!ENTITY a "b">]><bom xmlns="http://cyclonedx.org/schema/bom/1.4"/>`: "directive",
		`<bom xmlns="http://cyclonedx.org/schema/bom/1.4">`:                                "not XML",
		strings.Repeat("<a>", 100):                                                         "no CycloneDX",
	} {
		if _, err := cyclonedx.Decode(strings.NewReader(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, want an error with %q", in, err, want)
		}
	}
}

// TestDecodeForeign reads the spellings of other tools.
func TestDecodeForeign(t *testing.T) {
	in := `{"bomFormat":"CycloneDX","specVersion":"1.4","version":1,"metadata":{"tools":[{"vendor":"x","name":"other","version":"2"}],
	"component":{"type":"container","bom-ref":"r","name":"app","version":"` + imageDigest + `"}},
	"components":[{"type":"framework","group":"@babel","name":"core","bom-ref":"b","cpe":"cpe:x","purl":"not one",
	"hashes":[{"alg":"SHA-1","content":"short"}],"licenses":[{"license":{"id":"MIT"}}]},
	{"type":"library","name":"anonymous","version":"1"},{"type":"library","name":"anonymous","version":"2"}],
	"dependencies":[{"ref":"r","dependsOn":["b"]},{"ref":"b","dependsOn":["gone"]}],"services":[]}`
	doc, err := cyclonedx.Decode(strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range doc.Inventory.Components {
		names = append(names, c.Name+" "+c.Version)
	}
	if len(names) != 3 || !strings.Contains(fmt.Sprint(names), "@babel/core") || len(doc.Subjects) != 1 || doc.Inventory.Tool.Name != "other" {
		t.Errorf("got %v, %v, %v", names, doc.Subjects, doc.Inventory.Tool)
	}
	var lost []string
	for _, l := range doc.Lost {
		lost = append(lost, l.Field)
	}
	want := []string{"components[].cpe", "components[].hashes", "components[].purl", "components[].type", "dependencies[]", "services"}
	if d := cmp.Diff(want, lost); d != "" {
		t.Error(d)
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(corpora(f, "cyclonedx", "1.6"), "valid-*l"))
	if err != nil || len(files) < 20 {
		f.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add(encode(f, inventory()))
	f.Add([]byte(`<bom xmlns="http://cyclonedx.org/schema/bom/1.4"><components><component type="library"><name>a</name></component></components></bom>`))
	f.Add([]byte(`{"bomFormat":"CycloneDX","specVersion":"1.2","metadata":{"tools":[null]},"components":[{"components":[{}]}],"dependencies":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = cyclonedx.Validate(bytes.NewReader(data))
		doc, err := cyclonedx.Decode(bytes.NewReader(data))
		if err != nil {
			return
		}
		if doc.Inventory.Subject == (sbom.Subject{}) {
			doc.Inventory.Subject.Name = "x"
		}
		first := encode(t, doc.Inventory)
		again, err := cyclonedx.Decode(bytes.NewReader(first))
		if err != nil {
			t.Fatalf("%s\n%v", first, err)
		}
		if second := encode(t, again.Inventory); !bytes.Equal(first, second) {
			t.Fatalf("first\n%s\nthen\n%s", first, second)
		}
	})
}
