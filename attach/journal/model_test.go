package journal

import (
	"math/bits"
	"testing"
)

// The protocol, and the one that cosign follows, as small machines: a view that
// the last writer wins, a journal that only grows, and writers whose every step
// is one request. All interleavings are walked, with and without writers that
// die between two steps.

const (
	modelDone = 100 + iota
	modelDead
)

type modelWriter struct {
	pc     uint8
	known  uint8 // all that it has seen
	list   uint8
	waited bool
}

type modelState struct {
	view, journal uint8
	last          uint8 // who wrote the view last
	w             [4]modelWriter
}

type modelStep func(s *modelState, w *modelWriter, me uint8)

// modelNaive reads the view, adds itself, writes the view.
func modelNaive(s *modelState, w *modelWriter, me uint8) {
	switch w.pc {
	case 0:
		w.known, w.pc = s.view|me, 1
	case 1:
		s.view, w.pc = w.known, modelDone
	}
}

// modelJournal follows Store.Put: read the view, journal, write the view, then
// list the journal and read the view until nothing is missing, or until the view
// shows all that the writer knows and another wrote it. Once found wanting, the
// view is listed and read again before it is written: by who answers for it, and
// by any other too, who may do so at any time. That others wait first, and look
// at the view meanwhile, changes nothing that anybody sees.
func modelJournal(s *modelState, w *modelWriter, me uint8) {
	modelSettle(s, w, me, func() bool {
		return s.view&(w.known|w.list) == w.known|w.list || s.last != me && s.view&w.known == w.known
	})
}

// modelCareless ends as soon as the view shows what the writer knows, even when
// it wrote the view itself.
func modelCareless(s *modelState, w *modelWriter, me uint8) {
	modelSettle(s, w, me, func() bool { return s.view&w.known == w.known })
}

func modelSettle(s *modelState, w *modelWriter, me uint8, done func() bool) {
	switch w.pc {
	case 0:
		w.known, w.pc = s.view|me, 1
	case 1:
		s.journal, w.pc = s.journal|me, 2
	case 2:
		s.view, s.last, w.waited, w.pc = w.known, me, false, 3
	case 3:
		w.list, w.pc = s.journal, 4
	case 4:
		w.known |= s.view
		switch {
		case done():
			w.pc = modelDone
		case w.waited:
			w.known, w.pc = w.known|w.list, 2
		default:
			w.waited, w.pc = true, 3
		}
		w.list = 0
	}
	if w.pc == modelDone {
		*w = modelWriter{pc: modelDone}
	}
}

// modelLate is the protocol with the journal written after the view.
func modelLate(s *modelState, w *modelWriter, me uint8) {
	switch w.pc {
	case 0:
		w.known, w.pc = s.view|me, 1
	case 1:
		s.view, w.pc = w.known, 2
	case 2:
		w.list, w.pc = s.journal, 3
	case 3:
		w.known |= s.view
		if s.view&(w.known|w.list) == w.known|w.list {
			w.pc = 4
		} else {
			w.known, w.pc = w.known|w.list, 1
		}
	case 4:
		s.journal |= me
		*w = modelWriter{pc: modelDone}
	}
}

type modelResult struct {
	states, ends   int
	viewLost, lost int // ends in which the view, or view and journal, lack a writer that succeeded
}

