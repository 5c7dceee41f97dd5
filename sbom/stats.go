package sbom

import (
	"cmp"
	"slices"
)

// Stats sums an inventory up.
type Stats struct {
	Components int // without the operating system
	Relations  int
	Unknowns   int
	// Packages are the components that are no files; those that follow are of these.
	Packages   int
	Versioned  int // with a version
	Identified int // with a package URL
	Licensed   int // that declare a license
	Supplied   int // that name who supplies them
	Ecosystems []Count
}

// A Count is how many components an ecosystem has.
type Count struct {
	Ecosystem string
	N         int
}

// Stats counts what the inventory holds, the largest ecosystem first. A
// component that names no ecosystem counts by the type of its package URL, else
// by its own type.
func (v Inventory) Stats() Stats {
	s := Stats{Relations: len(v.Relations), Unknowns: len(v.Unknowns)}
	counts := make(map[string]int)
	for i := range v.Components {
		c := &v.Components[i]
		if c.Type == OS {
			continue
		}
		s.Components++
		if c.Type != File {
			s.Packages++
			s.Versioned += one(c.Version != "")
			s.Identified += one(!c.PURL.IsZero())
			s.Licensed += one(len(c.Licenses) > 0)
			s.Supplied += one(c.Supplier != "")
		}
		counts[cmp.Or(c.Ecosystem, EcosystemOf(c.PURL), string(c.Type))]++
	}
	for e, n := range counts {
		s.Ecosystems = append(s.Ecosystems, Count{e, n})
	}
	slices.SortFunc(s.Ecosystems, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Ecosystem, b.Ecosystem))
	})
	return s
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// Share returns how many percent of the packages n are, rounded down: 100 is all of
// them. It is 0 where there are none.
func (s Stats) Share(n int) int {
	if s.Packages == 0 {
		return 0
	}
	return int(int64(n) * 100 / int64(s.Packages))
}
