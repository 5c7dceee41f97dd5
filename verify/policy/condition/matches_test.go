package condition

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/verify"
)

// TestTime: what compares deep values, which counts as little, ends with the context.
func TestTime(t *testing.T) {
	c, err := NewCompiler(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	k, err := c.Compile("predicate.list.all(x, predicate.deep == predicate.deep)")
	if err != nil {
		t.Fatal(err)
	}
	deep, err := decode(strings.NewReader("[[" + strings.Repeat("[[[0]]],", 60_000) + "0]]"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, err = k.ask(ctx, map[string]any{"predicate": map[string]any{"list": make([]any, 90), "deep": deep}})
	if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || took > 5*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
}

// TestMatches: a pattern over a long text ends before it begins, as no context would end
// it; over a text of some length, and in a loop, it is answered.
func TestMatches(t *testing.T) {
	c, err := NewCompiler(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	heavy := "'" + strings.Repeat("(a?){50}", 100) + "z'"
	for expr, want := range map[string]verify.Reason{
		"predicate.long.matches(" + heavy + ")":                            verify.ConditionFailed,
		"matches(predicate.long, " + heavy + ") || false":                  verify.ConditionFailed,
		"predicate.long.matches(predicate.pattern)":                        verify.ConditionFailed,
		"predicate.long.matches(predicate.number)":                         verify.ConditionFailed,
		"predicate.none.matches('a')":                                      verify.ConditionFailed,
		"predicate.text.matches('(')":                                      verify.ConditionFailed,
		"predicate.long.matches('^a+$')":                                   verify.ConditionFailed, // beyond the cost
		"predicate.text.matches('^a+$')":                                   verify.Accepted,
		"matches(predicate.text, '^b')":                                    verify.ConditionNotMet,
		"predicate.list.all(s, s.matches('^[a-z]+$')) && 'x'.matches('x')": verify.Accepted,
	} {
		k, err := c.Compile(expr)
		if strings.Contains(expr, "'('") { // refused before, where it is written out
			if err == nil {
				t.Errorf("%s is read", expr)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		r, err := k.ask(t.Context(), map[string]any{"predicate": map[string]any{
			"long": strings.Repeat("a", 3<<20), "pattern": strings.Repeat("(a?){50}", 1000), "number": int64(1),
			"text": strings.Repeat("a", 20<<10), "list": []any{"abc", "def"},
		}})
		if err != nil || r.Reason != want {
			t.Errorf("%.60s: %s, want %s: %s (%v)", expr, r.Reason, want, r.Detail, err)
		}
	}
}
