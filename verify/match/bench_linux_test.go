package match

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/verify/advisory"
	"github.com/hallmark-oci/hallmark/verify/advisory/osv"
)

// image is an inventory of 300 packages: modules, Python packages and crates
// that advisories name, with system packages that none does.
func image(t testing.TB, set advisory.Set) sbom.Inventory {
	purls := []string{"pkg:golang/stdlib@1.20.1"}
	seen := make(map[string]bool)
	for i := 0; len(purls) < 200; i += 17 {
		p := set.Advisories[i%len(set.Advisories)].Affected[0].Package
		kind := map[string]string{"Go": "golang", "PyPI": "pypi", "crates.io": "cargo"}[p.Ecosystem]
		if kind != "" && !seen[p.Name] {
			seen[p.Name] = true
			purls = append(purls, "pkg:"+kind+"/"+p.Name+"@1.2.3")
		}
	}
	for i := range 100 {
		purls = append(purls, fmt.Sprintf("pkg:deb/debian/lib%d@1.%d-1?distro=debian-12.5&upstream=src%d", i, i, i))
	}
	return inventory(t, purls...)
}

// BenchmarkCold is one check from nothing: read all published records as JSON,
// make the index, match an inventory of 300 packages.
func BenchmarkCold(b *testing.B) {
	dir := corpora(b)
	set, err := osv.Load(b.Context(), dir)
	if err != nil {
		b.Fatal(err)
	}
	v := image(b, set)
	set = advisory.Set{}
	runtime.GC()
	b.ReportAllocs()
	before, _ := usage(b)
	for b.Loop() {
		set, err := osv.Load(b.Context(), dir)
		if err != nil {
			b.Fatal(err)
		}
		if r := run(b, NewIndex(set), v); len(r.Findings) < 100 || len(v.Components) != 300 {
			b.Fatal(len(r.Findings), len(v.Components))
		}
	}
	after, peak := usage(b)
	b.ReportMetric((after-before)/float64(b.N), "cpu-s/op")
	b.ReportMetric(float64(peak)/1024, "peak-MB")
}

// BenchmarkMatch is one more inventory against an index that is there.
func BenchmarkMatch(b *testing.B) {
	set, err := osv.Load(b.Context(), corpora(b))
	if err != nil {
		b.Fatal(err)
	}
	v, x := image(b, set), NewIndex(set)
	b.ReportAllocs()
	for b.Loop() {
		if r := run(b, x, v); len(r.Findings) < 100 {
			b.Fatal(len(r.Findings))
		}
	}
}

// usage returns the seconds of processor time that the process has used, and
// the most memory that it has had.
func usage(b *testing.B) (seconds float64, peak int64) {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9, u.Maxrss
}
