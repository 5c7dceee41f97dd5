package awskms_test

import (
	"bytes"
	"io"
	"net/http"
)

// canned answers every request with the same body.
type canned []byte

// RoundTrip implements http.RoundTripper.
func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Status: "200 OK", Request: r, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(c))}, nil
}
