package token

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// bench is an issuer that is served.
type bench struct {
	*testing.T
	issuer *Issuer
	at     string
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.issuer.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	var err error
	if b.issuer, err = New(srv.URL, time.Minute); err != nil {
		t.Fatal(err)
	}
	b.at = srv.URL
	return b
}

// post sends a form and returns the answer.
func (b *bench) post(path string, form ...string) map[string]any {
	b.Helper()
	q := make(url.Values)
	for i := 0; i < len(form); i += 2 {
		q.Set(form[i], form[i+1])
	}
	res, err := http.PostForm(b.at+path, q)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	var all map[string]any
	if err := json.NewDecoder(res.Body).Decode(&all); err != nil {
		b.Fatal(err)
	}
	if (res.StatusCode == http.StatusOK) != (all["error"] == nil) {
		b.Errorf("%s: status %d, %v", path, res.StatusCode, all)
	}
	return all
}

const verifier = "a-verifier-of-at-least-forty-three-characters"

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return encode(sum[:])
}

// begin has a browser begin a login and returns with what it comes back.
func (b *bench) begin(change ...string) (status int, back url.Values) {
	b.Helper()
	q := url.Values{
		"response_type": {"code"}, "client_id": {"sigstore"}, "scope": {"openid email"}, "redirect_uri": {"http://127.0.0.1:1/back"},
		"state": {"a state"}, "nonce": {"a nonce"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(change); i += 2 {
		q.Set(change[i], change[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(b.at + "/auth?" + q.Encode())
	if err != nil {
		b.Fatal(err)
	}
	res.Body.Close()
	u, err := url.Parse(res.Header.Get("Location"))
	if err != nil {
		b.Fatal(err)
	}
	return res.StatusCode, u.Query()
}

// TestBrowser: a code is for who began the login, for one use.
func TestBrowser(t *testing.T) {
	b := newBench(t)
	for _, change := range [][]string{
		{"redirect_uri", "https://evil.example/"}, {"response_type", "token"}, {"scope", "email"}, {"client_id", ""},
		{"code_challenge", ""}, {"code_challenge_method", "plain"},
	} {
		if status, back := b.begin(change...); status != http.StatusBadRequest || len(back) > 0 {
			t.Errorf("%q: status %d, %v", change, status, back)
		}
	}
	_, back := b.begin()
	if back.Get("state") != "a state" || back.Get("code") == "" {
		t.Fatalf("%v", back)
	}
	good := []string{"grant_type", "authorization_code", "client_id", "sigstore", "redirect_uri", "http://127.0.0.1:1/back", "code", back.Get("code"), "code_verifier", verifier}
	for _, change := range [][]string{{"code_verifier", "x"}, {"code_verifier", ""}, {"redirect_uri", "http://127.0.0.1:2/back"}, {"client_id", "other"}, {"code", "x"}, {"grant_type", "urn:ietf:params:oauth:grant-type:device_code"}} {
		if got := b.post("/token", append(good[:len(good):len(good)], change...)...); got["error"] != "invalid_grant" {
			t.Errorf("%q: %v", change, got)
		}
	}
	got := b.post("/token", good...)
	id, _ := got["id_token"].(string)
	if len(strings.Split(id, ".")) != 3 || got["access_token"] == nil {
		t.Errorf("%v", got)
	}
	if got := b.post("/token", good...); got["error"] != "invalid_grant" {
		t.Errorf("a second time: %v", got)
	}
}

// TestDevice: a device waits until somebody enters its code, and is told to be patient.
func TestDevice(t *testing.T) {
	b := newBench(t)
	if got := b.post("/device/code"); got["error"] != "invalid_request" {
		t.Errorf("nobody: %v", got)
	}
	begun := b.post("/device/code", "client_id", "sigstore", "code_challenge", challenge())
	code, _ := begun["device_code"].(string)
	poll := func() map[string]any {
		return b.post("/token", "grant_type", "urn:ietf:params:oauth:grant-type:device_code", "client_id", "sigstore", "device_code", code, "code_verifier", verifier)
	}
	for _, want := range []string{"authorization_pending", "slow_down"} {
		if got := poll(); got["error"] != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
	for path, want := range map[string]int{"/device?user_code=x": 404, "/device": 404} {
		if res, err := http.Get(b.at + path); err != nil || res.StatusCode != want {
			t.Errorf("%s: %v, %v", path, res, err)
		}
	}
	page, _ := begun["verification_uri_complete"].(string)
	if res, err := http.Get(page); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", res, err)
	}
	if got := poll(); got["id_token"] == nil {
		t.Errorf("%v", got)
	}
	if got := poll(); got["error"] != "invalid_grant" {
		t.Errorf("a second time: %v", got)
	}
}
