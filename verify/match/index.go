package match

import (
	"strings"

	"github.com/hallmark-oci/hallmark/verify/advisory"
)

// An Index finds the advisories about a package. It is safe for concurrent use.
type Index struct {
	set        advisory.Set
	byName     map[name][]entry
	ecosystems map[string]int      // advisories in force by "base:release", as written
	bases      map[string][]string // the normal forms of the releases of a base; "" for none
	groups     groups
}

// name is a package in normal form: the base of the ecosystem and the folded name.
type name struct{ base, folded string }

// entry points at one affected package of one advisory.
type entry struct{ advisory, affected int32 }

// NewIndex makes an index of the advisories of the set that are in force. The
// set must not be changed afterwards.
func NewIndex(set advisory.Set) *Index {
	x := &Index{
		set: set, byName: make(map[name][]entry, len(set.Advisories)),
		ecosystems: make(map[string]int), bases: make(map[string][]string),
	}
	seen := make(map[string]bool)
	for i := range set.Advisories {
		a := &set.Advisories[i]
		if a.IsWithdrawn() {
			continue
		}
		x.groups.join(a)
		clear(seen)
		for j := range a.Affected {
			p := a.Affected[j].Package
			if p.Name == "" {
				continue
			}
			base, release := split(p.Ecosystem)
			k := name{base, fold(base, p.Name)}
			x.byName[k] = append(x.byName[k], entry{int32(i), int32(j)})
			if !seen[p.Ecosystem] {
				seen[p.Ecosystem] = true
				if x.ecosystems[p.Ecosystem]++; x.ecosystems[p.Ecosystem] == 1 {
					x.bases[base] = append(x.bases[base], release)
				}
			}
		}
	}
	return x
}

// Set returns what the index is made of.
func (x *Index) Set() advisory.Set { return x.set }

// covers reports whether advisories are loaded for the ecosystem of the target.
func (x *Index) covers(t target) bool {
	for _, release := range x.bases[t.base] {
		if t.inRelease(release) {
			return true
		}
	}
	return false
}

// split takes an ecosystem apart: the base, and the release in normal form. A
// suffix that is no release, such as the address of a repository, counts as none.
func split(ecosystem string) (base, release string) {
	base, suffix, _ := strings.Cut(ecosystem, ":")
	if suffix == "" || !hasReleases(base) {
		return base, ""
	}
	if r, ok := releaseOf(base, suffix); ok {
		return base, r
	}
	return base, suffix
}

// fold returns the normal form of a name: where the ecosystem takes different
// spellings for one package, they become the same.
func fold(base, s string) string {
	switch base {
	case "Go", "NuGet", "Packagist":
		return strings.ToLower(s)
	case "PyPI":
		return foldPyPI(s)
	}
	return s
}

// foldPyPI is the normalization of PEP 503: lower case, runs of '-', '_' and '.'
// become one '-'.
func foldPyPI(s string) string {
	var b strings.Builder
	run := false
	for _, c := range []byte(strings.ToLower(s)) {
		if c == '-' || c == '_' || c == '.' {
			run = true
			continue
		}
		if run && b.Len() > 0 {
			b.WriteByte('-')
		}
		run = false
		b.WriteByte(c)
	}
	return b.String()
}

// groups knows which names stand for the same vulnerability. Being an alias
// works both ways and through third names.
type groups struct {
	node   map[string]int32
	parent []int32
}

// join puts an advisory and its aliases into one group.
func (g *groups) join(a *advisory.Advisory) {
	if g.node == nil {
		g.node = make(map[string]int32)
	}
	to := g.root(g.of(a.ID))
	for _, alias := range a.Aliases {
		g.parent[g.root(g.of(alias))] = to
	}
}

// of returns the node of a name, a new one for a new name.
func (g *groups) of(id string) int32 {
	n, ok := g.node[id]
	if !ok {
		n = int32(len(g.parent))
		g.node[id] = n
		g.parent = append(g.parent, n)
	}
	return n
}

// root returns the node that stands for the group, and halves the way to it.
func (g *groups) root(n int32) int32 {
	for g.parent[n] != n {
		g.parent[n] = g.parent[g.parent[n]]
		n = g.parent[n]
	}
	return n
}

// group returns the group of an advisory of the index. It changes nothing, so
// that many may ask at once.
func (g *groups) group(id string) int32 {
	n := g.node[id]
	for g.parent[n] != n {
		n = g.parent[n]
	}
	return n
}
