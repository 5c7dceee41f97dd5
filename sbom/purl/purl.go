// Package purl reads and writes package URLs, the names of packages across
// ecosystems (https://github.com/package-url/purl-spec).
package purl

// A PURL is a package URL in its parts, decoded.
type PURL struct {
	Type, Namespace, Name, Version string
	Qualifiers                     map[string]string
	Subpath                        string
}
