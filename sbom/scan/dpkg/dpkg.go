// Package dpkg finds the packages of Debian, Ubuntu and their like, from the
// database of dpkg: the file /var/lib/dpkg/status, and the single files of
// /var/lib/dpkg/status.d that images without a package manager have instead.
//
// The database is a list of paragraphs (deb822(5)). A package counts when its
// state says that its files are there, wholly or in part: installed,
// half-configured, half-installed, unpacked, triggers-awaited and
// triggers-pending. Packages of which only the configuration is left
// (config-files), or nothing (not-installed), do not count.
//
// Only the topmost database counts, as a whole; each package is attributed to
// the layer since which the database has had that name, version and
// architecture without a break. Licenses are taken from the short names in
// machine-readable copyright files (DEP-5).
package dpkg

import (
	"fmt"
	"path"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

// Extractor reads dpkg databases. It implements [extract.Extractor].
type Extractor struct{}

const (
	statusFormat    extract.Format = "status"
	singleFormat    extract.Format = "status.d"
	copyrightFormat extract.Format = "copyright"
)

// Where the database is, and how large its files may be in bytes.
const (
	statusPath   = "var/lib/dpkg/status"
	singleDir    = "var/lib/dpkg/status.d"
	docDir       = "usr/share/doc"
	maxStatus    = 32 << 20
	maxSingle    = 1 << 20
	maxCopyright = 1 << 20
)

// Name implements extract.Extractor.
func (Extractor) Name() string { return "dpkg" }

// Match implements extract.Extractor. The database is recognised in any
// directory, because the way to it may lead through links.
func (Extractor) Match(p string, _ int64) extract.Format {
	parent, base := path.Split(p)
	switch parent = strings.TrimSuffix(parent, "/"); {
	case base == "status" && path.Base(parent) == "dpkg":
		return statusFormat
	case base == "copyright" && path.Base(path.Dir(parent)) == "doc":
		return copyrightFormat
	case path.Base(parent) == "status.d" && path.Base(path.Dir(parent)) == "dpkg" && !strings.HasSuffix(base, ".md5sums"):
		return singleFormat
	}
	return ""
}

// Open implements extract.Extractor.
func (Extractor) Open(f extract.Format, size int64) extract.Sink {
	switch f {
	case statusFormat:
		return extract.Whole(size, maxStatus, func(b []byte) (extract.Record, error) { return parseStatus(b, "not-installed") })
	case singleFormat:
		return extract.Whole(size, maxSingle, func(b []byte) (extract.Record, error) { return parseStatus(b, "installed") })
	default:
		return extract.Whole(size, maxCopyright, parseCopyright)
	}
}

// present reports whether a package in this state has files in the image.
func present(state string) bool {
	switch state {
	case "installed", "half-configured", "half-installed", "unpacked", "triggers-awaited", "triggers-pending":
		return true
	}
	return false
}

// parseStatus reads a database. The state is that of packages without a Status field.
func parseStatus(b []byte, state string) (extract.Record, error) {
	var r extract.Record
	bad := 0
	for par := range paragraphs(b) {
		p, ok := parsePackage(par, state)
		switch {
		case !ok:
		case p.Name == "" || p.Version == "":
			bad++
		default:
			r.Packages = append(r.Packages, p)
		}
	}
	if bad > 0 {
		return r, fmt.Errorf("%d packages have no name or no version", bad)
	}
	return r, nil
}

// parsePackage reads a paragraph; the answer false means that the package is not there.
func parsePackage(par paragraph, state string) (extract.Package, bool) {
	if s, ok := par["status"]; ok {
		words := strings.Fields(s)
		if len(words) != 3 {
			return extract.Package{}, true
		}
		state = words[2]
	}
	if !present(state) {
		return extract.Package{}, false
	}
	p := extract.Package{
		Name:     par["package"],
		Version:  par["version"],
		Arch:     par["architecture"],
		Supplier: par["maintainer"],
	}
	p.SourceName, p.SourceVersion = splitSource(par["source"])
	for _, field := range []string{"pre-depends", "depends"} {
		p.Requires = append(p.Requires, needs(par[field])...)
	}
	for _, alternatives := range needs(par["provides"]) {
		p.Provides = append(p.Provides, alternatives...)
	}
	return p, true
}

// splitSource reads a Source field, "name" or "name (version)".
func splitSource(s string) (name, version string) {
	name, rest, found := strings.Cut(s, "(")
	if found {
		version = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), ")"))
	}
	return strings.TrimSpace(name), version
}

// needs reads a relationship field (Debian policy, section 7.1): groups behind
// commas, alternatives behind bars. Versions, architectures and profiles are
// left out.
func needs(s string) [][]string {
	var out [][]string
	for group := range strings.SplitSeq(s, ",") {
		var alternatives []string
		for a := range strings.SplitSeq(group, "|") {
			a = strings.TrimSpace(a)
			if i := strings.IndexAny(a, " \t\n([<"); i >= 0 {
				a = a[:i]
			}
			if a != "" {
				alternatives = append(alternatives, a)
			}
		}
		if len(alternatives) > 0 {
			out = append(out, alternatives)
		}
	}
	return out
}
