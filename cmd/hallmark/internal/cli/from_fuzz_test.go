package cli

import (
	"strings"
	"testing"
)

// FuzzLines: a file of names is read within its limits: every name is one that the
// command line takes too, on one line, without comment.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{"registry.example/app:1\n# none\n\n oci:dir:1 # two\n", "r\x00\n", strings.Repeat("a", maxName+1), "a@sha256:b\r\n", "-\n--key\n"} {
		f.Add(seed)
	}
	g := images{target: &target{app: &App{}}}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := g.lines(strings.NewReader(text))
		if err != nil {
			return
		}
		if len(list) > maxImages || len(list) > strings.Count(text, "\n")+1 {
			t.Errorf("%d names", len(list))
		}
		for _, n := range list {
			if n.found || n.name == "" || len(n.name) > maxName || strings.ContainsAny(n.name, "#\n") || g.check(n.name) != nil {
				t.Errorf("name %q", n.name)
			}
		}
	})
}
