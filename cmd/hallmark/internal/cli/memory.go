package cli

import (
	"math"
	"runtime/debug"
)

// What commands do with their memory: garbage is collected when the heap has grown by
// half, and as often as can be from softMemory on, in bytes. What a registry sends in
// vain should not cost more than what is used of it. Neither bounds live data: a
// command that needs more gets more.
const (
	softMemory  = 28 << 20
	softGrowth  = 50
	plainGrowth = 100
)

// Bind sets that, unless the environment says what the process is to do (GOGC or
// GOMEMLIMIT, see package runtime).
func Bind(getenv func(string) string) {
	if getenv("GOMEMLIMIT") == "" && getenv("GOGC") == "" {
		debug.SetMemoryLimit(softMemory)
		debug.SetGCPercent(softGrowth)
	}
}

// unbind takes it back, for servers, which keep more and live long.
func unbind() {
	if debug.SetMemoryLimit(-1) == softMemory {
		debug.SetMemoryLimit(math.MaxInt64)
		debug.SetGCPercent(plainGrowth)
	}
}
