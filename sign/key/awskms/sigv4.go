package awskms

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A credential is what requests are signed with.
type credential struct {
	id, secret string
	session    string // with temporary ones
}

// A scope is what a signature is good for.
type scope struct {
	region, service string
}

// sign puts the signature of AWS Signature Version 4 into the request's headers. All
// headers that the request has are signed. The path is "/" and there is no query:
// this is how all requests to KMS are.
func (c credential) sign(req *http.Request, body []byte, at scope, now time.Time) {
	stamp := now.UTC().Format("20060102T150405Z")
	req.Header.Set("X-Amz-Date", stamp)
	if c.session != "" {
		req.Header.Set("X-Amz-Security-Token", c.session)
	}
	lines := []string{"host:" + req.URL.Host}
	for name, values := range req.Header {
		lines = append(lines, strings.ToLower(name)+":"+strings.TrimSpace(strings.Join(values, ",")))
	}
	slices.Sort(lines)
	names := make([]string, len(lines))
	for i, line := range lines {
		names[i], _, _ = strings.Cut(line, ":")
	}
	signed := strings.Join(names, ";")
	sum := sha256.Sum256(body)
	canonical := strings.Join([]string{req.Method, "/", "", strings.Join(lines, "\n") + "\n", signed, hex.EncodeToString(sum[:])}, "\n")

	within := strings.Join([]string{stamp[:8], at.region, at.service, "aws4_request"}, "/")
	sum = sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", stamp, within, hex.EncodeToString(sum[:])}, "\n")
	key := []byte("AWS4" + c.secret)
	for _, part := range strings.Split(within, "/") {
		key = mac(key, part)
	}
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+c.id+"/"+within+", SignedHeaders="+signed+
		", Signature="+hex.EncodeToString(mac(key, text)))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
