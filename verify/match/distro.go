package match

import (
	"cmp"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/purl"
)

// hasReleases reports whether the versions of a package differ from release to
// release, so that an advisory for one says nothing about another.
func hasReleases(base string) bool {
	switch base {
	case "Debian", "Ubuntu", "Alpine":
		return true
	}
	return false
}

// baseOf returns the ecosystem of a distribution by the ID of its os-release file.
func baseOf(id string) (string, bool) {
	switch strings.ToLower(id) {
	case "debian":
		return "Debian", true
	case "ubuntu":
		return "Ubuntu", true
	case "alpine":
		return "Alpine", true
	case "wolfi":
		return "Wolfi", true
	case "chainguard":
		return "Chainguard", true
	}
	return "", false
}

// releaseFor returns the release that a package is of: as its package URL says,
// else as the inventory says, "" when neither does.
func releaseFor(base string, p purl.PURL, d sbom.Distro) string {
	if q := p.Qualifiers["distro"]; q != "" {
		q = strings.ToLower(q)
		r, _ := releaseOf(base, cmp.Or(strings.TrimPrefix(q, strings.ToLower(base)+"-"), q))
		return r
	}
	if own, _ := baseOf(d.ID); own == base {
		r, _ := releaseOf(base, d.VersionID)
		return r
	}
	return ""
}

// releaseOf returns the normal form of a release: what all point releases of
// it, and its code name, have in common.
func releaseOf(base, s string) (string, bool) {
	switch base {
	case "Debian":
		return debianRelease(s)
	case "Ubuntu":
		return ubuntuRelease(s)
	case "Alpine":
		return alpineRelease(s)
	}
	return "", false
}

// debianRelease: the major number, "12" for "12.15" and "bookworm". Before 4.0
// the second number was a release of its own.
func debianRelease(s string) (string, bool) {
	switch s = strings.ToLower(s); s {
	case "sid", "unstable":
		return "sid", true
	case "squeeze":
		return "6", true
	case "wheezy":
		return "7", true
	case "jessie":
		return "8", true
	case "stretch":
		return "9", true
	case "buster":
		return "10", true
	case "bullseye":
		return "11", true
	case "bookworm":
		return "12", true
	case "trixie":
		return "13", true
	case "forky":
		return "14", true
	case "duke":
		return "15", true
	}
	numbers, ok := numbers(s)
	switch {
	case !ok:
		return "", false
	case len(numbers[0]) == 1 && numbers[0] < "4":
		return s, true
	}
	return numbers[0], true
}

// ubuntuRelease: year and month, "22.04" for "22.04:LTS", "22.04.3" and "jammy".
// The advisories for Ubuntu Pro are about packages that others do not get; they
// stay apart.
func ubuntuRelease(s string) (string, bool) {
	s = strings.TrimSuffix(s, ":LTS")
	switch strings.ToLower(s) {
	case "trusty":
		return "14.04", true
	case "xenial":
		return "16.04", true
	case "bionic":
		return "18.04", true
	case "focal":
		return "20.04", true
	case "jammy":
		return "22.04", true
	case "noble":
		return "24.04", true
	case "resolute":
		return "26.04", true
	}
	numbers, ok := numbers(s)
	if !ok || len(numbers) < 2 {
		return "", false
	}
	return numbers[0] + "." + numbers[1], true
}

// alpineRelease: "v3.19" for "3.19.1" and "v3.19".
func alpineRelease(s string) (string, bool) {
	if strings.EqualFold(s, "edge") {
		return "edge", true
	}
	numbers, ok := numbers(strings.TrimPrefix(s, "v"))
	if !ok || len(numbers) < 2 {
		return "", false
	}
	return "v" + numbers[0] + "." + numbers[1], true
}

// numbers splits a string that consists of numbers with dots between them.
func numbers(s string) ([]string, bool) {
	list := strings.Split(s, ".")
	for _, n := range list {
		if n == "" || strings.Trim(n, "0123456789") != "" {
			return nil, false
		}
	}
	return list, true
}
