package admit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// errOverloaded says that too many verifications are under way.
var errOverloaded = errors.New("too many verifications are under way")

// errPanic says that a verification ended in a panic.
var errPanic = errors.New("internal error")

// flights runs one piece of work for all who ask for it at the same time. The
// work belongs to none of them: it runs under a context of its own, so that
// one who gives up takes nothing from the others, and goes on when all gave
// up, for the next one to find its result.
//
// Work is divided in lanes, one for each registry, and only so many of a lane
// run or wait at once: a registry that hangs keeps nobody from another one.
type flights[K comparable, V any] struct {
	base    context.Context
	timeout time.Duration
	running int // at once in one lane
	lane    func(K) string

	mu    sync.Mutex
	aloft map[K]*flight[V]
	lanes map[string]*lane
}

// A lane holds a slot for each flight that runs. It is there while it has flights.
type lane struct {
	slots   chan struct{}
	flights int
}

type flight[V any] struct {
	done  chan struct{}
	value V
	err   error
}

func newFlights[K comparable, V any](base context.Context, timeout time.Duration, running int, of func(K) string) *flights[K, V] {
	return &flights[K, V]{
		base: base, timeout: timeout, running: running, lane: of,
		aloft: make(map[K]*flight[V]), lanes: make(map[string]*lane),
	}
}

// do returns the result of work for k, which is begun unless it is under way.
// A context that ends before it is that context's error. work must keep what
// is to be kept before it returns: a flight that has landed is forgotten.
func (f *flights[K, V]) do(ctx context.Context, k K, work func(context.Context) (V, error)) (v V, shared bool, err error) {
	f.mu.Lock()
	fl, shared := f.aloft[k]
	if !shared {
		l, err := f.enter(f.lane(k))
		if err != nil {
			f.mu.Unlock()
			return v, false, err
		}
		fl = &flight[V]{done: make(chan struct{})}
		f.aloft[k] = fl
		go f.fly(k, fl, l, work)
	}
	f.mu.Unlock()
	select {
	case <-fl.done:
		return fl.value, shared, fl.err
	case <-ctx.Done():
		return v, shared, fmt.Errorf("the verification goes on, ask again: %w", context.Cause(ctx))
	}
}

// enter counts a flight in its lane. The lock is held.
func (f *flights[K, V]) enter(name string) (*lane, error) {
	l, ok := f.lanes[name]
	switch {
	case len(f.aloft) >= maxFlights:
		return nil, errOverloaded
	case !ok:
		l = &lane{slots: make(chan struct{}, f.running)}
		f.lanes[name] = l
	case l.flights >= maxLane:
		return nil, fmt.Errorf("%w at %s", errOverloaded, name)
	}
	l.flights++
	return l, nil
}

// leave takes a flight out of the books. The lock is held.
func (f *flights[K, V]) leave(k K, l *lane) {
	delete(f.aloft, k)
	if l.flights--; l.flights == 0 {
		delete(f.lanes, f.lane(k))
	}
}

func (f *flights[K, V]) fly(k K, fl *flight[V], l *lane, work func(context.Context) (V, error)) {
	defer func() {
		if p := recover(); p != nil {
			fl.err = fmt.Errorf("%w: %v", errPanic, p)
		}
		f.mu.Lock()
		f.leave(k, l)
		f.mu.Unlock()
		close(fl.done)
	}()
	ctx, cancel := context.WithTimeout(f.base, f.timeout)
	defer cancel()
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
		fl.value, fl.err = work(ctx)
	case <-ctx.Done():
		fl.err = ctx.Err()
	}
}

func (f *flights[K, V]) len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.aloft)
}
