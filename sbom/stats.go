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
	Licensed   int // components that declare a license
	Identified int // components with a package URL
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
		if len(c.Licenses) > 0 {
			s.Licensed++
		}
		if !c.PURL.IsZero() {
			s.Identified++
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
