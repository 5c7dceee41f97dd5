package hashivault_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"os"
	"testing"
)

// canned answers every request with the same body.
type canned []byte

// RoundTrip implements http.RoundTripper.
func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Status: "200 OK", Request: r, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(c))}, nil
}

func sha256sum(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
