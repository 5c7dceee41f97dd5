package journal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// TestFlood puts beside thousands of journal tags that somebody forged. Each is opened
// once, nobody waits for their writers as for a crowd, and the entry among them that the
// view lacks gets into it.
func TestFlood(t *testing.T) {
	const forged = 3*attach.MaxView + 50
	subject := subjectOf(0)
	for name, run := range map[string]func(*Store) error{
		"put": func(s *Store) error { _, err := s.Put(t.Context(), signature(subject, 1)); return err },
		"repair": func(s *Store) error {
			done, err := s.Repair(t.Context(), subject, attach.RepairOptions{})
			if len(done.Notes) != forged || len(done.Missing) != 2 {
				t.Errorf("%d notes, %d missing", len(done.Notes), len(done.Missing))
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			m := port{world: w}
			mustPut(t, quick(m), signature(subject, 2), signature(subject, 3))
			if err := m.Delete(t.Context(), attach.CosignTagOf(subject.Desc.Digest, attach.Signature)); err != nil {
				t.Fatal(err)
			}
			for i := range forged {
				tag := tagOf(subject.Desc.Digest, fmt.Sprintf("1%031x", i))
				if err := m.PutManifest(t.Context(), tag, string(cosign.ManifestType), []byte(`{"layers":[]}`)); err != nil {
					t.Fatal(err)
				}
			}
			var mu sync.Mutex
			asked := make(map[string]int)
			m.gate = func(ctx context.Context, what string) error {
				mu.Lock()
				defer mu.Unlock()
				asked[what]++
				return ctx.Err()
			}
			var waited time.Duration
			s := New(m, "example.com/app", WithSleep(func(_ context.Context, d time.Duration) error {
				waited += d
				return nil
			}), WithClock(func() time.Time { return time.Time{} }))
			if err := run(s); err != nil {
				t.Fatal(err)
			}
			if waited > time.Second/2 {
				t.Errorf("waited %v", waited)
			}
			for what, n := range asked {
				if strings.HasSuffix(what, tagSuffix) && strings.HasPrefix(what, "GET ") && strings.Contains(what, ".10000") && n != 1 {
					t.Fatalf("%s: %d times", what, n)
				}
			}
			for _, n := range []int{2, 3} {
				if !w.viewed(t, subject, attach.Signature)[signature(subject, n).Content.ID()] {
					t.Errorf("the view lacks entry %d", n)
				}
			}
		})
	}
}

// TestFloodBesideWriters: with forged names in the journal, malformed ones and ones that
// hold entries, of writers that work at once none loses an entry: not from the journal,
// and not from the view, which has room. One of them is slower than all others.
func TestFloodBesideWriters(t *testing.T) {
	const writers, junk = 6, 8
	subject := subjectOf(0)
	for round := range uint64(6) {
		for _, forged := range []int{0, 20, 2*attach.MaxView + 7} {
			w := newWorld()
			for i := range forged {
				tag := tagOf(subject.Desc.Digest, fmt.Sprintf("1%031x", i))
				if err := (port{world: w}).PutManifest(t.Context(), tag, string(cosign.ManifestType), []byte(`{"layers":[]}`)); err != nil {
					t.Fatal(err)
				}
			}
			for i := range min(forged, junk) { // entries of others, which no view shows
				mustPut(t, quick(port{world: w}), signature(subject, 1000+i))
			}
			if forged > 0 {
				if err := (port{world: w}).Delete(t.Context(), attach.CosignTagOf(subject.Desc.Digest, attach.Signature)); err != nil {
					t.Fatal(err)
				}
			}
			var wg sync.WaitGroup
			for n := range writers {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(round, uint64(n)))
					var mu sync.Mutex
					gate := func(ctx context.Context, _ string) error {
						mu.Lock()
						d := time.Duration(r.IntN(20)) * time.Microsecond
						mu.Unlock()
						if n == 0 {
							d *= 20
						}
						time.Sleep(d)
						return ctx.Err()
					}
					s := New(port{world: w, gate: gate}, "example.com/app", WithSleep(func(ctx context.Context, d time.Duration) error {
						time.Sleep(d / 1000)
						return ctx.Err()
					}), WithClock(func() time.Time { return time.Time{} }))
					if _, err := s.Put(t.Context(), signature(subject, n)); err != nil {
						t.Errorf("writer %d: %v", n, err)
					}
				})
			}
			wg.Wait()
			listed := make(map[attach.ID]bool)
			for a, err := range quick(port{world: w}).List(t.Context(), subject, attach.Signature) {
				if err == nil {
					listed[a.ID()] = true
				}
			}
			viewed := w.viewed(t, subject, attach.Signature)
			for n := range writers {
				if id := signature(subject, n).Content.ID(); !listed[id] || !viewed[id] {
					t.Errorf("beside %d forged, round %d: entry %d is listed: %v, viewed: %v", forged, round, n, listed[id], viewed[id])
				}
			}
		}
	}
}
