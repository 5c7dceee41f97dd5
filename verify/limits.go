package verify

import "time"

// Limits on what is judged. They are applied before memory is taken.
const (
	// MaxPayload is the size of the largest simple-signing payload, in bytes.
	MaxPayload = 64 << 10
	// MaxSignature is the size of the largest signature annotation, in bytes of base64.
	MaxSignature = 16 << 10
	// MaxEnvelope is the size of the largest DSSE envelope, in bytes.
	MaxEnvelope = 512 << 20
	// MaxBundle is the size of the largest Sigstore bundle, in bytes.
	MaxBundle = MaxEnvelope
	// maxHolders is how many manifests that hold one entry are asked for
	// counter-signatures, and maxAsked how many are for one rule. Whoever can write
	// to the repository can store a good entry again and again.
	maxHolders = 64
	maxAsked   = 4096
	// maxSkew is how far the clock of a signer may be ahead of ours.
	maxSkew = 5 * time.Minute
	// maxTime is the size of the longest time stamp, in bytes.
	maxTime = 64
	// maxSearches is how many signatures logs are asked about, for one rule. Whoever can
	// write to the repository can copy good ones from elsewhere.
	maxSearches = 64
	// maxIndexDepth bounds how deep indexes of one subject are nested.
	maxIndexDepth = 4
	// maxBlobs bounds the manifests and blobs of one subject.
	maxBlobs = 20000
	// parallelBundles is how many bundles are read at once, before their turn.
	parallelBundles = 16
	// maxEarly is the size of the largest manifest, and of the largest bundle, that
	// is read before its turn, in bytes.
	maxEarly = 64 << 10
	// parallelBlobs is how many blobs are read at once.
	parallelBlobs = 4
)
