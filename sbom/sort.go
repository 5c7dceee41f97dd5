package sbom

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Sort brings the inventory into canonical form, whatever order it was put
// together in:
//
//   - a component without an ID gets its [Component.StableID];
//   - components with the same ID that are the same package become one, with
//     the locations, hashes and licenses of all;
//   - the operating system is a component too;
//   - components, relations and all lists within are sorted, with no entry twice;
//   - bytes that are not UTF-8, which no document can hold, become U+FFFD.
//
// IDs that are set are kept, so relations stay as they are. Two different
// components under one ID are left for [Inventory.Validate] to report.
func (v *Inventory) Sort() {
	v.addDistro()
	for i := range v.Components {
		c := &v.Components[i]
		c.tidy()
		if c.ID == "" {
			c.ID = c.StableID()
		}
	}
	slices.SortFunc(v.Components, compareComponents)
	v.Components = slices.Clip(mergeSame(v.Components))
	v.Relations = slices.DeleteFunc(v.Relations, func(r Relation) bool { return r.From == r.To })
	slices.SortFunc(v.Relations, compareRelations)
	v.Relations = slices.Compact(v.Relations)
	for i := range v.Unknowns {
		u := &v.Unknowns[i]
		u.Path, u.Reason = toText(u.Path), toText(u.Reason)
	}
	slices.SortFunc(v.Unknowns, compareUnknowns)
	v.Unknowns = slices.Compact(v.Unknowns)
}

// Sorted returns the inventory in canonical form and leaves v as it is. An
// inventory that is canonical already is returned without a copy.
func (v Inventory) Sorted() Inventory {
	if v.canonical() {
		return v
	}
	v.Components = slices.Clone(v.Components)
	for i := range v.Components {
		c := &v.Components[i]
		c.Licenses = slices.Clone(c.Licenses)
		c.Hashes = slices.Clone(c.Hashes)
		c.Locations = slices.Clone(c.Locations)
	}
	v.Relations = slices.Clone(v.Relations)
	v.Unknowns = slices.Clone(v.Unknowns)
	v.Sort()
	return v
}

// StableID returns the identifier that follows from what the component is. It
// is the same in every inventory that holds the component: made of the package
// URL, or of name, version and locations where there is none. It consists of
// letters, digits, '-' and '.', so that it can stand in any document.
func (c Component) StableID() string {
	if !c.isText() {
		c.Locations = slices.Clone(c.Locations)
		c.toText()
	}
	h := sha256.New()
	part := func(s string) { fmt.Fprintf(h, "%d:%s,", len(s), s) }
	kind := c.PURL.Type
	if p := c.PURL.String(); p != "" {
		part(p)
	} else {
		kind = cmp.Or(c.Ecosystem, string(c.Type), "component")
		part(string(c.Type))
		part(c.Name)
		part(c.Version)
		locations := slices.Clone(c.Locations)
		slices.SortFunc(locations, compareLocations)
		for _, l := range slices.Compact(locations) {
			part(l.Path)
			part(l.Layer)
		}
	}
	sum := h.Sum(nil)
	return slug(kind) + "-" + slug(c.Name) + "-" + hex.EncodeToString(sum[:8])
}

// slug keeps up to 40 characters of s that any identifier may hold.
func slug(s string) string {
	if len(s) > 40 {
		s = s[:40]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		}
		return '-'
	}, s)
}

// same reports whether both components are the same package.
func (c *Component) same(d *Component) bool {
	p := c.PURL.String()
	if p != d.PURL.String() {
		return false
	}
	return p != "" || c.Name == d.Name && c.Version == d.Version && c.Type == d.Type
}

