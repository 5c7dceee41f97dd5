package plugin

import "time"

// Limits on what a plug-in may take and say.
const (
	// MaxTime is how long one call may take. A person may have to touch a device.
	MaxTime = 2 * time.Minute
	// MaxAnswer is the size of the longest answer that is read, in bytes.
	MaxAnswer = 64 << 10
	// MaxSignature is the size of the longest signature, in bytes: one by an RSA
	// key of 8192 bits.
	MaxSignature = 1 << 10
	// MaxAlgorithms is how many algorithms a plug-in may know.
	MaxAlgorithms = 100
	// maxNoise is how much of what a plug-in writes to standard error is kept for the
	// error, in bytes: the end of it.
	maxNoise = 2 << 10
	// maxError is how much of the plug-in's error message is repeated, in bytes.
	maxError = 1 << 10
	// maxArguments is the size of the document that a plug-in is given, in bytes.
	maxArguments = 64 << 10
	// graceTime is how long the streams of a plug-in that has ended are waited for,
	// where a child of it holds them open.
	graceTime = time.Second
)
