package extract

import (
	"github.com/hallmark-oci/hallmark/sbom"
)

// A View is the merged image as one extractor sees it: its own records of the
// files that no upper layer hides.
type View struct {
	Distro sbom.Distro
	// Files are sorted by path and format.
	Files []File
	real  func(path string) string
	index map[string][]int
}

// A File is one visible file.
type File struct {
	// Path is the real path: all links on the way to it are followed.
	Path   string
	Format Format
	// Layer is the diffID of the layer that brought this version of the file.
	Layer  string
	Record Record
	// Before are the earlier versions of the file, the oldest first. A file
	// that was deleted and written anew has no earlier versions.
	Before []Version
}

// A Version is an earlier version of a file.
type Version struct {
	Layer  string
	Record Record
}

// NewView returns the view of the files, which are sorted. The function real
// follows the symbolic links of the image; nil means that there are none.
func NewView(distro sbom.Distro, files []File, real func(path string) string) *View {
	if real == nil {
		real = func(path string) string { return path }
	}
	v := &View{Distro: distro, Files: files, real: real, index: make(map[string][]int, len(files))}
	for i, f := range files {
		v.index[f.Path] = append(v.index[f.Path], i)
	}
	return v
}

// Real returns the path that the path leads to when all symbolic links, the
// last part included, are followed. Parts that do not exist are kept as they are.
func (v *View) Real(path string) string { return v.real(path) }

// Find returns the file of the format that the path leads to.
func (v *View) Find(path string, f Format) (*File, bool) {
	for _, i := range v.index[v.real(path)] {
		if v.Files[i].Format == f {
			return &v.Files[i], true
		}
	}
	return nil, false
}

// Unknowns returns everything that the records could not tell.
func (v *View) Unknowns() []sbom.Unknown {
	var out []sbom.Unknown
	for _, f := range v.Files {
		for _, reason := range f.Record.Unknowns {
			out = append(out, sbom.Unknown{Path: f.Path, Reason: reason})
		}
	}
	return out
}

// Since returns the layer since which the file has had the package: the oldest
// version from which on every version has one of the same name, version and
// architecture.
func (f *File) Since(p *Package) string {
	layer := f.Layer
	for i := len(f.Before) - 1; i >= 0 && f.Before[i].Record.has(p); i-- {
		layer = f.Before[i].Layer
	}
	return layer
}

func (r Record) has(p *Package) bool {
	for i := range r.Packages {
		if q := &r.Packages[i]; q.Name == p.Name && q.Version == p.Version && q.Arch == p.Arch {
			return true
		}
	}
	return false
}
