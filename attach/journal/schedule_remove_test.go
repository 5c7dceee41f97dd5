package journal

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
)

// A remover among writers, through the same schedules.

// removes removes the signature of the number.
func removes(n int) job {
	return func(ctx context.Context, s *Store, _ int) (attach.Receipt, error) {
		c := signature(subjectOf(0), n).Content
		out, err := s.Remove(ctx, subjectOf(0), attach.Attachment{
			Kind: c.Kind, Annotations: c.Annotations,
			Desc: v1.Descriptor{MediaType: types.MediaType(c.MediaType), Digest: c.Body.Digest, Size: c.Body.Size},
		})
		if err == nil && out[0].Shown != "" {
			err = errors.New(out[0].Shown)
		}
		return attach.Receipt{}, err
	}
}

// verdict checks a run with removers: what a writer put is in view and journal,
// what was removed is in no view, and both are so after the next write too.
// Nothing else is lost.
func verdict(t *testing.T, w *world, jobs, want []int, outcomes []outcome, schedule any) {
	t.Helper()
	subject := subjectOf(0)
	died := false
	gone := make(map[int]bool)
	want = slices.Clone(want)
	for i, o := range outcomes {
		switch {
		case errors.Is(o.err, errDied):
			died = true
		case o.err != nil:
			t.Fatalf("schedule %v: %d: %v", schedule, i, o.err)
		case jobs[i] > 0:
			gone[jobs[i]] = true
		case jobs[i] == 0:
			want = append(want, i)
		}
	}
	mortal := make(map[int]bool) // what a dead remover may or may not have removed
	for i, n := range jobs {
		if n > 0 && outcomes[i].err != nil {
			mortal[n] = true
		}
	}
	for round := range 2 {
		view := w.viewed(t, subject, attach.Signature)
		read := make(map[attach.ID]bool)
		all, errs := attach.Collect(t.Context(), quick(port{world: w}), subject, attach.Signature)
		if len(errs) > 0 {
			t.Fatalf("schedule %v: %v", schedule, errs)
		}
		for _, a := range all {
			read[a.ID()] = true
		}
		for _, n := range want {
			id := signature(subject, n).Content.ID()
			switch {
			case gone[n] && (!died || round > 0) && (view[id] || read[id]):
				t.Fatalf("schedule %v, round %d: %d came back", schedule, round, n)
			case gone[n] || mortal[n]:
			case !read[id]:
				t.Fatalf("schedule %v, round %d: %d is lost", schedule, round, n)
			case (!died || round > 0) && !view[id]:
				t.Fatalf("schedule %v, round %d: the view lacks %d", schedule, round, n)
			case !w.journaled(t, subject)[id] && !died:
				t.Fatalf("schedule %v, round %d: the journal lacks %d", schedule, round, n)
			}
		}
		mustPut(t, quick(port{world: w}), signature(subject, 100+round))
	}
}

// What a negative number stands for.
const (
	repairing  = -1
	compacting = -2
)

// cast turns numbers into jobs: 0 signs, a positive number removes that signature.
func cast(numbers []int) []job {
	jobs := make([]job, len(numbers))
	for i, n := range numbers {
		switch {
		case n == 0:
			jobs[i] = signs
		case n > 0:
			jobs[i] = removes(n)
		default:
			jobs[i] = func(ctx context.Context, s *Store, _ int) (attach.Receipt, error) {
				_, err := s.Repair(ctx, subjectOf(0), attach.RepairOptions{Compact: n == compacting, OlderThan: 24 * time.Hour})
				return attach.Receipt{}, err
			}
		}
	}
	return jobs
}

// prepared returns a world in which signatures stand already, each group of them
// in one journal entry.
func prepared(t *testing.T, native bool, groups ...[]int) *world {
	t.Helper()
	w := newWorld()
	w.native = native
	s := quick(port{world: w})
	s.now = func() time.Time { return time.Unix(1_700_000_000, 0) } // long before the schedule
	for _, numbers := range groups {
		var parcels []attach.Parcel
		for _, n := range numbers {
			parcels = append(parcels, signature(subjectOf(0), n))
		}
		mustPut(t, s, parcels...)
	}
	return w
}

// TestScheduleRemover goes through every interleaving of a writer and a remover.
func TestScheduleRemover(t *testing.T) {
	t.Parallel()
	x := explorer{met: make(map[[32]byte]bool)}
	runs, most := 0, walked(t)
	for more := true; more && runs < most; more = x.more() {
		w := prepared(t, false, []int{53})
		outcomes := play(t, w, cast([]int{0, 53}), func(ready []int, state string) (int, bool) {
			return x.next(len(ready), state), false
		})
		verdict(t, w, []int{0, 53}, []int{53}, outcomes, x.path)
		runs++
	}
	t.Logf("%d states, %d schedules", len(x.met), runs)
	if runs < 100 {
		t.Errorf("only %d schedules were walked", runs)
	}
}

// TestScheduleRemoversRandom draws schedules for writers and removers, some of
// which die, on media that delete and on one that does not.
func TestScheduleRemoversRandom(t *testing.T) {
	t.Parallel()
	for _, numbers := range [][]int{{0, 50, 51}, {0, 0, 53}, {50, 51, 52}, {50, 50, 0}, {0, 50, 53, 0},
		{compacting, 50}, {compacting, 53, 0}, {compacting, 50, 51}, {compacting, compacting, 0}, {repairing, 50, 0}, {compacting, 50, 53, 0}} {
		for seed := range draws(t, 40) {
			rnd := rand.New(rand.NewPCG(seed, uint64(len(numbers))))
			w := prepared(t, seed%3 == 0, []int{50, 51, 52}, []int{53})
			if seed%5 == 0 {
				w.noDelete = attach.ErrUndeletable
			}
			mortal := seed%2 == 0
			outcomes := play(t, w, cast(numbers), func(ready []int, _ string) (int, bool) {
				return rnd.IntN(len(ready)), mortal && rnd.IntN(30) == 0
			})
			verdict(t, w, numbers, []int{50, 51, 52, 53}, outcomes, seed)
		}
	}
}
