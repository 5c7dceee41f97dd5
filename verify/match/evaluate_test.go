package match

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/verify/advisory"
	"github.com/hallmark-oci/hallmark/verify/version"
)

// events reads "introduced 0, fixed 1.2".
func events(s string) []advisory.Event {
	var list []advisory.Event
	for e := range strings.SplitSeq(s, ", ") {
		kind, v, _ := strings.Cut(e, " ")
		list = append(list, advisory.Event{Kind: advisory.EventKind(kind), Version: v})
	}
	return list
}

func semver(s string) advisory.Range {
	return advisory.Range{Type: advisory.SemVerRange, Events: events(s)}
}

func inSemver(r advisory.Range, v string) (span, bool, error) {
	parsed, err := version.Parse(version.SemVer, v)
	if err != nil {
		return span{}, false, err
	}
	return inRange(version.SemVer, r, parsed)
}

// TestInRange follows the examples of the schema, "affected[].ranges[].events fields".
func TestInRange(t *testing.T) {
	for _, c := range []struct {
		events, in, out string
	}{
		{"introduced 0, fixed 1.0.2", "0.0.0-alpha 0.1.0 1.0.1 1.0.2-rc1", "1.0.2 1.0.3 2.0.0"},
		{"introduced 1.0.0, fixed 1.0.2", "1.0.0 1.0.1", "0.9.9 1.0.0-rc1 1.0.2"},
		{"introduced 1.0.0", "1.0.0 99.0.0", "0.9.9"},
		{"introduced 0, last_affected 2.1214.0", "0.1.0 2.1214.0", "2.1214.1"},
		{"introduced 0, fixed 1.4.2, introduced 2.0.0, fixed 2.3.1", "1.4.1 2.0.0 2.3.0", "1.4.2 1.9.9 2.3.1"},
		{"introduced 2.0.0, fixed 2.3.1, fixed 1.4.2, introduced 0", "1.4.1 2.0.0 2.3.0", "1.4.2 1.9.9 2.3.1"},
		{"introduced 0, fixed 1.0.0, introduced 1.0.0, fixed 2.0.0", "0.5.0 1.0.0 1.5.0", "2.0.0"},
		{"introduced 1.0.0, fixed 2.0.0, introduced 0, fixed 1.0.0", "0.5.0 1.0.0 1.5.0", "2.0.0"},
		{"introduced 1.0.0, last_affected 1.0.0", "1.0.0", "0.9.0 1.0.1"},
		{"last_affected 1.0.0, introduced 1.0.0", "1.0.0", "0.9.0 1.0.1"},
		{"introduced 0, limit 1.5.0", "1.4.9", "1.5.0 2.0.0"},
		{"introduced 0, limit *", "1.4.9 99.0.0", ""},
		{"introduced 0, limit 1.0.0, limit 2.0.0, fixed 1.8.0", "0.9.0 1.7.0", "1.8.0 2.0.0"},
		{"introduced 1.0.0-rc1, fixed 1.0.0", "1.0.0-rc1 1.0.0-rc2", "1.0.0-beta1 1.0.0"},
	} {
		for _, v := range strings.Fields(c.in) {
			if _, in, err := inSemver(semver(c.events), v); !in || err != nil {
				t.Errorf("%s: %s is not affected, %v", c.events, v, err)
			}
		}
		for _, v := range strings.Fields(c.out) {
			if _, in, err := inSemver(semver(c.events), v); in || err != nil {
				t.Errorf("%s: %s is affected, %v", c.events, v, err)
			}
		}
	}
}

// TestSpan names the interval that a version lies in.
func TestSpan(t *testing.T) {
	r := semver("introduced 3.0.0, introduced 0, fixed 1.4.2, introduced 2.0.0, last_affected 2.3.1")
	for v, want := range map[string]span{
		"1.0.0": {introduced: "0", fixed: "1.4.2"}, "2.1.0": {introduced: "2.0.0", lastAffected: "2.3.1"}, "3.1.0": {introduced: "3.0.0"},
	} {
		if got, in, err := inSemver(r, v); got != want || !in || err != nil {
			t.Errorf("%s: span %+v, %v, %v, want %+v", v, got, in, err, want)
		}
	}
}

// TestAgainstSets compares random ranges with sets of whole numbers: what an
// event turns on stays on until another turns it off.
func TestAgainstSets(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		const n = 9
		var on, off, lastOff [n + 1]bool
		var list []advisory.Event
		used := make(map[int]bool)
		for range 1 + r.IntN(6) {
			at := 1 + r.IntN(n-1)
			if used[at] {
				continue
			}
			used[at] = true
			kind := advisory.Introduced
			switch r.IntN(3) {
			case 0:
				on[at] = true
			case 1:
				kind, off[at] = advisory.Fixed, true
			case 2:
				kind, lastOff[at] = advisory.LastAffected, true
			}
			list = append(list, advisory.Event{Kind: kind, Version: fmt.Sprintf("%d.0.0", at)})
		}
		state := false
		for at := 1; at < n; at++ {
			if on[at] {
				state = true
			} else if off[at] {
				state = false
			}
			v := fmt.Sprintf("%d.0.0", at)
			_, got, err := inSemver(advisory.Range{Type: advisory.SemVerRange, Events: list}, v)
			if err != nil || got != state {
				t.Fatalf("%v: %s is affected: %v, %v, want %v", list, v, got, err, state)
			}
			if lastOff[at] {
				state = false
			}
		}
	}
}

