package cli

import (
	"strings"
	"testing"
)

// TestGenerateLooksForNoAttachments: where attachments are kept is no concern of
// a command that reads none.
func TestGenerateLooksForNoAttachments(t *testing.T) {
	b := newBench(t)
	b.LookupEnv = func(name string) (string, bool) {
		return map[string]string{"COSIGN_REPOSITORY": "127.0.0.1:9/signatures"}[name], name == "COSIGN_REPOSITORY"
	}
	img := "oci:" + layoutDir(t)
	if code := b.run(t.Context(), "sbom generate "+img); code != exitYes {
		t.Errorf("exit code %d: %s", code, b.err)
	}
	if code := b.run(t.Context(), "list "+img); code != exitYes {
		t.Errorf("list: a layout keeps its own, whatever the environment says: exit code %d: %s", code, b.err)
	}
	if code := b.run(t.Context(), "list --attachment-repository 127.0.0.1:9/x "+img); code != exitUsage {
		t.Errorf("list with the flag: exit code %d: %s", code, b.err)
	}
	if code := b.run(t.Context(), "sbom generate --attachment-repository 127.0.0.1:9/x "+img); code != exitUsage {
		t.Errorf("a flag without effect: exit code %d", code)
	}
}

// TestNobodyToAsk: where there is neither a variable nor a terminal, the error
// says what the password was for.
func TestNobodyToAsk(t *testing.T) {
	b := newBench(t)
	b.env = nil
	b.LookupEnv = func(string) (string, bool) { return "", false }
	if code := b.run(t.Context(), "key generate"); code != exitUndetermined || !strings.Contains(b.err.String(), "new private key: no terminal") {
		t.Errorf("exit code %d: %s", code, b.err)
	}
}
