package dsse

// Limits on what is read. They are applied before memory is taken.
const (
	// MaxSize is the size of the largest envelope that is read where the caller
	// sets no limit, in bytes.
	MaxSize = 256 << 20
	// MaxMemory is the size of the largest envelope that is held in memory, in bytes.
	MaxMemory = 8 << 20
	// MaxSignatures is how many signatures an envelope may have.
	MaxSignatures = 32
	// MaxSignature is the size of the largest signature, in bytes of base64.
	MaxSignature = 64 << 10
	// MaxText is the size of the longest payload type or key ID, in bytes.
	MaxText = 4 << 10
)
