package policy

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/hallmark-oci/hallmark/verify"
)

// The languages of a [Part].
const (
	CUE  = "cue"
	Rego = "rego"
)

// ErrUnsupported says that a part wants what is not given to policies here, such as
// the network. It may be met or not; nobody has looked.
var ErrUnsupported = errors.New("not supported in policies")

// A Part is a part of a policy that is written in a language of its own.
type Part struct {
	Language string // CUE or Rego
	Text     string // at most MaxPart bytes
}

// An Answer is what an [Evaluator] says of one input. The zero value refuses.
type Answer struct {
	// Compliant says that the input meets the part.
	Compliant bool
	// Warning is what the part says beside a yes; only Rego can. The policy-controller
	// counts a yes with a warning as a refusal that shows the warning.
	Warning string
	// Problem says why the input does not meet the part, in the words of the language.
	Problem string
	// Broken says that no input can meet the part: it cannot be compiled.
	Broken bool
	// Timed says that the part asks for the time, so that the answer may be another one
	// a moment later.
	Timed bool
}

// An Evaluator runs parts of policies. It is safe for concurrent use.
type Evaluator interface {
	// Evaluate asks whether the input meets the part. The input is one JSON document of
	// at most [MaxInput] bytes, in which no object has a member twice: what is to be
	// judged is marshalled anew. An error means that nobody can tell: it wraps
	// [ErrUnsupported], the context's error, or says what went wrong with the program
	// that was to tell.
	Evaluate(ctx context.Context, p Part, input []byte) (Answer, error)
}

// judge asks the evaluator, which may be nil, whether the input meets the part, as a
// check under the name of the rule. timed says that the outcome may change with time
// alone. As in the policy-controller, a warning beside a yes refuses.
func (p Part) judge(ctx context.Context, ev Evaluator, rule string, input []byte) (c verify.Check, timed bool) {
	if ev == nil {
		return open(rule, verify.PolicyUnsupported, fmt.Sprintf("a part in %s, and nothing here runs those", p.Language)), false
	}
	a, err := ev.Evaluate(ctx, p, input)
	c = verify.Check{Rule: rule, Outcome: verify.Reject, Reason: verify.PolicyNotMet}
	switch {
	case err != nil && ctx.Err() != nil:
		return open(rule, verify.Deadline, err.Error()), false
	case errors.Is(err, ErrUnsupported):
		return open(rule, verify.PolicyUnsupported, err.Error()), false
	case err != nil:
		return open(rule, verify.PolicyProgram, err.Error()), false
	case a.Broken:
		c.Reason, c.Detail = verify.PolicyBroken, cmp.Or(a.Problem, "cannot be compiled")
	case !a.Compliant:
		c.Detail = cmp.Or(a.Problem, "not met")
	case a.Warning != "":
		c.Detail = "met, with a warning, which refuses: " + a.Warning
	default:
		c.Outcome, c.Reason, c.Detail = verify.Accept, verify.Accepted, "met"
	}
	return c, a.Timed
}
