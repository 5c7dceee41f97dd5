package key

// Limits on what is read. They are applied before memory or time is spent.
const (
	// MaxPEM is the size of the largest key file or variable that is read, in
	// bytes. An encrypted RSA key of 4096 bits takes about 5 KiB.
	MaxPEM = 32 << 10
	// MaxMessage is the size of the largest message that is signed or verified
	// with plain Ed25519, in bytes. That scheme hashes the message twice, behind
	// a value that is known only after the first time, so the message is held
	// in memory. All other schemes read a message of any size as a stream.
	MaxMessage = 128 << 20
	// MaxPBKDF2 is the largest number of PBKDF2 iterations of an encrypted
	// PKCS #8 key that are computed, about ten seconds of work.
	MaxPBKDF2 = 10_000_000
	// MaxScrypt is the memory that scrypt may take for a key file, 128·N·r bytes.
	MaxScrypt = 256 << 20
	// MaxScryptWork bounds N·r·p of scrypt, and with it the time.
	MaxScryptWork = 1 << 23
	// minRSA and maxRSA bound the size of RSA keys, in bits.
	minRSA = 2048
	maxRSA = 4096
)
