// Package extract holds what every extractor of sbom/scan keeps: how files of
// an image are claimed, read and turned into components.
//
// An image is read in two steps. First each layer is streamed once, by itself:
// every regular file is shown to the extractors by path and size
// ([Extractor.Match]), and those that claim it get its content written into a
// [Sink], which ends as a [Record]. A record is a pure function of format and
// content. It knows neither the path nor the layer nor other files, so that it
// could be kept for the next image with the same layer, and so that a hard
// link shares the record of the file that it names.
//
// Then the layers are merged, and each extractor sees the records of the files
// that are visible in the image ([View]) and says what they mean together
// ([Extractor.Resolve]): which components there are, where they were found, and
// how they depend on each other. Formats that need their neighbours (a lock
// file beside a tree of installed packages) are put together here.
//
// An extractor needs no more than its own package and a place in the list of
// sbom/scan.
package extract

import (
	"errors"

	"github.com/hallmark-oci/hallmark/sbom"
)

// A Format names how an extractor reads a file. The empty format means that
// the file is none of its business. Formats are private to their extractor.
type Format string

// ErrEnough is what [Sink.Write] returns when it needs no more of the file.
var ErrEnough = errors.New("no more of the file is needed")

// An Extractor finds the components of one ecosystem. Its methods are called
// from several goroutines at once; it must hold no state of its own.
type Extractor interface {
	// Name is the name of the ecosystem, which becomes [sbom.Component.Ecosystem].
	Name() string
	// Match returns the format in which the regular file is to be read. The
	// path is clean, slash-separated and has no leading slash; it is the path
	// in the layer, before links of other layers are followed. Match is called
	// for every file of every layer and must be quick.
	Match(path string, size int64) Format
	// Open begins reading one file of that size in a format that Match returned.
	Open(f Format, size int64) Sink
	// Resolve says what the visible files mean together.
	Resolve(v *View) Result
}

// A Sink takes in the content of one file, in pieces of any size.
type Sink interface {
	// Write takes the next piece, which it must not keep. It returns ErrEnough
	// when the rest of the file does not matter; any other error ends the
	// reading of this file and is reported as unknown.
	Write(p []byte) (int, error)
	// Record returns what the file says, called once after the last piece.
	// The answer false means that the file is of no interest after all.
	Record() (Record, bool)
}

// A Record is what one file says, in plain data.
type Record struct {
	Packages []Package
	// Unknowns are reasons why the file, or a part of it, could not be read.
	Unknowns []string
}

// A Package is one package as one file describes it.
type Package struct {
	Name, Version string
	Arch          string
	Supplier      string
	Licenses      []string
	// SourceName and SourceVersion name the source package, when the file does.
	SourceName, SourceVersion string
	Hashes                    []sbom.Hash
	// Requires lists what the package needs. Each need is a list of
	// alternatives, the preferred one first.
	Requires [][]string
	// Provides lists further names that the package answers to.
	Provides []string
	// Place is where the package stands in the file, for files that hold a tree.
	Place string
	// Role is a word of the extractor's own, such as "main".
	Role string
}

// Size estimates the memory that the record takes, in bytes.
func (r Record) Size() int64 {
	n := int64(48)
	for _, u := range r.Unknowns {
		n += stringCost(u)
	}
	for i := range r.Packages {
		n += r.Packages[i].size()
	}
	return n
}

func stringCost(s string) int64 { return int64(len(s)) + 16 }

func (p *Package) size() int64 {
	n := int64(320)
	for _, s := range []string{p.Name, p.Version, p.Arch, p.Supplier, p.SourceName, p.SourceVersion, p.Place, p.Role} {
		n += int64(len(s))
	}
	for _, s := range p.Licenses {
		n += stringCost(s)
	}
	for _, s := range p.Provides {
		n += stringCost(s)
	}
	for _, alternatives := range p.Requires {
		n += 24
		for _, s := range alternatives {
			n += stringCost(s)
		}
	}
	for _, h := range p.Hashes {
		n += stringCost(h.Algorithm) + stringCost(h.Value)
	}
	return n
}

// A Result is what an extractor makes of an image.
type Result struct {
	// Components have an ID that is unique within the result; the relations
	// use it. It is replaced when the inventory is put together. Ecosystem may
	// be left empty.
	Components []sbom.Component
	Relations  []sbom.Relation
	Unknowns   []sbom.Unknown
}

// Relate adds a relation unless it leads from a component to itself.
func (r *Result) Relate(from string, t sbom.RelationType, to string) {
	if from != to {
		r.Relations = append(r.Relations, sbom.Relation{From: from, To: to, Type: t})
	}
}
