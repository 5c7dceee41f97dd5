package admit

import (
	"container/list"
	"sync"
	"time"

	"github.com/hallmark-oci/hallmark/verify"
)

// A key names one question: what a verdict depends on, and nothing more.
type key struct {
	repo   string // the full name: the same digest in another repository is another question
	digest string
	policy [32]byte // the matched policies with their keys
}

// memory is what the gate remembers. Acceptances and refusals have a place each:
// to cause refusals without end is easy, and must not make it forget what it
// accepted.
type memory struct{ accepted, refused *cache }

func newMemory(size int) memory { return memory{newCache(size), newCache(size)} }

func (m memory) get(k key, now time.Time) (verify.Verdict, bool) {
	if v, ok := m.accepted.get(k, now); ok {
		return v, true
	}
	return m.refused.get(k, now)
}

// put keeps a verdict until then, in place of one that was kept before.
func (m memory) put(k key, v verify.Verdict, until time.Time) {
	to, other := m.refused, m.accepted
	if v.Outcome == verify.Accept {
		to, other = other, to
	}
	other.remove(k)
	to.put(k, v, until)
}

func (m memory) len() int { return m.accepted.len() + m.refused.len() }

// cache keeps verdicts, the most recently used ones up to a number.
type cache struct {
	mu      sync.Mutex
	size    int
	order   *list.List // of *kept, most recent first
	entries map[key]*list.Element
}

type kept struct {
	key     key
	verdict verify.Verdict
	until   time.Time
}

func newCache(size int) *cache {
	return &cache{size: size, order: list.New(), entries: make(map[key]*list.Element)}
}

func (c *cache) get(k key, now time.Time) (verify.Verdict, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[k]
	if !ok {
		return verify.Verdict{}, false
	}
	v := e.Value.(*kept)
	if !now.Before(v.until) {
		c.drop(e)
		return verify.Verdict{}, false
	}
	c.order.MoveToFront(e)
	return v.verdict, true
}

// put keeps a verdict until then. Its evidence is let go.
func (c *cache) put(k key, v verify.Verdict, until time.Time) {
	checks := make([]verify.Check, len(v.Checks))
	for i, check := range v.Checks {
		check.Evidence = nil
		checks[i] = check
	}
	v.Checks = checks
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[k]; ok {
		c.drop(e)
	}
	for len(c.entries) >= c.size {
		c.drop(c.order.Back())
	}
	c.entries[k] = c.order.PushFront(&kept{key: k, verdict: v, until: until})
}

func (c *cache) remove(k key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[k]; ok {
		c.drop(e)
	}
}

func (c *cache) drop(e *list.Element) {
	delete(c.entries, c.order.Remove(e).(*kept).key)
}

func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}
