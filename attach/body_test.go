package attach

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFile reads files, and refuses what is none and might never end.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "body")
	if err := os.WriteFile(path, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := File(path)
	// The digest of "abc" is that of FIPS 180-2, appendix B.1.
	if err != nil || b.Size != 3 || b.Digest.Hex != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Fatalf("%+v, %v", b, err)
	}
	for range 2 {
		rc, err := b.Open()
		if err != nil {
			t.Fatal(err)
		}
		if raw, err := io.ReadAll(rc); string(raw) != "abc" || err != nil || rc.Close() != nil {
			t.Errorf("%q, %v", raw, err)
		}
	}
	for _, bad := range []string{dir, os.DevNull} {
		if _, err := File(bad); err == nil || !strings.Contains(err.Error(), "regular file") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := File(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Errorf("a missing file: %v", err)
	}
}
