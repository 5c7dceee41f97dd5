package awskms

// Limits on what is read and sent.
const (
	// MaxAnswer is the size of the longest answer of the service, in bytes.
	MaxAnswer = 256 << 10
	// MaxFile is the size of the longest configuration file, in bytes.
	MaxFile = 1 << 20
	// maxSaid is how much of an error of the service is repeated, in bytes.
	maxSaid = 500
)
