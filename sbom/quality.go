package sbom

import (
	"fmt"
	"strings"
)

// Quality is what an inventory must at least tell to be of use: the data fields of the
// NTIA's minimum elements for an SBOM (2021), as far as a component has them, with what
// makes advisories and licences answerable beside them. Shares are in percent of the
// components that are neither operating system nor file. The zero value asks for nothing.
type Quality struct {
	// Components is how many packages there must be at least. An inventory that lists
	// none has no share of anything.
	Components int
	Versions   int // percent with a version
	PURLs      int // percent with a package URL, by which advisories know them
	Licenses   int // percent that declare a licence
	Suppliers  int // percent that name their supplier
	// Relations asks for at least one relation between components.
	Relations bool
	// Author asks for the tool that made the document, and Created for the time.
	Author, Created bool
	// Complete refuses an inventory that tells of something its maker could not read.
	Complete bool
}

// Lacks tells in words what the inventory falls short of, nothing where it is good
// enough.
func (q Quality) Lacks(v Inventory) []string {
	s := v.Stats()
	var out []string
	if s.Packages < q.Components {
		out = append(out, fmt.Sprintf("%d packages, at least %d are asked for", s.Packages, q.Components))
	}
	for _, share := range []struct {
		what       string
		have, want int
	}{
		{"a version", s.Versioned, q.Versions},
		{"a package URL", s.Identified, q.PURLs},
		{"a licence", s.Licensed, q.Licenses},
		{"a supplier", s.Supplied, q.Suppliers},
	} {
		if s.Share(share.have) < share.want {
			out = append(out, fmt.Sprintf("%d of %d packages with %s, %d %% are asked for", share.have, s.Packages, share.what, share.want))
		}
	}
	for _, missing := range []struct {
		asked, there bool
		what         string
	}{
		{q.Relations, s.Relations > 0, "no relation between components"},
		{q.Author, v.Tool.Name != "", "it names no tool that made it"},
		{q.Created, !v.Created.IsZero(), "it does not tell when it was made"},
		{q.Complete, s.Unknowns == 0, fmt.Sprintf("%d things that its maker could not read", s.Unknowns)},
	} {
		if missing.asked && !missing.there {
			out = append(out, missing.what)
		}
	}
	return out
}

// String returns in words what is asked for, "" for nothing.
func (q Quality) String() string {
	var out []string
	for _, n := range []struct {
		want int
		text string
	}{
		{q.Components, "at least %d packages"},
		{q.Versions, "%d %% of packages with a version"},
		{q.PURLs, "%d %% with a package URL"},
		{q.Licenses, "%d %% with a licence"},
		{q.Suppliers, "%d %% with a supplier"},
	} {
		if n.want > 0 {
			out = append(out, fmt.Sprintf(n.text, n.want))
		}
	}
	for _, b := range []struct {
		asked bool
		text  string
	}{
		{q.Relations, "relations between components"},
		{q.Author, "the tool that made it"},
		{q.Created, "the time at which it was made"},
		{q.Complete, "nothing that its maker could not read"},
	} {
		if b.asked {
			out = append(out, b.text)
		}
	}
	return strings.Join(out, ", ")
}
