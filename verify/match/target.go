package match

import (
	"cmp"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/purl"
)

// A target is a package, in the terms of advisories, that a component is.
type target struct {
	base, name, version string
	// release is the release in normal form, "" when it is not known or the
	// ecosystem has none.
	release string
	// via says where name and version come from, "" for the component itself.
	via string
	// noVersion says why the version means nothing, "" when it does.
	noVersion string
	// own and semver are the version in the order of the base, and in that of
	// Semantic Versioning.
	own, semver parsed
}

// anyRelease reports whether the advisories of all releases are looked at.
func (t *target) anyRelease() bool { return t.release == "" && hasReleases(t.base) }

// inRelease reports whether an advisory for the release, "" for all, is about
// the target.
func (t *target) inRelease(release string) bool {
	return release == "" || t.anyRelease() || release == t.release
}

// ecosystem names the ecosystem and release of the target.
func (t *target) ecosystem() string {
	if t.release != "" {
		return t.base + ":" + t.release
	}
	return t.base
}

// The reasons why a component cannot be looked up.
const (
	noPURL    = "no package URL"
	noDistro  = "package URL of an unsupported distribution: "
	noSupport = "package URL of an unsupported type: "
)

// targets returns the packages that a component is, or why it is none. There
// may be several where it is open which one it is; none then denies another.
func targets(c *sbom.Component, d sbom.Distro) (list []target, unmapped string) {
	p := c.PURL
	if p.IsZero() {
		return withoutPURL(c, d)
	}
	t := target{name: p.Name, version: cmp.Or(p.Version, c.Version)}
	joined := func(separator string) string {
		if p.Namespace == "" {
			return p.Name
		}
		return p.Namespace + separator + p.Name
	}
	switch p.Type {
	case "deb", "apk":
		base, ok := baseOf(p.Namespace)
		if !ok {
			return nil, noDistro + cmp.Or(p.Namespace, "none named")
		}
		return []target{system(base, c, d)}, ""
	case "golang":
		return golang(c, joined("/")), ""
	case "npm":
		t.base, t.name = "npm", joined("/")
	case "pypi":
		t.base = "PyPI"
	case "cargo":
		t.base = "crates.io"
	case "gem":
		t.base = "RubyGems"
	case "maven":
		t.base, t.name = "Maven", joined(":")
	case "nuget":
		t.base = "NuGet"
	case "composer":
		t.base, t.name = "Packagist", joined("/")
	case "hex":
		t.base, t.name = "Hex", joined("/")
	case "pub":
		t.base = "Pub"
	case "cran":
		t.base = "CRAN"
	case "hackage":
		t.base = "Hackage"
	case "swift":
		t.base, t.name = "SwiftURL", joined("/")
	case "julia":
		t.base = "Julia"
	case "bitnami":
		t.base = "Bitnami"
	default:
		return nil, noSupport + p.Type
	}
	return []target{t}, ""
}

// withoutPURL looks at packages of a system whose distribution nobody named.
// They may be of any that uses the package manager.
func withoutPURL(c *sbom.Component, d sbom.Distro) ([]target, string) {
	var bases []string
	switch c.Ecosystem {
	case "dpkg":
		bases = []string{"Debian", "Ubuntu"}
	case "apk":
		bases = []string{"Alpine", "Wolfi", "Chainguard"}
	default:
		return nil, noPURL
	}
	if base, ok := baseOf(d.ID); ok {
		bases = []string{base}
	}
	var list []target
	for _, base := range bases {
		list = append(list, system(base, c, d))
	}
	return list, ""
}

// system is a package of a distribution. Its advisories speak of the source
// package, whose version may be another than that of what was built from it.
func system(base string, c *sbom.Component, d sbom.Distro) target {
	t := target{base: base, name: c.Name, version: c.Version, release: releaseFor(base, c.PURL, d)}
	if !c.PURL.IsZero() {
		t.name, t.version = c.PURL.Name, cmp.Or(c.PURL.Version, c.Version)
	}
	source, version, _ := strings.Cut(c.PURL.Qualifiers["upstream"], "@")
	if c.SourceName != "" {
		source, version = c.SourceName, c.SourceVersion
	}
	if version == "" && (base == "Debian" || base == "Ubuntu") {
		version = withoutRebuild(t.version)
	}
	if source != "" && source != t.name || version != "" && version != t.version {
		t.via = "source package " + cmp.Or(source, t.name) + " " + cmp.Or(version, t.version)
	}
	t.name, t.version = cmp.Or(source, t.name), cmp.Or(version, t.version)
	return t
}

// withoutRebuild takes off the mark of a binary-only rebuild, "+b1": the source
// that was built again is the same (Debian developer's reference, 5.10.2.1).
func withoutRebuild(version string) string {
	i := strings.LastIndex(version, "+b")
	if i <= 0 || i+2 == len(version) || strings.Trim(version[i+2:], "0123456789") != "" {
		return version
	}
	return version[:i]
}

// golang is a Go module, the standard library or the toolchain. Some tools write
// the major version of a module as a subpath.
func golang(c *sbom.Component, path string) []target {
	p := c.PURL
	t := target{base: "Go", name: path, version: cmp.Or(p.Version, c.Version)}
	switch path {
	case "std":
		t.name = "stdlib"
		fallthrough
	case "stdlib", "toolchain":
		t.version = goRelease(t.version)
		return []target{t}
	}
	t.noVersion = noGoVersion(c.Type, t.version)
	list := []target{t}
	if major := majorSubpath(p); major != "" {
		t.name, t.via = path+"/"+major, "subpath "+major
		list = append(list, t)
	}
	if strings.HasPrefix(path, "k8s.io/") {
		t.base, t.name, t.via = "Kubernetes", path, ""
		list = append(list, t)
	}
	return list
}

// majorSubpath returns a subpath that is the end of a module path, such as "v2".
func majorSubpath(p purl.PURL) string {
	first, _, _ := strings.Cut(p.Subpath, "/")
	if n, ok := strings.CutPrefix(first, "v"); ok && n != "" && strings.Trim(n, "0123456789") == "" {
		return first
	}
	return ""
}

// noGoVersion reports why a version of a module says nothing about what is in
// it. The main module of a program that was built from a checkout without tags
// has a version that only tells the time.
func noGoVersion(kind sbom.Type, v string) string {
	switch {
	case v == "", v == "(devel)":
		return "the module was built without a version"
	case v == "v0.0.0", strings.HasPrefix(v, "v0.0.0-00010101000000-"):
		return "the version is a placeholder"
	case kind == sbom.Application && strings.HasPrefix(v, "v0.0.0-"):
		return "the main module was built from a checkout without tags"
	}
	return ""
}

// goRelease turns the version of a Go release into the semantic version that
// advisories use: "go1.21rc2" is 1.21.0-rc.2 (go.dev/doc/security/vuln/database).
func goRelease(v string) string {
	v, _, _ = strings.Cut(strings.TrimPrefix(v, "go"), " ")
	for _, word := range []string{"rc", "beta"} {
		numbers, n, ok := strings.Cut(v, word)
		if !ok || numbers == "" || n == "" || strings.HasSuffix(numbers, "-") || strings.Trim(numbers, "v.0123456789") != "" {
			continue
		}
		for strings.Count(numbers, ".") < 2 {
			numbers += ".0"
		}
		return numbers + "-" + word + "." + n
	}
	return v
}
