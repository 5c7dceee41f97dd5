package npm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

// Roles of the packages in a record.
const (
	rolePrivate = "private" // the package says that it is not to be published
	roleDev     = "dev"     // not a package: the development dependencies of the one at the same place
	roleLink    = "link"    // a symbolic link to the place that Provides names
)

// A manifest is a package.json (https://docs.npmjs.com/cli/configuring-npm/package-json).
// Fields that have been of several shapes over the years are read leniently.
type manifest struct {
	Name     text `json:"name"`
	Version  text `json:"version"`
	Private  json.RawMessage
	License  json.RawMessage
	Licenses json.RawMessage
	Author   json.RawMessage
	needs
}

// needs are the dependencies of a package by kind.
type needs struct {
	Dependencies         names `json:"dependencies"`
	OptionalDependencies names `json:"optionalDependencies"`
	PeerDependencies     names `json:"peerDependencies"`
	DevDependencies      names `json:"devDependencies"`
}

// A text is a string; any other JSON value is read as the empty string.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = text(s)
	}
	return nil
}

// names are the keys of an object; any other JSON value has none.
type names []string

// UnmarshalJSON implements json.Unmarshaler.
func (n *names) UnmarshalJSON(b []byte) error {
	var object map[string]json.RawMessage
	if json.Unmarshal(b, &object) == nil {
		*n = slices.Sorted(maps.Keys(object))
	}
	return nil
}

// used returns what the package needs where it runs.
func (n needs) used() [][]string {
	return wants(n.Dependencies, n.OptionalDependencies, n.PeerDependencies)
}

// wants returns each name once, as a need without alternatives.
func wants(lists ...names) [][]string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	var out [][]string
	for _, name := range slices.Compact(all) {
		out = append(out, []string{name})
	}
	return out
}

// parseManifest reads a package.json. The record holds the package and, behind
// it, its development dependencies if there are any. Name and version may be
// empty: a project needs neither.
func parseManifest(b []byte) (extract.Record, error) {
	var m manifest
	if err := json.Unmarshal(bytes.TrimPrefix(b, []byte("\ufeff")), &m); err != nil {
		return extract.Record{}, fmt.Errorf("not read: %w", err)
	}
	p := extract.Package{
		Name: string(m.Name), Version: string(m.Version), Supplier: person(m.Author),
		Licenses: licenses(m.License, m.Licenses), Requires: m.used(),
	}
	if string(m.Private) == "true" {
		p.Role = rolePrivate
	}
	r := extract.Record{Packages: []extract.Package{p}}
	if dev := wants(m.DevDependencies); len(dev) > 0 {
		r.Packages = append(r.Packages, extract.Package{Role: roleDev, Requires: dev})
	}
	return r, nil
}

// licenses reads "license": a string, or an object or a list of objects with a
// type as packages of old have it.
func licenses(fields ...json.RawMessage) []string {
	type typed struct {
		Type text `json:"type"`
	}
	var out []string
	for _, raw := range fields {
		var s text
		var one typed
		var many []json.RawMessage
		switch {
		case len(raw) == 0:
		case json.Unmarshal(raw, &s) == nil && s != "":
			out = append(out, string(s))
		case json.Unmarshal(raw, &one) == nil && one.Type != "":
			out = append(out, string(one.Type))
		case json.Unmarshal(raw, &many) == nil:
			for _, m := range many {
				out = append(out, licenses(m)...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// person reads "author": "Name <mail> (url)" or an object of the same parts.
func person(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	var s text
	if json.Unmarshal(raw, &s) == nil && s != "" {
		before, _, _ := strings.Cut(string(s), "(")
		return strings.TrimSpace(before)
	}
	var o struct {
		Name  text `json:"name"`
		Email text `json:"email"`
	}
	if json.Unmarshal(raw, &o) != nil || o.Name == "" {
		return ""
	}
	if o.Email != "" {
		return fmt.Sprintf("%s <%s>", o.Name, o.Email)
	}
	return string(o.Name)
}
