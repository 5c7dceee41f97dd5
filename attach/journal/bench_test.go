package journal

import (
	"fmt"
	"maps"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
)

// BenchmarkPut adds the last signature that a view has room for.
func BenchmarkPut(b *testing.B) {
	for _, native := range []bool{false, true} {
		b.Run(fmt.Sprintf("referrers=%v", native), func(b *testing.B) {
			w, subject := newWorld(), subjectOf(0)
			w.native = native
			var parcels []attach.Parcel
			for n := range attach.MaxView - 1 {
				parcels = append(parcels, signature(subject, n))
			}
			for _, p := range parcels[1:] { // each has a journal entry of its own, none a view
				putUnseen(b, w, p)
			}
			mustPut(b, quick(port{world: w}), parcels[0])
			if n := len(w.viewed(b, subject, attach.Signature)); n != attach.MaxView-1 {
				b.Fatalf("the view shows %d entries", n)
			}
			tags, manifests := maps.Clone(w.tags), maps.Clone(w.manifests)
			b.ReportAllocs()
			for b.Loop() {
				w.tags, w.manifests = maps.Clone(tags), maps.Clone(manifests)
				r := mustPut(b, quick(port{world: w}), signature(subject, attach.MaxView))
				if !r[0].Viewed || r[0].Existed || r[0].Note != "" {
					b.Fatalf("%+v", r[0])
				}
			}
		})
	}
}

// putUnseen writes the journal entry of a signature and no view, as a writer does
// that dies between the two.
func putUnseen(t testing.TB, w *world, p attach.Parcel) {
	t.Helper()
	wr := quick(port{world: w}).newWriter()
	if err := wr.plan(p); err != nil {
		t.Fatal(err)
	}
	if err := wr.probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	u := wr.units[0]
	for _, entries := range u.news() {
		if err := wr.putRecord(t.Context(), u, entries); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkList reads a full view and its journal.
func BenchmarkList(b *testing.B) {
	w, subject := newWorld(), subjectOf(0)
	var parcels []attach.Parcel
	for n := range attach.MaxView {
		parcels = append(parcels, signature(subject, n))
	}
	mustPut(b, quick(port{world: w}), parcels...)
	s := quick(port{world: w})
	b.ReportAllocs()
	for b.Loop() {
		all, errs := attach.Collect(b.Context(), s, subject)
		if len(all) != attach.MaxView || errs != nil {
			b.Fatal(len(all), errs)
		}
	}
}
