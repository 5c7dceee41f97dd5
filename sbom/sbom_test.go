package sbom_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/purl"
)

func deb(name, version string, paths ...string) sbom.Component {
	c := sbom.Component{Type: sbom.Library, Name: name, Version: version, Ecosystem: "dpkg",
		PURL: purl.PURL{Type: "deb", Namespace: "debian", Name: name, Version: version}}
	for _, p := range paths {
		c.Locations = append(c.Locations, sbom.Location{Path: p})
	}
	return c
}

func sample() sbom.Inventory {
	a, b := deb("curl", "1", "x", "a"), deb("libc6", "2", "a")
	again := deb("curl", "1", "b", "a")
	again.Supplier, again.Licenses = "Someone", []string{"MIT"}
	file := sbom.Component{Type: sbom.File, Name: "blob", Locations: []sbom.Location{{Path: "opt/blob"}}}
	other := sbom.Component{Type: sbom.File, Name: "blob", Locations: []sbom.Location{{Path: "opt/other"}}}
	return sbom.Inventory{
		Distro:     sbom.Distro{ID: "debian", VersionID: "12"},
		Components: []sbom.Component{a, b, again, file, other},
		Relations: []sbom.Relation{
			{From: a.StableID(), To: b.StableID(), Type: sbom.DependsOn},
			{From: b.StableID(), To: a.StableID(), Type: sbom.DependsOn},
			{From: a.StableID(), To: b.StableID(), Type: sbom.DependsOn},
			{From: a.StableID(), To: a.StableID(), Type: sbom.DependsOn},
		},
		Unknowns: []sbom.Unknown{{Path: "b"}, {Path: "a"}, {Path: "b"}},
	}
}

// TestSortAnyOrder puts the same inventory together in many orders.
func TestSortAnyOrder(t *testing.T) {
	want := sample()
	want.Sort()
	if err := want.Validate(); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		got := sample()
		r.Shuffle(len(got.Components), func(i, j int) {
			got.Components[i], got.Components[j] = got.Components[j], got.Components[i]
		})
		r.Shuffle(len(got.Relations), func(i, j int) {
			got.Relations[i], got.Relations[j] = got.Relations[j], got.Relations[i]
		})
		got.Sort()
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	}
}

func TestSortMerges(t *testing.T) {
	v := sample()
	before := sample()
	sorted := v.Sorted()
	if d := cmp.Diff(before, v); d != "" {
		t.Errorf("Sorted changed its receiver: %s", d)
	}
	var curl []sbom.Component
	kinds := make(map[sbom.Type]int)
	for _, c := range sorted.Components {
		kinds[c.Type]++
		if c.Name == "curl" {
			curl = append(curl, c)
		}
	}
	if d := cmp.Diff(map[sbom.Type]int{sbom.Library: 2, sbom.File: 2, sbom.OS: 1}, kinds); d != "" {
		t.Error(d)
	}
	want := deb("curl", "1", "a", "b", "x")
	want.ID, want.Supplier, want.Licenses = want.StableID(), "Someone", []string{"MIT"}
	if d := cmp.Diff([]sbom.Component{want}, curl); d != "" {
		t.Error(d)
	}
	if len(sorted.Relations) != 2 || len(sorted.Unknowns) != 2 {
		t.Errorf("got %d relations and %d unknowns", len(sorted.Relations), len(sorted.Unknowns))
	}
	if d := cmp.Diff(sorted, sorted.Sorted()); d != "" {
		t.Error(d)
	}
	s := sorted.Stats()
	if s.Components != 4 || s.Packages != 2 || s.Versioned != 2 || s.Identified != 2 || s.Licensed != 1 || s.Supplied != 1 || s.Share(s.Licensed) != 50 ||
		!cmp.Equal(s.Ecosystems, []sbom.Count{{Ecosystem: "dpkg", N: 2}, {Ecosystem: "file", N: 2}}) {
		t.Errorf("got %+v", s)
	}
}

