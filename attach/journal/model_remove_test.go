package journal

import "testing"

// The model with a remover beside the writers. Bit 0 is an entry that stands in
// view and journal at first and is removed; each writer adds a bit of its own.

const modelOld = 1

type graveActor struct {
	pc          uint8
	known, list uint8
	gone        uint8 // as last listed
	waited      bool
}

type graveState struct {
	view, journal, gone uint8
	last                uint8 // who wrote the view last
	a                   [4]graveActor
}

// settle is what writers and the remover have in common: list, look, complete.
func (s *graveState) settle(a *graveActor, me uint8) (done bool) {
	switch a.pc {
	case 10:
		a.list, a.gone, a.pc = s.journal, s.gone, 11
	case 11:
		a.known |= s.view
		shows := func(set uint8) bool { return s.view&set&^a.gone == set&^a.gone && s.view&a.gone == 0 }
		switch {
		case shows(a.known | a.list), s.last != me && shows(a.known):
			return true
		case a.waited:
			a.known, a.pc = a.known|a.list, 12
		default:
			a.waited, a.pc = true, 10
		}
		a.list = 0
	case 12:
		s.view, s.last, a.waited, a.pc = a.known&^a.gone, me, false, 10
	}
	return false
}

// graveWriter follows Store.Put, which lists the journal after its first write.
func graveWriter(s *graveState, a *graveActor, me uint8) {
	switch a.pc {
	case 0:
		a.known, a.pc = s.view|me, 1
	case 1:
		s.journal, a.pc = s.journal|me, 12
	default:
		if s.settle(a, me) {
			*a = graveActor{pc: modelDone}
		}
	}
}

// graveRemover follows Store.Remove.
func graveRemover(s *graveState, a *graveActor, me uint8) {
	switch a.pc {
	case 0:
		s.gone, a.pc = s.gone|modelOld, 10
	case 1:
		s.journal &^= modelOld
		*a = graveActor{pc: modelDone}
	default:
		if s.settle(a, me) {
			*a = graveActor{pc: 1}
		}
	}
}

// graveHasty removes without a tombstone.
func graveHasty(s *graveState, a *graveActor, me uint8) {
	switch a.pc {
	case 0:
		s.journal, a.pc = s.journal&^modelOld, 1
	case 1:
		a.known, a.pc = s.view, 2
	case 2:
		s.view, s.last = a.known&^modelOld, me
		*a = graveActor{pc: modelDone}
	}
}

type graveResult struct{ states, ends, back, viewLost, lost int }

// exploreGrave walks all interleavings of n writers and a remover.
func exploreGrave(n int, crash bool, remover func(*graveState, *graveActor, uint8)) graveResult {
	var r graveResult
	start := graveState{view: modelOld, journal: modelOld}
	seen := map[graveState]struct{}{start: {}}
	todo := []graveState{start}
	add := func(s graveState) {
		if _, ok := seen[s]; !ok {
			seen[s] = struct{}{}
			todo = append(todo, s)
		}
	}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		succeeded, running := uint8(0), false
		for i := range n + 1 {
			if s.a[i].pc >= modelDone {
				succeeded |= uint8(bit(s.a[i].pc == modelDone)) << i
				continue
			}
			running = true
			next := s
			if i == 0 {
				remover(&next, &next.a[0], 1<<7)
			} else {
				graveWriter(&next, &next.a[i], 1<<i)
			}
			add(next)
			if crash {
				next = s
				next.a[i] = graveActor{pc: modelDead}
				add(next)
			}
		}
		if running {
			continue
		}
		r.ends++
		want := succeeded &^ modelOld
		removed := succeeded&modelOld != 0
		r.back += bit(removed && (s.journal&^s.gone|s.view)&modelOld != 0)
		r.viewLost += bit(s.view&want != want)
		r.lost += bit((s.view|s.journal)&want != want)
	}
	r.states = len(seen)
	return r
}

// TestModelHastyComesBack: without a tombstone a merge brings back what was removed.
func TestModelHastyComesBack(t *testing.T) {
	if r := exploreGrave(1, false, graveHasty); r.back == 0 {
		t.Errorf("the check does not see it: %+v", r)
	}
}

// TestModelRemover: with one it does not, and nothing else is lost. (With three
// writers there are 26,525,453 states, which take minutes; they were walked too.)
func TestModelRemover(t *testing.T) {
	for n := 1; n <= 2; n++ {
		r := exploreGrave(n, false, graveRemover)
		t.Logf("a remover and %d writers: %+v", n, r)
		if r.ends == 0 || r.back != 0 || r.viewLost != 0 || r.lost != 0 {
			t.Errorf("a remover and %d writers: %+v", n, r)
		}
		r = exploreGrave(n, true, graveRemover)
		t.Logf("a remover and %d writers that may die: %+v", n, r)
		if r.ends == 0 || r.lost != 0 {
			t.Errorf("a remover and %d writers that may die: %+v", n, r)
		}
	}
}
