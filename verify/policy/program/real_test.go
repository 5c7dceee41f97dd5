package program_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/verify/policy"
	"github.com/hallmark-oci/hallmark/verify/policy/program"
)

// real builds the program and returns the path of hallmark beside it. It is another
// module; what this one says to it and what that one answers meets here.
func real(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds hallmark-policy")
	}
	source, err := filepath.Abs(filepath.Join("..", "..", "..", "cmd", program.Name))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-C", source, "-o", filepath.Join(dir, program.Name), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "hallmark")
}

// TestReal: the program answers, and what runs without end, takes all memory or reaches
// for the world outside is an error within the limits, after which it answers again.
func TestReal(t *testing.T) {
	t.Parallel()
	p := program.New(program.Options{Executable: real(t), Time: 3 * time.Second, Memory: 128 << 20})
	defer p.Close()
	rego := func(body string) policy.Part {
		return policy.Part{Language: policy.Rego, Text: "package sigstore\nisCompliant {\n" + body + "\n}"}
	}
	cue := func(text string) policy.Part { return policy.Part{Language: policy.CUE, Text: text} }
	ask := func(part policy.Part) string {
		a, err := p.At(func() time.Time { return time.Unix(86400, 0) }).Evaluate(t.Context(), part, []byte(`{"a": 1, "text": "<&>\u2028"}`))
		switch {
		case errors.Is(err, policy.ErrUnsupported):
			return "unsupported: " + err.Error()
		case err != nil:
			return "failed: " + err.Error()
		}
		return fmt.Sprintf("%v %v %v: %s%s", a.Compliant, a.Broken, a.Timed, a.Problem, a.Warning)
	}
	deep := "a: " + strings.Repeat("{a: ", 5000) + "1" + strings.Repeat("}", 5000)
	for _, c := range []struct {
		name string
		part policy.Part
		want []string // any of them
	}{
		{"yes", cue(`a: 1, text: "<&>\u2028"`), []string{"true false false: "}},
		{"no", cue(`a: 2`), []string{"false false false: failed to evaluate"}},
		{"broken", cue(`a: `), []string{"false true false: failed to compile"}},
		{"rego", rego(`input.a == 1; input.text == "<&>\u2028"`), []string{"true false false: "}},
		{"time", rego(`time.now_ns() == 86400000000000`), []string{"true false true: "}},
		{"network", rego(`http.send({"method": "get", "url": "http://127.0.0.1:1"})`), []string{"unsupported: the policy calls http.send"}},
		{"files", cue("@extern(embed)\npackage p\nx: _ @embed(file=\"/etc/hostname\",type=text)"), []string{"false true false: "}},
		{"schema file", rego(`json.match_schema({}, {"$ref": "file:///etc/hostname"})[0]`), []string{"unsupported: the policy calls json.match_schema"}},
		{"no schema file", rego(`not json.match_schema({}, {"$ref": "file:///etc/hostname"})[0]`), []string{"unsupported: the policy calls json.match_schema"}},
		{"loops", rego("some i, j, k, l\nx := numbers.range(1, 2000)\nx[i]; x[j]; x[k]; x[l]\ni + j + k + l == -1"), []string{"failed: "}},
		{"comprehension", cue("import \"list\"\n#R: list.Range(0, 3000, 1)\nx: [for a in #R for b in #R for c in #R {a * b * c}]"), []string{"failed: "}},
		{"doubling", cue("x0: {a: 1}\n" + doubling(40)), []string{"true ", "failed: "}},
		{"memory", rego("x := numbers.range(1, 100000000); count(x) == 1"), []string{"failed: "}},
		{"one piece of memory", cue("import \"strings\"\nx: strings.Repeat(\"a\", 2000000000)"), []string{"failed: "}},
		{"long answer", rego(`sprintf("%099999999d", [1]) == "x"`), []string{"failed: ", "false "}},
		{"long problem", cue("import \"strings\"\na: strings.Repeat(\"a\", 10000000)"), []string{"false "}},
		{"deep", cue(deep), []string{"false ", "failed: "}},
		{"bomb", rego(`regex.match("` + strings.Repeat("(a*)*", 30) + `$", "` + strings.Repeat("a", 5000) + `b")`), []string{"true "}},
		{"pattern", rego(`glob.match("` + strings.Repeat("*a", 25) + `", [], "` + strings.Repeat("a", 60) + `b")`), []string{"false ", "failed: "}},
		{"after all that", cue(`a: 1`), []string{"true false false: "}},
	} {
		begin := time.Now()
		got := ask(c.part)
		ok := false
		for _, w := range c.want {
			ok = ok || strings.HasPrefix(got, w)
		}
		if took := time.Since(begin); !ok || len(got) > 16<<10 || took > 8*time.Second {
			t.Errorf("%s: after %s: %.1000s", c.name, took, got)
		} else {
			t.Logf("%s: after %s: %.150s", c.name, took.Round(time.Millisecond), got)
		}
	}
}

// doubling is a policy of n values, each made of two of the one before.
func doubling(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "x%d: {l: x%d, r: x%d}\n", i+1, i, i)
	}
	return b.String()
}

// BenchmarkEvaluate measures an answer of a process that runs, and of one that must be
// started first.
func BenchmarkEvaluate(b *testing.B) {
	hallmark := real(b)
	for name, part := range map[string]policy.Part{
		"cue":  {Language: policy.CUE, Text: `predicate: Data: "x"`},
		"rego": {Language: policy.Rego, Text: "package sigstore\nisCompliant { input.predicate.Data == \"x\" }"},
	} {
		for _, kept := range []bool{true, false} {
			b.Run(fmt.Sprintf("%s/kept=%v", name, kept), func(b *testing.B) {
				p := program.New(program.Options{Executable: hallmark})
				defer p.Close()
				for b.Loop() {
					if a, err := p.At(time.Now).Evaluate(b.Context(), part, []byte(`{"predicate":{"Data":"x"}}`)); err != nil || !a.Compliant {
						b.Fatal(a, err)
					}
					if !kept {
						p.Close()
					}
				}
			})
		}
	}
}