// TestSortKeepsClash makes sure that one ID for two packages is not hidden by merging.
func TestSortKeepsClash(t *testing.T) {
	a, b := deb("a", "1"), deb("b", "1")
	a.ID, b.ID = "x", "x"
	v := sbom.Inventory{Components: []sbom.Component{a, b}}
	v.Sort()
	if err := v.Validate(); len(v.Components) != 2 || err == nil || !strings.Contains(err.Error(), "taken") {
		t.Errorf("got %d components, %v", len(v.Components), err)
	}
}

// TestSortText makes sure that what is no text does not reach a document, and
// that a component keeps its identity on the way.
func TestSortText(t *testing.T) {
	for _, c := range []sbom.Component{
		{Type: sbom.File, Name: "a\xff", Locations: []sbom.Location{{Path: "p\xfe"}}, Licenses: []string{"\xff"}},
		{Type: sbom.Library, Name: "a", PURL: purl.PURL{Type: "npm", Name: "a\xff", Qualifiers: map[string]string{"k": "\xff"}}},
	} {
		v := sbom.Inventory{Components: []sbom.Component{c}, Unknowns: []sbom.Unknown{{Path: "\xff"}}}
		sorted := v.Sorted()
		if got := sorted.Components[0].ID; got != c.StableID() || got != sorted.Components[0].StableID() {
			t.Errorf("%q became %q", c.StableID(), got)
		}
		if !utf8.ValidString(fmt.Sprint(sorted)) {
			t.Errorf("%q", fmt.Sprint(sorted))
		}
		if d := cmp.Diff([]sbom.Component{c}, v.Components); d != "" {
			t.Error(d)
		}
	}
}

func TestValidate(t *testing.T) {
	for want, spoil := range map[string]func(*sbom.Inventory){
		"no name":         func(v *sbom.Inventory) { v.Components[0].Name = " " },
		"no ID":           func(v *sbom.Inventory) { v.Components[0].ID = "" },
		"unknown type":    func(v *sbom.Inventory) { v.Components[0].Type = "" },
		"has no type":     func(v *sbom.Inventory) { v.Components[0].PURL.Type = ""; v.Components[0].PURL.Name = "x" },
		"is malformed":    func(v *sbom.Inventory) { v.Components[0].Hashes = []sbom.Hash{{Algorithm: "SHA-1", Value: "ab"}} },
		"leading slash":   func(v *sbom.Inventory) { v.Components[0].Locations = []sbom.Location{{Path: "/a"}} },
		"the limit is":    func(v *sbom.Inventory) { v.Components[0].Version = strings.Repeat("1", sbom.MaxField+1) },
		"no component":    func(v *sbom.Inventory) { v.Relations[0].To = "nowhere" },
		"unknown type \"": func(v *sbom.Inventory) { v.Relations[0].Type = "likes" },
		"digest":          func(v *sbom.Inventory) { v.Subject.Digest = "sha256:AB" },
		"1000000":         func(v *sbom.Inventory) { v.Components = make([]sbom.Component, sbom.MaxComponents+1) },
	} {
		v := sample().Sorted()
		spoil(&v)
		if err := v.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// TestParseLicense takes its cases from SPDX 2.3, Annex D, and from packages.
func TestParseLicense(t *testing.T) {
	for in, want := range map[string]string{
		"MIT": "MIT", "mit": "MIT", "gpl-2.0-only": "GPL-2.0-only", "GPL-2.0+": "GPL-2.0+", "Apache-2.0+": "Apache-2.0+",
		"LGPL-2.1-only OR MIT":                      "LGPL-2.1-only OR MIT",
		"( MIT or  BSD-3-Clause )and zlib":          "(MIT OR BSD-3-Clause) AND Zlib",
		"GPL-2.0-or-later WITH Bison-exception-2.2": "GPL-2.0-or-later WITH Bison-exception-2.2",
		"GPL-2.0-only WITH linux-syscall-note":      "GPL-2.0-only WITH Linux-syscall-note",
		"0BSD":                                      "0BSD", "ZPL-2.1": "ZPL-2.1",
		"": "", "GPL-2": "", "Expat": "", "MIT AND": "", "(MIT": "", "MIT)": "", "MIT MIT": "", "MIT WITH": "",
		"MIT WITH MIT": "", "AND": "", "LicenseRef-x": "", "NOASSERTION": "", "Bison-exception-2.2": "", "MIT+ +": "",
		"MIT WITH Bison-exception-2.2 WITH Bison-exception-2.2": "",
	} {
		got, ok := sbom.ParseLicense(in)
		if got.Expression != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", in, got.Expression, ok, want)
		}
	}
	if !sbom.IsLicenseException("Linux-syscall-note") || sbom.IsLicenseException("linux-syscall-note") || sbom.IsLicenseException("MIT") {
		t.Error("exceptions are not told from licenses")
	}
	if l, _ := sbom.ParseLicense("mit"); !l.Single {
		t.Error("MIT is a single identifier")
	}
	if l, _ := sbom.ParseLicense("MIT+"); l.Single {
		t.Error("MIT+ is not a single identifier")
	}
	if _, ok := sbom.ParseLicense(strings.Repeat("(", 100000) + "MIT"); ok {
		t.Error("an endless expression was accepted")
	}
}

func TestCheckJSON(t *testing.T) {
	deep := strings.Repeat(`{"a":`, sbom.MaxDepth) + "1" + strings.Repeat("}", sbom.MaxDepth)
	if err := sbom.CheckJSON([]byte(deep)); err != nil {
		t.Errorf("%d levels: %v", sbom.MaxDepth, err)
	}
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, `"k%d":[{"x":1},"x"],`, i)
	}
	if err := sbom.CheckJSON([]byte("{" + many.String() + `"x":{"x":"\""}}`)); err != nil {
		t.Error(err)
	}
	for in, want := range map[string]string{
		"":                              "empty",
		" \n":                           "empty",
		"hello":                         "not a JSON object",
		"[]":                            "not a JSON object",
		`{"a":1`:                        "cut off",
		`{"a":"b`:                       "cut off",
		`{"a":1}{`:                      "at byte",
		`{"a":}`:                        "at byte",
		"{\"a\":\"\xff\"}":              "UTF-8",
		`{"a":1,"b":[],"a":2}`:          "twice",
		`{"a":1,"A":2}`:                 "twice",
		`{"a":1,"\u0061":2}`:            "twice",
		`{"s":1,"ſ":2}`:                 "twice",
		`{"x":[{"a":{},"a":1}]}`:        "twice",
		"{" + many.String() + `"k7":1}`: "twice",
		`{"a":` + deep + `}`:            "deeper",
		`{"a":"` + strings.Repeat("x", sbom.MaxString+1) + `"}`: "longer",
	} {
		err := sbom.CheckJSON([]byte(in))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want an error with %q", in, err, want)
		} else if !errors.Is(err, sbom.ErrInvalid) && !errors.Is(err, sbom.ErrLimit) {
			t.Errorf("%.40q: %v names no reason", in, err)
		}
	}
}

