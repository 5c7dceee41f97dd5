package match

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/verify/advisory"
	"github.com/hallmark-oci/hallmark/verify/advisory/osv"
)

// TestPublished looks published records up; the facts are those that the
// projects announced.
func TestPublished(t *testing.T) {
	x := corpus(t)
	for p, want := range map[string]string{
		"pkg:golang/golang.org/x/text@v0.3.6":                          "CVE-2021-38561 [0.3.7]",
		"pkg:golang/stdlib@1.19.9":                                     "CVE-2023-29403 [1.19.10]",
		"pkg:golang/stdlib@1.20.4":                                     "CVE-2023-29403 [1.20.5]",
		"pkg:golang/stdlib@go1.20rc1":                                  "CVE-2023-29403 [1.20.5]",
		"pkg:golang/github.com/dgrijalva/jwt-go@v3.2.0%2Bincompatible": "CVE-2020-26160 []",
		"pkg:pypi/Jinja2@2.11.2":                                       "CVE-2020-28493 [2.11.3]",
		"pkg:pypi/py@1.11.0":                                           "CVE-2022-42969 []",
		"pkg:pypi/PyYAML@5.3":                                          "CVE-2020-1747 [5.3.1]",
		"pkg:cargo/time@0.1.43":                                        "CVE-2020-26235 [0.2.0]",
		"pkg:cargo/time@0.2.7":                                         "CVE-2020-26235 [0.2.23]",
	} {
		id, fixed, _ := strings.Cut(want, " ")
		r := run(t, x, inventory(t, p))
		i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.ID == id })
		if i < 0 || fmt.Sprint(r.Findings[i].Fixed) != fixed || r.Findings[i].Class != Affected {
			t.Errorf("%s: %v, want %s", p, lines(r), want)
		}
	}
	for p, not := range map[string]string{
		"pkg:golang/golang.org/x/text@v0.3.7":   "CVE-2021-38561",
		"pkg:golang/stdlib@1.19.10":             "CVE-2023-29403",
		"pkg:golang/stdlib@1.20.5":              "CVE-2023-29403",
		"pkg:golang/cloud.google.com/go@v1.0.0": "CVE-2023-29403",
		"pkg:pypi/jinja2@2.11.3":                "CVE-2020-28493",
		"pkg:pypi/py@1.11.1":                    "CVE-2022-42969",
		"pkg:pypi/pyyaml@5.3.1":                 "CVE-2020-1747",
		"pkg:cargo/time@0.2.23":                 "CVE-2020-26235",
		"pkg:npm/jinja2@2.11.2":                 "CVE-2020-28493",
	} {
		if r := run(t, x, inventory(t, p)); slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.ID == not }) {
			t.Errorf("%s has %s", p, not)
		}
	}
}

// TestBoundaries asks of every record whether the version that fixes it is
// clean of it, and the version that introduced it is not. Both are what the
// record itself says.
func TestBoundaries(t *testing.T) {
	x := corpus(t)
	asked := 0
	for i := range x.set.Advisories {
		a := &x.set.Advisories[i]
		for j := range a.Affected {
			of := &a.Affected[j]
			base, _ := split(of.Package.Ecosystem)
			for _, r := range of.Ranges {
				if r.Type == advisory.GitRange {
					continue
				}
				for _, e := range r.Events {
					if fromBeginning(e) || slices.Contains(of.Versions, e.Version) && e.Kind == advisory.Fixed {
						continue
					}
					asked++
					only := advisory.Affected{Package: of.Package, Ranges: []advisory.Range{r}}
					got := judge(&only, &target{base: base, name: of.Package.Name, version: e.Version})
					again := slices.ContainsFunc(r.Events, func(o advisory.Event) bool { return o.Kind != e.Kind && o.Version == e.Version })
					if want := e.Kind != advisory.Fixed; !again && (got.hit != want || got.problem != nil) {
						t.Errorf("%s %s: at %v: %+v, want affected %v", a.ID, of.Package.Name, e, got, want)
					}
				}
			}
		}
	}
	if asked < len(x.set.Advisories) {
		t.Errorf("only %d boundaries were asked", asked)
	}
}

// TestEnumerations holds the ranges against the lists of versions that the
// Python advisory database made of them, with Python's own tools, when a record
// was written: what is listed must lie in a range.
func TestEnumerations(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine computes: there is nothing to race")
	}
	x := corpus(t)
	asked, records, outside := 0, 0, make(map[string]bool)
	for i := range x.set.Advisories {
		a := &x.set.Advisories[i]
		for j := range a.Affected {
			of := a.Affected[j]
			versions := of.Versions
			of.Versions = nil
			ranged := slices.ContainsFunc(of.Ranges, func(r advisory.Range) bool { return r.Type == advisory.EcosystemRange })
			if of.Package.Ecosystem != "PyPI" || !ranged {
				continue
			}
			records++
			for _, v := range versions {
				asked++
				if got := judge(&of, &target{base: "PyPI", name: of.Package.Name, version: v}); !got.hit {
					outside[a.ID] = true
				}
			}
		}
	}
	// A few records list by hand what their own range leaves out: pre-releases,
	// or strings that are no versions.
	if asked == 0 || len(outside)*200 > records {
		t.Errorf("%d versions of %d records: outside of their range in %v", asked, records, outside)
	}
}

func corpus(t testing.TB) *Index {
	t.Helper()
	set, err := osv.Load(t.Context(), corpora(t))
	if err != nil {
		t.Fatal(err)
	}
	return NewIndex(set)
}

// corpora returns the folder of published advisories.
func corpora(t testing.TB) string {
	t.Helper()
	root := os.Getenv("HALLMARK_CORPORA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	dir := filepath.Join(root, "osv")
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("test data is missing, set HALLMARK_CORPORA to its folder: %v", err)
	}
	return dir
}
