package kmstest

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/hallmark-oci/hallmark/sign/key/plugin"
)

// Install makes the running test program the plug-in for the schemes, and returns the
// folder to name in PATH. Its TestMain must be the plug-in when it is started under
// such a name.
func Install(t testing.TB, schemes ...string) (dir string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for _, scheme := range schemes {
		if err := os.Symlink(self, filepath.Join(dir, plugin.Prefix+scheme)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Quick is an entry of the environment with which a plug-in that was built with the
// race detector, as the tests were, ends at once: else it sleeps for a second before.
const Quick = "GORACE=atexit_sleep_ms=0"

// Write writes a file that only its owner reads.
func Write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Canned answers every request with the same body.
type Canned []byte

// RoundTrip implements http.RoundTripper.
func (c Canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Request: r, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(c))}, nil
}
