package trial

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// Opener finds an image: where it and what hangs from it are read, and its subject.
type Opener func(ctx context.Context, image string) (attach.Reader, attach.Subject, error)

// A Result is what became of a case.
type Result struct {
	Case
	Verdict verify.Verdict
	// Differences tell where the verdict is not what was expected; none is a success.
	Differences []Difference
}

// A Difference is one thing that is not as it was expected.
type Difference struct {
	// What differs: "outcome", "passes" or the name of a rule.
	What      string
	Want, Got string
	// Open says that what was got is no answer: it may differ another time.
	Open bool
}

// Open reports whether all that differs is that no answer could be had.
func (r Result) Open() bool {
	return !slices.ContainsFunc(r.Differences, func(d Difference) bool { return !d.Open })
}

// Run judges the image of the case by the policies and compares. The error is for a
// caller's mistake.
func (c Case) Run(ctx context.Context, set *policy.Set, open Opener) (Result, error) {
	v, err := c.judge(ctx, set, open)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", c.Where, err)
	}
	r := Result{Case: c, Verdict: v}
	if v.Outcome != c.Outcome {
		r.Differences = append(r.Differences, Difference{"outcome", c.Outcome.String(), v.Outcome.String() + because(v), v.Outcome == verify.Undetermined})
	}
	if pass, _ := policy.Gate(v); c.Passes != nil && *c.Passes != pass {
		r.Differences = append(r.Differences, Difference{"passes", fmt.Sprint(*c.Passes), fmt.Sprint(pass), v.Outcome == verify.Undetermined})
	}
	for _, want := range c.Checks {
		if d, differs := want.compare(v); differs {
			r.Differences = append(r.Differences, d)
		}
	}
	return r, nil
}

// judge does what the command line does: what policies say of a name alone needs no
// image.
func (c Case) judge(ctx context.Context, set *policy.Set, open Opener) (verify.Verdict, error) {
	layout := strings.HasPrefix(c.As, "oci:")
	if !layout {
		if v, ok := set.Match(c.As, c.Object).Static(); ok {
			return v, nil
		}
	}
	r, s, err := open(ctx, c.Image)
	if err != nil {
		check := verify.Unresolved(err)
		return verify.Verdict{Outcome: check.Outcome, Checks: []verify.Check{check}}, nil
	}
	if layout || c.Object == nil {
		return set.Verify(ctx, r, s, c.As)
	}
	as := c.As
	if !strings.Contains(as, "@") {
		as += "@" + s.Desc.Digest.String()
	}
	return set.Match(as, c.Object).Verify(ctx, r, s)
}

// because names what the outcome of a verdict rests on.
func because(v verify.Verdict) string {
	i := slices.IndexFunc(v.Checks, func(c verify.Check) bool { return c.Outcome == v.Outcome && c.Outcome != verify.Accept })
	if i < 0 {
		return ""
	}
	return fmt.Sprintf(" (%s: %s: %s)", v.Checks[i].Rule, v.Checks[i].Reason, v.Checks[i].Detail)
}

// compare looks for the rule in the verdict.
func (want Check) compare(v verify.Verdict) (Difference, bool) {
	expected := strings.TrimSpace(want.Outcome + " " + string(want.Reason))
	i := slices.IndexFunc(v.Checks, func(c verify.Check) bool { return c.Rule == want.Rule })
	if i < 0 {
		return Difference{want.Rule, expected, "no such check; there are " + rules(v), v.Outcome == verify.Undetermined}, true
	}
	got := v.Checks[i]
	if (want.Outcome == "" || want.Outcome == got.Outcome.String()) && (want.Reason == "" || want.Reason == got.Reason) {
		return Difference{}, false
	}
	return Difference{want.Rule, expected, fmt.Sprintf("%s %s: %s", got.Outcome, got.Reason, got.Detail), got.Outcome == verify.Undetermined}, true
}

func rules(v verify.Verdict) string {
	var names []string
	for _, c := range v.Checks {
		names = append(names, c.Rule)
	}
	return strings.Join(names, ", ")
}
