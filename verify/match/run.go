package match

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/verify/advisory"
	"github.com/hallmark-oci/hallmark/verify/version"
)

// Match holds an inventory against the advisories. The error is that of the
// context, when it ends before the work does.
func (x *Index) Match(ctx context.Context, v sbom.Inventory) (Result, error) {
	m := matcher{Index: x, distro: v.Distro}
	m.coverage = Coverage{
		Unmapped: make(map[string]int), Unchecked: make(map[string]int), Unknowns: len(v.Unknowns),
		Advisories: len(x.set.Advisories), Withdrawn: x.set.Load.Withdrawn, Ecosystems: maps.Clone(x.ecosystems), Load: x.set.Load,
	}
	same := make(map[string]int)
	for i := range v.Components {
		if i%256 == 0 && ctx.Err() != nil {
			return Result{}, context.Cause(ctx)
		}
		m.component(&v.Components[i], same)
	}
	var findings []Finding
	for i := range m.packages {
		findings = append(findings, m.findings(&m.packages[i])...)
	}
	slices.SortStableFunc(findings, compareFindings)
	return Result{Findings: findings, Coverage: m.coverage}, nil
}

// matcher is one run.
type matcher struct {
	*Index
	distro   sbom.Distro
	coverage Coverage
	packages []pack
}

// pack is a package that the inventory lists, once or many times.
type pack struct {
	component sbom.Component
	count     int
	targets   []target
}

// component counts a component and keeps it for the search if advisories speak
// of its kind. same knows the packages so far.
func (m *matcher) component(c *sbom.Component, same map[string]int) {
	if c.PURL.IsZero() && (c.Type == sbom.OS || c.Type == sbom.File) {
		m.coverage.NotPackages++
		return
	}
	m.coverage.Components++
	list, unmapped := targets(c, m.distro)
	if unmapped != "" {
		m.coverage.Unmapped[unmapped]++
		return
	}
	m.coverage.Mapped++
	if slices.ContainsFunc(list, m.covers) {
		m.coverage.Checked++
	} else {
		m.coverage.Unchecked[list[0].ecosystem()]++
		return
	}
	key := c.PURL.String() + "\x00" + string(c.Type)
	if c.PURL.IsZero() {
		key = c.Ecosystem + "\x00" + c.Name + "\x00" + c.Version
	}
	key += "\x00" + c.SourceName + "\x00" + c.SourceVersion
	if i, seen := same[key]; seen {
		p := &m.packages[i]
		p.count++
		p.component.Locations = append(slices.Clip(p.component.Locations), c.Locations...)
		return
	}
	same[key] = len(m.packages)
	m.packages = append(m.packages, pack{component: *c, count: 1, targets: list})
}

// hit is an advisory that has something to say about a package.
type hit struct {
	advisory *advisory.Advisory
	affected *advisory.Affected
	target   *target
	judgement
	class      Class
	confidence Confidence
}

// findings looks a package up and groups what is found by vulnerability.
func (m *matcher) findings(p *pack) []Finding {
	byGroup := make(map[int32][]hit)
	var order []int32
	for i := range p.targets {
		t := &p.targets[i]
		for _, e := range m.byName[name{t.base, fold(t.base, t.name)}] {
			a := &m.set.Advisories[e.advisory]
			h, ok := consider(a, &a.Affected[e.affected], t)
			if !ok {
				continue
			}
			g := m.groups.group(a.ID)
			if byGroup[g] == nil {
				order = append(order, g)
			}
			byGroup[g] = append(byGroup[g], h)
		}
	}
	var list []Finding
	for _, g := range order {
		list = append(list, finding(p, strongest(byGroup[g])))
	}
	return list
}

// consider judges an entry for the target. It answers false when the entry is
// for another release or does not affect the version.
func consider(a *advisory.Advisory, of *advisory.Affected, t *target) (hit, bool) {
	_, release := split(of.Package.Ecosystem)
	if !t.inRelease(release) {
		return hit{}, false
	}
	h := hit{advisory: a, affected: of, target: t, judgement: judge(of, t), class: Affected, confidence: High}
	switch {
	case h.problem != nil:
		h.class, h.confidence, h.kind = UnknownVersion, Low, ByName
	case !h.hit:
		return hit{}, false
	case release != "" && t.anyRelease():
		h.class, h.confidence = UnknownDistro, Low
	case h.kind == ByLastKnown:
		h.confidence = Low
	case of.Package.Name != t.name && t.base == "Go":
		h.confidence = Medium
	}
	return h, true
}

