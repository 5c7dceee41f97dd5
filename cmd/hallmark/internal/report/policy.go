package report

import (
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/verify/policy"
	"github.com/hallmark-oci/hallmark/verify/policy/trial"
)

// Policies is the answer of policy validate: what is in policy files.
type Policies struct {
	Files    []string        `json:"files"`
	Revoked  Revoked         `json:"revoked"`
	Scopes   []PolicyScope   `json:"scopes"`
	Warnings []PolicyWarning `json:"warnings"`
}

// Revoked counts what policies revoke, by themselves and by signed lists.
type Revoked struct {
	Keys int `json:"keys"`
	// Certificates counts SHA-256 and numbers: a list may name a certificate by both.
	Certificates int `json:"certificates"`
	Identities   int `json:"identities"`
	Digests      int `json:"digests"`
}

// PolicyScope is one scope or one ClusterImagePolicy.
type PolicyScope struct {
	Name   string   `json:"name"`
	Kind   string   `json:"policyKind"`
	Where  string   `json:"where"`
	Images []string `json:"images"`
	Mode   string   `json:"mode"`
	// Objects are the kinds of Kubernetes object that it is for; all when empty.
	Objects     []string          `json:"objects,omitempty"`
	Authorities []PolicyAuthority `json:"authorities"`
	// Unsupported is what must hold and is not verified, so that nothing is accepted.
	Unsupported []string `json:"unsupported,omitempty"`
	// Exceptions say which rules need not hold.
	Exceptions []PolicyException `json:"exceptions,omitempty"`
}

// PolicyException is one exception.
type PolicyException struct {
	Rule    string   `json:"rule"`
	For     []string `json:"for"`
	Where   string   `json:"where"`
	Reason  string   `json:"reason"`
	Until   string   `json:"until"`
	Expired bool     `json:"expired"`
}

// PolicyAuthority is one of those of whom any is enough; a scope has one.
type PolicyAuthority struct {
	Name        string      `json:"name,omitempty"`
	Static      string      `json:"static,omitempty"`
	Message     string      `json:"message,omitempty"`
	Asks        []PolicyAsk `json:"asks,omitempty"`
	Unsupported []string    `json:"unsupported,omitempty"`
}

// PolicyAsk is one thing that is asked for.
type PolicyAsk struct {
	Rule       string   `json:"rule"`
	What       string   `json:"what"`
	Signers    []string `json:"signers"`
	Threshold  int      `json:"threshold"`
	Conditions []string `json:"conditions,omitempty"`
}

// PolicyWarning is about what may not be meant.
type PolicyWarning struct {
	Policy string `json:"policy"`
	Where  string `json:"where"`
	Text   string `json:"text"`
}

// NewPolicies tells what is in a set.
func NewPolicies(files []string, s *policy.Set) Policies {
	doc := Policies{Files: files, Revoked: Revoked(s.Revoked()), Scopes: scopes(s.Describe()), Warnings: []PolicyWarning{}}
	for _, w := range s.Warnings() {
		doc.Warnings = append(doc.Warnings, PolicyWarning(w))
	}
	return doc
}

func scopes(list []policy.Description) []PolicyScope {
	out := []PolicyScope{}
	for _, d := range list {
		s := PolicyScope{Name: d.Name, Kind: "Policy", Where: d.Where, Images: d.Images, Mode: "enforce", Objects: d.Objects, Unsupported: d.Open}
		if d.Cluster {
			s.Kind = "ClusterImagePolicy"
		}
		if d.Warn {
			s.Mode = "warn"
		}
		for _, a := range d.Authorities {
			out := PolicyAuthority{Name: a.Name, Static: a.Static, Message: a.Message, Unsupported: a.Open}
			for _, ask := range a.Asks {
				out.Asks = append(out.Asks, PolicyAsk{Rule: ask.Rule, What: ask.What, Signers: ask.By, Threshold: ask.Threshold, Conditions: ask.Also})
			}
			s.Authorities = append(s.Authorities, out)
		}
		for _, x := range d.Exceptions {
			s.Exceptions = append(s.Exceptions, PolicyException{Rule: x.Rule, For: x.For, Where: x.Where, Reason: x.Reason, Until: x.Until.Format(time.RFC3339), Expired: x.Expired})
		}
		out = append(out, s)
	}
	return out
}

func (Policies) kind() string { return "policies" }

func (d Policies) text(p *printer) {
	p.linef("%s: %s, %s", strings.Join(d.Files, ", "), count(len(d.Scopes), "scope", "scopes"), count(len(d.Warnings), "warning", "warnings"))
	r := d.Revoked
	p.linef("revoked: %s, %s, %s, %s", count(r.Keys, "key", "keys"), count(r.Certificates, "certificate name", "certificate names"), count(r.Identities, "identity", "identities"), count(r.Digests, "digest", "digests"))
	for _, s := range d.Scopes {
		s.text(p)
	}
	for _, w := range d.Warnings {
		p.linef("warning: %s: %s: %s", w.Where, w.Policy, w.Text)
	}
}