func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,{"b":"\\\""}]}`, `{"a":1,"A":2}`, `{`, `{"\u00`, `[[[[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if sbom.CheckJSON(data) != nil {
			return
		}
		n := 0
		if err := sbom.Members(data, func(_ string, d *json.Decoder) error {
			n++
			var v any
			return d.Decode(&v)
		}); err != nil {
			t.Errorf("%q passed and does not decode: %v", data, err)
		}
		var m map[string]any
		if err := json.Unmarshal(data, &m); err != nil || len(m) != n {
			t.Errorf("%q: %d members, %d distinct, %v", data, n, len(m), err)
		}
	})
}

// TestSortManyAlike merges many entries of one package: the memory that takes
// grows with their number, not with its square.
func TestSortManyAlike(t *testing.T) {
	const n = 20_000
	var v sbom.Inventory
	for i := range n {
		v.Components = append(v.Components, sbom.Component{
			Type: sbom.Library, Name: "a", Version: "1", ID: "a",
			Licenses: []string{fmt.Sprintf("LicenseRef-%d", i)}, Locations: []sbom.Location{{Path: fmt.Sprint(i)}},
		})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	v.Sort()
	runtime.ReadMemStats(&after)
	if len(v.Components) != 1 || len(v.Components[0].Locations) != n || len(v.Components[0].Licenses) != n {
		t.Fatalf("%d components", len(v.Components))
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 200<<20 {
		t.Errorf("%d bytes for %d entries", took, n)
	}
}
