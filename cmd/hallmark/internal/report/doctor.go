package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
)

// Diagnosis is the answer of doctor: what a registry or a layout can do, and how
// attachments would be kept there.
type Diagnosis struct {
	Place  string   `json:"place"`
	Works  string   `json:"works"`
	Traits []Trait  `json:"traits"`
	Plan   []Trait  `json:"plan"`
	Left   []string `json:"left"`
}

// Trait is one thing that was found out, or one step of the plan.
type Trait struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Detail string `json:"detail,omitempty"`
}

// NewDiagnosis translates a diagnosis.
func NewDiagnosis(d attach.Diagnosis) Diagnosis {
	out := Diagnosis{Place: d.Place, Works: string(d.Works), Traits: traits(d.Traits), Plan: traits(d.Plan), Left: []string{}}
	for _, l := range d.Left {
		out.Left = append(out.Left, Clean(l))
	}
	return out
}

func traits(list []attach.Trait) []Trait {
	out := make([]Trait, 0, len(list))
	for _, t := range list {
		out = append(out, Trait{t.Name, Clean(string(t.Value)), Clean(t.Detail)})
	}
	return out
}

func (Diagnosis) kind() string { return "diagnosis" }

func (d Diagnosis) text(p *printer) {
	p.linef("%s", d.Place)
	table(p, d.Traits)
	if len(d.Plan) > 0 {
		p.linef("")
		p.linef("how hallmark keeps attachments here:")
		table(p, d.Plan)
	}
	p.linef("")
	switch attach.Answer(d.Works) {
	case attach.Yes:
		how := ""
		if slices.ContainsFunc(d.Plan, func(t Trait) bool { return t.Name == "form" && t.Value == "image" }) {
			how = " with --as image"
		}
		p.linef("attaching works%s, and nothing gets lost", how)
	case attach.No:
		p.linef("attaching does not work here without loss")
	default:
		p.linef("it could not be found out whether attaching works")
	}
	if len(d.Left) > 0 {
		p.linef("%d objects could not be removed; delete them by hand:", len(d.Left))
		for _, l := range d.Left {
			p.linef("  %s", reference(d.Place, l))
		}
	}
}

// reference returns the reference of a tag or a digest.
func reference(place, ref string) string {
	if strings.HasPrefix(ref, "sha256:") {
		return place + "@" + ref
	}
	return place + ":" + ref
}

func table(p *printer, list []Trait) {
	name, value := 0, 0
	for _, t := range list {
		name, value = max(name, len(t.Name)), max(value, len(t.Value))
	}
	for _, t := range list {
		p.linef("%s", strings.TrimRight(fmt.Sprintf("  %-*s  %-*s  %s", name, t.Name, value, t.Value, t.Detail), " "))
	}
}