// mergeSame merges neighbours in a sorted list. The scalar fields come from the
// first that sets them.
func mergeSame(list []Component) []Component {
	out := list[:0]
	merged := false // whether the last one took others in
	for _, c := range list {
		if len(out) == 0 || out[len(out)-1].ID != c.ID || !out[len(out)-1].same(&c) {
			out = append(out, c)
			merged = false
			continue
		}
		m := &out[len(out)-1]
		if !merged { // once, or many of one package would be copied over and over
			m.Licenses, m.Hashes, m.Locations = slices.Clip(m.Licenses), slices.Clip(m.Hashes), slices.Clip(m.Locations)
			merged = true
		}
		m.Version = cmp.Or(m.Version, c.Version)
		m.Ecosystem = cmp.Or(m.Ecosystem, c.Ecosystem)
		m.Supplier = cmp.Or(m.Supplier, c.Supplier)
		if m.SourceName == "" {
			m.SourceName, m.SourceVersion = c.SourceName, c.SourceVersion
		}
		m.Licenses = append(m.Licenses, c.Licenses...)
		m.Hashes = append(m.Hashes, c.Hashes...)
		m.Locations = append(m.Locations, c.Locations...)
	}
	clear(list[len(out):])
	for i := range out {
		out[i].tidy()
	}
	return out
}

// tidy sorts the lists of the component.
func (c *Component) tidy() {
	if c.tidied() {
		return
	}
	c.toText()
	slices.Sort(c.Licenses)
	c.Licenses = slices.Compact(c.Licenses)
	slices.SortFunc(c.Hashes, compareHashes)
	c.Hashes = slices.Compact(c.Hashes)
	slices.SortFunc(c.Locations, compareLocations)
	c.Locations = slices.Compact(c.Locations)
}

// tidied reports whether the lists of the component are sorted, with nothing twice.
func (c *Component) tidied() bool {
	return c.isText() && rising(c.Licenses, cmp.Compare) && rising(c.Hashes, compareHashes) && rising(c.Locations, compareLocations)
}

// addDistro makes the operating system a component unless one is there.
func (v *Inventory) addDistro() {
	if v.Distro.ID == "" || slices.ContainsFunc(v.Components, isOS) {
		return
	}
	v.Components = append(v.Components, Component{Type: OS, Name: v.Distro.ID, Version: v.Distro.VersionID})
}

func isOS(c Component) bool { return c.Type == OS }

// canonical reports whether Sort would change nothing.
func (v *Inventory) canonical() bool {
	if v.Distro.ID != "" && !slices.ContainsFunc(v.Components, isOS) {
		return false
	}
	for i := range v.Components {
		c := &v.Components[i]
		if c.ID == "" || !c.tidied() || i > 0 && v.Components[i-1].ID >= c.ID {
			return false
		}
	}
	for _, u := range v.Unknowns {
		if !utf8.ValidString(u.Path) || !utf8.ValidString(u.Reason) {
			return false
		}
	}
	return rising(v.Relations, compareRelations) && rising(v.Unknowns, compareUnknowns) &&
		!slices.ContainsFunc(v.Relations, func(r Relation) bool { return r.From == r.To })
}

// rising reports whether each entry stands behind the one before it.
func rising[T any](list []T, compare func(a, b T) int) bool {
	for i := 1; i < len(list); i++ {
		if compare(list[i-1], list[i]) >= 0 {
			return false
		}
	}
	return true
}

func compareHashes(a, b Hash) int {
	return cmp.Or(cmp.Compare(a.Algorithm, b.Algorithm), cmp.Compare(a.Value, b.Value))
}

func compareLocations(a, b Location) int {
	return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Layer, b.Layer))
}

func compareUnknowns(a, b Unknown) int {
	return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Reason, b.Reason))
}

func compareRelations(a, b Relation) int {
	return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Type, b.Type), cmp.Compare(a.To, b.To))
}

// compareComponents orders by ID, and those of one ID by all that they say.
func compareComponents(a, b Component) int {
	if c := cmp.Compare(a.ID, b.ID); c != 0 {
		return c
	}
	return cmp.Or(
		cmp.Compare(a.PURL.String(), b.PURL.String()),
		cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version),
		cmp.Compare(a.Ecosystem, b.Ecosystem), cmp.Compare(a.Supplier, b.Supplier),
		cmp.Compare(a.SourceName, b.SourceName), cmp.Compare(a.SourceVersion, b.SourceVersion),
		slices.Compare(a.Licenses, b.Licenses),
		slices.CompareFunc(a.Hashes, b.Hashes, compareHashes),
		slices.CompareFunc(a.Locations, b.Locations, compareLocations))
}
