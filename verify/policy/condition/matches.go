package condition

import (
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// bounded replaces the calls of matches, whose cost CEL counts only once they have ended:
// one of them, of a long text and a long pattern, takes minutes, and no context ends it.
func bounded(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	if call, ok := i.(interpreter.InterpretableCall); ok && call.Function() == "matches" && len(call.Args()) == 2 {
		return matching{call}, nil
	}
	return i, nil
}

// matching is a call of matches that is not made where it alone costs too much.
type matching struct{ interpreter.InterpretableCall }

// Exec implements interpreter.InterpretableV2.
func (m matching) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	left, right := m.Args()[0].Exec(frame), m.Args()[1].Exec(frame)
	for _, v := range []ref.Val{left, right} {
		if types.IsUnknownOrError(v) {
			return v
		}
	}
	text, ok := left.(types.String)
	pattern, expr := right.(types.String)
	switch {
	case !ok || !expr:
		return types.NewErrWithNodeID(m.ID(), "no such overload: matches")
	case matchCost(len(text), len(pattern)) > maxCost:
		return types.NewErrWithNodeID(m.ID(), "matches of %d bytes with a pattern of %d would cost more than %d", len(text), len(pattern), maxCost)
	}
	return types.LabelErrNode(m.ID(), text.Match(pattern))
}

// Eval implements interpreter.Interpretable.
func (m matching) Eval(vars interpreter.Activation) ref.Val { return m.Exec(interpreter.AsFrame(vars)) }

// matchCost is what CEL counts for matches: a tenth of the text for a quarter of the
// pattern (cel-go, interpreter/runtimecost.go).
func matchCost(text, pattern int) int { return (text + 10) / 10 * ((pattern + 3) / 4) }
