package match

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/verify/advisory"
)

func inventory(t testing.TB, purls ...string) sbom.Inventory {
	t.Helper()
	var v sbom.Inventory
	for _, p := range purls {
		v.Components = append(v.Components, component(t, p))
	}
	return v
}

// lines prints findings, one a line.
func lines(r Result) []string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, fmt.Sprintf("%s %s@%s fixed %v %s", f.ID, f.Component.Name, f.Component.Version, f.Fixed, f.Class))
	}
	return out
}

func run(t testing.TB, x *Index, v sbom.Inventory) Result {
	t.Helper()
	r, err := x.Match(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// one returns a set of one advisory about one package.
func one(ecosystem, name, list string) *advisory.Advisory {
	return &advisory.Advisory{ID: "X-1", Affected: []advisory.Affected{{
		Package: advisory.Package{Ecosystem: ecosystem, Name: name},
		Ranges:  []advisory.Range{{Type: advisory.EcosystemRange, Events: events(list)}},
	}}}
}

func index(list ...*advisory.Advisory) *Index {
	var all []advisory.Advisory
	for _, a := range list {
		all = append(all, *a)
	}
	return NewIndex(advisory.NewSet(all, advisory.Load{}))
}

// TestDistributions: the advisory must be of the release, by the source package.
func TestDistributions(t *testing.T) {
	const from, to = "3.0.0-1", "3.0.13-1~deb12u1"
	deb12 := one("Debian:12", "openssl", "introduced 0, fixed "+to)
	// These make the other releases known, and are about another package.
	others := []*advisory.Advisory{deb12}
	for _, ecosystem := range []string{"Debian:11", "Debian:13", "Ubuntu:22.04:LTS", "Alpine:v3.19"} {
		a := one(ecosystem, "other", "introduced 0")
		a.ID = ecosystem
		others = append(others, a)
	}
	for p, want := range map[string]string{
		"pkg:deb/debian/libssl3@3.0.11-1~deb12u2?upstream=openssl&distro=debian-12":       "affected",
		"pkg:deb/debian/libssl3@3.0.11-1~deb12u2?upstream=openssl&distro=debian-12.15":    "affected",
		"pkg:deb/debian/openssl@3.0.11-1~deb12u2%2Bb1?distro=bookworm":                    "affected",
		"pkg:deb/debian/libssl3@3.0.13-1~deb12u1?upstream=openssl&distro=debian-12":       "",
		"pkg:deb/debian/x@99?upstream=openssl%403.0.11-1&distro=debian-12":                "affected",
		"pkg:deb/debian/libssl3@3.0.11-1~deb12u2?distro=debian-12":                        "",
		"pkg:deb/debian/libssl3@3.0.11-1~deb12u2?upstream=openssl&distro=debian-13":       "",
		"pkg:deb/debian/libssl3@3.0.11-1~deb12u2?upstream=openssl&distro=debian-bullseye": "",
		"pkg:deb/debian/libssl3@3.0.11-1~deb12u2?upstream=openssl":                        "unknown-distro",
		"pkg:deb/debian/libssl3@3.0.13-1~deb12u1?upstream=openssl":                        "",
		"pkg:deb/ubuntu/libssl3@3.0.2-0ubuntu1?upstream=openssl&distro=ubuntu-22.04":      "",
		"pkg:apk/alpine/libssl3@3.0.2-r0?upstream=openssl&distro=alpine-3.19.1":           "",
		"pkg:deb/debian/openssl-clone@3.0.11-1?upstream=openssl-clone&distro=debian-12":   "",
		"pkg:deb/debian/libssl3@unknown?upstream=openssl&distro=debian-12":                "unknown-version",
	} {
		r := run(t, index(others...), inventory(t, p))
		got := ""
		if len(r.Findings) == 1 {
			got = string(r.Findings[0].Class)
		}
		if got != want || len(r.Findings) > 1 {
			t.Errorf("%s: %v, want %s", p, lines(r), want)
		}
		if got == "affected" && !slices.Equal(r.Findings[0].Fixed, []string{to}) {
			t.Errorf("%s: fixed %v", p, r.Findings[0].Fixed)
		}
	}
	alpine := one("Alpine:v3.19", "openssl", "introduced 0, fixed 3.1.4-r6")
	if r := run(t, index(alpine), inventory(t, "pkg:apk/alpine/libcrypto3@3.1.4-r5?upstream=openssl&distro=alpine-3.19.1")); len(r.Findings) != 1 {
		t.Errorf("Alpine: %v", lines(r))
	}
	every := one("Debian", "openssl", "introduced "+from)
	if r := run(t, index(every), inventory(t, "pkg:deb/debian/openssl@3.0.1-1")); len(r.Findings) != 1 || r.Findings[0].Class != Affected {
		t.Errorf("an advisory for all releases: %v", lines(r))
	}
}

// TestAliases merges the names of one vulnerability, through records that match
// nothing themselves, and keeps apart what only has an ancestor in common.
func TestAliases(t *testing.T) {
	pkg := func(id string, aliases ...string) *advisory.Advisory {
		a := one("npm", "minimist", "introduced 0, fixed 1.2."+id[len(id)-1:])
		a.ID, a.Aliases = id, aliases
		return a
	}
	bridge := one("npm", "other", "introduced 0")
	bridge.ID, bridge.Aliases = "BRIDGE", []string{"GHSA-c3", "CVE-2020-2"}
	dsa, dla := pkg("DSA-7"), pkg("DLA-8")
	dsa.Upstream, dla.Upstream = []string{"CVE-2020-9", "CVE-2020-8"}, []string{"CVE-2020-9"}
	gone := pkg("GONE-9", "DSA-7", "DLA-8")
	gone.Withdrawn = time.Unix(1, 0)
	x := index(pkg("NPM-1", "CVE-2020-2"), pkg("GHSA-c3"), bridge, pkg("GHSA-d4", "CVE-2020-4"), pkg("OSV-5", "GHSA-d4"), dsa, dla, gone)
	r := run(t, x, inventory(t, "pkg:npm/minimist@1.2.0"))
	var got []string
	for _, f := range r.Findings {
		got = append(got, strings.Join(f.IDs, ",")+" "+strings.Join(f.Upstream, ",")+" "+strings.Join(f.Fixed, ","))
	}
	want := []string{"CVE-2020-2,GHSA-c3,NPM-1  1.2.1,1.2.3", "CVE-2020-4,GHSA-d4,OSV-5  1.2.4,1.2.5", "DLA-8 CVE-2020-9 1.2.8", "DSA-7 CVE-2020-8,CVE-2020-9 1.2.7"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if r.Coverage.Withdrawn != 1 || r.Coverage.Advisories != 8 {
		t.Errorf("coverage %+v", r.Coverage)
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		ecosystem, name, purl string
		want                  Confidence
	}{
		{"Go", "github.com/Masterminds/goutils", "pkg:golang/github.com/masterminds/goutils@v1.0.0", Medium},
		{"Go", "github.com/Masterminds/goutils", "pkg:golang/github.com/Masterminds/goutils@v1.0.0", High},
		{"PyPI", "ruamel-yaml", "pkg:pypi/ruamel.yaml@1.0.0", High},
		{"npm", "@angular/core", "pkg:npm/%40angular/core@1.0.0", High},
		{"npm", "core", "pkg:npm/%40angular/core@1.0.0", ""},
		{"npm", "JSONStream", "pkg:npm/jsonstream@1.0.0", ""},
		{"Go", "crypto", "pkg:golang/golang.org/x/crypto@v1.0.0", ""},
		{"Maven:https://maven.google.com", "g:a", "pkg:maven/g/a@1.0.0", High},
		{"Kubernetes", "k8s.io/kubelet", "pkg:golang/k8s.io/kubelet@v1.0.0", High},
	} {
		r := run(t, index(one(c.ecosystem, c.name, "introduced 0, fixed 2.0.0")), inventory(t, c.purl))
		var got Confidence
		if len(r.Findings) == 1 {
			got = r.Findings[0].Confidence
		}
		if got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// TestCoverage accounts for each component once.
func TestCoverage(t *testing.T) {
	v := inventory(t, "pkg:npm/a@1.0.0", "pkg:npm/a@1.0.0?download_url=x", "pkg:pypi/b@1", "pkg:rpm/fedora/c@1", "pkg:rpm/fedora/d@1",
		"pkg:deb/debian/e@1?distro=debian-13", "pkg:deb/debian/f@1", "pkg:golang/h.i/j@(devel)")
	v.Components = append(v.Components, sbom.Component{ID: "os", Type: sbom.OS, Name: "debian"}, sbom.Component{ID: "f", Type: sbom.File, Name: "/x"},
		sbom.Component{ID: "n", Type: sbom.Library, Name: "nameless"})
	v.Unknowns = []sbom.Unknown{{Path: "p", Reason: "r"}}
	gone := one("PyPI", "b", "introduced 0")
	gone.ID, gone.Withdrawn = "GONE", time.Unix(1, 0)
	deb := one("Debian:12", "e", "introduced 0")
	deb.ID = "D"
	r := run(t, index(one("npm", "a", "introduced 0"), gone, deb), v)
	want := Coverage{
		Components: 9, NotPackages: 2, Mapped: 6, Checked: 3, Unknowns: 1, Advisories: 3, Withdrawn: 1,
		Unmapped:   map[string]int{noPURL: 1, noSupport + "rpm": 2},
		Unchecked:  map[string]int{"PyPI": 1, "Debian:13": 1, "Go": 1},
		Ecosystems: map[string]int{"npm": 1, "Debian:12": 1},
		Load:       advisory.Load{Withdrawn: 1},
	}
	if d := cmp.Diff(want, r.Coverage); d != "" {
		t.Error(d)
	}
	if len(r.Findings) != 2 || r.Findings[0].Component.Name != "a" {
		t.Errorf("findings %v", lines(r))
	}
}

// TestSamePackage reports a package that is installed in two places once.
func TestSamePackage(t *testing.T) {
	v := inventory(t, "pkg:npm/a@1.0.0", "pkg:npm/a@1.0.0")
	v.Components[0].Locations = []sbom.Location{{Path: "x/a"}}
	v.Components[1].ID, v.Components[1].Locations = "second", []sbom.Location{{Path: "y/a"}}
	r := run(t, index(one("npm", "a", "introduced 0, fixed 2.0.0")), v)
	if len(r.Findings) != 1 || r.Findings[0].Count != 2 || len(r.Findings[0].Component.Locations) != 2 || len(v.Components[0].Locations) != 1 {
		t.Errorf("findings %+v", r.Findings)
	}
}

// TestKnownBeatsSuspected: what one record knows, another's doubt does not change.
func TestKnownBeatsSuspected(t *testing.T) {
	sure, doubt := one("npm", "a", "introduced 0, fixed 2.0.0"), one("npm", "a", "introduced next")
	doubt.ID, doubt.Aliases = "Y-1", []string{"X-1"}
	r := run(t, index(sure, doubt), inventory(t, "pkg:npm/a@1.0.0"))
	if len(r.Findings) != 1 || r.Findings[0].Class != Affected || len(r.Findings[0].Records) != 1 {
		t.Errorf("findings %+v", r.Findings)
	}
	r = run(t, index(doubt), inventory(t, "pkg:npm/a@1.0.0"))
	if len(r.Findings) != 1 || r.Findings[0].Class != UnknownVersion || r.Findings[0].Records[0].Problem == "" {
		t.Errorf("findings %+v", r.Findings)
	}
}

// TestOrder: the same inventory in another order gives the same findings, and
// the worst come first.
func TestOrder(t *testing.T) {
	x := corpus(t)
	v := inventory(t, "pkg:cargo/time@0.1.43", "pkg:golang/stdlib@1.19.9", "pkg:pypi/jinja2@2.10", "pkg:cargo/smallvec@1.6.0")
	a := run(t, x, v)
	slices.Reverse(v.Components)
	if b := run(t, x, v); cmp.Diff(a, b) != "" {
		t.Error(cmp.Diff(a, b))
	}
	if !slices.IsSortedFunc(a.Findings, func(a, b Finding) int { return int(b.Severity) - int(a.Severity) }) || a.Findings[0].Severity < advisory.High {
		t.Errorf("order %v", lines(a))
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := index().Match(ctx, inventory(t, "pkg:npm/a@1")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
