package key_test

import (
	"errors"
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
	secrets := []string{"HALLMARK_PASSWORD", "COSIGN_PASSWORD", "SIGSTORE_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "BUILDKITE_AGENT_ACCESS_TOKEN", "RELEASE"}
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

// TestTokenName: a URI of RFC 7512 names a key on a token with and without slashes; its
// plug-in is told the PIN, and no other plug-in is. A PIN in the name is refused, and
// the error does not repeat it.
func TestTokenName(t *testing.T) {
	dir := t.TempDir()
	seen := filepath.Join(dir, "seen")
	for _, scheme := range []string{"tell", "pkcs11"} {
		script := "#!/bin/sh\n(env; echo \"$2\") > " + seen + "-" + scheme + "\n"
		if err := os.WriteFile(filepath.Join(dir, "sigstore-kms-"+scheme), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	opts := key.Options{Plugins: []string{key.AnyPlugin}, Environ: []string{
		"PATH=" + dir + string(filepath.ListSeparator) + os.Getenv("PATH"), "HALLMARK_PKCS11_PIN=86421357", "COSIGN_PKCS11_PIN=86421357",
	}}
	for name, told := range map[string]bool{"pkcs11:token=t;object=o": true, "pkcs11://token=t;object=o": true, "tell://token=t;object=o": false} {
		if !key.IsRemote(name) {
			t.Errorf("%s is a file", name)
		}
		if _, err := key.Load(t.Context(), name, opts); err == nil {
			t.Errorf("%s: a plug-in that says nothing has a key", name)
		}
		scheme, _, _ := strings.Cut(name, ":")
		raw, err := os.ReadFile(seen + "-" + scheme)
		if err != nil || strings.Contains(string(raw), "86421357") != told || !strings.Contains(string(raw), `"keyResourceID":"token=t;object=o"`) {
			t.Errorf("%s: %v: %s", name, err, raw)
		}
	}
	for _, name := range []string{"pkcs11:token=t;object=o?pin-value=86421357", "pkcs11://object=o?PIN-VALUE=86421357", "pkcs11:object=o?pin%2Dvalue=86421357", "pkcs11:object=o?%50in%2dvalue=86421357&x=%zz"} {
		for what, try := range map[string]func() error{
			"load":   func() error { _, err := key.Load(t.Context(), name, opts); return err },
			"public": func() error { _, err := key.LoadPublic(t.Context(), name, opts); return err },
			"make":   func() error { _, err := key.GenerateRemote(t.Context(), name, "", opts); return err },
		} {
			if err := try(); err == nil || strings.Contains(err.Error(), "8642") || !strings.Contains(err.Error(), "HALLMARK_PKCS11_PIN") {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	if _, err := key.LoadPublic(t.Context(), "pkcs11:token=t;object=o", key.Options{Environ: opts.Environ}); !errors.Is(err, key.ErrScheme) {
		t.Errorf("no plug-in is allowed: %v", err)
	}
}
