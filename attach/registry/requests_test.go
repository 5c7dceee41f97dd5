package registry

import (
	"fmt"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// TestRequests counts what signing costs. The numbers are the promise to users
// of registries that count requests.
func TestRequests(t *testing.T) {
	tests := []struct {
		name        string
		quirks      []storetest.Quirk
		first, next int
	}{
		{"one-request uploads", nil, 10, 11},
		{"two-step uploads", []storetest.Quirk{storetest.TwoStepUploads()}, 13, 14},
		// Lists without names of entries: each is opened once.
		{"referrers", []storetest.Quirk{storetest.NativeReferrers()}, 10, 14},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, tt.quirks...)
			push(t, s, "v1", newImage(t))
			for i, most := range []int{tt.first, tt.next, tt.next, tt.next} {
				s.Forget()
				store := open(t, s, Options{})
				subject := resolve(t, store, "v1")
				_, err := store.Put(t.Context(), attach.Parcel{Subject: subject, Content: storetest.NewSignature(subject, fmt.Sprint(i))})
				if err != nil {
					t.Fatal(err)
				}
				if n := s.Count(""); n > most {
					t.Errorf("signature %d took %d requests, at most %d are allowed: %v", i+1, n, most, s.Requests())
				}
			}
			s.Forget()
			store := open(t, s, Options{})
			subject := resolve(t, store, "v1")
			for a, err := range store.List(t.Context(), subject, attach.Signature) {
				if err != nil || a.Desc.Data == nil {
					t.Fatalf("%+v, %v", a, err)
				}
				break
			}
			if n := s.Count(""); n > 3 {
				t.Errorf("reading a signature took %d requests: %v", n, s.Requests())
			}
		})
	}
}

// TestRequestsWhole counts what it costs to attach a manifest: the promise is on the
// requests of the attaching, without the one that resolves the tag.
func TestRequestsWhole(t *testing.T) {
	for _, tt := range []struct {
		name   string
		quirks []storetest.Quirk
		most   int
	}{
		{"referrers", []storetest.Quirk{storetest.NativeReferrers()}, 5},
		{"fallback", nil, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, tt.quirks...)
			push(t, s, "v1", newImage(t))
			for i := range 3 {
				store := open(t, s, Options{})
				subject := resolve(t, store, "v1")
				s.Forget()
				r, err := store.Put(t.Context(), attach.Parcel{Subject: subject, Content: storetest.NewManifest(t, subject, fmt.Sprint(i))})
				if err != nil || !r[0].Viewed || r[0].Existed {
					t.Fatalf("%+v, %v", r, err)
				}
				if n := s.Count(""); n > tt.most {
					t.Errorf("manifest %d took %d requests, at most %d are allowed: %v", i+1, n, tt.most, s.Requests())
				}
			}
		})
	}
}

// TestRequestsRecursive counts what it costs to sign an index and its six children.
func TestRequestsRecursive(t *testing.T) {
	s := start(t)
	var index v1.ImageIndex = mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range []string{"amd64", "arm64", "arm", "s390x", "ppc64le", "riscv64"} {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        newImage(t),
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	push(t, s, "v1", index)
	s.Forget()
	store := open(t, s, Options{})
	subject := resolve(t, store, "v1")
	children, err := attach.Children(t.Context(), store, subject)
	if err != nil || len(children) != 6 {
		t.Fatalf("%d children, %v", len(children), err)
	}
	parcels := []attach.Parcel{{Subject: subject, Content: storetest.NewSignature(subject, "k")}}
	for _, c := range children {
		child := resolve(t, store, c.Subject.Desc.Digest.String())
		parcels = append(parcels, attach.Parcel{Subject: child, Content: storetest.NewSignature(child, "k")})
	}
	receipts, err := store.Put(t.Context(), parcels...)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range receipts {
		if !r.Viewed || r.Existed {
			t.Errorf("%+v", r)
		}
	}
	if n := s.Count(""); n > 50 {
		t.Errorf("%d requests: %v", n, s.Requests())
	}
	t.Logf("%d requests", s.Count(""))
}

// TestConcurrentWriters lets sixteen writers, each as a process of its own would
// be, sign one image at the same time, several times over.
func TestConcurrentWriters(t *testing.T) {
	const writers, rounds = 16, 3
	for name, quirks := range map[string][]storetest.Quirk{
		"plain":     nil,
		"slow":      {storetest.Delay(5 * time.Millisecond)},
		"referrers": {storetest.NativeReferrers()},
		"racing":    {storetest.ConcurrentPut(404, time.Millisecond)},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, quirks...)
			push(t, s, "v1", newImage(t))
			s.Forget()
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for round := range rounds {
						store := open(t, s, Options{})
						subject, err := store.Resolve(t.Context(), "v1")
						if err != nil {
							t.Error(err)
							return
						}
						receipts, err := store.Put(t.Context(), attach.Parcel{
							Subject: subject, Content: storetest.NewSignature(subject, fmt.Sprint(w, round)),
						})
						if err != nil || !receipts[0].Viewed {
							t.Errorf("writer %d, round %d: %+v, %v", w, round, receipts, err)
						}
					}
				})
			}
			wg.Wait()
			t.Logf("%.1f requests for each", float64(s.Count(""))/writers/rounds)
			store := open(t, s, Options{})
			subject := resolve(t, store, "v1")
			inView := make(map[attach.ID]bool)
			all, errs := attach.Collect(t.Context(), store, subject, attach.Signature)
			for _, a := range all {
				_, inView[a.ID()] = a.Found(attach.CosignTag)
			}
			if len(errs) > 0 {
				t.Error(errs)
			}
			for w := range writers {
				for round := range rounds {
					if !inView[storetest.NewSignature(subject, fmt.Sprint(w, round)).ID()] {
						t.Errorf("the signature of writer %d in round %d is not in the view", w, round)
					}
				}
			}
		})
	}
}

// TestCrowdRequests has a hundred writers, each as a process of its own would be,
// sign one image at once: all are in the view, and none pays for the others.
func TestCrowdRequests(t *testing.T) {
	const writers, most = 100, 25
	for name, quirks := range map[string][]storetest.Quirk{
		"no delay":  nil,
		"20 ms":     {storetest.Delay(20 * time.Millisecond)},
		"referrers": {storetest.NativeReferrers()},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, quirks...)
			push(t, s, "v1", newImage(t))
			s.Forget()
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					store := open(t, s, Options{Sleep: journal.Sleep})
					subject, err := store.Resolve(t.Context(), "v1")
					if err != nil {
						t.Error(err)
						return
					}
					receipts, err := store.Put(t.Context(), attach.Parcel{
						Subject: subject, Content: storetest.NewSignature(subject, fmt.Sprint(w)),
					})
					if err != nil || !receipts[0].Viewed {
						t.Errorf("writer %d: %+v, %v", w, receipts, err)
					}
				})
			}
			wg.Wait()
			each := float64(s.Count("")) / writers
			if t.Logf("%.1f requests for each", each); each > most {
				t.Errorf("%.1f requests for each, at most %d are allowed", each, most)
			}
			store := open(t, s, Options{})
			shown := 0
			for a, err := range store.List(t.Context(), resolve(t, store, "v1"), attach.Signature) {
				if err != nil {
					t.Error(err)
				} else if _, ok := a.Found(attach.CosignTag); ok {
					shown++
				}
			}
			if shown != writers {
				t.Errorf("the view shows %d entries, want %d", shown, writers)
			}
		})
	}
}
