package hashivault

// Limits on what is read and sent.
const (
	// MaxAnswer is the size of the longest answer of the server, in bytes: a key of
	// many versions.
	MaxAnswer = 4 << 20
	// MaxMessage is the size of the longest message that is sent whole, in bytes. The
	// server takes requests of 32 MiB, and base64 adds a third.
	MaxMessage = 20 << 20
	// MaxFile is the size of the longest file with a token or with certificates, in bytes.
	MaxFile = 1 << 20
	// maxVersion is the highest version of a key.
	maxVersion = 1_000_000
	// maxSaid is how much of an error of the server is repeated, in bytes.
	maxSaid = 500
)
