package gobinary

import (
	"bytes"
	"encoding/binary"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

// info is the build information of a program.
type info struct {
	goVersion string // "go1.26.1"
	modules   string // lines as runtime/debug.BuildInfo documents them; may be empty
	whole     bool   // the modules are there, or none were recorded
}

// parse reads the build information at the start of b. It returns how many
// bytes it needs: where that is more than there are, the answer is open. An
// answer without a version means that these bytes are no build information.
func parse(b []byte) (found info, need int) {
	for _, zero := range b[16:headerSize] {
		if zero != 0 {
			return info{}, 0
		}
	}
	version, next, need := text(b, headerSize, 256)
	if need > len(b) || next == 0 {
		return info{}, need
	}
	if !bytes.HasPrefix(version, []byte("go1")) && !bytes.HasPrefix(version, []byte("go2")) && !bytes.HasPrefix(version, []byte("devel")) {
		return info{}, 0
	}
	modules, next, need := text(b, next, maxInfo)
	if need > len(b) || next == 0 {
		return info{}, need
	}
	// The lines stand between two marks of 16 bytes.
	if n := len(modules); n >= 33 && modules[n-17] == '\n' {
		return info{string(version), string(modules[16 : n-16]), true}, need
	}
	return info{string(version), "", len(modules) == 0}, need
}

// keep returns the information in a place of its own, so that what is only
// looked at takes no memory.
func (i info) keep() *info { return &i }

// text returns the string behind its length, a varint. It returns where the
// string ends, 0 when it is longer than most, and how many bytes it needs.
func text(b []byte, at, most int) (s []byte, next, need int) {
	n, width := binary.Uvarint(b[at:])
	if width == 0 {
		return nil, 0, max(at, len(b)) + 1
	}
	if width < 0 || n > uint64(most) {
		return nil, 0, 0
	}
	next = at + width + int(n)
	if next > len(b) {
		return nil, 0, next
	}
	return b[at+width : next], next, next
}

// Roles of the packages in a record.
const (
	roleMain     = "main"
	roleModule   = "module"
	roleStandard = "stdlib"
)

// record turns the information into packages: the program itself, the standard
// library, and each module.
func (i info) record() extract.Record {
	main := extract.Package{Role: roleMain}
	settings := make(map[string]string)
	var modules []extract.Package
	last := &main // the module that a replacement line speaks of
	for line := range strings.Lines(i.modules) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) < 2 {
			continue
		}
		fields = append(fields, "", "")
		switch fields[0] {
		case "path":
			main.Place = fields[1]
		case "mod":
			main.Name, main.Version, last = fields[1], fields[2], &main
		case "dep":
			modules = append(modules, extract.Package{Role: roleModule, Name: fields[1], Version: strings.TrimPrefix(fields[2], "(devel)")})
			last = &modules[len(modules)-1]
		case "=>":
			replace(last, fields[1], fields[2])
		case "build":
			key, value, _ := strings.Cut(fields[1], "=")
			settings[key] = value
		}
	}
	if main.Version == "(devel)" {
		main.Version = pseudo(settings)
	}
	std := extract.Package{Role: roleStandard, Name: "stdlib", Version: release(i.goVersion)}
	return extract.Record{Packages: append([]extract.Package{main, std}, modules...)}
}

// replace makes the package what was really built. A replacement by a
// directory has no version, and its path means nothing outside of the build.
func replace(p *extract.Package, path, version string) {
	if version == "" || version == "(devel)" {
		p.Version = ""
		return
	}
	p.Name, p.Version = path, version
}

// release returns the version of the standard library: "go1.26.1 X:boring"
// gives "1.26.1".
func release(goVersion string) string {
	v, _, _ := strings.Cut(goVersion, " ")
	return strings.TrimPrefix(v, "go")
}

// pseudo returns the pseudo-version (https://go.dev/ref/mod#pseudo-versions)
// of the commit that the program was built from, "" when that is not known or
// is not all that the program was built from.
func pseudo(settings map[string]string) string {
	revision := settings["vcs.revision"]
	at, err := time.Parse(time.RFC3339, settings["vcs.time"])
	if err != nil || len(revision) < 12 {
		return ""
	}
	v := "v0.0.0-" + at.UTC().Format("20060102150405") + "-" + revision[:12]
	if settings["vcs.modified"] == "true" {
		v += "+dirty"
	}
	return v
}
