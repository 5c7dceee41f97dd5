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
}

// watch returns a context for one request that ends when its server moves less
// than [leastProgress] bytes while the patience lasts.
func watch(ctx context.Context, patience time.Duration) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watchdog{cancel: cancel, ctx: ctx, patience: patience}
	armed := make(chan struct{})
	w.timer = time.AfterFunc(patience, func() {
		<-armed
		w.bark()
	})
	close(armed)
	return ctx, w
}

func (w *watchdog) bark() {
	if n := w.moved.Swap(0); n < leastProgress {
		w.cancel(fmt.Errorf("%d bytes in %v: %w", n, w.patience, errStalled))
		return
	}
	if w.ctx.Err() == nil {
		w.timer.Reset(w.patience)
	}
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
