package cli

import (
	"math"
	"runtime/debug"
)

// SoftMemory is how much memory a command takes before it collects its garbage as
// often as it can, in bytes: what a registry sends in vain should not cost more than
// what is used of it. It bounds no live data: a command that needs more gets more.
const SoftMemory = 28 << 20

// unbind takes the bound of [SoftMemory] away, for servers, which keep more and live
// long. A limit that the environment set stays.
func unbind() {
	if debug.SetMemoryLimit(-1) == SoftMemory {
		debug.SetMemoryLimit(math.MaxInt64)
	}
}