// normal returns the state with its writers renamed into an order of their own.
// Writers differ in nothing but their number, so that states that are equal but
// for the numbers lead to ends that are equal but for the numbers: one of them
// is enough. The order is found by what does not depend on the numbers.
func (s modelState) normal(n int) modelState {
	rank := func(i int) int {
		w, me := s.w[i], uint8(1)<<i
		known := 0
		for j := range n {
			known = known<<1 + int(s.w[j].known&me>>i) + int(s.w[j].list&me>>i)
		}
		return bit(s.last == me)<<26 | int(w.pc)<<18 | bit(w.waited)<<17 | bit(s.view&me != 0)<<16 | bit(s.journal&me != 0)<<15 |
			bits.OnesCount8(w.known)<<12 | bits.OnesCount8(w.list)<<9 | bits.OnesCount(uint(known))<<4
	}
	var order [4]int // order[new] is the old number
	var ranks [4]int
	for i := range n {
		j := i
		for ranks[i] = rank(i); j > 0 && ranks[order[j-1]] > ranks[i]; j-- {
			order[j] = order[j-1]
		}
		order[j] = i
	}
	rename := func(set uint8) (out uint8) {
		for to := range n {
			out |= set >> order[to] & 1 << to
		}
		return out
	}
	out := modelState{view: rename(s.view), journal: rename(s.journal), last: rename(s.last)}
	for to := range n {
		w := s.w[order[to]]
		w.known, w.list = rename(w.known), rename(w.list)
		out.w[to] = w
	}
	return out
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// key packs the state.
func (s modelState) key() uint64 {
	k := uint64(s.last)<<8 | uint64(s.view)<<4 | uint64(s.journal)
	for _, w := range s.w {
		pc := uint64(w.pc)
		if w.pc >= modelDone {
			pc = 6 + uint64(w.pc-modelDone)
		}
		k = k<<12 | pc<<9 | uint64(w.known)<<5 | uint64(w.list)<<1 | uint64(bit(w.waited))
	}
	return k
}

// explore walks all interleavings of n writers.
func explore(n int, crash bool, step modelStep) modelResult {
	var r modelResult
	seen := map[uint64]struct{}{modelState{}.key(): {}}
	todo := []modelState{{}}
	add := func(s modelState) {
		s = s.normal(n)
		k := s.key()
		if _, ok := seen[k]; !ok {
			seen[k] = struct{}{}
			todo = append(todo, s)
		}
	}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		succeeded, running := uint8(0), false
		for i := range n {
			if s.w[i].pc >= modelDone {
				if s.w[i].pc == modelDone {
					succeeded |= 1 << i
				}
				continue
			}
			running = true
			next := s
			step(&next, &next.w[i], 1<<i)
			add(next)
			if crash {
				next = s
				next.w[i] = modelWriter{pc: modelDead}
				add(next)
			}
		}
		if running {
			continue
		}
		r.ends++
		r.viewLost += bit(s.view&succeeded != succeeded)
		r.lost += bit((s.view|s.journal)&succeeded != succeeded)
	}
	r.states = len(seen)
	return r
}

func TestModelNaiveLoses(t *testing.T) {
	for n := 2; n <= 4; n++ {
		if r := explore(n, false, modelNaive); r.lost == 0 {
			t.Errorf("%d writers: the check does not see that the naive way loses: %+v", n, r)
		}
	}
}

func TestModelLateJournalLosesFromView(t *testing.T) {
	for n := 2; n <= 4; n++ {
		if r := explore(n, false, modelLate); r.viewLost == 0 {
			t.Errorf("%d writers: the check does not see that a journal written last leaves the view wanting: %+v", n, r)
		}
	}
}

// TestModelCarelessLosesFromView shows that who wrote the view last must check it.
func TestModelCarelessLosesFromView(t *testing.T) {
	for n := 2; n <= 4; n++ {
		if r := explore(n, false, modelCareless); r.viewLost == 0 || r.lost != 0 {
			t.Errorf("%d writers: the check does not see that the view is left wanting: %+v", n, r)
		}
	}
}

func TestModelJournal(t *testing.T) {
	t.Parallel()
	most := 4
	if testing.Short() {
		t.Log("-short: up to 3 writers, not 4")
		most = 3
	}
	for n := 2; n <= most; n++ {
		r := explore(n, false, modelJournal)
		t.Logf("%d writers: %+v", n, r)
		if r.ends == 0 || r.viewLost != 0 || r.lost != 0 {
			t.Errorf("%d writers: %+v", n, r)
		}
		r = explore(n, true, modelJournal)
		t.Logf("%d writers that may die: %+v", n, r)
		if r.ends == 0 || r.lost != 0 {
			t.Errorf("%d writers that may die: %+v", n, r)
		}
	}
}