func TestJudge(t *testing.T) {
	git := advisory.Range{Type: advisory.GitRange, Events: events("introduced 0, fixed 4d5e6f")}
	eco := func(s string) advisory.Range {
		return advisory.Range{Type: advisory.EcosystemRange, Events: events(s)}
	}
	pypi := func(v string) target { return target{base: "PyPI", name: "p", version: v} }
	for name, c := range map[string]struct {
		of      advisory.Affected
		t       target
		want    Kind // empty for not affected
		problem bool
	}{
		"git range first":          {advisory.Affected{Ranges: []advisory.Range{git, eco("introduced 0, fixed 2.0")}}, pypi("1.0"), ByRange, false},
		"git range first, fixed":   {advisory.Affected{Ranges: []advisory.Range{git, eco("introduced 0, fixed 2.0")}}, pypi("2.0"), "", false},
		"git range alone":          {advisory.Affected{Ranges: []advisory.Range{git}}, pypi("1.0"), "", false},
		"git range and list":       {advisory.Affected{Ranges: []advisory.Range{git}, Versions: []string{"1.0"}}, pypi("1.0"), ByList, false},
		"list, other spelling":     {advisory.Affected{Versions: []string{"1.0rc1"}}, pypi("1.0-RC.1"), ByList, false},
		"not in the list":          {advisory.Affected{Versions: []string{"1.0"}}, pypi("1.1"), "", false},
		"listed beyond the range":  {advisory.Affected{Versions: []string{"3.0"}, Ranges: []advisory.Range{eco("introduced 0, fixed 2.0")}}, pypi("3.0"), ByList, false},
		"second range":             {advisory.Affected{Ranges: []advisory.Range{eco("introduced 0, fixed 1.0"), eco("introduced 3.0")}}, pypi("3.1"), ByRange, false},
		"range beats the list":     {advisory.Affected{Versions: []string{"1.0"}, Ranges: []advisory.Range{eco("introduced 0, fixed 2.0")}}, pypi("1.0"), ByRange, false},
		"no version":               {advisory.Affected{Ranges: []advisory.Range{eco("introduced 1.0")}}, pypi(""), "", true},
		"no version, all affected": {advisory.Affected{Ranges: []advisory.Range{eco("introduced 0")}}, pypi(""), ByRange, false},
		"odd version":              {advisory.Affected{Ranges: []advisory.Range{eco("introduced 1.0")}}, pypi("latest"), "", true},
		"odd version, listed":      {advisory.Affected{Versions: []string{"latest"}, Ranges: []advisory.Range{eco("introduced 1.0")}}, pypi("latest"), ByList, false},
		"odd event":                {advisory.Affected{Ranges: []advisory.Range{eco("introduced next")}}, pypi("1.0"), "", true},
		"odd event, other range":   {advisory.Affected{Ranges: []advisory.Range{eco("introduced next"), eco("introduced 1.0")}}, pypi("1.0"), ByRange, false},
		"odd limit":                {advisory.Affected{Ranges: []advisory.Range{eco("introduced 0, limit soon")}}, pypi("1.0"), "", true},
		"no order":                 {advisory.Affected{Ranges: []advisory.Range{eco("introduced 0, fixed 2.0")}}, target{base: "FreeBSD", version: "1.0"}, "", true},
		"last known":               {advisory.Affected{LastKnown: "<= 29.0", Ranges: []advisory.Range{eco("introduced 0")}}, pypi("29.0"), ByLastKnown, false},
		"behind last known":        {advisory.Affected{LastKnown: "<= 29.0", Ranges: []advisory.Range{eco("introduced 0")}}, pypi("29.1"), "", false},
		"below last known":         {advisory.Affected{LastKnown: "< 29.0", Ranges: []advisory.Range{eco("introduced 0")}}, pypi("29.0"), "", false},
		"odd last known":           {advisory.Affected{LastKnown: "some", Ranges: []advisory.Range{eco("introduced 0")}}, pypi("29.0"), ByRange, false},
		"last known and a fix":     {advisory.Affected{LastKnown: "<= 1.0", Ranges: []advisory.Range{eco("introduced 0, fixed 3.0")}}, pypi("2.0"), ByRange, false},
		"nothing said":             {advisory.Affected{}, pypi("1.0"), "", false},
	} {
		j := judge(&c.of, &c.t)
		if j.hit != (c.want != "") || j.hit && j.kind != c.want || (j.problem != nil) != c.problem {
			t.Errorf("%s: %+v, want %q, a problem %v", name, j, c.want, c.problem)
		}
	}
}

func FuzzInRange(f *testing.F) {
	f.Add("Debian", "introduced 0, fixed 1.0~rc1-1", "1.0-1")
	f.Add("Go", "introduced 0, limit *, last_affected v1", "v1.0.0-rc1")
	f.Add("PyPI", "fixed x, introduced", "1!2")
	f.Fuzz(func(t *testing.T, order, list, v string) {
		r := advisory.Range{Type: advisory.EcosystemRange, Events: events(list)}
		x := target{base: order, version: v}
		_, in, err := x.inRange(order, r)
		if in && err != nil {
			t.Fatal("affected, and an error:", err)
		}
	})
}
