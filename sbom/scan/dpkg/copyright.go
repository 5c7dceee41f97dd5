package dpkg

import (
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

// Bounds on what is taken from one copyright file.
const (
	maxLicenses = 64
	maxLicense  = 256 // bytes
)

// parseCopyright reads the short license names of a machine-readable copyright
// file (https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/):
// the first lines of the License fields in the header and in Files paragraphs.
// Any other copyright file says nothing.
func parseCopyright(b []byte) (extract.Record, error) {
	var licenses []string
	first := true
	for par := range paragraphs(b) {
		if first && !strings.Contains(par["format"], "copyright-format") && !strings.Contains(par["format"], "dep5") &&
			!strings.Contains(par["format"], "dep.debian.net/deps/dep-5") {
			return extract.Record{}, nil
		}
		name, _, _ := strings.Cut(par["license"], "\n")
		if _, files := par["files"]; (files || first) && name != "" && len(name) <= maxLicense {
			if l := spdxLicense(name); !slices.Contains(licenses, l) {
				licenses = append(licenses, l)
			}
		}
		first = false
		if len(licenses) >= maxLicenses {
			break
		}
	}
	if len(licenses) == 0 {
		return extract.Record{}, nil
	}
	slices.Sort(licenses)
	return extract.Record{Packages: []extract.Package{{Licenses: licenses}}}, nil
}

// spdxLicense turns a license of a copyright file into an SPDX expression where
// each name in it is known, and returns it as it is otherwise.
func spdxLicense(s string) string {
	words := strings.Fields(s)
	if len(words)%2 == 0 {
		return s
	}
	out := make([]string, len(words))
	for i, w := range words {
		switch lower := strings.ToLower(w); {
		case i%2 == 1 && (lower == "or" || lower == "and"):
			out[i] = strings.ToUpper(w)
		case i%2 == 0 && spdxName(lower) != "":
			out[i] = spdxName(lower)
		case i%2 == 0 && len(words) == 1:
			out[i] = w
		default:
			return s
		}
	}
	return strings.Join(out, " ")
}

// spdxName returns the SPDX identifier for a lower-case short name of Debian's
// copyright format, section 7.1.2, "" for a name that is not known.
func spdxName(lower string) string {
	base, later := strings.CutSuffix(lower, "+")
	base = strings.TrimSuffix(base, ".0")
	family, version, ok := strings.Cut(base, "-")
	if ok && slices.Contains([]string{"gpl", "lgpl", "agpl", "gfdl"}, family) && slices.Contains([]string{"1", "1.1", "1.2", "1.3", "2", "2.1", "3"}, version) {
		if len(version) == 1 {
			version += ".0"
		}
		if later {
			return strings.ToUpper(family) + "-" + version + "-or-later"
		}
		return strings.ToUpper(family) + "-" + version + "-only"
	}
	switch lower {
	case "expat", "mit":
		return "MIT"
	case "apache-1.1":
		return "Apache-1.1"
	case "apache-2", "apache-2.0":
		return "Apache-2.0"
	case "artistic", "artistic-1.0":
		return "Artistic-1.0"
	case "artistic-2.0":
		return "Artistic-2.0"
	case "bsd-2-clause":
		return "BSD-2-Clause"
	case "bsd-3-clause":
		return "BSD-3-Clause"
	case "bsd-4-clause":
		return "BSD-4-Clause"
	case "bsl-1.0":
		return "BSL-1.0"
	case "cc0", "cc0-1.0":
		return "CC0-1.0"
	case "isc":
		return "ISC"
	case "mpl-1.1":
		return "MPL-1.1"
	case "mpl-2.0":
		return "MPL-2.0"
	case "openssl":
		return "OpenSSL"
	case "psf-2":
		return "PSF-2.0"
	case "x11":
		return "X11"
	case "zlib":
		return "Zlib"
	}
	return ""
}