func (s PolicyScope) text(p *printer) {
	p.linef("%s (%s, %s, %s): %s", s.Name, s.Kind, s.Mode, s.Where, strings.Join(s.Images, ", "))
	for _, o := range s.Objects {
		p.linef("  only for %s", o)
	}
	if len(s.Authorities) > 1 {
		p.linef("  any one of these:")
	}
	for _, a := range s.Authorities {
		if a.Name != "" {
			p.linef("  authority %s", a.Name)
		}
		a.text(p)
	}
	for _, u := range s.Unsupported {
		p.linef("  cannot be told here: %s", u)
	}
	for _, x := range s.Exceptions {
		ends := "ends"
		if x.Expired {
			ends = "does not count any more, it ended"
		}
		p.linef("  exception from %s for %s", x.Rule, strings.Join(x.For, ", "))
		p.linef("    %s at %s (%s): %s", ends, x.Until, x.Where, x.Reason)
	}
}

func (a PolicyAuthority) text(p *printer) {
	if a.Static != "" {
		p.linef("  static %s: %s", a.Static, a.Message)
	}
	for _, ask := range a.Asks {
		p.linef("  %s: %s", ask.Rule, ask.What)
		if len(ask.Signers) == 1 {
			p.linef("    signed by %s", ask.Signers[0])
		} else {
			p.linef("    signed by %d of these %d:", ask.Threshold, len(ask.Signers))
			for _, who := range ask.Signers {
				p.linef("      %s", who)
			}
		}
		for _, c := range ask.Conditions {
			p.linef("    %s", c)
		}
	}
	for _, u := range a.Unsupported {
		p.linef("  cannot be told here: %s", u)
	}
}

// Explanation is the answer of policy explain: what policies ask of one image.
type Explanation struct {
	Image string `json:"image"`
	// Decided is the verdict where the name alone decides, empty otherwise.
	Decided string        `json:"decided,omitempty"`
	Reason  string        `json:"reason,omitempty"`
	Detail  string        `json:"detail,omitempty"`
	Scopes  []PolicyScope `json:"scopes"`
}

// NewExplanation tells what the matched policies ask of the image.
func NewExplanation(image string, m policy.Matched) Explanation {
	doc := Explanation{Image: image, Scopes: scopes(m.Describe())}
	if v, ok := m.Static(); ok {
		doc.Decided = v.Outcome.String()
		for _, c := range v.Checks {
			if c.Outcome == v.Outcome {
				doc.Reason, doc.Detail = string(c.Reason), c.Detail
				break
			}
		}
	}
	return doc
}

func (Explanation) kind() string { return "policy-explanation" }

func (d Explanation) text(p *printer) {
	switch {
	case d.Decided != "":
		p.linef("%s: %s (%s) by its name alone: %s", d.Image, d.Decided, d.Reason, d.Detail)
	case len(d.Scopes) == 1:
		p.linef("%s: this must hold", d.Image)
	default:
		p.linef("%s: all %d of these must hold", d.Image, len(d.Scopes))
	}
	for _, s := range d.Scopes {
		s.text(p)
	}
}

// PolicyTests is the answer of policy test.
type PolicyTests struct {
	// Outcome is "pass", "fail", or "undetermined" where all that differs is that no
	// answer could be had.
	Outcome string       `json:"outcome"`
	Cases   []PolicyTest `json:"cases"`
}

// PolicyTest is one image that was judged, and what was expected.
type PolicyTest struct {
	Name        string             `json:"name,omitempty"`
	Where       string             `json:"where"`
	Image       string             `json:"image"`
	As          string             `json:"as"`
	Passed      bool               `json:"passed"`
	Differences []PolicyDifference `json:"differences,omitempty"`
	Verdict     Verdict            `json:"verdict"`
}

// PolicyDifference is one thing that is not as expected.
type PolicyDifference struct {
	What string `json:"what"`
	Want string `json:"want"`
	Got  string `json:"got"`
}

// NewPolicyTests translates results.
func NewPolicyTests(results []trial.Result) PolicyTests {
	doc := PolicyTests{Outcome: "pass", Cases: []PolicyTest{}}
	for _, r := range results {
		t := PolicyTest{Name: r.Name, Where: r.Where, Image: r.Image, As: r.As, Passed: len(r.Differences) == 0, Verdict: NewVerdict(r.As, r.Verdict)}
		for _, d := range r.Differences {
			t.Differences = append(t.Differences, PolicyDifference{d.What, d.Want, d.Got})
		}
		switch {
		case t.Passed:
		case !r.Open():
			doc.Outcome = "fail"
		case doc.Outcome == "pass":
			doc.Outcome = "undetermined"
		}
		doc.Cases = append(doc.Cases, t)
	}
	return doc
}

func (PolicyTests) kind() string { return "policy-tests" }

func (d PolicyTests) text(p *printer) {
	differ := 0
	for _, t := range d.Cases {
		word := "as expected"
		if !t.Passed {
			word = "DIFFERS"
			differ++
		}
		name := t.Name
		if name == "" {
			name = t.As
		}
		p.linef("%-11s  %s: %s", word, t.Where, name)
		for _, diff := range t.Differences {
			p.linef("  %s", diff.What)
			p.linef("    want %s", diff.Want)
			p.linef("    got  %s", diff.Got)
		}
	}
	p.linef("%s: %d as expected, %d different", count(len(d.Cases), "case", "cases"), len(d.Cases)-differ, differ)
}
