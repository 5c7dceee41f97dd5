package payload

// Limits on what is read and written. They are applied before memory is taken.
const (
	// MaxSimpleSigning is the size of the largest simple signing payload, in bytes.
	MaxSimpleSigning = 64 << 10
	// MaxSubjects is how many subjects a statement may have.
	MaxSubjects = 1024
	// MaxDigests is how many digests a subject may have.
	MaxDigests = 32
	// MaxText is the size of the longest name, type or digest, in bytes.
	MaxText = 4 << 10
	// MaxAnnotations is the size of the annotations of one subject, in bytes.
	MaxAnnotations = 64 << 10
	// MaxWrapped is the size of the largest text that is put into a predicate as
	// a string, in bytes. It is held in memory.
	MaxWrapped = 16 << 20
)
