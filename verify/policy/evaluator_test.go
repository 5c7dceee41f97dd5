package policy

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// says is an evaluator with one answer.
type says struct {
	answer Answer
	err    error
}

func (s says) Evaluate(context.Context, Part, []byte) (Answer, error) { return s.answer, s.err }

// TestJudge: only a plain yes accepts, and what nobody could tell stays open.
func TestJudge(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx   context.Context
		ev    Evaluator
		want  string
		timed bool
	}{
		"nobody":      {t.Context(), nil, "undetermined policy-unsupported", false},
		"zero":        {t.Context(), says{}, "reject policy-not-met", false},
		"yes":         {t.Context(), says{answer: Answer{Compliant: true}}, "accept accepted", false},
		"yes for now": {t.Context(), says{answer: Answer{Compliant: true, Timed: true}}, "accept accepted", true},
		"no":          {t.Context(), says{answer: Answer{Problem: "too old", Timed: true}}, "reject policy-not-met", true},
		"warning":     {t.Context(), says{answer: Answer{Compliant: true, Warning: "soon too old"}}, "reject policy-not-met", false},
		"broken":      {t.Context(), says{answer: Answer{Broken: true}}, "reject policy-broken", false},
		"both":        {t.Context(), says{answer: Answer{Compliant: true, Broken: true}}, "reject policy-broken", false},
		"failed":      {t.Context(), says{err: errors.New("it crashed")}, "undetermined policy-program", false},
		"yes, failed": {t.Context(), says{answer: Answer{Compliant: true}, err: errors.New("it crashed")}, "undetermined policy-program", false},
		"network":     {t.Context(), says{err: fmt.Errorf("http.send: %w", ErrUnsupported)}, "undetermined policy-unsupported", false},
		"ended":       {ended, says{err: ended.Err()}, "undetermined deadline", false},
	} {
		got, timed := Part{Language: Rego, Text: "package sigstore"}.judge(c.ctx, c.ev, "policy", []byte("{}"))
		if s := fmt.Sprint(got.Outcome, " ", got.Reason); s != c.want || timed != c.timed || got.Rule != "policy" || got.Detail == "" {
			t.Errorf("%s: %s, timed %v, %+v; want %s", name, s, timed, got, c.want)
		}
	}
}
