package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// readmeFiles are what README's commands find beside them.
var readmeFiles = map[string]string{
	"advisories/GHSA-jf85-cpcp-j695.json": `{"schema_version":"1.6.0","id":"GHSA-jf85-cpcp-j695","modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"npm","name":"lodash"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"4.17.12"}]}]}]}`,
	"policy-test.yaml":                    "apiVersion: hallmark.dev/v1alpha1\nkind: PolicyTest\nspec:\n  cases:\n  - {image: 'registry.example/team/app:1.0', outcome: accept}\n  - {image: 'registry.example/other/app:1.0', outcome: reject, checks: [{rule: policy, reason: no-policy}]}\n",
	"deployment.yaml":                     "apiVersion: v1\nkind: Pod\nmetadata: {name: app}\nspec: {containers: [{name: app, image: 'registry.example/team/app:1.0'}]}\n",
}

// TestReadme runs the commands of README as they are written, with the name of
// a registry that is there in place of registry.example. Three need other
// things than that: checking says 2 for an image in which nothing is installed,
// and the webhook runs for ever (TestAdmitServe runs it).
func TestReadme(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	s := storetest.Start()
	t.Cleanup(s.Close)
	there := func(text string) string { return strings.ReplaceAll(text, "registry.example", s.Host) }
	dir := t.TempDir()
	for file, text := range readmeFiles {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(there(text)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, image := range []string{"app", "web"} {
		img, err := random.Image(256, 1)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := name.NewTag(s.Host + "/team/" + image + ":1.0")
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(ref, img); err != nil {
			t.Fatal(err)
		}
	}
	_, policy, _ := strings.Cut(string(raw), "    apiVersion: hallmark.dev")
	policy, _, _ = strings.Cut("apiVersion: hallmark.dev"+policy, "\n\n")
	if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(there(strings.ReplaceAll(policy, "\n    ", "\n"))), 0o600); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for line := range strings.Lines(string(raw)) {
		line, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "    hallmark ")
		if !ok || strings.HasPrefix(line, "admit serve") {
			continue
		}
		cmd, out, errs := hallmark(t, dir, strings.Fields(there(line))...)
		_ = cmd.Run()
		want := 0
		if strings.HasPrefix(line, "check") {
			want = 2
		}
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("hallmark %s: exit code %d, not %d\n%s%s", line, got, want, out, errs)
		}
		ran++
	}
	if ran < 9 {
		t.Errorf("README has %d commands", ran)
	}
}
