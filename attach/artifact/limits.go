package artifact

// Limits on what is packed and unpacked. They are applied before memory or disk
// space is taken.
const (
	// MaxFiles is how many files and directories one artifact may have.
	MaxFiles = 100_000
	// MaxBytes is how many bytes the unpacked files of one artifact may have
	// together where the caller names no other limit.
	MaxBytes = 16 << 30

	maxName   = 1024     // bytes of the name of a file
	maxDepth  = 64       // directories that one file is nested in
	maxConfig = 64 << 10 // bytes of a config that is read for the name of a file
	// maxWindow is how many bytes of window a zstd frame may ask for: as many as every
	// decoder should have (RFC 8878, section 3.1.1.1.2).
	maxWindow = 8 << 20
)
