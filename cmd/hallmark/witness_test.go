package main

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sumdb "golang.org/x/mod/sumdb/note"
)

// TestWitness: a bundle of sigstore-conformance whose checkpoint a witness co-signed is
// accepted as long as no witness is asked for, and refused, by that name, where
// another one is.
func TestWitness(t *testing.T) {
	corpora := os.Getenv("HALLMARK_CORPORA")
	if corpora == "" {
		corpora = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	dir, err := filepath.Abs(filepath.Join(corpora, "sigstore-conformance", "bundle-verify"))
	if err != nil {
		t.Fatal(err)
	}
	_, stranger, err := sumdb.GenerateKey(rand.Reader, "witness.example")
	if err != nil {
		t.Fatal(err)
	}
	base := "blob verify " + filepath.Join(dir, "a.txt") + " --bundle " + filepath.Join(dir, "rekor2-checkpoint-cosigned", "bundle.sigstore.json") +
		" --trusted-root " + filepath.Join(dir, "rekor2-checkpoint-cosigned", "trusted_root.json") +
		" --certificate-identity https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main" +
		" --certificate-oidc-issuer https://token.actions.githubusercontent.com -f json"
	for _, c := range []struct {
		more, prints string
		exit         int
	}{
		{"", `"outcome": "accept"`, 0},
		{" --witness " + stranger, `"log-unwitnessed"`, 1},
		{" --witness " + stranger + " --witness-threshold 2", "2 of 1 witnesses", 64},
	} {
		cmd, out, errs := hallmark(t, t.TempDir(), strings.Fields(base+c.more)...)
		_ = cmd.Run()
		if got := cmd.ProcessState.ExitCode(); got != c.exit || !strings.Contains(out.String()+errs.String(), c.prints) {
			t.Errorf("%q: exit code %d, not %d, or no %q\n%s%s", c.more, got, c.exit, c.prints, out, errs)
		}
	}
}
