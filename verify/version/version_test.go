package version

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// order is a list of versions of an ecosystem, each later than the one before.
type order struct {
	ecosystem string
	rising    []string
}

// orders come from the documents that define the orders: Debian policy 5.6.12,
// semver.org section 11, PEP 440 "Summary of permitted suffixes", apk-tools'
// description of versions and Go's rules for pseudo-versions.
func orders() []order {
	return []order{
		{"Debian:12", []string{"1.0~~", "1.0~~a", "1.0~", "1.0", "1.0-1", "1.0-1+deb12u1", "1.0a", "1.0+b1", "1.1~rc1-1", "1.1-1", "1:0.1-1", "2:0"}},
		{"Ubuntu:22.04:LTS", []string{"3.0.2-0ubuntu1", "3.0.2-0ubuntu1.9", "3.0.2-0ubuntu1.10"}},
		{"Go", []string{"v0.0.0-20190101000000-aaaaaaaaaaaa", "v0.0.0-20200101000000-aaaaaaaaaaaa", "v0.1.0", "v1.2.3-rc.1", "v1.2.3-rc.1.0.20200101000000-aaaaaaaaaaaa", "v1.2.3", "v1.2.4-0.20200101000000-aaaaaaaaaaaa", "v1.2.4", "v1.10.0", "v2.0.0+incompatible"}},
		{"npm", []string{"1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0"}},
		{"PyPI", []string{"1.0.dev456", "1.0a1", "1.0a2.dev456", "1.0a12.dev456", "1.0a12", "1.0b1.dev456", "1.0b2", "1.0b2.post345.dev456", "1.0b2.post345", "1.0rc1.dev456", "1.0rc1", "1.0", "1.0+abc.5", "1.0+abc.7", "1.0+5", "1.0.post456.dev34", "1.0.post456", "1.0.15", "1.1.dev1", "1!0.1"}},
		{"Alpine:v3.19", []string{"1.2_alpha1-r0", "1.2_beta1-r0", "1.2_rc1-r0", "1.2-r0", "1.2-r1", "1.2-r10", "1.2_p1-r0", "1.2a-r0", "1.2.1-r0", "1.10-r0"}},
	}
}

// TestOrders compares each pair of each order, both ways round.
func TestOrders(t *testing.T) {
	for _, o := range orders() {
		for i, a := range o.rising {
			for j, b := range o.rising {
				want := 0
				if i < j {
					want = -1
				} else if i > j {
					want = 1
				}
				if got, err := Compare(o.ecosystem, a, b); err != nil || got != want {
					t.Errorf("Compare(%s, %s, %s) = %d, %v, want %d", o.ecosystem, a, b, got, err, want)
				}
			}
		}
	}
}

