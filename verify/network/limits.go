package network

import "time"

// Limits on what is asked.
const (
	// maxHosts bounds the hosts, and maxName is the length of the longest name, in bytes.
	maxHosts = 64
	maxName  = 256
	// maxWait is how long one answer is waited for.
	maxWait = 20 * time.Second
)
