package journal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
)

// The real writer, driven through schedules: each step on the medium waits
// until the schedule names its writer, so that a run is determined by the
// schedule alone.

var errDied = errors.New("the writer died")

type ticket struct {
	writer int
	grant  chan error
}

type outcome struct {
	writer  int
	receipt attach.Receipt
	err     error
}

// A job is what one writer does.
type job func(ctx context.Context, s *Store, i int) (attach.Receipt, error)

// signs attaches a signature of the writer's own.
func signs(ctx context.Context, s *Store, i int) (attach.Receipt, error) {
	receipts, err := s.Put(ctx, signature(subjectOf(0), i))
	if err != nil {
		return attach.Receipt{}, err
	}
	return receipts[0], nil
}

// run is one writer: it takes a ticket for each step.
func run(t testing.TB, w *world, i int, do job, tickets chan<- ticket, ends chan<- outcome, history *strings.Builder) {
	dead := false
	gate := func(context.Context, string) error {
		if dead {
			return errDied
		}
		tk := ticket{i, make(chan error)}
		tickets <- tk
		err := <-tk.grant
		dead = err != nil
		return err
	}
	note := func(what string) { history.WriteString(what + "\n") }
	out := outcome{writer: i}
	s := quick(port{w, gate, note})
	s.now = func() time.Time { return time.Unix(1_800_000_000, 0) } // a run is determined by the schedule alone
	out.receipt, out.err = do(t.Context(), s, i)
	ends <- out
}

// sign returns the jobs of n writers that attach one signature each.
func sign(n int) []job { return slices.Repeat([]job{signs}, n) }

// play runs writers, one for each job. Before each step, choose is given the
// writers that can go on and the state of everything, and answers with an index
// into the writers and whether that writer dies instead.
func play(t testing.TB, w *world, jobs []job, choose func(ready []int, state string) (int, bool)) []outcome {
	n := len(jobs)
	histories := make([]strings.Builder, n)
	tickets, ends := make(chan ticket), make(chan outcome)
	for i := range n {
		go run(t, w, i, jobs[i], tickets, ends, &histories[i])
	}
	outcomes := make([]outcome, n)
	waiting := make([]*ticket, n)
	running, live := n, n // running: neither waiting nor at the end
	for live > 0 {
		for running > 0 {
			select {
			case tk := <-tickets:
				waiting[tk.writer] = &tk
			case o := <-ends:
				outcomes[o.writer] = o
				live--
			}
			running--
		}
		var ready []int
		for i, tk := range waiting {
			if tk != nil {
				ready = append(ready, i)
			}
		}
		if len(ready) == 0 {
			break
		}
		state := w.state()
		for i := range histories {
			state += fmt.Sprintf("\n%d %t\n%s", i, waiting[i] != nil, histories[i].String())
		}
		at, dies := choose(ready, state)
		tk := waiting[ready[at]]
		waiting[ready[at]] = nil
		running++
		if dies {
			tk.grant <- errDied
		} else {
			tk.grant <- nil
		}
	}
	return outcomes
}

// judge checks a run: what succeeded is in view and journal, what was journaled
// is in the view after the next write.
func judge(t *testing.T, w *world, outcomes []outcome, schedule any) {
	t.Helper()
	subject := subjectOf(0)
	view, journal := w.viewed(t, subject, attach.Signature), w.journaled(t, subject)
	died := false
	for i, o := range outcomes {
		id := signature(subject, i).Content.ID()
		switch {
		case errors.Is(o.err, errDied):
			died = true
		case o.err != nil:
			t.Fatalf("schedule %v: writer %d: %v", schedule, i, o.err)
		case !journal[id]:
			t.Fatalf("schedule %v: writer %d succeeded and its entry is not in the journal", schedule, i)
		case o.receipt.Existed || !o.receipt.Viewed:
			t.Fatalf("schedule %v: writer %d: %+v", schedule, i, o.receipt)
		}
	}
	for i, o := range outcomes {
		if !died && !view[signature(subject, i).Content.ID()] {
			t.Fatalf("schedule %v: the view lacks the entry of writer %d: %+v", schedule, i, o)
		}
	}
	mustPut(t, quick(port{world: w}), signature(subject, 100))
	view = w.viewed(t, subject, attach.Signature)
	for id := range journal {
		if !view[id] {
			t.Fatalf("schedule %v: after the next write the view still lacks an entry of the journal", schedule)
		}
	}
}

