package scanned

import (
	"fmt"
	"io"
	"strings"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
	"github.com/hallmark-oci/hallmark/verify/advisory"
)

// A report is what is read of a vulnerability report.
type report struct {
	uri string // of the scanner
	db  struct{ uri, version string }
	// form is who wrote the result: "hallmark", "trivy" or "grype"; empty for others.
	form string
	// digest is the image that the result itself names; empty where it names none.
	digest     string
	findings   map[advisory.Level]int
	count      int    // of all findings
	incomplete string // why the scanner came to no answer; empty where it did
	images     int    // that the result is about, where it counts them
}

// read reads a predicate as a stream, whatever its size.
func read(r io.Reader, result bool) (report, error) {
	rep := report{findings: make(map[advisory.Level]int)}
	s := jsonscan.New(r)
	err := members(s, map[string]func() error{
		"scanner": func() error {
			known := map[string]func() error{
				"uri": text(s, &rep.uri),
				"db": func() error {
					return members(s, map[string]func() error{"uri": text(s, &rep.db.uri), "version": text(s, &rep.db.version)})
				},
			}
			if result {
				known["result"] = func() error { return rep.result(s) }
			}
			return members(s, known)
		},
	})
	if err == nil {
		err = s.End()
	}
	if err == nil && rep.form == "hallmark" && rep.images != 1 {
		err = fmt.Errorf("a result about %d images: %w", rep.images, jsonscan.ErrSyntax)
	}
	return rep, err
}

// members reads an object: known members by their functions, and skips the others.
// What is no object is skipped.
func members(s *jsonscan.Scanner, known map[string]func() error) error {
	if s.Peek() != '{' {
		return s.Skip()
	}
	return s.Object(func(name string) error {
		if read, ok := known[name]; ok {
			return read()
		}
		return s.Skip()
	})
}

// each reads an array, or null, which stands for an empty one.
func each(s *jsonscan.Scanner, read func() error) error {
	if s.Peek() == 'n' {
		return s.Skip()
	}
	return s.Array(func(int) error { return read() })
}

// text reads a string; what is none is skipped, and leaves the text as it is.
func text(s *jsonscan.Scanner, to *string) func() error {
	return func() (err error) {
		if s.Peek() != '"' {
			return s.Skip()
		}
		*to, err = s.String(maxText)
		return err
	}
}

// result reads what a scanner found. Each scanner has a list under a name of its own.
func (r *report) result(s *jsonscan.Scanner) error {
	var kind string
	is := func(form string, read func() error) func() error {
		return func() error {
			if s.Peek() == '[' {
				r.form = form
			}
			return each(s, read)
		}
	}
	err := members(s, map[string]func() error{
		"kind":    text(s, &kind),
		"images":  is("hallmark", func() error { return r.checked(s) }),
		"Results": is("trivy", func() error { return r.target(s) }),
		"matches": is("grype", func() error {
			before := r.count
			err := members(s, map[string]func() error{"vulnerability": func() error { return r.finding(s, "severity") }})
			if err == nil && r.count == before {
				r.add(advisory.Unknown) // a match of which nobody knows what it is
			}
			return err
		}),
	})
	if r.form == "hallmark" && kind != "hallmark.checks" {
		r.form = ""
	}
	return err
}

// checked reads the answer of `hallmark check` on one image.
func (r *report) checked(s *jsonscan.Scanner) error {
	r.images++
	var outcome, detail string
	unsigned := false
	err := members(s, map[string]func() error{
		"digest":   text(s, &r.digest),
		"outcome":  text(s, &outcome),
		"detail":   text(s, &detail),
		"unsigned": func() error { unsigned = s.Peek() != 'f'; return s.Skip() },
		"findings": func() error { return each(s, func() error { return r.finding(s, "severity") }) },
	})
	switch {
	case unsigned:
		r.incomplete = "it rests on an SBOM that nobody vouches for"
	case outcome != "affected" && outcome != "not-affected":
		r.incomplete = strings.TrimSpace(outcome + " " + detail)
	}
	return err
}

// target reads what Trivy found in one part of the image.
func (r *report) target(s *jsonscan.Scanner) error {
	return members(s, map[string]func() error{
		"Vulnerabilities": func() error { return each(s, func() error { return r.finding(s, "Severity") }) },
	})
}

func (r *report) add(level advisory.Level) {
	r.findings[level]++
	r.count++
}

// finding counts one finding, whose severity has the name.
func (r *report) finding(s *jsonscan.Scanner, name string) error {
	var severity string
	err := members(s, map[string]func() error{name: text(s, &severity)})
	level, lerr := advisory.ParseLevel(severity)
	if lerr != nil {
		level = advisory.Unknown
	}
	r.add(level)
	return err
}
