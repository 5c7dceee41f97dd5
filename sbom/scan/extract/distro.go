package extract

import (
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/purl"
)

// SystemPURL returns the package URL of a package of the distribution's own
// package manager, of type deb, apk and the like. The namespace is the ID of
// the distribution; without one there is no package URL, because the same name
// and version mean different packages in different distributions. Where the
// package was built from a source package of another name or version, the
// qualifier upstream names it, so that advisories for source packages find it.
func SystemPURL(kind string, d sbom.Distro, p *Package) purl.PURL {
	if d.ID == "" || p.Version == "" {
		return purl.PURL{}
	}
	id := strings.ToLower(d.ID)
	q := map[string]string{"distro": id}
	if d.VersionID != "" {
		q["distro"] = id + "-" + d.VersionID
	}
	if p.Arch != "" {
		q["arch"] = p.Arch
	}
	if p.SourceName != "" {
		q["upstream"] = p.SourceName
		if p.SourceVersion != "" {
			q["upstream"] += "@" + p.SourceVersion
		}
	}
	return purl.PURL{Type: kind, Namespace: id, Name: p.Name, Version: p.Version, Qualifiers: q}
}

// NoDistro is the reason why system packages have no package URL.
const NoDistro = "no os-release file names the distribution, so its packages have no package URLs"
