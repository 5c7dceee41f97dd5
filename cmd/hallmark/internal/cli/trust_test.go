package cli

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// publicGood answers like the mirror of Sigstore's public instance did in August
// 2026.
func publicGood(t *testing.T) transport {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "..", "..", "verify", "tuf", "testdata", "public-good"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "timestamp.json")); err != nil {
		t.Fatal(err)
	}
	return func(r *http.Request) (*http.Response, error) {
		raw, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(r.URL.Path)))
		if errors.Is(err, os.ErrNotExist) {
			return status(http.StatusNotFound, "")(r)
		}
		return status(http.StatusOK, string(raw))(r)
	}
}

// TestTrust fetches the trusted root of the public instance, shows it, prints its
// documents, and refuses it once its metadata have expired.
func TestTrust(t *testing.T) {
	mirror := publicGood(t)
	b := newBench(t)
	b.Transport = mirror
	b.env["HOME"] = t.TempDir()
	now := time.Date(2026, 8, 22, 0, 0, 0, 0, time.UTC)
	b.Now = func() time.Time { return now }

	if code := b.run(t.Context(), "trust show -f json"); code != exitUndetermined || b.reason(t) != "trust-none" || !strings.Contains(b.err.String(), "trust init") {
		t.Errorf("before: %d %s %s", code, b.out, b.err)
	}
	for line, want := range map[string]string{
		"verify --certificate-identity a --certificate-oidc-issuer https://b registry.test/app:1": "nothing says which authorities",
		"sign --identity-token x registry.test/app:1":                                             "services to ask",
	} {
		if code := b.run(t.Context(), line); code != exitUsage || !strings.Contains(b.err.String(), want) || !strings.Contains(b.err.String(), "trust init") {
			t.Errorf("%s: %d %s", line, code, b.err)
		}
	}
	if code := b.run(t.Context(), "trust init"); code != exitYes {
		t.Fatalf("init: %d %s", code, b.err)
	}
	for _, want := range []string{"https://tuf-repo-cdn.sigstore.dev", "holds until 2026-08-28T19:25:56Z", "root version 15, until 2026-11-20", filepath.Join(b.env["HOME"], ".config", "hallmark", "trust.json")} {
		if !strings.Contains(b.out.String(), want) {
			t.Errorf("init does not say %q:\n%s", want, b.out)
		}
	}
	b.Transport = transport(func(r *http.Request) (*http.Response, error) {
		t.Errorf("showing asks for %s", r.URL)
		return nil, errors.New("no network")
	})
	if code := b.run(t.Context(), "trust show -f trusted-root -o root.json"); code != exitYes {
		t.Errorf("trusted root: %d %s", code, b.err)
	}
	if raw, err := os.ReadFile("root.json"); err != nil || !strings.Contains(string(raw), "application/vnd.dev.sigstore.trustedroot+json") {
		t.Errorf("trusted root: %s %v", raw, err)
	}
	if code := b.run(t.Context(), "trust show -f signing-config"); code != exitYes || !strings.Contains(b.out.String(), "fulcio.sigstore.dev") {
		t.Errorf("signing config: %d %s %s", code, b.out, b.err)
	}
	// What was fetched is what verifying and signing without a key go by.
	b.Transport = transport(emptyRegistry)
	person := " --certificate-identity dev@example.test --certificate-oidc-issuer https://issuer.test registry.test/app:1"
	if code := b.run(t.Context(), "verify -v"+person); code != exitUndetermined || !strings.Contains(b.err.String(), "tuf-repo-cdn.sigstore.dev says what is trusted, until 2026-08-28") {
		t.Errorf("verify: %d %s", code, b.err)
	}
	now = now.AddDate(0, 0, 7)
	if code := b.run(t.Context(), "verify"+person); code != exitUndetermined || !strings.Contains(b.err.String(), "2026-08-28") || !strings.Contains(b.err.String(), "--trusted-root") {
		t.Errorf("verify with what has expired: %d %s %s", code, b.out, b.err)
	}
	if code := b.run(t.Context(), "sign --identity-token missing registry.test/app:1"); code != exitUndetermined || !strings.Contains(b.err.String(), "2026-08-28") {
		t.Errorf("sign with what has expired: %d %s", code, b.err)
	}
	if code := b.run(t.Context(), "trust show -f json"); code != exitUndetermined || b.reason(t) != "trust-expired" || !strings.Contains(b.err.String(), "2026-08-28") {
		t.Errorf("expired: %d %s %s", code, b.out, b.err)
	}
	b.Transport = mirror
	if code := b.run(t.Context(), "trust init -f json"); code != exitUndetermined || b.reason(t) != "trust-expired" {
		t.Errorf("init with a stale mirror: %d %s %s", code, b.out, b.err)
	}
}

// reason returns the code of a failure that was printed as JSON.
func (b *bench) reason(t *testing.T) string {
	t.Helper()
	var f struct{ Kind, Reason string }
	if err := json.Unmarshal(b.out.Bytes(), &f); err != nil || f.Kind != "hallmark.failure" {
		t.Errorf("no failure: %s", b.out)
	}
	return f.Reason
}

// TestTrustPlaces: where trust is kept, and names that cannot be used.
func TestTrustPlaces(t *testing.T) {
	b := newBench(t)
	for line, want := range map[string]int{
		"trust init --mirror ftp://x":         exitUsage,
		"trust init --mirror https://x.test":  exitUsage, // no root
		"trust init --root missing.json":      exitUndetermined,
		"trust init https://x.test":           exitUsage,
		"trust show --mirror https://x.test":  exitUsage,
		"trust init --mirror https://u:pw@x/": exitUsage,
	} {
		b.env["HOME"] = t.TempDir()
		if code := b.run(t.Context(), line); code != want || strings.Contains(b.err.String(), "pw") {
			t.Errorf("%s: %d, %s", line, code, b.err)
		}
	}
	delete(b.env, "HOME")
	if code := b.run(t.Context(), "trust show"); code != exitUsage || !strings.Contains(b.err.String(), "HOME") {
		t.Errorf("no home: %d %s", code, b.err)
	}
	b.env["XDG_CONFIG_HOME"] = t.TempDir()
	if code := b.run(t.Context(), "trust show"); code != exitUndetermined || !strings.Contains(b.err.String(), b.env["XDG_CONFIG_HOME"]) {
		t.Errorf("XDG_CONFIG_HOME: %d %s", code, b.err)
	}
}
