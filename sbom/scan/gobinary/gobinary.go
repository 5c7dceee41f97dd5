// Package gobinary finds the modules that Go programs are built from, by the
// build information that the Go linker leaves in every program.
//
// Programs are told by their content, never by name: ELF, PE and Mach-O files
// are searched for the build information while they go by, without being held
// in memory. The information begins with a magic at an address that is a
// multiple of 16 (debug/buildinfo of the Go standard library documents the
// format); a program that carries the magic in its data, as tools that read
// build information do, or that carries another Go program, is told apart by
// the file's own table of segments: what stands in a segment for data counts
// first.
//
// A program gives its main module as an application, each module that was
// linked in (the replacement, where one was used) and the standard library.
// Programs of Go 1.17 and older keep the information behind pointers; they are
// reported as unknown.
package gobinary

import (
	"bytes"

	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

// Extractor reads Go programs. It implements [extract.Extractor].
type Extractor struct{}

const program extract.Format = "program"

// minProgram is the size of the smallest file that is looked at, in bytes. No
// Go program is smaller.
const minProgram = 64 << 10

// Name implements extract.Extractor.
func (Extractor) Name() string { return "go" }

// Match implements extract.Extractor. Content decides, so that every file of
// some size is a candidate.
func (Extractor) Match(_ string, size int64) extract.Format {
	if size < minProgram {
		return ""
	}
	return program
}

// Open implements extract.Extractor.
func (Extractor) Open(extract.Format, int64) extract.Sink { return &search{} }

// The build information as the linker writes it.
const (
	headerSize = 32
	alignment  = 16
	maxInfo    = 4 << 20 // bytes of module information that are read
	headSize   = 4 << 10 // bytes in which the table of segments is looked for
	inlineFlag = 2       // the strings follow the header
)

// magic returns the first bytes of the build information. It is put together
// here so that the program made of this package does not hold it whole.
func magic() []byte { return append([]byte("\xff Go "), "buildinf:"...) }

// A search looks for build information in a file that goes by.
type search struct {
	begun    bool
	data     []span // segments that hold the information; empty when not known
	magic    []byte
	window   []byte // what is still needed of the file
	base     int64  // offset of the window in the file
	at       int    // how much of the window was searched
	found    *info  // in a segment for data
	fallback *info  // elsewhere
	old      bool   // information behind pointers was seen
	ended    bool   // there is no more of the file
}

// A span is a part of a file.
type span struct{ from, to int64 }

// Write implements extract.Sink.
func (s *search) Write(p []byte) (int, error) {
	s.window = append(s.window, p...)
	if !s.begun {
		if len(s.window) < headSize {
			if len(s.window) >= 4 && !executable(s.window) {
				return 0, extract.ErrEnough
			}
			return len(p), nil
		}
		if !s.begin() {
			return 0, extract.ErrEnough
		}
	}
	if s.scan(); s.found != nil {
		return 0, extract.ErrEnough
	}
	return len(p), nil
}

// begin reads the table of segments and reports whether the file is a program.
func (s *search) begin() bool {
	s.begun = true
	if !executable(s.window) {
		s.window = nil
		return false
	}
	s.data, s.magic = segments(s.window), magic()
	return true
}

// scan searches the window and keeps what the next piece may complete.
func (s *search) scan() {
	at := s.at
	for s.found == nil {
		i := bytes.Index(s.window[at:], s.magic)
		if i < 0 {
			at = max(at, len(s.window)-len(s.magic)+1)
			break
		}
		at += i
		if more := s.candidate(at); more && !s.ended {
			break
		}
		at++
	}
	// Moving the rest to the front costs time in proportion to its length, so
	// it is done only when at least as much was searched.
	if at >= len(s.window)-at {
		s.base += int64(at)
		s.window = append(s.window[:0], s.window[at:]...)
		at = 0
	}
	s.at = at
}

// candidate looks at the magic at that place of the window. It reports whether
// more of the file is needed to tell.
func (s *search) candidate(at int) (more bool) {
	offset := s.base + int64(at)
	if offset%alignment != 0 {
		return false
	}
	b := s.window[at:]
	if len(b) < headerSize {
		return true
	}
	if flags := b[15]; flags&inlineFlag == 0 {
		s.old = s.old || (b[14] == 4 || b[14] == 8) && flags < 2 && s.inData(offset)
		return false
	}
	found, need := parse(b)
	if need > len(b) {
		return true
	}
	if found.goVersion == "" {
		return false
	}
	if found.whole && s.inData(offset) {
		s.found = found.keep()
	} else if s.fallback == nil {
		s.fallback = found.keep()
	}
	return false
}

// inData reports whether the information may stand at the offset.
func (s *search) inData(offset int64) bool {
	if len(s.data) == 0 {
		return true
	}
	for _, d := range s.data {
		if offset >= d.from && offset < d.to {
			return true
		}
	}
	return false
}

// Record implements extract.Sink.
func (s *search) Record() (extract.Record, bool) {
	s.ended = true
	if s.found == nil && (s.begun || s.begin()) && s.magic != nil {
		s.scan()
	}
	switch {
	case s.found != nil:
		return s.found.record(), true
	case s.fallback != nil:
		return s.fallback.record(), true
	case s.old:
		return extract.Record{Unknowns: []string{"a Go program built by Go 1.17 or older, whose modules are not read"}}, true
	}
	return extract.Record{}, false
}
