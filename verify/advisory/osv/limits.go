package osv

// Limits on what is read. They are applied before memory is taken.
const (
	// MaxRecord is the size of the largest record, in bytes.
	MaxRecord = 8 << 20
	// MaxFiles is how many records one set has at most.
	MaxFiles = 1_000_000
	// MaxTotal is the size of all records together, in bytes, once inflated.
	MaxTotal = 4 << 30
	// MaxArchive is the size of the largest archive, in bytes.
	MaxArchive = 2 << 30
	// MaxDirectory is how much of an archive is read to learn its list of
	// files, in bytes.
	MaxDirectory = 128 << 20
	// MaxRatio is how many times larger than the archive its content may be.
	// A small archive may reach MaxRecord all the same.
	MaxRatio = 200
	// MaxID is the length of the longest ID or package name, in bytes.
	MaxID = 512
)

// limits are those of one loading, so that tests can reach them.
type limits struct {
	record, total, archive, directory, ratio int64
	files                                    int
}

func defaults() limits {
	return limits{
		record: MaxRecord, total: MaxTotal, archive: MaxArchive, directory: MaxDirectory, ratio: MaxRatio,
		files: MaxFiles,
	}
}
