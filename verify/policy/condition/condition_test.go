package condition

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
	"github.com/hallmark-oci/hallmark/verify"
)

func clock() time.Time { return time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC) }

func compiler(t testing.TB) *Compiler {
	t.Helper()
	c, err := NewCompiler(clock)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// asked evaluates the condition over a predicate and returns outcome and reason.
func asked(t testing.TB, ctx context.Context, text, predicate string) (verify.Ruling, error) {
	t.Helper()
	c, err := compiler(t).Compile(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	p, err := decode(strings.NewReader(predicate))
	if err != nil {
		t.Fatalf("%s: %v", predicate, err)
	}
	return c.ask(ctx, map[string]any{"predicate": p, "statement": map[string]any{"predicate": p}, "subject": map[string]string{"digest": "sha256:aa", "repository": "r.example/a"}})
}

// TestAnswers: what is yes, what is no, and what is neither and so no yes.
func TestAnswers(t *testing.T) {
	const predicate = `{"builder": {"id": "x", "tags": ["a", "b"]}, "n": 3, "f": 1.5, "big": 18446744073709551616, "none": null, "ok": true,
		"at": "2026-01-10T00:00:00Z", "list": [{"s": "low"}, {"s": "high"}]}`
	for text, want := range map[string]verify.Reason{
		`predicate.builder.id == 'x'`:                                         verify.Accepted,
		`predicate.builder.id == 'y'`:                                         verify.ConditionNotMet,
		`predicate.builder["id"].startsWith("x")`:                             verify.Accepted,
		`"b" in predicate.builder.tags && predicate.builder.tags.size() == 2`: verify.Accepted,
		`predicate.n == 3 && predicate.n > 2 && predicate.n < 3.5`:            verify.Accepted,
		`predicate.n == 3.0 && predicate.f > 1`:                               verify.Accepted,
		`predicate.n == "3"`:                                                  verify.ConditionNotMet,
		`predicate.big > 18446744073709549568.0`:                              verify.Accepted,
		`predicate.none == null`:                                              verify.Accepted,
		`predicate.ok`:                                                        verify.Accepted,
		`predicate.n`:                                                         verify.ConditionFailed,
		`predicate.builder.id`:                                                verify.ConditionFailed,
		`predicate.missing == 1`:                                              verify.ConditionFailed,
		`has(predicate.missing) && predicate.missing == 1`:                    verify.ConditionNotMet,
		`!has(predicate.missing)`:                                             verify.Accepted,
		`predicate.?missing.?deeper.orValue(7) == 7`:                          verify.Accepted,
		`predicate.missing == 1 || predicate.ok`:                              verify.Accepted, // CEL: an error gives way to an answer
		`predicate.list.all(e, e.s != "critical")`:                            verify.Accepted,
		`predicate.list.exists(e, e.s == "critical")`:                         verify.ConditionNotMet,
		`predicate.list[5].s == "a"`:                                          verify.ConditionFailed,
		`predicate.n / 0 == 1`:                                                verify.ConditionFailed,
		`predicate.builder.id.matches("^[x-z]$")`:                             verify.Accepted,
		`timestamp(predicate.at) > now - duration("24h")`:                     verify.Accepted,
		`timestamp(predicate.at) > now`:                                       verify.ConditionNotMet,
		`timestamp(predicate.at).getHours() == 0 && now.getHours() == 12`:     verify.Accepted,
		`timestamp(predicate.builder.id) < now`:                               verify.ConditionFailed,
		`statement.predicate.n == 3 && subject.digest == "sha256:aa"`:         verify.Accepted,
		`subject.repository.endsWith("/a") && predicate.ok`:                   verify.Accepted,
	} {
		r, err := asked(t, t.Context(), text, predicate)
		if err != nil || r.Reason != want || (r.Outcome == verify.Accept) != (want == verify.Accepted) {
			t.Errorf("%s: %+v, %v, want %s", text, r, err, want)
		}
		if r.Until.IsZero() == strings.Contains(text, "now") {
			t.Errorf("%s: until %v", text, r.Until)
		}
	}
}

// TestRefused has what is an error of the file.
func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		``:                                   "Syntax error",
		`predicate.a ==`:                     "line 1, column 15: Syntax error",
		"predicate.ok &&\n  nothing == 1":    "line 2, column 3: undeclared reference to 'nothing'",
		`predicate.a == 1 ? "a" : "b"`:       "it yields string",
		`[predicate.ok]`:                     "it yields list",
		`1 + 1`:                              "it yields int",
		`true`:                               "looks at neither",
		`subject.digest == "sha256:aa"`:      "looks at neither",
		`"a" == 1 && predicate.ok`:           "no matching overload",
		`predicate.ok && subject.digest > 1`: "no matching overload",
		`predicate.id.matches("[")`:          "invalid matches argument",
		`timestamp("soon") < now`:            "invalid timestamp argument",
		`duration("1 day") == predicate.d`:   "invalid duration argument",
		`env("HOME") == predicate.a`:         "undeclared reference to 'env'",
		`predicate.a.all(a, a.all(b, b.all(c, c.all(d, d))))`:                "comprehension exceeds nesting limit",
		`predicate.a == "` + strings.Repeat("a", MaxExpression) + `"`:        "at most",
		strings.Repeat("(", 200) + "predicate.ok" + strings.Repeat(")", 200): "recursion",
	} {
		_, err := compiler(t).Compile(text)
		if !errors.Is(err, ErrExpression) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60s: %v, want %s", text, err, want)
		}
	}
	c, err := NewCompiler(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Compile(`timestamp(predicate.a) < now`); !errors.Is(err, ErrExpression) {
		t.Errorf("without a clock: %v", err)
	}
}

