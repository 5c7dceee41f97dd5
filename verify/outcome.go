package verify

import "fmt"

// Outcome is the answer of a check or a verdict. The zero value passes no gate.
type Outcome int

// The outcomes.
const (
	Undetermined Outcome = iota
	Reject
	Accept
)

// String returns the word that reports use.
func (o Outcome) String() string {
	switch o {
	case Accept:
		return "accept"
	case Reject:
		return "reject"
	case Undetermined:
		return "undetermined"
	}
	return fmt.Sprintf("outcome %d", int(o))
}

// All is the conjunction of outcomes: one rejection rejects, else one open
// question leaves it open. No outcome at all is no acceptance.
func All(outcomes []Outcome) Outcome {
	if len(outcomes) == 0 {
		return Undetermined
	}
	all := Accept
	for _, o := range outcomes {
		switch o {
		case Reject:
			return Reject
		case Accept:
		default:
			all = Undetermined
		}
	}
	return all
}
