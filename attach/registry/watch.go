package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// leastProgress is how many bytes have to move while the patience lasts.
const leastProgress = 64 << 10

// errStalled says that a server kept a connection open without using it.
var errStalled = errors.New("the server is too slow")

// A watchdog gives up on a request when too little moves in either direction.
type watchdog struct {
	cancel   context.CancelCauseFunc
	ctx      context.Context
	timer    *time.Timer
	patience time.Duration
	moved    atomic.Int64
	resting  atomic.Bool // it is not the server that is waited for
	left     int         // for how many times the patience the request may last; any number when zero
}

// watch returns a context for one request that ends when its server moves less
// than [leastProgress] bytes while the patience lasts, or, with a limit, when it
// lasts that many times the patience.
func watch(ctx context.Context, patience time.Duration, limit int) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watchdog{cancel: cancel, ctx: ctx, patience: patience, left: limit}
	armed := make(chan struct{})
	w.timer = time.AfterFunc(patience, func() {
		<-armed
		w.bark()
	})
	close(armed)
	return ctx, w
}

func (w *watchdog) bark() {
	n := w.moved.Swap(0)
	switch rest := w.resting.Load(); {
	case rest:
	case n < leastProgress:
		w.cancel(fmt.Errorf("%d bytes in %v: %w", n, w.patience, errStalled))
		return
	case w.left > 0:
		if w.left--; w.left == 0 {
			w.cancel(fmt.Errorf("no end in %d times %v: %w", wholeWithin, w.patience, errStalled))
			return
		}
	}
	if w.ctx.Err() == nil {
		w.timer.Reset(w.patience)
	}
}

// rest calls f, which waits for something else than the server: that takes
// nothing of the patience.
func (w *watchdog) rest(f func() error) error {
	w.resting.Store(true)
	defer w.resting.Store(false)
	err := f()
	w.moved.Store(0)
	w.timer.Reset(w.patience)
	return err
}

// work calls f, which waits for the server, in the midst of what rest does.
func (w *watchdog) work(f func() error) error {
	w.moved.Store(0)
	w.timer.Reset(w.patience)
	w.resting.Store(false)
	defer w.resting.Store(true)
	return f()
}

// stop ends the watch and the request.
func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel(context.Canceled)
}

// explain returns the reason for an error that the watchdog caused.
func (w *watchdog) explain(err error) error {
	if cause := context.Cause(w.ctx); errors.Is(cause, errStalled) {
		return cause
	}
	return err
}

// A watchedBody is what a watched request sends or receives.
type watchedBody struct {
	guard *watchdog
	rc    io.ReadCloser
	keep  bool // the request goes on when the body is closed
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.rc.Read(p)
	b.guard.moved.Add(int64(n))
	if err != nil && err != io.EOF {
		err = b.guard.explain(err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *watchedBody) Close() error {
	if !b.keep {
		b.guard.stop()
	}
	return b.rc.Close()
}
