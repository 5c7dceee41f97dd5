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
// another one is. So is one that a key signed, of which a log is asked.
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
	blob := "blob verify " + filepath.Join(dir, "a.txt") + " -f json --bundle "
	cosigned, managed := filepath.Join(dir, "rekor2-checkpoint-cosigned"), filepath.Join(dir, "managed-key-and-trusted-root")
	identity := blob + filepath.Join(cosigned, "bundle.sigstore.json") + " --trusted-root " + filepath.Join(cosigned, "trusted_root.json") +
		" --certificate-identity https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main" +
		" --certificate-oidc-issuer https://token.actions.githubusercontent.com"
	key := blob + filepath.Join(managed, "bundle.sigstore.json") + " --key " + filepath.Join(managed, "key.pub")
	logged := key + " --trusted-root " + filepath.Join(managed, "trusted_root.json")
	for _, c := range []struct {
		args, prints string
		exit         int
	}{
		{identity, `"outcome": "accept"`, 0},
		{identity + " --witness " + stranger, `"log-unwitnessed"`, 1},
		{identity + " --witness " + stranger + " --witness-threshold 2", "2 of 1 witnesses", 64},
		{identity + " --witness " + stranger + " --evidence logs=0", "asks for no log", 64},
		{logged, `"outcome": "accept"`, 0},
		{logged + " --witness " + stranger, `"log-unwitnessed"`, 1},
		{key + " --witness " + stranger, "only where it is asked for", 64},
		{logged + " --witness " + stranger + " --evidence logs=0", "asks for no log", 64},
	} {
		cmd, out, errs := hallmark(t, t.TempDir(), strings.Fields(c.args)...)
		_ = cmd.Run()
		if got := cmd.ProcessState.ExitCode(); got != c.exit || !strings.Contains(out.String()+errs.String(), c.prints) {
			t.Errorf("%q: exit code %d, not %d, or no %q\n%s%s", c.args, got, c.exit, c.prints, out, errs)
		}
	}
}
