package npm_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAgainstNPM compares with "npm ls --all" on a tree on disk, where npm is
// installed; the expected list written here holds everywhere.
func TestAgainstNPM(t *testing.T) {
	tree := files{
		"package.json":                                    `{"name":"root","version":"1.0.0","dependencies":{"a":"1","@s/c":"1","al":"npm:real@2"},"devDependencies":{"d":"1"},"optionalDependencies":{"none":"1"}}`,
		"node_modules/a/package.json":                     `{"name":"a","version":"1.0.0","dependencies":{"b":"1"}}`,
		"node_modules/a/node_modules/b/package.json":      `{"name":"b","version":"1.5.0"}`,
		"node_modules/a/test/fixture/package.json":        `{"name":"phantom","version":"6.6.6"}`,
		"node_modules/a/test/node_modules/p/package.json": `{"name":"phantom2","version":"6.6.6"}`,
		"node_modules/b/package.json":                     `{"name":"b","version":"2.0.0"}`,
		"node_modules/@s/c/package.json":                  `{"name":"@s/c","version":"1.0.0","dependencies":{"b":"2"},"peerDependencies":{"a":"1"}}`,
		"node_modules/al/package.json":                    `{"name":"real","version":"2.0.0"}`,
		"node_modules/d/package.json":                     `{"name":"d","version":"1.0.0"}`,
		"node_modules/extraneous/package.json":            `{"name":"extraneous","version":"3.0.0"}`,
	}
	res, _ := resolve(t, tree)
	var got []string
	for _, c := range res.Components {
		got = append(got, c.Name+"@"+c.Version)
	}
	slices.Sort(got)
	want := []string{"@s/c@1.0.0", "a@1.0.0", "b@1.5.0", "b@2.0.0", "d@1.0.0", "extraneous@3.0.0", "real@2.0.0", "root@1.0.0"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if tool, err := exec.LookPath("npm"); err == nil {
		if d := cmp.Diff(listNPM(t, tool, tree), got); d != "" {
			t.Errorf("-npm ls +got:\n%s", d)
		}
	}
}

// listNPM returns name@version of what npm lists in the tree.
func listNPM(t *testing.T, tool string, tree files) []string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range tree {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(tool, "ls", "--all", "--json", "--long", "--offline")
	cmd.Dir = dir
	// npm exits with 1 on a tree with problems, extraneous packages among them.
	out, err := cmd.Output()
	if len(out) == 0 {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	type entry struct {
		Name         string           `json:"name"`
		Version      string           `json:"version"`
		Dependencies map[string]entry `json:"dependencies"`
	}
	var root entry
	if err := json.Unmarshal(out, &root); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var list []string
	var walk func(e entry)
	walk = func(e entry) {
		if e.Version != "" {
			list = append(list, e.Name+"@"+e.Version)
		}
		for _, d := range e.Dependencies {
			walk(d)
		}
	}
	walk(root)
	slices.Sort(list)
	return slices.Compact(list)
}
