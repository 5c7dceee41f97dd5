package purl_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-oci/hallmark/sbom/purl"
)

// corpora returns a folder of the shared test data.
func corpora(t testing.TB, parts ...string) string {
	t.Helper()
	root := os.Getenv("HALLMARK_CORPORA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	dir := filepath.Join(append([]string{root}, parts...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("test data is missing, set HALLMARK_CORPORA to its folder: %v", err)
	}
	return dir
}

type vector struct {
	Description string          `json:"description"`
	Type        string          `json:"test_type"`
	Input       json.RawMessage `json:"input"`
	Want        json.RawMessage `json:"expected_output"`
	Fails       bool            `json:"expected_failure"`
}

type parts struct {
	Type, Namespace, Name, Version, Subpath *string
	Qualifiers                              map[string]string
}

func (p parts) purl() purl.PURL {
	s := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	return purl.PURL{Type: s(p.Type), Namespace: s(p.Namespace), Name: s(p.Name), Version: s(p.Version),
		Qualifiers: p.Qualifiers, Subpath: s(p.Subpath)}
}

// TestVectors runs the vectors of the package URL specification.
func TestVectors(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpora(t, "purl", "tests"), "*", "*.json"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files of vectors, %v", len(files), err)
	}
	n := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct{ Tests []vector }
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, v := range doc.Tests {
			n++
			t.Run(filepath.Base(file), func(t *testing.T) { runVector(t, v) })
		}
	}
	t.Logf("%d vectors", n)
}

func runVector(t *testing.T, v vector) {
	got, err := result(t, v)
	if v.Fails {
		if contradicted(v) {
			if err != nil {
				t.Errorf("%s %s: %v; qualifier keys know no case", v.Type, v.Input, err)
			}
			return
		}
		if err == nil {
			t.Errorf("%s %s: got %+v, want an error", v.Type, v.Input, got)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s %s: %v", v.Type, v.Input, err)
	}
	if v.Type != "parse" {
		var want string
		decode(t, v.Want, &want)
		if got.String() != want {
			t.Errorf("%s %s: got %s, want %s", v.Type, v.Input, got, want)
		}
		return
	}
	var want parts
	decode(t, v.Want, &want)
	if d := cmp.Diff(want.purl(), got); d != "" {
		t.Errorf("parse %s: -want +got\n%s", v.Input, d)
	}
}

// contradicted names the two vectors that call for an error where the
// specification and the sibling vector of the same input call for lower-casing.
func contradicted(v vector) bool {
	in := string(v.Input)
	return v.Type == "parse" && (in == `"pkg:gem/jruby-launcher@1.1.2?Platform=java"` ||
		in == `"pkg:Rpm/fedora/curl@7.50.3-1.fc25?Arch=i386&Distro=fedora-25"`)
}

func result(t *testing.T, v vector) (purl.PURL, error) {
	if v.Type == "build" {
		var p parts
		decode(t, v.Input, &p)
		return p.purl(), p.purl().Check()
	}
	var s string
	decode(t, v.Input, &s)
	return purl.Parse(s)
}

func decode(t *testing.T, raw json.RawMessage, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
}

// TestString holds spellings that follow from the specification's text.
func TestString(t *testing.T) {
	for want, p := range map[string]purl.PURL{
		"": {},
		"pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12": {
			Type: "deb", Namespace: "Debian", Name: "libstdc++6", Version: "12.2.0-14+deb12u1",
			Qualifiers: map[string]string{"distro": "debian-12", "arch": "amd64", "none": ""}},
		"pkg:golang/github.com/BurntSushi/toml@v1.2.0": {
			Type: "golang", Namespace: "github.com/BurntSushi", Name: "toml", Version: "v1.2.0"},
		"pkg:npm/%40babel/core@7.0.0": {Type: "npm", Namespace: "@babel", Name: "core", Version: "7.0.0"},
		"pkg:pypi/typing-extensions@4.0.0rc1": {
			Type: "pypi", Name: "Typing_Extensions", Version: "4.0.0RC1"},
		"pkg:oci/app@sha256:ab?repository_url=registry.example%2Fteam%2Fapp": {
			Type: "oci", Name: "App", Version: "sha256:AB",
			Qualifiers: map[string]string{"repository_url": "registry.example/team/app"}},
		"pkg:generic/caf%C3%A9": {Type: "generic", Name: "café"},
	} {
		if got := p.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestParseRefuses holds input that no reader may accept.
func TestParseRefuses(t *testing.T) {
	for _, s := range []string{
		"", "pkg:", "pkg:/", "pkg:npm", "pkg:npm/", "http://example.com/x", "pkg:npm/a%2", "pkg:npm/a%zz",
		"pkg:npm/a%ff", "pkg:npm/%40a%2Fb/c", "pkg:npm/a?k=1&K=2", "pkg:npm/a?1k=1", "pkg:npm/a?=x",
		"pkg:npm/a#b%2Fc", "pkg:npm/" + strings.Repeat("a", purl.MaxLength),
	} {
		if p, err := purl.Parse(s); err == nil {
			t.Errorf("%.60q: got %+v, want an error", s, p)
		}
	}
}

// TestCanonicalLeavesInput makes sure that printing does not write to shared maps.
func TestCanonicalLeavesInput(t *testing.T) {
	q := map[string]string{"Arch": "x", "none": ""}
	p := purl.PURL{Type: "DEB", Name: "A", Qualifiers: q}
	_ = p.String()
	if d := cmp.Diff(map[string]string{"Arch": "x", "none": ""}, q); d != "" {
		t.Error(d)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=jessie", "pkg://npm/@babel/core@1#a/../b",
		"pkg:golang/google.golang.org/genproto@abcdedf#/googleapis/api/annotations/", "pkg:oci/x@sha256%3Aab?tag=v1",
		"pkg:npm/a/@/b", "pkg:pub/Ä_b", "pkg:generic/%2Fa%2F@%40",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := purl.Parse(s)
		if err != nil {
			return
		}
		one := p.String()
		again, err := purl.Parse(one)
		if err != nil {
			t.Fatalf("%q became %q, which does not parse: %v", s, one, err)
		}
		if d := cmp.Diff(p, again); d != "" || again.String() != one {
			t.Fatalf("%q became %q, then %q: %s", s, one, again, d)
		}
	})
}

func BenchmarkString(b *testing.B) {
	p := purl.PURL{Type: "deb", Namespace: "debian", Name: "libstdc++6", Version: "12.2.0-14",
		Qualifiers: map[string]string{"distro": "debian-12", "arch": "amd64"}}
	b.ReportAllocs()
	for b.Loop() {
		_ = p.String()
	}
}
