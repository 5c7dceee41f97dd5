package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/verify/advisory"
	"github.com/hallmark-oci/hallmark/verify/check"
	"github.com/hallmark-oci/hallmark/verify/match"
)

// Checks is the answer of check: which images are affected by which advisories.
type Checks struct {
	// Outcome is that of the images; findings below FailOn do not make it
	// undetermined or change the exit code.
	Outcome    string     `json:"outcome"`
	FailOn     string     `json:"fail_on"`
	Advisories Advisories `json:"advisories"`
	Images     []Checked  `json:"images"`
}

// Advisories is the account of what was loaded.
type Advisories struct {
	Path      string        `json:"path"`
	Digest    string        `json:"digest"`
	Loaded    int           `json:"loaded"`
	Withdrawn int           `json:"withdrawn"`
	Bad       []BadAdvisory `json:"bad"`
}

// BadAdvisory is a record that could not be read.
type BadAdvisory struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Checked is the answer for one image or document.
type Checked struct {
	Name     string       `json:"name"`
	Digest   string       `json:"digest,omitempty"`
	Outcome  string       `json:"outcome"`
	Reason   string       `json:"reason"`
	Detail   string       `json:"detail,omitempty"`
	Advice   string       `json:"advice,omitempty"`
	Unsigned bool         `json:"unsigned"`
	SBOMs    []UsedSBOM   `json:"sboms"`
	Findings []Finding    `json:"findings"`
	Coverage CheckedParts `json:"coverage"`
	Gaps     []Gap        `json:"gaps,omitempty"`
	Notes    []string     `json:"notes,omitempty"`
}

// UsedSBOM is an SBOM that the answer rests on.
type UsedSBOM struct {
	Digest     string   `json:"digest"`
	Format     string   `json:"format"`
	Signers    []string `json:"signers"`
	Identities []string `json:"identities,omitempty"`
	Components int      `json:"components"`
}

// Finding is one vulnerability in one component.
type Finding struct {
	ID         string   `json:"id"`
	Aliases    []string `json:"aliases,omitempty"`
	Severity   string   `json:"severity"`
	Class      string   `json:"class"`
	Confidence string   `json:"confidence"`
	Component  string   `json:"component"`
	PURL       string   `json:"purl,omitempty"`
	Installed  string   `json:"installed"`
	Fixed      []string `json:"fixed,omitempty"`
	Locations  []string `json:"locations,omitempty"`
	Summary    string   `json:"summary,omitempty"`
	URL        string   `json:"url,omitempty"`
	Records    []string `json:"records"`
}

// CheckedParts tells how much was compared.
type CheckedParts struct {
	Components int            `json:"components"`
	Mapped     int            `json:"mapped"`
	Checked    int            `json:"checked"`
	Unmapped   map[string]int `json:"unmapped,omitempty"`
	Unchecked  map[string]int `json:"unchecked,omitempty"`
	Unknowns   int            `json:"unknowns"`
}

// Gap is something that keeps the answer from being complete.
type Gap struct {
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	Advice string `json:"advice,omitempty"`
}

// NewAdvisories translates the account of a set that was loaded from path.
func NewAdvisories(path string, set advisory.Set) Advisories {
	out := Advisories{Path: path, Digest: set.Digest(), Loaded: len(set.Advisories), Bad: []BadAdvisory{}}
	for _, a := range set.Advisories {
		if a.IsWithdrawn() {
			out.Withdrawn++
		}
	}
	for _, b := range set.Load.Bad {
		out.Bad = append(out.Bad, BadAdvisory{Path: b.Path, Reason: b.Reason})
	}
	return out
}

// NewChecked translates an answer to the question for findings of the level or
// worse. An image whose findings are all below it is still called affected.
func NewChecked(r check.Result, level advisory.Level) Checked {
	outcome, reason := r.AtLeast(level)
	detail, advice := r.Detail, r.Advice
	switch {
	case outcome == check.Undetermined && len(r.Gaps) > 0:
		detail, advice = r.Gaps[0].Detail, r.Gaps[0].Advice
	case reason == check.BelowThreshold:
		if r.Outcome == check.Affected {
			outcome = r.Outcome
		}
		detail = fmt.Sprintf("%s, none that is known to be %s or worse", count(len(r.Findings), "finding", "findings"), level)
	case reason == check.Unrated:
		detail = fmt.Sprintf("the severity of a finding is not known, it may be %s or worse", level)
		advice = "use advisories that tell the severity, or --fail-on any"
	}
	out := Checked{
		Name: r.Name, Outcome: outcome.String(), Reason: string(reason), Detail: detail, Advice: advice,
		Unsigned: r.Unsigned, Notes: r.Notes, SBOMs: []UsedSBOM{}, Findings: []Finding{},
		Coverage: CheckedParts{
			Components: r.Coverage.Components, Mapped: r.Coverage.Mapped, Checked: r.Coverage.Checked,
			Unmapped: r.Coverage.Unmapped, Unchecked: r.Coverage.Unchecked, Unknowns: r.Coverage.Unknowns,
		},
	}
	if r.Subject.Desc.Digest.Hex != "" {
		out.Digest = r.Subject.Desc.Digest.String()
	}
	for _, s := range r.SBOMs {
		used := UsedSBOM{Digest: s.Digest, Format: s.Format.Title(s.SpecVersion), Components: s.Components, Signers: []string{}}
		for _, id := range s.Signers {
			used.Signers = append(used.Signers, id.Digest())
		}
		for _, i := range s.Identities {
			used.Identities = append(used.Identities, i.Subject+" ("+i.Issuer+")")
		}
		out.SBOMs = append(out.SBOMs, used)
	}
	for _, f := range r.Findings {
		out.Findings = append(out.Findings, newFinding(f))
	}
	for _, g := range r.Gaps {
		out.Gaps = append(out.Gaps, Gap{Reason: string(g.Reason), Detail: g.Detail, Advice: g.Advice})
	}
	return out
}

