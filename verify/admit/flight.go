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
type flights[K comparable, V any] struct {
	base    context.Context
	timeout time.Duration
	slots   chan struct{} // what runs at once

	mu    sync.Mutex
	aloft map[K]*flight[V]
}

type flight[V any] struct {
	done  chan struct{}
	value V
	err   error
}

func newFlights[K comparable, V any](base context.Context, timeout time.Duration, parallel int) *flights[K, V] {
	return &flights[K, V]{base: base, timeout: timeout, slots: make(chan struct{}, parallel), aloft: make(map[K]*flight[V])}
}

// do returns the result of work for k, which is begun unless it is under way.
// A context that ends before it is that context's error. work must keep what
// is to be kept before it returns: a flight that has landed is forgotten.
func (f *flights[K, V]) do(ctx context.Context, k K, work func(context.Context) (V, error)) (v V, shared bool, err error) {
	f.mu.Lock()
	fl, shared := f.aloft[k]
	if !shared {
		if len(f.aloft) >= maxFlights {
			f.mu.Unlock()
			return v, false, errOverloaded
		}
		fl = &flight[V]{done: make(chan struct{})}
		f.aloft[k] = fl
		go f.fly(k, fl, work)
	}
	f.mu.Unlock()
	select {
	case <-fl.done:
		return fl.value, shared, fl.err
	case <-ctx.Done():
		return v, shared, fmt.Errorf("the verification goes on, ask again: %w", context.Cause(ctx))
	}
}

func (f *flights[K, V]) fly(k K, fl *flight[V], work func(context.Context) (V, error)) {
	defer func() {
		if p := recover(); p != nil {
			fl.err = fmt.Errorf("%w: %v", errPanic, p)
		}
		f.mu.Lock()
		delete(f.aloft, k)
		f.mu.Unlock()
		close(fl.done)
	}()
	ctx, cancel := context.WithTimeout(f.base, f.timeout)
	defer cancel()
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
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
