package layout

import (
	"fmt"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// BenchmarkPut puts signatures into a layout in which each finds those before it.
func BenchmarkPut(b *testing.B) {
	s, err := Create(b.Context(), b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	sub, err := putImage(b.Context(), s, "v1")
	if err != nil {
		b.Fatal(err)
	}
	for i := range b.N {
		c := storetest.NewSignature(sub, fmt.Sprint(i))
		if _, err := s.Put(b.Context(), attach.Parcel{Subject: sub, Content: c}); err != nil {
			b.Fatal(err)
		}
	}
}