func newFinding(f match.Finding) Finding {
	out := Finding{
		ID: f.ID, Severity: f.Severity.String(), Class: string(f.Class), Confidence: string(f.Confidence),
		Component: f.Component.Name, Installed: f.Component.Version, Fixed: f.Fixed,
		Summary: f.Summary, URL: f.URL, Records: []string{},
	}
	if !f.Component.PURL.IsZero() {
		out.PURL = f.Component.PURL.String()
	}
	for _, id := range f.IDs {
		if id != f.ID {
			out.Aliases = append(out.Aliases, id)
		}
	}
	for _, l := range f.Component.Locations {
		out.Locations = append(out.Locations, l.Path)
	}
	for _, r := range f.Records {
		out.Records = append(out.Records, r.ID)
	}
	return out
}

func (Checks) kind() string { return "checks" }

func (c Checks) text(p *printer) {
	p.linef("%s loaded from %s, %d withdrawn, %d bad", count(c.Advisories.Loaded, "advisory", "advisories"), c.Advisories.Path, c.Advisories.Withdrawn, len(c.Advisories.Bad))
	for _, b := range c.Advisories.Bad {
		p.linef("  bad: %s: %s", b.Path, b.Reason)
	}
	for _, img := range c.Images {
		p.linef("")
		img.text(p)
	}
	if len(c.Images) < 2 {
		return
	}
	p.linef("")
	for _, img := range c.Images {
		mark := ""
		if img.Unsigned {
			mark = "  UNSIGNED"
		}
		p.linef("%-13s %3d %-8s  %s%s", img.Outcome, len(img.Findings), plural(len(img.Findings), "finding", "findings"), img.Name, mark)
	}
}

func (c Checked) text(p *printer) {
	p.linef("%s: %s (%s)", c.Name, c.Outcome, c.Reason)
	if c.Digest != "" {
		p.linef("  digest %s", c.Digest)
	}
	if c.Unsigned {
		p.linef("  UNSIGNED: nobody vouches for the SBOM that this answer rests on")
	}
	if c.Detail != "" {
		p.linef("  %s", c.Detail)
	}
	if c.Advice != "" {
		p.linef("  to do: %s", c.Advice)
	}
	for _, s := range c.SBOMs {
		p.linef("  from SBOM %s, %s, %s", s.Digest, s.Format, count(s.Components, "component", "components"))
		for _, k := range s.Signers {
			p.linef("    signed by key %s", short(k))
		}
		for _, i := range s.Identities {
			p.linef("    signed by %s", i)
		}
	}
	for _, f := range c.Findings {
		f.text(p)
	}
	c.Coverage.text(p)
	for _, g := range c.Gaps {
		p.linef("  could not tell (%s): %s", g.Reason, g.Detail)
	}
	for _, n := range c.Notes {
		p.linef("  note: %s", n)
	}
}

func (f Finding) text(p *printer) {
	fixed := "no fix known"
	if len(f.Fixed) > 0 {
		fixed = "fixed in " + strings.Join(f.Fixed, ", ")
	}
	p.linef("  %-8s %s  %s %s, %s", f.Severity, f.ID, f.Component, f.Installed, fixed)
	if f.Class != string(match.Affected) {
		p.linef("           %s, confidence %s", f.Class, f.Confidence)
	}
	if len(f.Aliases) > 0 {
		p.linef("           also %s", strings.Join(f.Aliases, ", "))
	}
	if f.Summary != "" {
		p.linef("           %s", f.Summary)
	}
}

func (c CheckedParts) text(p *printer) {
	p.linef("  coverage: %s, %d of a kind that advisories speak of, %d compared", count(c.Components, "component", "components"), c.Mapped, c.Checked)
	if c.Unknowns > 0 {
		p.linef("    not known: what is in %s that the SBOM says could not be read", count(c.Unknowns, "file", "files"))
	}
	for _, part := range []struct {
		what   string
		counts map[string]int
	}{{"not mapped", c.Unmapped}, {"no advisory loaded for", c.Unchecked}} {
		if len(part.counts) == 0 {
			continue
		}
		var words []string
		for _, k := range slices.Sorted(maps.Keys(part.counts)) {
			words = append(words, fmt.Sprintf("%d %s", part.counts[k], k))
		}
		p.linef("    %s: %s", part.what, strings.Join(words, ", "))
	}
}

func count(n int, one, many string) string { return fmt.Sprintf("%d %s", n, plural(n, one, many)) }

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
