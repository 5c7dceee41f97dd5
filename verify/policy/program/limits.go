package program

import (
	"time"

	"github.com/hallmark-oci/hallmark/verify/policy"
)

// Limits on the program and on what it says.
const (
	// MaxTime is how long one answer may take.
	MaxTime = 10 * time.Second
	// MaxMemory is how much memory the program may use for one answer, in bytes.
	MaxMemory = 512 << 20
	// MaxProcesses is how many run at once. Whoever comes later waits.
	MaxProcesses = 2
	// MaxRequests is how many requests one process answers before another takes its
	// place.
	MaxRequests = 500
	// MaxAnswer is the size of the longest answer that is read, in bytes.
	MaxAnswer = 64 << 10
	// MaxProgram is the size of the largest program that is started, in bytes.
	MaxProgram = 256 << 20
	// maxRequest is the size of the longest request, in bytes: the program's own limit.
	// Each character of a policy may be escaped.
	maxRequest = policy.MaxInput + 6*policy.MaxPart + 4<<10
	// maxNoise is how much of what the program writes to standard error is kept for the
	// error, in bytes: the beginning of it, where crashes name their cause.
	maxNoise = 1 << 10
	// graceTime is how long the streams of a program that has ended are waited for, where
	// a child of it holds them open.
	graceTime = time.Second
)