// strongest drops what is only suspected where something is known: the hits of
// the best class remain.
func strongest(hits []hit) []hit {
	best := slices.MinFunc(hits, func(a, b hit) int { return rank(a.class) - rank(b.class) }).class
	return slices.DeleteFunc(hits, func(h hit) bool { return h.class != best })
}

func rank(c Class) int {
	switch c {
	case Affected:
		return 0
	case UnknownDistro:
		return 1
	}
	return 2
}

// finding puts the hits of one vulnerability together. There is at least one.
func finding(p *pack, hits []hit) Finding {
	f := Finding{Component: p.component, Count: p.count, Class: hits[0].class, Confidence: hits[0].confidence}
	for _, h := range hits {
		a := h.advisory
		f.IDs = append(append(f.IDs, a.ID), a.Aliases...)
		f.Upstream = append(f.Upstream, a.Upstream...)
		f.Severity = max(f.Severity, a.Rating(h.affected))
		f.Scores = append(append(f.Scores, a.Severity...), h.affected.Severity...)
		f.Summary = cmp.Or(f.Summary, a.Summary)
		f.URL = cmp.Or(f.URL, a.URL)
		if h.confidence == High || f.Confidence == Low {
			f.Confidence = h.confidence
		}
		f.Records = append(f.Records, record(h))
		if fixed := h.fixed(); fixed != "" {
			f.Fixed = append(f.Fixed, fixed)
		}
	}
	slices.SortFunc(f.IDs, compareIDs)
	f.IDs = slices.Compact(f.IDs)
	f.ID = f.IDs[0]
	slices.SortFunc(f.Upstream, compareIDs)
	f.Upstream = slices.Compact(f.Upstream)
	f.Upstream = slices.DeleteFunc(f.Upstream, func(id string) bool { return slices.Contains(f.IDs, id) })
	slices.SortFunc(f.Scores, func(a, b advisory.Severity) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Score, b.Score))
	})
	f.Scores = slices.Compact(f.Scores)
	f.Fixed = rising(hits[0].target.base, f.Fixed)
	return f
}

// fixed returns the version that ends the range: that of the span, or, for a
// listed version, the first one behind it that the entry names.
func (h *hit) fixed() string {
	if h.span.fixed != "" || h.kind != ByList {
		return h.span.fixed
	}
	first := ""
	for _, r := range h.affected.Ranges {
		for _, e := range r.Events {
			if e.Kind != advisory.Fixed || r.Type == advisory.GitRange {
				continue
			}
			later := func(a, b string) bool {
				c, err := version.Compare(h.target.base, a, b)
				return err == nil && c > 0
			}
			if later(e.Version, h.target.version) && (first == "" || later(first, e.Version)) {
				first = e.Version
			}
		}
	}
	return first
}

func record(h hit) Record {
	r := Record{
		ID: h.advisory.ID, Path: h.advisory.Path, Package: h.affected.Package, Version: h.target.version, Via: h.target.via,
		Kind: h.kind, Introduced: h.span.introduced, Fixed: h.span.fixed, LastAffected: h.span.lastAffected,
	}
	if h.problem != nil {
		r.Problem = h.problem.Error()
	}
	return r
}

// rising sorts versions, the earliest first, with none twice.
func rising(base string, versions []string) []string {
	slices.SortFunc(versions, func(a, b string) int {
		c, err := version.Compare(base, a, b)
		if err != nil || c == 0 {
			return strings.Compare(a, b)
		}
		return c
	})
	return slices.Compact(versions)
}

// compareIDs puts the names that most people know first.
func compareIDs(a, b string) int {
	return cmp.Or(fame(a)-fame(b), strings.Compare(a, b))
}

func fame(id string) int {
	for i, prefix := range []string{"CVE-", "GHSA-"} {
		if strings.HasPrefix(id, prefix) {
			return i
		}
	}
	return 2
}

// compareFindings puts what is known before what is suspected, the worst first.
func compareFindings(a, b Finding) int {
	return cmp.Or(rank(a.Class)-rank(b.Class), cmp.Compare(b.Severity, a.Severity), strings.Compare(a.Component.Name, b.Component.Name),
		strings.Compare(a.Component.Version, b.Component.Version), compareIDs(a.ID, b.ID), strings.Compare(a.Component.ID, b.Component.ID))
}
