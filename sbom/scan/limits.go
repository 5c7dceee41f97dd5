package scan

// Limits bound what a scan takes from an image. A field that is zero stands
// for the default. What goes over a limit ends the scan with an error that
// wraps [attach.ErrLimit]; only a single oversized file of a package manager
// is left out and reported as unknown instead.
type Limits struct {
	// Uncompressed is how many bytes all layers together may inflate to.
	Uncompressed int64
	// Files is how many entries one layer may have.
	Files int
	// Index is how many bytes the names of all files, kept in compressed form,
	// may take.
	Index int64
	// Links is how many symbolic links the image may have.
	Links int
	// Retained is how many bytes the records of all package files may take.
	Retained int64
	// Components is how many components an image may have.
	Components int
}

// The default limits.
const (
	DefaultUncompressed = 64 << 30
	DefaultFiles        = 10_000_000
	DefaultIndex        = 512 << 20
	DefaultLinks        = 1_000_000
	DefaultRetained     = 512 << 20
	DefaultComponents   = 100_000
)

// Fixed limits.
const (
	maxLayers = 1000     // layers of one image
	maxConfig = 16 << 20 // bytes of an image config
	maxPath   = 4096     // bytes of a path, as Linux has it
	maxHole   = 64 << 20 // bytes that a sparse file may be longer than what is stored of it
	maxWindow = 64 << 20 // bytes of memory that a zstd frame may ask for
)

// or returns the limits with the defaults filled in.
func (l Limits) or() Limits {
	set := func(p *int64, d int64) {
		if *p <= 0 {
			*p = d
		}
	}
	count := func(p *int, d int) {
		if *p <= 0 {
			*p = d
		}
	}
	set(&l.Uncompressed, DefaultUncompressed)
	count(&l.Files, DefaultFiles)
	set(&l.Index, DefaultIndex)
	count(&l.Links, DefaultLinks)
	set(&l.Retained, DefaultRetained)
	count(&l.Components, DefaultComponents)
	return l
}
