package keyless_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/sign/keyless"
)

// An op is an issuer (OpenID provider) at which a person logs in. Each of its answers
// can be changed.
type op struct {
	*httptest.Server
	metadata func(map[string]any)
	page     func(back url.Values)       // with what the browser comes back
	claims   map[string]any              // of the token, a nil value removes one
	grant    func(map[string]any)        // the answer of the token endpoint
	fronts   map[string]http.HandlerFunc // in place of an endpoint
	polls    []string                    // the errors of the device flow before the token
	pending  int                         // the status with which they come, 400 where it is 0
	device   func(map[string]any)

	mu    sync.Mutex
	asked map[string]int
	sent  url.Values // with the browser
	auth  []string   // how the client showed who it is
	token string     // the last that was made
}

// secretCode and secretAccess are in no message.
const (
	secretCode   = "a-code-of-the-issuer-that-nobody-else-may-have"
	secretAccess = "an-access-token-that-nobody-else-may-have"
	secretDevice = "a-device-code-that-nobody-else-may-have"
)

func newOP(t *testing.T) *op {
	o := &op{asked: make(map[string]int)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", o.discovery)
	mux.HandleFunc("GET /auth", o.login)
	mux.HandleFunc("POST /token", o.exchange)
	mux.HandleFunc("POST /device", o.begin)
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock() // one request at a time
		defer o.mu.Unlock()
		o.asked[r.URL.Path]++
		if front := o.fronts[r.URL.Path]; front != nil {
			front(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(o.Close)
	return o
}

// count returns how often a path was asked.
func (o *op) count(path string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked[path]
}

func change(m map[string]any, how func(map[string]any)) map[string]any {
	if how != nil {
		how(m)
	}
	return m
}

func (o *op) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, change(map[string]any{
		"issuer": o.URL, "authorization_endpoint": o.URL + "/auth?tenant=a", "token_endpoint": o.URL + "/token",
		"device_authorization_endpoint": o.URL + "/device", "code_challenge_methods_supported": []string{"plain", "S256"},
	}, o.metadata))
}

// login approves at once and sends the browser back.
func (o *op) login(w http.ResponseWriter, r *http.Request) {
	o.sent = r.URL.Query()
	back := url.Values{"state": o.sent["state"], "code": {secretCode}}
	if o.page != nil {
		o.page(back)
	}
	http.Redirect(w, r, o.sent.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

// exchange gives a token for a code, as RFC 6749, 7636 and 8628 want it.
func (o *op) exchange(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	o.auth = append(o.auth, r.Header.Get("Authorization")+" "+r.PostForm.Get("client_secret"))
	claims := map[string]any{"iss": o.URL}
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	proved := base64.RawURLEncoding.EncodeToString(sum[:]) == o.sent.Get("code_challenge") && len(r.PostForm.Get("code_verifier")) >= 43
	switch {
	case r.PostForm.Get("client_id") != o.sent.Get("client_id") || !proved || o.sent.Get("code_challenge_method") != "S256":
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "for " + r.PostForm.Encode()})
		return
	case r.PostForm.Get("grant_type") == "authorization_code" && r.PostForm.Get("code") == secretCode && r.PostForm.Get("redirect_uri") == o.sent.Get("redirect_uri"):
		claims["nonce"] = o.sent.Get("nonce")
	case r.PostForm.Get("grant_type") == "urn:ietf:params:oauth:grant-type:device_code" && r.PostForm.Get("device_code") == secretDevice:
		if len(o.polls) > 0 {
			said := o.polls[0]
			o.polls = o.polls[1:]
			answer(w, cmp.Or(o.pending, http.StatusBadRequest), map[string]any{"error": said})
			return
		}
	default:
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_request", "error_description": r.PostForm.Encode()})
		return
	}
	access := sha256.Sum256([]byte(secretAccess))
	claims["at_hash"] = base64.RawURLEncoding.EncodeToString(access[:16])
	for k, v := range o.claims {
		claims[k] = v
	}
	o.token = token(claims)
	answer(w, http.StatusOK, change(map[string]any{"id_token": o.token, "access_token": secretAccess, "token_type": "Bearer", "expires_in": 60}, o.grant))
}

// begin gives a device its codes.
func (o *op) begin(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	o.sent = r.PostForm
	answer(w, http.StatusOK, change(map[string]any{
		"device_code": secretDevice, "user_code": "WDJB-MJHT", "verification_uri": o.URL + "/enter",
		"verification_uri_complete": o.URL + "/enter?user_code=WDJB-MJHT", "expires_in": 300, "interval": 5,
	}, o.device))
}

// person logs in at the issuer: what is shown is followed, as in a browser.
func (o *op) person(t *testing.T) (keyless.Login, *[]string) {
	shown := new([]string)
	return keyless.Login{
		Network: keyless.Network{Now: time.Now, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }},
		Issuer:  o.URL,
		Show: func(line string) {
			*shown = append(*shown, line)
			if _, at, ok := strings.Cut(line, ": "); ok {
				go func() { // http.Get follows redirects
					if res, err := http.Get(at); err == nil {
						res.Body.Close()
					}
				}()
			}
		},
	}, shown
}

// check says whether a login ended as it should, and that no secret is told.
func (o *op) check(t *testing.T, got keyless.Token, err error, want keyless.Reason, says string) {
	t.Helper()
	if reasonOf(err) != want || (err == nil) != (want == "") || err == nil && (got.Subject() != person || got.Issuer() != o.URL) {
		t.Fatalf("%v, %v, want %q", got, err, want)
	}
	said := fmt.Sprint(err, got)
	if !strings.Contains(said, says) {
		t.Errorf("%q does not say %q", said, says)
	}
	for _, secret := range []string{secretCode, secretAccess, secretDevice, secretPart(o.token)} {
		if secret != "" && strings.Contains(said, secret) {
			t.Errorf("a secret is in %q", said)
		}
	}
}
