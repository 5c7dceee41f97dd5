package scan

import (
	"fmt"
	"io"
	"sync/atomic"

	"github.com/hallmark-oci/hallmark/attach"
)

// A budget counts down what may still be taken, for several goroutines.
type budget struct {
	left atomic.Int64
	what string
	of   int64
}

func newBudget(of int64, what string) *budget {
	b := &budget{what: what, of: of}
	b.left.Store(of)
	return b
}

func (b *budget) take(n int64) error {
	if b.left.Add(-n) < 0 {
		return fmt.Errorf("the image has more than %d %s: %w", b.of, b.what, attach.ErrLimit)
	}
	return nil
}

// metered counts what is read, against a budget.
type metered struct {
	r io.Reader
	b *budget
	n int64
}

// Read implements io.Reader.
func (m *metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	if over := m.b.take(int64(n)); over != nil {
		return 0, over
	}
	return n, err
}
