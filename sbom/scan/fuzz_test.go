package scan_test

import (
	"testing"

	"github.com/hallmark-oci/hallmark/sbom/scan"
)

// FuzzLayer scans an image of two layers of any content: it may be refused, but
// what is returned must be a valid inventory, the same one each time.
func FuzzLayer(f *testing.F) {
	for _, l := range append(sample(), layerTar{hard("a/node_modules/b/package.json", "c"), symlink("x", "x"), gone("a/.wh..wh..opq")}) {
		f.Add(l.bytes(f), sample()[0].bytes(f))
	}
	f.Add(packGzip(f, nil), packZstd(f, nil))
	f.Add([]byte{0x1f, 0x8b}, []byte{0x28, 0xb5, 0x2f, 0xfd})
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		m := newMemory()
		s := imageOf(t, m, packNot, lower, upper)
		o := scan.Options{Limits: scan.Limits{Uncompressed: 1 << 24}}
		inv, err := scan.Image(t.Context(), m, s, o)
		if err != nil {
			return
		}
		if err := inv.Validate(); err != nil {
			t.Fatal(err)
		}
		again, err := scan.Image(t.Context(), m, s, o)
		if err != nil || string(marshal(t, again)) != string(marshal(t, inv)) {
			t.Fatalf("a second scan gives %v, %v", again, err)
		}
	})
}
