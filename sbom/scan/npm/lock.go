package npm

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

// A lock is a package-lock.json of version 1, 2 or 3
// (https://docs.npmjs.com/cli/configuring-npm/package-lock-json).
type lock struct {
	Packages     map[string]locked `json:"packages"`     // versions 2 and 3, by place
	Dependencies map[string]nested `json:"dependencies"` // versions 1 and 2, by name
}

// A locked entry stands for a place in the tree of version 2 and 3.
type locked struct {
	Name      text            `json:"name"`
	Version   text            `json:"version"`
	Resolved  text            `json:"resolved"`
	Integrity text            `json:"integrity"`
	Link      bool            `json:"link"`
	License   json.RawMessage `json:"license"`
	needs
}

// A nested entry stands for a package and those below it in version 1.
type nested struct {
	Version      text              `json:"version"`
	Integrity    text              `json:"integrity"`
	Requires     names             `json:"requires"`
	Dependencies map[string]nested `json:"dependencies"`
}

// parseLock reads a lock file. Each package has its place relative to the
// directory of the project; the project itself has none.
func parseLock(b []byte) (extract.Record, error) {
	var l lock
	if err := json.Unmarshal(bytes.TrimPrefix(b, []byte("\ufeff")), &l); err != nil {
		return extract.Record{}, fmt.Errorf("not read: %w", err)
	}
	var r extract.Record
	if l.Packages == nil {
		r.Packages = addNested(nil, "", l.Dependencies)
		return r, nil
	}
	for _, place := range slices.Sorted(maps.Keys(l.Packages)) {
		r.Packages = append(r.Packages, l.Packages[place].packages(place)...)
	}
	return r, nil
}

// packages returns the package at the place, and its development dependencies
// behind it if the entry has any, which only the project and its members do.
func (l locked) packages(place string) []extract.Package {
	p := extract.Package{Name: string(l.Name), Version: string(l.Version), Place: place}
	if p.Name == "" {
		p.Name = nameOf(place)
	}
	if l.Link {
		p.Role, p.Provides = roleLink, []string{string(l.Resolved)}
		return []extract.Package{p}
	}
	p.Hashes, p.Requires, p.Licenses = integrity(string(l.Integrity)), l.used(), licenses(l.License)
	list := []extract.Package{p}
	if dev := wants(l.DevDependencies); len(dev) > 0 {
		list = append(list, extract.Package{Role: roleDev, Place: place, Requires: dev})
	}
	return list
}

// nameOf returns the name of the package that is installed at the place, "" if
// it is not inside of node_modules.
func nameOf(place string) string {
	i := strings.LastIndex("/"+place, "/"+modules+"/")
	if i < 0 {
		return ""
	}
	return place[i+len(modules)+1:]
}

// addNested appends the packages of a tree of version 1.
func addNested(list []extract.Package, under string, tree map[string]nested) []extract.Package {
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		d := tree[name]
		p := extract.Package{Name: name, Place: path.Join(under, modules, name),
			Hashes: integrity(string(d.Integrity)), Requires: wants(d.Requires)}
		p.Name, p.Version = alias(name, string(d.Version))
		list = append(list, p)
		list = addNested(list, p.Place, d.Dependencies)
	}
	return list
}

// alias reads a version of version 1: "1.2.3", "npm:other@1.2.3" for a package
// under another name, or a URL, which does not tell the version.
func alias(name, version string) (string, string) {
	if other, ok := strings.CutPrefix(version, "npm:"); ok {
		if i := strings.LastIndexByte(other, '@'); i > 0 {
			return other[:i], other[i+1:]
		}
	}
	if version == "" || version[0] < '0' || version[0] > '9' {
		return name, ""
	}
	return name, version
}

// integrity reads subresource integrity metadata
// (https://www.w3.org/TR/SRI/), hashes behind the names of their algorithms.
func integrity(s string) []sbom.Hash {
	algorithms := map[string]string{"sha1": "SHA-1", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
	var out []sbom.Hash
	for _, word := range strings.Fields(s) {
		word, _, _ = strings.Cut(word, "?")
		name, value, _ := strings.Cut(word, "-")
		sum, err := base64.StdEncoding.DecodeString(value)
		if h := (sbom.Hash{Algorithm: algorithms[name], Value: hex.EncodeToString(sum)}); err == nil && h.Valid() {
			out = append(out, h)
		}
	}
	return out
}