// TestCost: an expression that would run for hours is stopped by what it costs, and one
// whose time is up by the context.
func TestCost(t *testing.T) {
	list := "[" + strings.Repeat("1,", 20000) + "1]"
	const loops = `predicate.all(a, predicate.all(b, predicate.all(c, a + b + c == 3)))`
	r, err := asked(t, t.Context(), loops, list)
	if err != nil || r.Outcome != verify.Reject || r.Reason != verify.ConditionFailed || !strings.Contains(r.Detail, "cost limit exceeded") {
		t.Errorf("%+v, %v", r, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("time is up")
	cancel(cause)
	if r, err := asked(t, ctx, loops, list); !errors.Is(err, cause) {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestDecode has what is no predicate that all readers understand in the same way.
func TestDecode(t *testing.T) {
	for _, text := range []string{``, `{`, `{"a":1,"a":2}`, `{"a":{"b":1,"b":2}}`, `1 2`, `1e999`, `"` + "\xff" + `"`, `[` + strings.Repeat(" ", MaxStatement) + `1]`} {
		if v, err := decode(strings.NewReader(text)); !errors.Is(err, errInput) {
			t.Errorf("%.40q: %v, %v", text, v, err)
		}
	}
}

// TestManyValues: a predicate of two bytes a value would take some tens as many of memory.
func TestManyValues(t *testing.T) {
	list := func(n int) string { return "[" + strings.Repeat("{},", n-2) + "{}]" }
	if _, err := decode(strings.NewReader(list(jsonscan.MaxValues))); err != nil {
		t.Error(err)
	}
	if v, err := decode(strings.NewReader(list(jsonscan.MaxValues + 1))); !errors.Is(err, errInput) {
		t.Errorf("%T, %v", v, err)
	}
}

// FuzzCondition: no expression and no predicate ends in anything but an answer or an
// error of its kind.
func FuzzCondition(f *testing.F) {
	f.Add(`predicate.a == 1`, `{"a": 1}`)
	f.Add(`predicate.?a[0].orValue(false)`, `{"a": [true]}`)
	f.Add(`predicate.all(x, x.matches(x))`, `["(a*)*"]`)
	f.Add(`timestamp(predicate.t).getHours("Europe/Oslo") > 1`, `{"t": "2026-01-01T00:00:00Z"}`)
	f.Add(`predicate.map(x, x * x).exists(y, y < 0)`, `[9223372036854775807]`)
	comp := compiler(f)
	f.Fuzz(func(t *testing.T, text, predicate string) {
		c, err := comp.Compile(text)
		if err != nil {
			if !errors.Is(err, ErrExpression) {
				t.Fatalf("%v is not ErrExpression", err)
			}
			return
		}
		p, err := decode(strings.NewReader(predicate))
		if err != nil {
			return
		}
		r, err := c.ask(t.Context(), map[string]any{"predicate": p, "statement": map[string]any{"predicate": p}, "subject": map[string]string{}})
		if err != nil || r.Outcome == verify.Undetermined || (r.Outcome == verify.Accept) != (r.Reason == verify.Accepted) {
			t.Fatalf("%+v, %v", r, err)
		}
	})
}

func BenchmarkNewCompiler(b *testing.B) {
	for b.Loop() {
		if _, err := NewCompiler(clock); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAsk(b *testing.B) {
	c, err := compiler(b).Compile(`predicate.list.all(e, e.severity != "critical")`)
	if err != nil {
		b.Fatal(err)
	}
	var items []string
	for i := range 1000 {
		items = append(items, fmt.Sprintf(`{"severity": "low", "id": %d}`, i))
	}
	for b.Loop() {
		p, err := decode(strings.NewReader(`{"list": [` + strings.Join(items, ",") + `]}`))
		if err != nil {
			b.Fatal(err)
		}
		if r, err := c.ask(b.Context(), map[string]any{"predicate": p}); err != nil || r.Outcome != verify.Accept {
			b.Fatal(r, err)
		}
	}
}
