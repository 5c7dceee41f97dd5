package keyless

// Limits on what is judged. They are applied before memory is taken.
const (
	// MaxRoot is the size of the largest trusted root, in bytes.
	MaxRoot = 4 << 20
	// MaxChain is the size of the largest file of certificates of authorities, in bytes.
	MaxChain = 1 << 20
	// MaxMaterial is the size of the largest verification material of a bundle, and
	// of the largest annotation, in bytes.
	MaxMaterial = 4 << 20
	// maxEntries and maxTimestamps bound what one signature may bring: each is work.
	maxEntries    = 32
	maxTimestamps = 32
	// maxCertificate and maxTimestamp are sizes in bytes.
	maxCertificate = 64 << 10
	maxTimestamp   = 64 << 10
	// maxProof is the number of hashes of the longest inclusion proof: a log has no
	// more entries than 64 bits can number.
	maxProof = 64
	// maxNesting bounds how deep the values of a timestamp stand inside each other.
	maxNesting = 32
	// maxPattern is the size of the longest regular expression, in bytes.
	maxPattern = 4 << 10
	// maxChain bounds the certificates of one authority.
	maxChain = 32
	// maxWitnesses bounds the witnesses, and maxWitness the size of one's key in bytes.
	maxWitnesses = 64
	maxWitness   = 1 << 10
	// maxAuthorities bounds the authorities of each sort in one root.
	maxAuthorities = 256
	// maxAnswer is the size of the largest answer of a log that is searched, in bytes,
	// and maxFound how many entries under one digest are asked for.
	maxAnswer = 4 << 20
	maxFound  = 10
)
