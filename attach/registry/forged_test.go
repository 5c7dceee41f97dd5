package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// TestForged: ten thousand forged entries before or behind a good one hide it
// neither from a reader nor from a writer.
func TestForged(t *testing.T) {
	for _, native := range []bool{false, true} {
		for _, before := range []bool{false, true} {
			s := start(t)
			push(t, s, "v1", newImage(t))
			var base []storetest.Quirk
			if native {
				base = append(base, storetest.NativeReferrers())
			}
			s.Set(base...)
			store := open(t, s, Options{})
			subject := resolve(t, store, "v1")
			put := func(who string) {
				t.Helper()
				p := attach.Parcel{Subject: subject, Content: storetest.NewSignature(subject, who)}
				if _, err := open(t, s, Options{}).Put(t.Context(), p); err != nil {
					t.Fatal(err)
				}
			}
			put("first")
			s.Set(append(base, storetest.Forged(forgeries(), subject.Desc.Digest.String(), "", before))...)
			put("second")
			s.Set(append(base, storetest.Forged(forgeries(), subject.Desc.Digest.String(), "", before),
				storetest.Only(`\.sig$`, storetest.Status(404, "MANIFEST_UNKNOWN")))...)
			all, errs := attach.Collect(t.Context(), open(t, s, Options{}), subject, attach.Signature)
			for _, err := range errs {
				if !attach.Judged(err) {
					t.Fatalf("native %v, before %v: %v", native, before, err)
				}
			}
			if len(all) != 2 {
				t.Errorf("native %v, before %v: %d entries, %d errors", native, before, len(all), len(errs))
			}
		}
	}
}

// TestForgedEntries: among ten thousand referrers that say that they are entries of
// the journal, and are not, a writer finds the one that says what it has to say.
func TestForgedEntries(t *testing.T) {
	s := start(t, storetest.NativeReferrers())
	push(t, s, "v1", newImage(t))
	store := open(t, s, Options{})
	subject := resolve(t, store, "v1")
	first := storetest.NewSignature(subject, "first")
	if _, err := store.Put(t.Context(), attach.Parcel{Subject: subject, Content: first}); err != nil {
		t.Fatal(err)
	}
	s.Set(storetest.NativeReferrers(), storetest.Forged(forgeries(), subject.Desc.Digest.String(), journal.EntryType, true),
		storetest.Only(`^GET.*\.sig$`, storetest.Status(404, "MANIFEST_UNKNOWN")))
	again := storetest.NewSignature(subject, "again")
	again.Same = func(_ context.Context, _ attach.Reader, a attach.Attachment) bool { return a.ID() == first.ID() }
	begin := time.Now()
	r, err := open(t, s, Options{}).Put(t.Context(), attach.Parcel{Subject: subject, Content: again})
	if err != nil || !r[0].Existed {
		t.Errorf("%+v, %v", r, err)
	}
	t.Logf("%v, %d requests", time.Since(begin), s.Count(""))
}

// TestLostPage: a later page of tags that is not there says nothing of the
// repository: what was listed by then is not all, and nobody may take it for none.
func TestLostPage(t *testing.T) {
	host := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("last") != "" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Link", `</v2/team/app/tags/list?last=a>; rel="next"`)
		io.WriteString(w, `{"tags":["a"]}`)
	})
	tags, err := (medium{storeOn(t, host, Options{}).subjects}).Tags(t.Context(), "sha256-")
	if !errors.Is(err, attach.ErrUnfinished) || errors.Is(err, attach.ErrNotFound) || tags != nil {
		t.Errorf("%q, %v", tags, err)
	}
}

// forgeries is how many entries are forged; under -short, which is for the race
// detector, fewer.
func forgeries() int {
	if testing.Short() {
		return 1000
	}
	return 10_000
}
