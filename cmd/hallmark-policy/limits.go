package main

// Limits on requests and answers. The other side has the same, and waits no longer
// than it was told.
const (
	// maxRequest is the size of the longest request line, in bytes: a document of 8 MiB
	// and a policy of 256 KiB of which each character may be escaped.
	maxRequest = 8<<20 + 6*(256<<10) + 4<<10
	// maxText is how much of a warning or a problem is passed on, in bytes.
	maxText = 4 << 10
	// maxNames is how many names of unsupported functions are passed on.
	maxNames = 10
	// minMemory and maxMemory bound the memory that a request may give, in bytes.
	minMemory = 64 << 20
	maxMemory = 4 << 30
	// maxSeconds bounds the processor time that a request may give.
	maxSeconds = 600
	// maxStack is how deep a computation may go, in bytes of stack.
	maxStack = 128 << 20
	// maxProcs is how many processors are used: one to compute, one to collect garbage.
	maxProcs = 2
	// spareMemory is what the Go runtime takes from the system beside what it
	// accounts for, in bytes: arenas of 64 MiB of which only a part is used.
	spareMemory = 192 << 20
)
