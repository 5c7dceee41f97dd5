package attach

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// TestAhead: everything comes in order, no more than the width is under way, and
// as much as that; whoever stops is left with nothing running.
func TestAhead(t *testing.T) {
	for _, width := range []int{0, 1, 3, 16} {
		for _, n := range []int{0, 1, 2, 100} {
			for _, stop := range []int{0, 1, 7, 1000} {
				t.Run(fmt.Sprint(width, n, stop), func(t *testing.T) { ahead(t, width, n, stop) })
			}
		}
	}
}

func ahead(t *testing.T, width, n, stop int) {
	var under, most, begun atomic.Int32
	in := make([]int, n)
	for i := range in {
		in[i] = i
	}
	work := func(i int) string {
		begun.Add(1)
		now := under.Add(1)
		defer under.Add(-1)
		for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
		}
		time.Sleep(100 * time.Microsecond)
		return fmt.Sprint(i)
	}
	task := func(i int) func(context.Context) string {
		return func(context.Context) string { return work(i) }
	}
	var got []int
	for a, b := range Ahead(t.Context(), width, slices.Values(in), task) {
		if fmt.Sprint(a) != b {
			t.Errorf("%d came with %s", a, b)
		}
		if got = append(got, a); len(got) == stop {
			break
		}
	}
	want := n
	if stop > 0 && stop < n {
		want = stop
	}
	if !slices.Equal(got, in[:want]) {
		t.Errorf("got %v, want %d in order", got, want)
	}
	if under.Load() != 0 {
		t.Errorf("%d still run", under.Load())
	}
	if m := int(most.Load()); m > max(width, 1) {
		t.Errorf("%d at once, more than %d", m, width)
	}
	if b := int(begun.Load()); stop == 1 && b > 1 {
		t.Errorf("%d were begun for one", b)
	}
}

// TestAheadReadsNoFurther: what needs no task is not read before its turn.
func TestAheadReadsNoFurther(t *testing.T) {
	read := 0
	in := func(yield func(int) bool) {
		for i := range 100 {
			if read++; !yield(i) {
				return
			}
		}
	}
	task := func(i int) func(context.Context) int {
		if i < 10 {
			return func(context.Context) int { return i }
		}
		return nil
	}
	for i, b := range Ahead(t.Context(), 16, in, task) {
		if i < 10 && b != i || i >= 10 && b != 0 {
			t.Errorf("%d came with %d", i, b)
		}
		if i >= 10 && read > i+1 {
			t.Fatalf("%d elements were read for %d", read, i+1)
		}
	}
	if read != 100 {
		t.Errorf("%d elements were read", read)
	}
}
