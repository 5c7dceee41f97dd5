package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// An authority is who may vouch for an image, and by what.
type authority struct {
	name     string        // empty for the only one of a scope
	decided  verify.Reason // StaticPass or StaticFail where no evidence is asked for
	message  string
	verifier *verify.Verifier // nil where nothing of it can be verified
	open     []verify.Check   // what must hold beside and cannot be told
	trust    verify.Trust     // of the verifier
	rules    []verify.Rule    // of the verifier
	keys     []*key.Public    // of the verifier
	root     *keyless.Root    // of the verifier; nil where no identity counts
	// What only ClusterImagePolicies have: for each rule that asks for attestations how
	// it was written, and where evidence is looked for.
	attested []attested
	source   Source
}

func defaultName(i int) string { return fmt.Sprintf("authority-%d", i) }

func newStatic(name, action, message string) authority {
	a := authority{name: name, decided: verify.StaticFail, message: message}
	if action == "pass" {
		a.decided = verify.StaticPass
	}
	return a
}

// open returns a check whose question cannot be answered.
func open(rule string, reason verify.Reason, detail string) verify.Check {
	return verify.Check{Rule: rule, Outcome: verify.Undetermined, Reason: reason, Detail: detail}
}

// static returns the check of an authority that needs no evidence.
func (a *authority) static() verify.Check {
	c := verify.Check{Rule: "static", Outcome: verify.Reject, Reason: a.decided, Detail: "the policy forbids these images"}
	if a.decided == verify.StaticPass {
		c.Outcome, c.Detail = verify.Accept, "the policy exempts these images"
	}
	if a.message != "" {
		c.Detail = a.message
	}
	return c
}

// check applies the authority to a subject. Where the whole policy has a part that
// judges the evidence, what it is shown of this authority is returned too.
func (a *authority) check(ctx context.Context, q *question, shown bool) ([]verify.Check, match, error) {
	if a.decided != "" {
		return []verify.Check{a.static()}, match{Static: true}, nil
	}
	if a.verifier == nil {
		return a.open, match{}, nil
	}
	r, err := q.readerFor(a.source)
	if err != nil {
		return append([]verify.Check{open("source", verify.ReferenceMissing, err.Error())}, a.open...), match{}, nil
	}
	h := hearing{authority: a, question: q, shown: shown}
	checks, err := h.verify(ctx, r)
	if err != nil {
		return nil, match{}, err
	}
	return append(checks, a.open...), h.match, nil
}

// check applies the policy to a subject: any authority is enough. Where none
// accepts and there are several, one check stands for all of them. A part of the
// whole policy then judges what the authorities found.
func (e *entry) check(ctx context.Context, q *question) ([]verify.Check, error) {
	tried := make([][]verify.Check, len(e.any))
	found, first := make(map[string]match), -1
	for i := range e.any {
		checks, m, err := e.any[i].check(ctx, q, e.part != nil)
		if err != nil {
			return nil, fmt.Errorf("policy %s: %w", e.name, err)
		}
		tried[i] = checks
		if outcome(checks) != verify.Accept {
			continue
		}
		if e.part == nil {
			return e.label(i, checks), nil
		}
		if found[e.any[i].name] = m; first < 0 {
			first = i
		}
	}
	switch {
	case first >= 0:
		return e.label(first, append(tried[first], e.judged(ctx, q, found, tried))), nil
	case len(tried) == 1:
		return e.label(0, tried[0]), nil
	}
	checks := append(revoked(tried), e.none(tried))
	return append(checks, e.label(-1, nil)...), nil
}

// revoked returns the checks that find a digest of the image revoked. They stand
// for themselves, whatever becomes of the policy.
func revoked(tried [][]verify.Check) []verify.Check {
	var out []verify.Check
	for _, checks := range tried {
		for _, c := range checks {
			if c.Rule == verify.RevocationRule && c.Outcome != verify.Accept {
				out = append(out, c)
			}
		}
	}
	return out
}

// label names the checks after policy and authority, and adds what the policy
// asks for beside.
func (e *entry) label(i int, checks []verify.Check) []verify.Check {
	var out []verify.Check
	for _, c := range checks {
		switch {
		case c.Rule == verify.SubjectRule || c.Rule == verify.RevocationRule:
		case c.Rule == partRule, e.any[i].name == "":
			c.Rule = e.name + "/" + c.Rule
		default:
			c.Rule = e.name + "/" + e.any[i].name + "/" + c.Rule
		}
		out = append(out, c)
	}
	for _, c := range e.open {
		c.Rule = e.name + "/" + c.Rule
		out = append(out, c)
	}
	for i := range out {
		out[i].Warn = e.warn && out[i].Rule != verify.RevocationRule
	}
	return out
}

// none sums up several authorities of which none accepted: rejected where all
// of them rejected, else open.
func (e *entry) none(tried [][]verify.Check) verify.Check {
	sum := verify.Check{Rule: e.name, Outcome: verify.Reject, Warn: e.warn}
	for _, checks := range tried {
		if outcome(checks) != verify.Reject {
			sum.Outcome = verify.Undetermined
		}
	}
	var details []string
	for i, checks := range tried {
		for _, c := range checks {
			if c.Outcome == verify.Accept {
				continue
			}
			if sum.Reason == "" && c.Outcome == sum.Outcome && outcome(checks) == sum.Outcome {
				sum.Reason = c.Reason
			}
			details = append(details, fmt.Sprintf("%s: %s: %s: %s", e.any[i].name, c.Rule, c.Reason, c.Detail))
			sum.Evidence = append(sum.Evidence, c.Evidence...)
			for _, w := range c.Waived {
				if !slices.Contains(sum.Waived, w) {
					sum.Waived = append(sum.Waived, w)
				}
			}
			if !c.Until.IsZero() && (sum.Until.IsZero() || c.Until.Before(sum.Until)) {
				sum.Until = c.Until
			}
		}
	}
	sum.Detail = "no authority accepts: " + strings.Join(details, "; ")
	return sum
}

func outcome(checks []verify.Check) verify.Outcome {
	outcomes := make([]verify.Outcome, len(checks))
	for i, c := range checks {
		outcomes[i] = c.Outcome
	}
	return verify.All(outcomes)
}

// static returns the checks of a policy that needs no evidence: one that any
// authority passes without, or that all of them fail without.
func (e *entry) static() (checks []verify.Check, ok bool) {
	if e.part != nil {
		return nil, false
	}
	failed := 0
	for i := range e.any {
		switch e.any[i].decided {
		case verify.StaticPass:
			return e.label(i, []verify.Check{e.any[i].static()}), true
		case verify.StaticFail:
			failed++
		}
	}
	if failed < len(e.any) || failed == 0 {
		return nil, false
	}
	return e.label(0, []verify.Check{e.any[0].static()}), true
}
