package cli

import (
	"context"
	"fmt"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// A gate judges images by what the command line asks for.
type gate interface {
	// known returns the verdict on an image by its name alone, where there is one.
	known(name string) (verify.Verdict, bool)
	// judge judges the resolved image, which the user called name.
	judge(ctx context.Context, r attach.Reader, s attach.Subject, name string) (verify.Verdict, error)
}

// keyGate asks for what flags say, signed by the keys that flags name.
type keyGate struct{ *verify.Verifier }

func (keyGate) known(string) (verify.Verdict, bool) { return verify.Verdict{}, false }

func (g keyGate) judge(ctx context.Context, r attach.Reader, s attach.Subject, _ string) (verify.Verdict, error) {
	return g.Verify(ctx, r, s)
}

// policyGate asks for what policy files say, of an image of another name where as is
// given.
type policyGate struct {
	*policy.Set
	as string
}

func (g policyGate) known(name string) (verify.Verdict, bool) {
	m, err := matched(g.Set, g.name(name))
	if err != nil {
		return verify.Verdict{}, false // resolving it tells why
	}
	return m.Static()
}

func (g policyGate) judge(ctx context.Context, r attach.Reader, s attach.Subject, name string) (verify.Verdict, error) {
	return g.Verify(ctx, r, s, g.name(name))
}

// name returns the name that the policies are to know the image by.
func (g policyGate) name(name string) string {
	if g.as != "" {
		return g.as
	}
	return name
}

// passes turns a verdict into the outcome for the exit code: what a policy
// only warns of does not stop the image, and is to be said aloud.
func passes(name string, v verify.Verdict) (verify.Outcome, []string) {
	pass, warned := policy.Gate(v)
	var warnings []string
	for _, c := range warned {
		warnings = append(warnings, fmt.Sprintf("warning: %s: %s (%s): %s", name, c.Rule, c.Reason, c.Detail))
	}
	if pass {
		return verify.Accept, warnings
	}
	return refusal(v), warnings
}

// refusal returns the outcome of a verdict that does not pass: that of the
// checks that do more than warn.
func refusal(v verify.Verdict) verify.Outcome {
	outcomes := make([]verify.Outcome, 0, len(v.Checks))
	for _, c := range v.Checks {
		if !c.Warn {
			outcomes = append(outcomes, c.Outcome)
		}
	}
	return verify.All(outcomes)
}
