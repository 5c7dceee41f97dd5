package transfer

// Limits on one transfer, applied before memory is taken.
const (
	// MaxObjects is how many manifests one image and all that hangs from it may be.
	MaxObjects = 50_000
	// maxLevels is how long a chain of manifests may be, each of which is listed
	// by the one before or hangs from it.
	maxLevels = 32
	// maxKept is how many bytes of manifests are kept between reading and
	// writing them. The others are read twice.
	maxKept = 1 << 20
	// maxHeld is how many bytes, about, are held of what manifests say, beside
	// those that are kept: descriptors, entries, lists of referrers. An image with
	// more is refused with [attach.ErrLimit].
	maxHeld = 11 << 20
	// maxTold is how many bytes, about, are held to tell what went wrong: ten thousand
	// entries that somebody forged keep no image from being moved.
	maxTold = 24 << 20
	// maxWords is how many types of manifests are kept once.
	maxWords = 64
	// requests is how many requests, and blobs, are under way at once.
	requests = 8
)
