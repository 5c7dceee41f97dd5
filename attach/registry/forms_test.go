package registry

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// TestImagesOnly attaches to registries that take nothing but images: cosign's form
// and artifacts are refused and leave nothing, the image form works, for many
// writers at once too.
func TestImagesOnly(t *testing.T) {
	const writers = 8
	for name, quirks := range map[string][]storetest.Quirk{
		"tags":      {storetest.ImagesOnly()},
		"referrers": {storetest.ImagesOnly(), storetest.NativeReferrers()},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, quirks...)
			push(t, s, "v1", newImage(t))
			store := open(t, s, Options{})
			subject := resolve(t, store, "v1")
			for what, c := range map[string]attach.Content{
				"cosign's form": storetest.NewSignature(subject, "x"), "an artifact": storetest.NewManifest(t, subject, "x"),
			} {
				_, err := store.Put(t.Context(), attach.Parcel{Subject: subject, Content: c})
				if !errors.Is(err, attach.ErrForm) || !errors.Is(err, attach.ErrMalformed) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if all, errs := attach.Collect(t.Context(), store, subject); len(all)+len(errs) != 0 {
				t.Errorf("left behind: %v, %v", all, errs)
			}
			var wg sync.WaitGroup
			contents := make([]attach.Content, writers)
			for w := range writers {
				contents[w] = storetest.NewSignature(subject, fmt.Sprint(w))
				contents[w].Strict = true
				wg.Go(func() {
					r, err := open(t, s, Options{}).Put(t.Context(), attach.Parcel{Subject: subject, Content: contents[w]})
					if err != nil || !r[0].Viewed {
						t.Errorf("writer %d: %+v, %v", w, r, err)
					}
				})
			}
			wg.Wait()
			all, errs := attach.Collect(t.Context(), open(t, s, Options{}), subject)
			if len(all) != writers || len(errs) != 0 {
				t.Errorf("%d entries, %v", len(all), errs)
			}
			for _, a := range all {
				if _, ok := a.Found(attach.CosignTag); !ok {
					t.Errorf("not in the view: %+v", a)
				}
			}
			keeper := open(t, s, Options{Push: true, Delete: true})
			want := writers
			for _, one := range [][]attach.Attachment{all[:1], all[1:]} { // what goes leaves others, then nothing
				if _, err := keeper.Remove(t.Context(), subject, one...); err != nil {
					t.Fatalf("remove: %v", err)
				}
				left, errs := attach.Collect(t.Context(), open(t, s, Options{}), subject)
				if want -= len(one); len(left) != want || len(errs) != 0 {
					t.Errorf("%d entries are left, want %d, %v", len(left), want, errs)
				}
			}
		})
	}
}
