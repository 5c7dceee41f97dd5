package journal

import (
	"context"
	"fmt"
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
