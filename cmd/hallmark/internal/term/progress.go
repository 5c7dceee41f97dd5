package term

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// barWidth is how many characters the bar itself has.
const barWidth = 30

// A Bar shows how much of a number of jobs is done, on a terminal only. The nil
// Bar shows nothing. It is safe for concurrent use.
type Bar struct {
	mu          sync.Mutex
	out         io.Writer
	what        string
	done, total int
}

// NewBar returns a bar on out, or nil where out is no terminal or there is just
// one job.
func NewBar(out io.Writer, what string, total int) *Bar {
	if total < 2 || !Is(out) {
		return nil
	}
	b := &Bar{out: out, what: what, total: total}
	b.draw()
	return b
}

// Step counts one job as done.
func (b *Bar) Step() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done++
	b.draw()
}

// Clear removes the bar from the screen.
func (b *Bar) Clear() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprint(b.out, "\r\x1b[K")
}

func (b *Bar) draw() {
	full := barWidth * min(b.done, b.total) / b.total
	fmt.Fprintf(b.out, "\r%s [%s%s] %d/%d", b.what, strings.Repeat("#", full), strings.Repeat(".", barWidth-full), b.done, b.total)
}