// TestSame knows different spellings of the same version.
func TestSame(t *testing.T) {
	for _, c := range [][3]string{
		{"Debian", "1.0", "0:1.0-0"}, {"Go", "v1.2.3", "1.2.3"}, {"npm", "1.2.3+build.1", "1.2.3"},
		{"PyPI", "1.0", "1.0.0"}, {"PyPI", "1.0RC1", "1.0-rc.1"}, {SemVer, "1.0.0", "v1.0.0"}, {"Kubernetes", "v1.2.0", "1.2.0"},
	} {
		if got, err := Compare(c[0], c[1], c[2]); err != nil || got != 0 {
			t.Errorf("Compare(%q) = %d, %v, want 0", c, got, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, eco := range []string{"", "Debain", "debian", "FreeBSD", "opam", ":12"} {
		if _, err := Compare(eco, "1", "2"); !errors.Is(err, ErrEcosystem) {
			t.Errorf("ecosystem %q: error %v, want ErrEcosystem", eco, err)
		}
		if Known(eco) {
			t.Errorf("ecosystem %q is known", eco)
		}
	}
	for _, v := range []string{"", "(devel)", "latest", "1 2", "1\x00", "1\u00b2", strings.Repeat("1", MaxLength+1)} {
		for _, o := range orders() {
			if _, err := Compare(o.ecosystem, v, "1"); !errors.Is(err, ErrVersion) {
				t.Errorf("%s version %.20q: error %v, want ErrVersion", o.ecosystem, v, err)
			}
			if _, err := Parse(o.ecosystem, v); !errors.Is(err, ErrVersion) {
				t.Errorf("Parse(%s, %.20q): error %v, want ErrVersion", o.ecosystem, v, err)
			}
		}
	}
	for _, v := range []string{"go1.22", "master-1", "vv1"} {
		if _, err := Parse("Go", v); !errors.Is(err, ErrVersion) {
			t.Errorf("Parse(Go, %q): error %v, want ErrVersion", v, err)
		}
	}
}

// TestEcosystems knows the order of each ecosystem that the first users need,
// and never panics for any that the schema defines.
func TestEcosystems(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(corpora(t), "osv-schema", "ecosystems.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]string
	if err := json.Unmarshal(raw, &all); err != nil || len(all) < 40 {
		t.Fatalf("%d ecosystems, %v", len(all), err)
	}
	unknown := 0
	for name := range all {
		if _, err := Compare(name, "1.0", "1.1"); errors.Is(err, ErrEcosystem) {
			unknown++
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if unknown > 20 {
		t.Errorf("%d of %d ecosystems have no order", unknown, len(all))
	}
	for _, name := range []string{"Debian", "Ubuntu", "Alpine", "Wolfi", "Chainguard", "Go", "npm", "PyPI", "crates.io", "Maven", "RubyGems", "NuGet", "Packagist", "Red Hat", "AlmaLinux", "Rocky Linux"} {
		if !Known(name) {
			t.Errorf("%s is not known", name)
		}
	}
}

// vectors is a file of version comparisons of vers-spec.
type vectors struct {
	Tests []struct {
		Kind  string `json:"test_type"`
		Input struct {
			Versions []string `json:"versions"`
		} `json:"input"`
		Expected json.RawMessage `json:"expected_output"`
	} `json:"tests"`
}

// TestPublishedVectors holds the orders against those that vers-spec publishes.
func TestPublishedVectors(t *testing.T) {
	for ecosystem, file := range map[string]string{
		"Alpine": "alpine_version_cmp_test.json", "Maven": "maven_version_cmp_test.json", "NuGet": "nuget_version_cmp_test.json",
	} {
		raw, err := os.ReadFile(filepath.Join(corpora(t), "vers", "tests", file))
		if err != nil {
			t.Fatal(err)
		}
		var v vectors
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, x := range v.Tests {
			if len(x.Input.Versions) != 2 {
				continue
			}
			a, b := x.Input.Versions[0], x.Input.Versions[1]
			got, err := Compare(ecosystem, a, b)
			if !strings.ContainsAny(a, "0123456789") || !strings.ContainsAny(b, "0123456789") {
				continue // a word alone, which no published package has for a version
			}
			var right bool
			switch x.Kind {
			case "equality":
				var same bool
				err = errors.Join(err, json.Unmarshal(x.Expected, &same))
				right = (got == 0) == same
			case "comparison":
				var sorted []string
				err = errors.Join(err, json.Unmarshal(x.Expected, &sorted))
				right = got == 0 || len(sorted) == 2 && (got < 0) == strings.EqualFold(sorted[0], a)
			default:
				continue
			}
			if n++; err != nil || !right {
				t.Errorf("%s: %s of %q and %q is %d, %v, want %s", file, x.Kind, a, b, got, err, x.Expected)
			}
		}
		if n < 10 {
			t.Errorf("%s: only %d vectors were compared", file, n)
		}
	}
}

// TestAgainstDpkg compares random versions with what dpkg says. Where there is
// no dpkg, Debian's own table in [TestOrders] has to do.
func TestAgainstDpkg(t *testing.T) {
	dpkg, err := exec.LookPath("dpkg")
	if err != nil {
		t.Log("no dpkg here: versions are compared with the published table only")
		return
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		a, b := debianVersion(r), debianVersion(r)
		got, err := Compare("Debian", a, b)
		if err != nil {
			t.Fatal(err)
		}
		op := map[int]string{-1: "lt", 0: "eq", 1: "gt"}[got]
		if out, err := exec.Command(dpkg, "--compare-versions", a, op, b).CombinedOutput(); err != nil {
			t.Errorf("%s %s %s: dpkg disagrees: %v %s", a, op, b, err, out)
		}
	}
}

func debianVersion(r *rand.Rand) string {
	const letters = "0112.a~+z"
	var b strings.Builder
	if r.IntN(4) == 0 {
		b.WriteString([]string{"0:", "1:", "2:"}[r.IntN(3)])
	}
	b.WriteByte("0123"[r.IntN(4)])
	for range r.IntN(6) {
		b.WriteByte(letters[r.IntN(len(letters))])
	}
	if r.IntN(2) == 0 {
		b.WriteString("-" + string("012"[r.IntN(3)]))
	}
	return b.String()
}

// TestOrderIsAnOrder: reversing the question reverses the answer, and what is
// not later than its neighbour is not later than the neighbour's neighbour.
func TestOrderIsAnOrder(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine computes: there is nothing to race")
	}
	for _, o := range orders() {
		r := rand.New(rand.NewPCG(3, 4))
		sample := append([]string(nil), o.rising...)
		for range 14 {
			sample = append(sample, mutate(r, o.rising[r.IntN(len(o.rising))]))
		}
		le := func(a, b string) bool {
			c, err := Compare(o.ecosystem, a, b)
			if err != nil {
				t.Fatalf("%s %q %q: %v", o.ecosystem, a, b, err)
			}
			d, err := Compare(o.ecosystem, b, a)
			if err != nil || c != -d {
				t.Fatalf("%s: %q to %q is %d, the other way round %d, %v", o.ecosystem, a, b, c, d, err)
			}
			return c <= 0
		}
		for _, a := range sample {
			for _, b := range sample {
				for _, c := range sample {
					if le(a, b) && le(b, c) && !le(a, c) {
						t.Fatalf("%s: %q <= %q <= %q, but not %[2]q <= %[4]q", o.ecosystem, a, b, c)
					}
				}
			}
		}
	}
}

// mutate appends or changes a number, which keeps a version a version.
func mutate(r *rand.Rand, v string) string {
	i := strings.LastIndexAny(v, "0123456789")
	return v[:i] + string("0123456789"[r.IntN(10)]) + v[i+1:]
}

func FuzzCompare(f *testing.F) {
	for _, o := range orders() {
		for i := 1; i < len(o.rising); i++ {
			f.Add(o.ecosystem, o.rising[i-1], o.rising[i])
		}
	}
	f.Add("Maven", "1-cr_ga", "1.0.snapshot")
	f.Add("CRAN", "1.0-1", "x1")
	f.Add("Hackage", "1.0-b", "1")
	f.Fuzz(func(t *testing.T, ecosystem, a, b string) {
		c, err := Compare(ecosystem, a, b)
		if err != nil {
			if !errors.Is(err, ErrEcosystem) && !errors.Is(err, ErrVersion) {
				t.Fatalf("unexpected error %v", err)
			}
			return
		}
		if c < -1 || c > 1 {
			t.Fatalf("Compare = %d", c)
		}
		if same, err := Compare(ecosystem, a, a); err != nil || same != 0 {
			t.Fatalf("%q is not the same as itself: %d, %v", a, same, err)
		}
	})
}

func corpora(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("HALLMARK_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("the test data is missing: set HALLMARK_CORPORA or put it to %s: %v", dir, err)
	}
	return dir
}
