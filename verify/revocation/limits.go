package revocation

import "time"

// Limits on lists. They are applied before memory is taken.
const (
	// MaxFile is the size of the largest list as it is signed, in bytes.
	MaxFile = 8 << 20
	// MaxList is the size of the largest list inside, in bytes.
	MaxList = 5 << 20
	// MaxEntries is how many entries a list has, of all kinds together.
	MaxEntries = 20000
	// MaxText is the size of the longest text in a list, in bytes.
	MaxText = 1000
	// MaxValid is how long a list may hold: one that holds for ever can be withheld for ever.
	MaxValid = 400 * 24 * time.Hour
	// Skew is how far in the future a list may have been issued: clocks differ.
	Skew = 5 * time.Minute
)
