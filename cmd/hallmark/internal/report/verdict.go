package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/verify"
)

// Verdicts is the answer of verify.
type Verdicts struct {
	Outcome string    `json:"outcome"`
	Images  []Verdict `json:"images"`
}

// Verdict is the judgement on one image.
type Verdict struct {
	Image   string  `json:"image"`
	Digest  string  `json:"digest,omitempty"`
	Outcome string  `json:"outcome"`
	Error   string  `json:"error,omitempty"`
	Checks  []Check `json:"checks"`
}

// Check is the judgement on one rule.
type Check struct {
	Rule     string     `json:"rule"`
	Outcome  string     `json:"outcome"`
	Reason   string     `json:"reason"`
	Detail   string     `json:"detail,omitempty"`
	Evidence []Evidence `json:"evidence,omitempty"`
}

// Evidence is the judgement on one entry.
type Evidence struct {
	Outcome       string            `json:"outcome"`
	Reason        string            `json:"reason"`
	Detail        string            `json:"detail,omitempty"`
	Kind          string            `json:"kind"`
	Digest        string            `json:"digest"`
	Signers       []string          `json:"signers,omitempty"`
	PredicateType string            `json:"predicateType,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
	Places        []Place           `json:"places"`
}

// NewVerdict translates a verdict. name is the image as the user typed it.
func NewVerdict(name string, v verify.Verdict) Verdict {
	out := Verdict{Image: name, Digest: v.Subject.Desc.Digest.String(), Outcome: v.Outcome.String(), Checks: []Check{}}
	for _, c := range v.Checks {
		check := Check{Rule: c.Rule, Outcome: c.Outcome.String(), Reason: string(c.Reason), Detail: c.Detail}
		for _, e := range sortedEvidence(c.Evidence) {
			check.Evidence = append(check.Evidence, newEvidence(e))
		}
		out.Checks = append(out.Checks, check)
	}
	return out
}

// sortedEvidence puts what counts first. Within one outcome the order of
// discovery, which differs from registry to registry, gives way to that of the
// identities.
func sortedEvidence(list []verify.Evidence) []verify.Evidence {
	return slices.SortedFunc(slices.Values(list), func(a, b verify.Evidence) int {
		return cmp.Or(
			cmp.Compare(b.Outcome, a.Outcome),
			cmp.Compare(kindRank(string(a.Attachment.Kind)), kindRank(string(b.Attachment.Kind))),
			strings.Compare(a.Attachment.ID().String(), b.Attachment.ID().String()),
		)
	})
}

func newEvidence(e verify.Evidence) Evidence {
	out := Evidence{
		Outcome: e.Outcome.String(), Reason: string(e.Reason), Detail: e.Detail,
		Kind: string(e.Attachment.Kind), Digest: e.Attachment.Desc.Digest.String(),
		PredicateType: e.PredicateType, Annotations: e.Annotations,
		Places: places(e.Attachment.Places),
	}
	for _, id := range e.Signers {
		out.Signers = append(out.Signers, "sha256:"+id.String())
	}
	slices.Sort(out.Signers)
	return out
}

func (Verdicts) kind() string { return "verdicts" }

func (v Verdicts) text(p *printer) {
	for i, img := range v.Images {
		if i > 0 {
			p.linef("")
		}
		img.text(p)
	}
}

func (v Verdict) text(p *printer) {
	p.linef("%s: %s", v.Image, v.Outcome)
	if v.Digest != "" {
		p.linef("  digest %s", v.Digest)
	}
	if v.Error != "" {
		p.linef("  %s", v.Error)
	}
	for _, c := range v.Checks {
		p.linef("  %-12s  %s (%s): %s", c.Outcome, c.Rule, c.Reason, c.Detail)
		for _, e := range c.Evidence {
			e.text(p)
		}
	}
}

func (e Evidence) text(p *printer) {
	p.linef("    %-12s %s %s: %s", e.Outcome, e.Kind, short(e.Digest), e.Reason)
	if e.Detail != "" {
		p.linef("      %s", e.Detail)
	}
	for _, s := range e.Signers {
		p.linef("      signed by key %s", short(s))
	}
	for _, k := range sortedKeys(e.Annotations) {
		p.linef("      %s=%s", k, e.Annotations[k])
	}
}
