package verify_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// corpus returns a directory below HALLMARK_CORPORA.
func corpus(t testing.TB, path ...string) string {
	t.Helper()
	dir := os.Getenv("HALLMARK_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "corpora")
	}
	at := filepath.Join(append([]string{dir}, path...)...)
	if _, err := os.Stat(at); err != nil {
		t.Fatalf("test data is missing, set HALLMARK_CORPORA to its folder: %v", err)
	}
	return at
}

// TestConformance judges the bundles of sigstore-conformance, each by the file and by
// its digest alone. The name of a case that must be refused ends in _fail.
func TestConformance(t *testing.T) {
	dir := corpus(t, "sigstore-conformance", "bundle-verify")
	public := bytesIn(t, corpus(t, "sigstore-public-good-root", "targets", "trusted_root.json"))
	cases, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	done, right := 0, 0
	for _, c := range cases {
		if !c.IsDir() {
			continue
		}
		at := filepath.Join(dir, c.Name())
		file := filepath.Join(at, "artifact")
		if _, err := os.Stat(file); err != nil {
			file = filepath.Join(dir, "a.txt")
		}
		raw := bytesIn(t, file)
		sum := sha256.Sum256(raw)
		digest, err := verify.ParseDigest(fmt.Sprintf("sha256:%x", sum))
		if err != nil {
			t.Fatal(err)
		}
		whole := verify.Blob{Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }}
		for how, blob := range map[string]verify.Blob{"file": whole, "digest": digest} {
			done++
			check := judgeCase(t, at, public, blob)
			if fails := strings.HasSuffix(c.Name(), "_fail"); fails == (check.Outcome == verify.Accept) || check.Outcome == verify.Undetermined {
				t.Errorf("%s by %s: %s %s: %s", c.Name(), how, check.Outcome, check.Reason, check.Detail)
				continue
			}
			right++
			t.Logf("%s by %s: %s: %s", c.Name(), how, check.Reason, check.Detail)
		}
	}
	t.Logf("%d of %d", right, done)
	if done != 140 {
		t.Errorf("%d checks, not 140", done)
	}
}

func judgeCase(t *testing.T, at string, public []byte, blob verify.Blob) verify.Check {
	t.Helper()
	trusted := public
	if raw, err := os.ReadFile(filepath.Join(at, "trusted_root.json")); err == nil {
		trusted = raw
	}
	root, err := keyless.ParseRoot(trusted)
	if err != nil {
		return verify.Check{Outcome: verify.Reject, Reason: "trusted-root", Detail: err.Error()}
	}
	trust := verify.Trust{Root: root, KeyQuorum: keyless.Quorum{Logs: 1, Clocks: 1}, Now: time.Now}
	if raw, err := os.ReadFile(filepath.Join(at, "key.pub")); err == nil {
		k, err := key.ParsePublic(raw)
		if err != nil { // a case where the key is none
			return verify.Check{Outcome: verify.Reject, Reason: "key", Detail: err.Error()}
		}
		trust.Keys = []*key.Public{k}
	} else {
		names := keyless.Names{
			Subject: "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main",
			Issuer:  "https://token.actions.githubusercontent.com",
		}
		if raw, err := os.ReadFile(filepath.Join(at, "identity")); err == nil {
			names.Subject = strings.TrimSpace(string(raw))
		}
		if raw, err := os.ReadFile(filepath.Join(at, "issuer")); err == nil {
			names.Issuer = strings.TrimSpace(string(raw))
		}
		id, err := keyless.NewIdentity(names)
		if err != nil {
			t.Fatal(err)
		}
		trust.Identities = []keyless.Identity{id}
	}
	raw := bytesIn(t, filepath.Join(at, "bundle.sigstore.json"))
	// The suite asks for signatures and for statements alike, of whatever type.
	check, err := verify.VerifyBlob(t.Context(), trust, verify.Statements{Any: true}, blob, bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return check
}

func bytesIn(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
