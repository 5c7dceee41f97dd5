package dpkg

import (
	"bytes"
	"iter"
	"strings"
)

// A paragraph holds the fields that matter, under lower-case names. A folded
// value keeps its line breaks.
type paragraph map[string]string

// wanted are the fields that are kept; the others, long descriptions and lists
// of files among them, are passed over.
func wanted(field string) bool {
	switch field {
	case "package", "status", "version", "architecture", "source", "maintainer",
		"depends", "pre-depends", "provides", "format", "files", "license":
		return true
	}
	return false
}

// paragraphs yields the paragraphs of a control file (deb822(5)). Lines that
// are neither fields nor continuations are passed over. Where a field stands
// twice, the last one counts.
func paragraphs(b []byte) iter.Seq[paragraph] {
	return func(yield func(paragraph) bool) {
		par, field := paragraph{}, ""
		for len(b) > 0 {
			var line []byte
			line, b, _ = bytes.Cut(b, []byte{'\n'})
			line = bytes.TrimRight(line, " \t\r")
			switch {
			case len(line) == 0:
				if len(par) > 0 && !yield(par) {
					return
				}
				par, field = paragraph{}, ""
			case line[0] == '#':
			case line[0] == ' ' || line[0] == '\t':
				if field != "" {
					par[field] += "\n" + string(bytes.TrimLeft(line, " \t"))
				}
			default:
				field = par.set(line)
			}
		}
		if len(par) > 0 {
			yield(par)
		}
	}
}

// set takes a line that begins a field and returns the field's name if it is wanted.
func (p paragraph) set(line []byte) string {
	name, value, ok := bytes.Cut(line, []byte{':'})
	if !ok || len(name) > len("architecture") {
		return ""
	}
	field := strings.ToLower(string(name))
	if !wanted(field) {
		return ""
	}
	p[field] = string(bytes.TrimSpace(value))
	return field
}