// explorer walks all schedules of writers, depth first, a run for each. What a
// writer will do depends on what its steps brought so far, so that a state that
// was met before, in the store and in all writers, needs no second walk.
type explorer struct {
	path, options []int
	step          int
	met           map[[32]byte]bool
}

// next returns the choice for the next step of the current run among n.
func (x *explorer) next(n int, state string) int {
	if x.step == len(x.path) {
		key := sha256.Sum256([]byte(state))
		if x.met[key] {
			n = 1
		}
		x.met[key] = true
		x.path, x.options = append(x.path, 0), append(x.options, n)
	}
	x.step++
	return x.path[x.step-1]
}

// more advances to the next schedule.
func (x *explorer) more() bool {
	x.step = 0
	for last := len(x.path) - 1; last >= 0; last-- {
		if x.path[last]++; x.path[last] < x.options[last] {
			x.path, x.options = x.path[:last+1], x.options[:last+1]
			return true
		}
	}
	return false
}

// walked returns how many schedules a test goes through that could go through all.
// Under -short, which is for the race detector, those are the first ones.
func walked(t *testing.T) int {
	if !testing.Short() {
		return math.MaxInt
	}
	t.Log("-short: the first 200 schedules and not all")
	return 200
}

// draws returns how many schedules of each sort a test draws.
func draws(t *testing.T, n uint64) uint64 {
	if !testing.Short() {
		return n
	}
	t.Logf("-short: %d of %d schedules of each sort", n/5, n)
	return n / 5
}

// TestScheduleTwoWriters goes through every interleaving of two writers.
func TestScheduleTwoWriters(t *testing.T) {
	for _, native := range []bool{false, true} {
		t.Run(fmt.Sprintf("native %v", native), func(t *testing.T) {
			t.Parallel()
			x := explorer{met: make(map[[32]byte]bool)}
			runs, most := 0, walked(t)
			for more := true; more && runs < most; more = x.more() {
				w := newWorld()
				w.native = native
				outcomes := play(t, w, sign(2), func(ready []int, state string) (int, bool) {
					return x.next(len(ready), state), false
				})
				judge(t, w, outcomes, x.path)
				runs++
			}
			t.Logf("%d states, %d schedules", len(x.met), runs)
			if runs < 100 {
				t.Errorf("only %d schedules were walked", runs)
			}
		})
	}
}

// TestScheduleOneDies lets one of two writers die before each of its steps, and
// goes through every interleaving.
func TestScheduleOneDies(t *testing.T) {
	t.Parallel()
	runs, most := 0, walked(t)
	for death := range 5 {
		x := explorer{met: make(map[[32]byte]bool)}
		for more := true; more && runs < (death+1)*(most/5); more = x.more() {
			steps := 0
			w := newWorld()
			outcomes := play(t, w, sign(2), func(ready []int, state string) (int, bool) {
				at := x.next(len(ready), state)
				if ready[at] == 0 {
					steps++
				}
				return at, ready[at] == 0 && steps == death+1
			})
			judge(t, w, outcomes, x.path)
			runs++
		}
	}
	t.Logf("%d schedules", runs)
}

// TestScheduleRandom draws schedules for three and four writers, some of which die.
func TestScheduleRandom(t *testing.T) {
	t.Parallel()
	for n := 3; n <= 4; n++ {
		for seed := range draws(t, 60) {
			rnd := rand.New(rand.NewPCG(seed, uint64(n)))
			w := newWorld()
			w.native = seed%3 == 0
			mortal := seed%2 == 0
			outcomes := play(t, w, sign(n), func(ready []int, _ string) (int, bool) {
				return rnd.IntN(len(ready)), mortal && rnd.IntN(20) == 0
			})
			judge(t, w, outcomes, seed)
		}
	}
}
