package attach

// Limits on what a store reads. They are applied before memory is taken.
const (
	// MaxManifest is the size of the largest manifest or index that is read,
	// in bytes. It is the size that the distribution specification asks every
	// registry to take.
	MaxManifest = 4 << 20
	// MaxEntries is how many entries of one manifest are looked at. Cosign
	// refuses manifests with more layers.
	MaxEntries = 1000
	// MaxView is how many entries hallmark writes into one view; the journal
	// keeps the rest. It leaves room below MaxEntries for foreign writers.
	MaxView = 900
	// MaxData is the largest content that rides in a descriptor's data field, in bytes.
	MaxData = 4 << 10
	// MaxReferrers is how many referrers and journal entries of one subject are
	// looked at: so many that ten thousand which somebody forged hide none.
	MaxReferrers = 20000
	// MaxPages is how many pages of a tag or referrers listing are read.
	MaxPages = 200
	// MaxTags is how many tags of one listing are looked at.
	MaxTags = 200000
	// MaxFiles is how many files an archive of a layout may hold, and MaxIndex the
	// size of its index.json, in bytes, which is about 30,000 attachments. A reader
	// holds something of each in memory, so that nothing writes more either.
	MaxFiles = 120_000
	MaxIndex = 10 << 20
	// MaxAnnotations is the number of annotations of one entry that are accepted.
	MaxAnnotations = 64
	// MaxAnnotation is the size of the largest annotation value that is
	// accepted, in bytes. Certificate chains are the largest in use.
	MaxAnnotation = 64 << 10
)
