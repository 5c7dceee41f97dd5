package cli

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
)

// identityToken makes a token that nobody verifies here.
func identityToken(t *testing.T, claims map[string]any) string {
	t.Helper()
	raw, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"ES256"}`)) + "." + part(raw) + "." + part([]byte("the part that is secret"))
}

// publicFile is a document of Sigstore's public instance.
func publicFile(t *testing.T, name string) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join("..", "..", "..", "..", "verify", "tuf", "testdata", "public-good", "targets", "*."+name))
	if err != nil || len(all) != 1 {
		t.Fatalf("%q, %v", all, err)
	}
	path, err := filepath.Abs(all[0])
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTokenFile: who can read a token can sign with it.
func TestTokenFile(t *testing.T) {
	trusted, services := publicFile(t, "trusted_root.json"), publicFile(t, "signing_config.v0.2.json")
	b := newBench(t)
	now := time.Date(2026, 8, 22, 0, 0, 0, 0, time.UTC)
	b.Now = func() time.Time { return now }
	text := identityToken(t, map[string]any{"iss": "https://issuer.test", "aud": "sigstore", "sub": "dev@example.test", "exp": now.Add(time.Minute).Unix()})
	if err := os.WriteFile("token", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, warns := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o644: true, 0o640: true, 0o604: true} {
		if err := os.Chmod("token", mode); err != nil {
			t.Fatal(err)
		}
		b.run(t.Context(), "sign registry.test/app:1 --identity-token token --trusted-root "+trusted+" --signing-config "+services)
		if got := strings.Contains(b.err.String(), "chmod 600"); got != warns {
			t.Errorf("%o: %s", mode, b.err)
		}
	}
}

// TestOtherToken: a token that was replaced while images are signed is not used: its
// name is not the one that was told, and perhaps agreed to.
func TestOtherToken(t *testing.T) {
	trusted, services := publicFile(t, "trusted_root.json"), publicFile(t, "signing_config.v0.2.json")
	b := newBench(t)
	now := time.Date(2026, 8, 22, 0, 0, 0, 0, time.UTC)
	b.Now = func() time.Time { return now }
	write := func(name string) {
		t.Helper()
		text := identityToken(t, map[string]any{"iss": "https://issuer.test", "aud": "sigstore", "sub": name, "exp": now.Add(time.Minute).Unix()})
		if err := os.WriteFile("token", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("dev@example.test")
	i := bearer{
		app: b.App, token: "token", provider: autoProvider, login: login{app: b.App, flow: autoFlow},
		trusted: trusted, services: services,
	}
	by, err := i.load(t.Context(), attach.InTags)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := by(t.Context()); err == nil || !strings.Contains(err.Error(), "404") { // from who is asked for a certificate
		t.Errorf("the same token: %v", err)
	}
	write("eve@example.test")
	if _, err := by(t.Context()); err == nil || !strings.Contains(err.Error(), "has changed") || !strings.Contains(err.Error(), "eve@example.test") {
		t.Errorf("another token: %v", err)
	}
}
