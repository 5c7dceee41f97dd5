package cyclonedx

import (
	"slices"

	"github.com/hallmark-oci/hallmark/sbom"
)

// A tree is how the graph of an inventory is laid out in a document, in which
// a component stands inside at most one other.
type tree struct {
	top      []int         // components that stand at the top
	children map[int][]int // components that stand inside another
	cut      map[int][]int // containers in which a component stands besides
	roots    []string      // where every walk along dependencies can start
}

// maxNesting is how deep components are nested; deeper ones stand at the top.
const maxNesting = 16

// grow lays out an inventory in canonical form.
func grow(v sbom.Inventory, ids map[string]int) tree {
	t := tree{children: make(map[int][]int), cut: make(map[int][]int)}
	parent := make(map[int]int)
	for _, r := range v.Relations {
		if r.Type != sbom.Contains {
			continue
		}
		from, to := ids[r.From], ids[r.To]
		if _, has := parent[to]; has || !nests(parent, from, to) {
			t.cut[to] = append(t.cut[to], from)
			continue
		}
		parent[to] = from
	}
	for i := range v.Components {
		switch p, has := parent[i]; {
		case !has:
			t.top = append(t.top, i)
		case depth(parent, i) > maxNesting:
			t.top = append(t.top, i)
			t.cut[i] = append(t.cut[i], p)
		default:
			t.children[p] = append(t.children[p], i)
		}
	}
	for i := range t.cut {
		slices.Sort(t.cut[i])
	}
	t.roots = roots(v, ids, parent)
	return t
}

// nests reports whether child can be put inside from without closing a circle
// and without a chain too long to follow.
func nests(parent map[int]int, from, child int) bool {
	for n := 0; ; n++ {
		if from == child || n > 4*maxNesting {
			return false
		}
		p, has := parent[from]
		if !has {
			return true
		}
		from = p
	}
}

func depth(parent map[int]int, i int) int {
	for n := 0; ; n++ {
		p, has := parent[i]
		if !has || n > maxNesting {
			return n
		}
		i = p
	}
}

// roots returns the components that no other depends on and, for circles that
// none of those leads to, the first of each. Components inside others are left out.
func roots(v sbom.Inventory, ids map[string]int, parent map[int]int) []string {
	edges := make([][]int32, len(v.Components))
	wanted := make([]bool, len(v.Components))
	for _, r := range v.Relations {
		if r.Type == sbom.DependsOn {
			from, to := ids[r.From], ids[r.To]
			edges[from] = append(edges[from], int32(to))
			wanted[to] = true
		}
	}
	seen := make([]bool, len(v.Components))
	var queue []int32
	var list []string
	start := func(i int) {
		if _, inside := parent[i]; inside || seen[i] {
			return
		}
		list = append(list, v.Components[i].ID)
		seen[i] = true
		for queue = append(queue[:0], int32(i)); len(queue) > 0; {
			at := queue[len(queue)-1]
			queue = queue[:len(queue)-1]
			for _, to := range edges[at] {
				if !seen[to] {
					seen[to] = true
					queue = append(queue, to)
				}
			}
		}
	}
	for i := range v.Components {
		if !wanted[i] {
			start(i)
		}
	}
	for i := range v.Components {
		start(i)
	}
	slices.Sort(list)
	return list
}
