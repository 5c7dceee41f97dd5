package tuf

// MaxRoot is the size of the largest root.json that is read, in bytes.
const MaxRoot = 512 << 10

// What else is read at most. The public instance's files are far smaller: its root
// has 6 kB, its trusted root 7 kB.
const (
	maxTimestamp = 64 << 10
	maxSnapshot  = 1 << 20
	maxTargets   = 2 << 20
	maxTarget    = 1 << 20  // one of the documents that are fetched
	maxRoots     = 256      // versions of the root that are followed in one go
	maxFile      = 8 << 20  // the file that Init writes, and an archive as it is packed
	maxUnpacked  = 32 << 20 // an archive that is unpacked
	maxFiles     = 10000    // in an archive
)
