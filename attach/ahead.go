package attach

import (
	"context"
	"iter"
	"sync"
)

// Ahead yields what comes in, each with what its task brings, in order. A task
// is what plan returns for it; nil stands for none, whose outcome is the zero
// value. Up to width tasks are under way at once, before the caller asks, so that
// waiting for one is waiting for several. It begins with one and doubles with each
// that was taken: a caller who stops early has paid for little that he did not
// want. What is under way then is cancelled and waited for. The sequence is read
// no further ahead than tasks are begun, and not beyond an element without one.
func Ahead[A, B any](ctx context.Context, width int, in iter.Seq[A], plan func(A) func(context.Context) B) iter.Seq2[A, B] {
	type step struct {
		in  A
		out chan B // nil where there is no task
	}
	return func(yield func(A, B) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		next, stop := iter.Pull(in)
		defer stop()
		var queue []step
		window := 1
		for {
			for len(queue) < window && (len(queue) == 0 || queue[len(queue)-1].out != nil) {
				a, more := next()
				if !more {
					break
				}
				s := step{in: a}
				if task := plan(a); task != nil {
					s.out = make(chan B, 1)
					wg.Go(func() { s.out <- task(ctx) })
				}
				queue = append(queue, s)
			}
			if len(queue) == 0 {
				return
			}
			first := queue[0]
			queue = queue[1:]
			var b B
			if first.out != nil {
				b = <-first.out
				window = min(2*window, max(width, 1))
			}
			if !yield(first.in, b) {
				return
			}
		}
	}
}
