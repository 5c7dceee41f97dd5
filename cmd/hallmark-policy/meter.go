package main

import (
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// A meter keeps watch over the memory of the process. It is the second of three: the
// garbage collector works harder near the limit, the meter looks every few
// milliseconds, and on Linux the system refuses what is over.
type meter struct {
	limit atomic.Int64 // bytes
	over  chan struct{}
}

// pace is how often the meter looks.
const pace = 5 * time.Millisecond

// newMeter starts to watch.
func newMeter() *meter {
	m := &meter{over: make(chan struct{})}
	m.limit.Store(maxMemory)
	go m.watch()
	return m
}

func (m *meter) watch() {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for range time.Tick(pace) {
		metrics.Read(samples)
		if used := samples[0].Value.Uint64() - samples[1].Value.Uint64(); int64(used) > m.limit.Load() {
			close(m.over)
			return
		}
	}
}

// limited returns a function that sets the limits of each request before it is looked
// at.
func (m *meter) limited(evaluate func(request) answer) func(request) answer {
	return func(q request) answer {
		m.limit.Store(q.Memory)
		debug.SetMemoryLimit(q.Memory / 8 * 7)
		if err := bound(q.Memory, q.Seconds); err != nil {
			return answer{Outcome: failed, Problem: "limits: " + err.Error()}
		}
		return evaluate(q)
	}
}
