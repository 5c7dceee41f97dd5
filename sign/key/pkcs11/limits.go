package pkcs11

// Limits on what is read.
const (
	// MaxURI is the size of the longest name of a key, in bytes.
	MaxURI = 4 << 10
	// MaxPIN is the size of the largest file with a PIN, in bytes.
	MaxPIN = 1 << 10
	// MaxMessage is the size of the largest message that an Ed25519 key signs, in bytes:
	// a token takes it whole.
	MaxMessage = 16 << 20
	// MaxSlots is how many slots of a module are looked at.
	MaxSlots = 256
)
