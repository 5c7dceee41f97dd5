package key_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/sign/key"
)

// TestPluginEnvironment: a plug-in finds its own credentials, and no secret that is
// hallmark's: passwords of key files, identity tokens, and what else the run names.
func TestPluginEnvironment(t *testing.T) {
	dir := t.TempDir()
	seen := filepath.Join(dir, "seen")
	script := "#!/bin/sh\nenv > " + seen + "\n"
	if err := os.WriteFile(filepath.Join(dir, "sigstore-kms-tell"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	secrets := []string{"HALLMARK_PASSWORD", "COSIGN_PASSWORD", "SIGSTORE_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "RELEASE"}
	env := []string{"PATH=" + dir + string(filepath.ListSeparator) + os.Getenv("PATH"), "VAULT_TOKEN=its own", "RELEASED=its own"}
	for _, name := range secrets {
		env = append(env, name+"=hidden")
	}
	opts := key.Options{Plugins: []string{"tell"}, Environ: env, Secrets: []string{"RELEASE"}}
	_, public := key.LoadPublic(t.Context(), "tell://k", opts)
	_, private := key.Load(t.Context(), "tell://k", opts)
	_, made := key.GenerateRemote(t.Context(), "tell://k", "", opts)
	if public == nil || private == nil || made == nil {
		t.Fatal("a plug-in that says nothing has a key")
	}
	raw, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(raw)) {
		name, _, _ := strings.Cut(line, "=")
		names = append(names, name)
	}
	for _, name := range secrets {
		if slices.Contains(names, name) {
			t.Errorf("it was told %s", name)
		}
	}
	for _, name := range []string{"PATH", "VAULT_TOKEN", "RELEASED"} {
		if !slices.Contains(names, name) {
			t.Errorf("it was not told %s: %s", name, raw)
		}
	}
}
