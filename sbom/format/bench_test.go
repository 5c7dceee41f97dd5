package format_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/format"
	"github.com/hallmark-oci/hallmark/sbom/purl"
)

// BenchmarkEncode measures an inventory of 100,000 components.
func BenchmarkEncode(b *testing.B) {
	v := large(100_000)
	for _, f := range []format.Format{format.SPDXJSON, format.CycloneDXJSON} {
		b.Run(string(f), func(b *testing.B) {
			peak := heap(func() {
				for b.Loop() {
					n := new(counter)
					if err := format.Encode(n, f, v); err != nil {
						b.Fatal(err)
					}
					b.SetBytes(int64(*n))
				}
			})
			b.ReportMetric(float64(peak)/(1<<20), "grown-MB")
		})
	}
}

// BenchmarkDecode measures reading it back, and validating.
func BenchmarkDecode(b *testing.B) {
	v := large(100_000)
	for _, f := range []format.Format{format.SPDXJSON, format.CycloneDXJSON} {
		raw := encode(b, f, v)
		for name, verb := range map[string]func() error{
			"decode":   func() error { _, _, err := format.Decode(bytes.NewBuffer(raw)); return err },
			"validate": func() error { _, err := format.Validate(bytes.NewBuffer(raw)); return err },
		} {
			b.Run(string(f)+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(raw)))
				peak := heap(func() {
					for b.Loop() {
						if err := verb(); err != nil {
							b.Fatal(err)
						}
					}
				})
				b.ReportMetric(float64(peak)/(1<<20), "grown-MB")
			})
		}
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

// heap runs f and returns by how much the heap grew meanwhile at most.
func heap(f func()) (peak uint64) {
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapInuse)
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	f()
	close(stop)
	<-done
	return peak - min(peak, before.HeapInuse)
}

func large(n int) sbom.Inventory {
	v := sbom.Inventory{Subject: sbom.Subject{Name: "registry.example/a", Digest: digestA}, Tool: sbom.Tool{Name: "hallmark", Version: "1"},
		Created: time.Unix(0, 0).UTC(), Components: make([]sbom.Component, 0, n)}
	for i := range n {
		name := fmt.Sprintf("package-%d", i)
		v.Components = append(v.Components, sbom.Component{Type: sbom.Library, Name: name, Version: "1.2.3-4+deb12u1", Ecosystem: "dpkg",
			PURL: purl.PURL{Type: "deb", Namespace: "debian", Name: name, Version: "1.2.3-4+deb12u1",
				Qualifiers: map[string]string{"arch": "amd64", "distro": "debian-12"}},
			Licenses: []string{"MIT", "GPL-2.0-or-later"}, Supplier: "Debian Maintainers <maint@example.org>",
			Locations: []sbom.Location{{Path: "var/lib/dpkg/status", Layer: digestB}}})
	}
	for i := 1; i < n; i++ {
		v.Relations = append(v.Relations, sbom.Relation{From: v.Components[i].StableID(), To: v.Components[i/2].StableID(), Type: sbom.DependsOn})
	}
	v.Sort()
	return v
}
