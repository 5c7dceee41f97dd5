package extract_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

func TestWhole(t *testing.T) {
	parse := func(b []byte) (extract.Record, error) {
		if len(b) == 0 {
			return extract.Record{}, nil
		}
		r := extract.Record{Packages: []extract.Package{{Name: string(b)}}}
		if strings.Contains(string(b), "!") {
			return r, errors.New("bad")
		}
		return r, nil
	}
	tests := []struct {
		name     string
		size     int64
		pieces   []string
		enough   bool
		found    bool
		content  string
		unknowns int
	}{
		{"in pieces", 4, []string{"ab", "", "cd"}, false, true, "abcd", 0},
		{"at the limit", 8, []string{"abcd", "efgh"}, false, true, "abcdefgh", 0},
		{"over the limit", 9, []string{"abcd"}, true, true, "", 1},
		{"longer than it said", 4, []string{"abcdefgh", "i"}, true, true, "", 1},
		{"with an error", 2, []string{"a!"}, false, true, "a!", 1},
		{"of no interest", 0, nil, false, false, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := extract.Whole(tt.size, 8, parse)
			var err error
			for _, p := range tt.pieces {
				_, err = s.Write([]byte(p))
			}
			if errors.Is(err, extract.ErrEnough) != tt.enough {
				t.Errorf("the last write returns %v", err)
			}
			r, found := s.Record()
			content := ""
			if len(r.Packages) > 0 {
				content = r.Packages[0].Name
			}
			if found != tt.found || content != tt.content || len(r.Unknowns) != tt.unknowns {
				t.Errorf("found %v, content %q, unknowns %q", found, content, r.Unknowns)
			}
		})
	}
}

// TestSince holds a package that came, went and came back.
func TestSince(t *testing.T) {
	p := extract.Package{Name: "a", Version: "1", Arch: "x"}
	with, without := extract.Record{Packages: []extract.Package{p}}, extract.Record{Packages: []extract.Package{{Name: "a", Version: "2", Arch: "x"}}}
	for want, before := range map[string][]extract.Record{
		"now": {}, "0": {with}, "1": {without, with}, "2": {with, without, with}, "now ": {with, without},
	} {
		f := extract.File{Layer: "now"}
		for i, r := range before {
			f.Before = append(f.Before, extract.Version{Layer: string(rune('0' + i)), Record: r})
		}
		if got := f.Since(&p); got != strings.TrimSpace(want) {
			t.Errorf("%d versions before: since %q, want %q", len(before), got, want)
		}
	}
}

func TestView(t *testing.T) {
	v := extract.NewView(sbom.Distro{}, []extract.File{
		{Path: "b/x", Format: "one", Record: extract.Record{Unknowns: []string{"why"}}},
		{Path: "b/x", Format: "two"},
	}, func(p string) string { return strings.Replace(p, "a/", "b/", 1) })
	if f, ok := v.Find("a/x", "two"); !ok || f.Format != "two" {
		t.Errorf("through a link: %v %v", f, ok)
	}
	if _, ok := v.Find("a/x", "three"); ok {
		t.Error("a format that is not there was found")
	}
	if want := []sbom.Unknown{{Path: "b/x", Reason: "why"}}; !slices.Equal(v.Unknowns(), want) {
		t.Errorf("unknowns %v", v.Unknowns())
	}
}

func TestSystemPURL(t *testing.T) {
	p := extract.Package{Name: "N", Version: "1", Arch: "x", SourceName: "s", SourceVersion: "2"}
	for want, d := range map[string]sbom.Distro{
		"pkg:apk/wolfi/n@1?arch=x&distro=wolfi&upstream=s%402":     {ID: "wolfi"},
		"pkg:apk/alpine/n@1?arch=x&distro=alpine-3&upstream=s%402": {ID: "Alpine", VersionID: "3"},
		"": {VersionID: "3"},
	} {
		if got := extract.SystemPURL("apk", d, &p).String(); got != want {
			t.Errorf("%+v: %q, want %q", d, got, want)
		}
	}
}
