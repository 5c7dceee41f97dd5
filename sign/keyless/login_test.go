package keyless_test

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/sign/keyless"
)

// set changes a member.
func set(name string, v any) func(map[string]any) {
	return func(m map[string]any) {
		if m[name] = v; v == nil {
			delete(m, name)
		}
	}
}

// TestBrowser logs in with a browser, at honest and at other issuers.
func TestBrowser(t *testing.T) {
	half := func(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]) }
	long := sha512.Sum384([]byte(secretAccess))
	for name, c := range map[string]struct {
		change func(*op)
		want   keyless.Reason
		says   string
	}{
		"good":                               {},
		"no at_hash":                         {change: func(o *op) { o.claims = map[string]any{"at_hash": nil} }},
		"the issuer says who it is":          {change: func(o *op) { o.page = func(q url.Values) { q.Set("iss", o.URL) } }},
		"several audiences, for this client": {change: func(o *op) { o.claims = map[string]any{"aud": []string{"sigstore", "b"}, "azp": "sigstore"} }},
		"busy, then not": {change: func(o *op) {
			n := 0
			o.fronts = map[string]http.HandlerFunc{"/token": func(w http.ResponseWriter, r *http.Request) {
				if n++; n == 1 {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				r.URL.Path = "/token"
				o.exchange(w, r)
			}}
		}},
		"from another issuer": {change: func(o *op) { o.page = func(q url.Values) { q.Set("iss", "https://evil.example") } }, want: keyless.LoginInvalid, says: "evil.example"},
		"no code":             {change: func(o *op) { o.page = func(q url.Values) { q.Del("code") } }, want: keyless.LoginInvalid, says: "without a code"},
		"another code":        {change: func(o *op) { o.page = func(q url.Values) { q.Set("code", "x") } }, want: keyless.Denied, says: "invalid_request"},
		"the person says no": {change: func(o *op) {
			o.page = func(q url.Values) { q.Set("error", "access_denied"); q.Set("error_description", "not\ntoday") }
		}, want: keyless.LoginDenied, says: "access_denied not today"},
		"an error":             {change: func(o *op) { o.page = func(q url.Values) { q.Set("error", "server_error") } }, want: keyless.Denied, says: "server_error"},
		"another nonce":        {change: func(o *op) { o.claims = map[string]any{"nonce": "x"} }, want: keyless.LoginInvalid, says: "(nonce)"},
		"no nonce":             {change: func(o *op) { o.claims = map[string]any{"nonce": nil} }, want: keyless.LoginInvalid, says: "(nonce)"},
		"of another issuer":    {change: func(o *op) { o.claims = map[string]any{"iss": issuer} }, want: keyless.LoginInvalid, says: issuer},
		"for another":          {change: func(o *op) { o.claims = map[string]any{"aud": "other"} }, want: keyless.TokenAudience},
		"issued to another":    {change: func(o *op) { o.claims = map[string]any{"azp": "other"} }, want: keyless.TokenAudience, says: "other"},
		"issued to nobody":     {change: func(o *op) { o.claims = map[string]any{"aud": []string{"sigstore", "b"}} }, want: keyless.TokenAudience},
		"expired":              {change: func(o *op) { o.claims = map[string]any{"exp": 1} }, want: keyless.TokenExpired},
		"not verified":         {change: func(o *op) { o.claims = map[string]any{"email_verified": false} }, want: keyless.TokenIdentity},
		"another access token": {change: func(o *op) { o.grant = set("access_token", "x") }, want: keyless.LoginInvalid, says: "(at_hash)"},
		"a hash of another kind": {change: func(o *op) {
			o.claims = map[string]any{"at_hash": half(long[:])} // the token says ES256
		}, want: keyless.LoginInvalid, says: "(at_hash)"},
		"no token":                  {change: func(o *op) { o.grant = set("id_token", nil) }, want: keyless.TokenUnavailable},
		"a token that is none":      {change: func(o *op) { o.grant = set("id_token", "x.y") }, want: keyless.TokenMalformed},
		"another name":              {change: func(o *op) { o.metadata = set("issuer", "https://evil.example") }, want: keyless.LoginInvalid, says: "calls itself"},
		"almost its name":           {change: func(o *op) { o.metadata = set("issuer", o.URL+"/") }, want: keyless.LoginInvalid, says: "calls itself"},
		"no proof keys":             {change: func(o *op) { o.metadata = set("code_challenge_methods_supported", []string{"plain"}) }, want: keyless.Unusable, says: "--oidc-flow device"},
		"a page in the clear":       {change: func(o *op) { o.metadata = set("authorization_endpoint", "http://evil.example/auth") }, want: keyless.Unusable, says: "in the clear"},
		"a page that is no address": {change: func(o *op) { o.metadata = set("authorization_endpoint", "") }, want: keyless.Unusable},
		"a long page":               {change: func(o *op) { o.metadata = set("authorization_endpoint", "https://a/"+strings.Repeat("x", 9000)) }, want: keyless.Malformed},
		"tokens in the clear":       {change: func(o *op) { o.metadata = set("token_endpoint", "http://evil.example/token") }, want: keyless.Unusable, says: "in the clear"},
		"discovery sends elsewhere": {change: func(o *op) {
			o.fronts = map[string]http.HandlerFunc{"/.well-known/openid-configuration": status(302, "Location", "/.well-known/openid-configuration")}
		}, want: keyless.Denied, says: "not followed"},
		"the token endpoint sends away": {change: func(o *op) {
			o.fronts = map[string]http.HandlerFunc{"/token": status(307, "Location", "https://evil.example/")}
		}, want: keyless.Denied, says: "not followed"},
		"discovery is garbage": {change: func(o *op) {
			o.fronts = map[string]http.HandlerFunc{"/.well-known/openid-configuration": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{")) }}
		}, want: keyless.Malformed},
		"discovery has no end": {change: func(o *op) {
			o.fronts = map[string]http.HandlerFunc{"/.well-known/openid-configuration": func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 2<<20)) }}
		}, want: keyless.Malformed, says: "more than"},
		"an answer is garbage": {change: func(o *op) {
			o.fronts = map[string]http.HandlerFunc{"/token": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(secretAccess)) }}
		}, want: keyless.Malformed},
		"an error that is none": {change: func(o *op) {
			o.fronts = map[string]http.HandlerFunc{"/token": func(w http.ResponseWriter, _ *http.Request) {
				answer(w, 400, map[string]any{"id_token": secretAccess, "code": secretCode})
			}}
		}, want: keyless.Denied, says: "status 400"},
		"a token and an error":  {change: func(o *op) { o.grant = set("error", "invalid_grant") }, want: keyless.Malformed},
		"the connection breaks": {change: func(o *op) { o.fronts = map[string]http.HandlerFunc{"/token": hangUp} }, want: keyless.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t)
			if c.change != nil {
				c.change(o)
			}
			l, shown := o.person(t)
			got, err := l.Browser(t.Context())
			o.check(t, got, err, c.want, c.says)
			if n := o.count("/token"); n > 1 && name != "busy, then not" {
				t.Errorf("the code was sent %d times", n)
			}
			if err != nil {
				return
			}
			// OpenID Connect Core, section 3.1.2.1; RFC 8252, section 7.3.
			back := must(url.Parse(o.sent.Get("redirect_uri")))
			if back.Scheme != "http" || back.Hostname() != "127.0.0.1" || o.sent.Get("response_type") != "code" || o.sent.Get("scope") != "openid email" ||
				o.sent.Get("client_id") != "sigstore" || o.sent.Get("tenant") != "a" || len(o.sent.Get("state")) < 22 || len(o.sent.Get("nonce")) < 22 || o.sent.Get("nonce") == o.sent.Get("state") {
				t.Errorf("%v", o.sent)
			}
			if _, err := http.Get(back.String()); err == nil || len(*shown) != 1 {
				t.Errorf("the door stands open, %q", *shown)
			}
		})
	}
}

// TestNobodyComes: the wait for a browser ends, and who comes to the wrong place or with
// the wrong name of the host is not heard.
func TestNobodyComes(t *testing.T) {
	o := newOP(t)
	l, _ := o.person(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	l.Show = func(line string) {
		_, at, _ := strings.Cut(line, ": ")
		back := must(url.Parse(must(url.Parse(at)).Query().Get("redirect_uri")))
		for _, r := range []*http.Request{
			must(http.NewRequest("GET", "http://"+back.Host+"/", nil)), must(http.NewRequest("POST", back.String(), nil)), must(http.NewRequest("GET", back.String(), nil)),
		} {
			if r.Method == "GET" && r.URL.Path != "/" {
				r.Host = "evil.example" // as a page would that had its name lead here
			}
			if res, err := http.DefaultClient.Do(r); err != nil || res.StatusCode != http.StatusNotFound {
				t.Errorf("%s %s: %v, %v", r.Method, r.URL, res, err)
			}
		}
	}
	got, err := l.Browser(ctx)
	o.check(t, got, err, keyless.LoginExpired, "nobody has logged in")
}

// TestStrangePage: any page that is open in the browser, or any program of this machine,
// can have the door asked. Without the state of the login that neither ends it nor
// has its code taken; the browser of the person comes in after it. Where nobody else
// comes it is told of.
func TestStrangePage(t *testing.T) {
	for name, spoil := range map[string]func(url.Values){
		"another state": func(q url.Values) { q.Set("state", "x") }, "no state": func(q url.Values) { q.Del("state") },
		"two states": func(q url.Values) { q.Add("state", "x") },
		"a no":       func(q url.Values) { q.Set("error", "access_denied"); q.Del("state"); q.Del("code") },
	} {
		for _, alone := range []bool{false, true} {
			o := newOP(t)
			l, _ := o.person(t)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var notes []string
			l.Note = func(line string) { notes = append(notes, line) }
			follow := l.Show
			l.Show = func(line string) {
				_, at, _ := strings.Cut(line, ": ")
				sent := must(url.Parse(at)).Query()
				back := url.Values{"state": {sent.Get("state")}, "code": {"a-code-of-somebody-else"}}
				spoil(back)
				for range 3 {
					if res, err := http.Get(sent.Get("redirect_uri") + "?" + back.Encode()); err != nil || res.StatusCode != http.StatusBadRequest {
						t.Errorf("%s: %v, %v", name, res, err)
					}
				}
				if alone {
					cancel()
					return
				}
				follow(line)
			}
			got, err := l.Browser(ctx)
			if alone {
				o.check(t, got, err, keyless.LoginInvalid, "(state)")
			} else {
				o.check(t, got, err, "", "")
			}
			if len(notes) != 1 || !strings.Contains(notes[0], "(state)") {
				t.Errorf("%s: notes %q", name, notes)
			}
		}
	}
}

// TestClient: a client with a name and a password of its own.
func TestClient(t *testing.T) {
	// RFC 6749, section 2.3.1: both parts are encoded as in a form.
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("a%3Ab:s+t%22")) + " "
	for name, c := range map[string]struct {
		methods any
		auth    string
	}{
		"basic":         {nil, basic},
		"in the form":   {[]string{"client_secret_post"}, " s t\""},
		"basic or form": {[]string{"client_secret_post", "client_secret_basic"}, basic},
	} {
		o := newOP(t)
		o.metadata = set("token_endpoint_auth_methods_supported", c.methods)
		o.claims = map[string]any{"aud": "a:b"}
		l, _ := o.person(t)
		l.Client, l.Secret = "a:b", "s t\""
		got, err := l.Browser(t.Context())
		o.check(t, got, err, "", "")
		if len(o.auth) != 1 || o.auth[0] != c.auth {
			t.Errorf("%s: %q, want %q", name, o.auth, c.auth)
		}
	}
}

// TestRedirect: issuers that know one address for the browser to come back to.
func TestRedirect(t *testing.T) {
	for at, want := range map[string]keyless.Reason{
		"http://localhost:0/back": "", "http://127.0.0.1:0": "", "http://127.0.0.1:0/a/b": "",
		"http://localhost/back": keyless.Unusable, "https://localhost:0/back": keyless.Unusable, "http://0.0.0.0:0/": keyless.Unusable,
		"http://evil.example:0/": keyless.Unusable, "http://127.0.0.1.evil.example:0/": keyless.Unusable, "http://a@localhost:0/": keyless.Unusable,
		"http://localhost:0/?a=b": keyless.Unusable, "localhost:0": keyless.Unusable, "%": keyless.Unusable,
	} {
		o := newOP(t)
		l, _ := o.person(t)
		l.Redirect = at
		got, err := l.Browser(t.Context())
		o.check(t, got, err, want, "")
		if err != nil {
			continue
		}
		begin, end, _ := strings.Cut(at, ":0")
		if back := o.sent.Get("redirect_uri"); !strings.HasPrefix(back, begin+":") || !strings.HasSuffix(back, end) || strings.Contains(back, ":0") {
			t.Errorf("%s: sent back to %s", at, back)
		}
	}
}

// TestOpen: a browser is opened where one can be, and the person is told either way.
func TestOpen(t *testing.T) {
	for _, broken := range []bool{false, true} {
		o := newOP(t)
		l, shown := o.person(t)
		opened := ""
		l.Open = func(_ context.Context, address string) error {
			if opened = address; broken {
				return fmt.Errorf("no browser")
			}
			return nil
		}
		got, err := l.Browser(t.Context())
		o.check(t, got, err, "", "")
		if len(*shown) != 1 || !strings.HasSuffix((*shown)[0], ": "+opened) || !strings.HasPrefix(opened, o.URL+"/auth?") {
			t.Errorf("opened %q, told %q", opened, *shown)
		}
	}
}

// TestDevice logs in on another device.
func TestDevice(t *testing.T) {
	const second = time.Second
	many := slices.Repeat([]string{"authorization_pending"}, 2000)
	for name, c := range map[string]struct {
		change func(*op)
		want   keyless.Reason
		says   string
		pauses []time.Duration // nil where they do not matter
	}{
		"good":                      {pauses: []time.Duration{5 * second}},
		"it takes a while":          {change: func(o *op) { o.polls = many[:2] }, pauses: []time.Duration{5 * second, 5 * second, 5 * second}},
		"pending as Dex says it":    {change: func(o *op) { o.polls, o.pending = many[:1], http.StatusUnauthorized }},
		"pending as Google says it": {change: func(o *op) { o.polls, o.pending = many[:1], http.StatusPreconditionRequired }},
		"no interval":               {change: func(o *op) { o.device = set("interval", nil) }, pauses: []time.Duration{5 * second}},
		"slower": {change: func(o *op) {
			o.device = set("interval", 7)
			o.polls = []string{"slow_down", "authorization_pending", "slow_down"}
		}, pauses: []time.Duration{7 * second, 12 * second, 12 * second, 17 * second}},
		"a silly interval":       {change: func(o *op) { o.device = set("interval", 0.001) }, pauses: []time.Duration{second}},
		"a very long one":        {change: func(o *op) { o.device = set("interval", 1e300) }, pauses: []time.Duration{60 * second}},
		"no page with the code":  {change: func(o *op) { o.device = set("verification_uri_complete", nil) }},
		"no proof keys":          {change: func(o *op) { o.metadata = set("code_challenge_methods_supported", nil) }, want: keyless.Denied}, // this issuer wants them
		"the person says no":     {change: func(o *op) { o.polls = []string{"authorization_pending", "access_denied"} }, want: keyless.LoginDenied, pauses: []time.Duration{5 * second, 5 * second}},
		"the code expires":       {change: func(o *op) { o.polls = []string{"expired_token"} }, want: keyless.LoginExpired, says: "nobody has logged in"},
		"something else":         {change: func(o *op) { o.polls = []string{"invalid_client"} }, want: keyless.Denied, says: "invalid_client"},
		"nobody comes":           {change: func(o *op) { o.polls = many; o.device = set("expires_in", 12) }, want: keyless.LoginExpired, says: "within 12s", pauses: []time.Duration{5 * second, 5 * second}},
		"nobody ever comes":      {change: func(o *op) { o.polls = many; o.device = set("expires_in", 1e300) }, want: keyless.LoginExpired, says: "within 15m0s"},
		"no device flow":         {change: func(o *op) { o.metadata = set("device_authorization_endpoint", nil) }, want: keyless.Unusable, says: "--oidc-flow browser"},
		"in the clear":           {change: func(o *op) { o.metadata = set("device_authorization_endpoint", "http://evil.example/") }, want: keyless.Unusable},
		"a page in the clear":    {change: func(o *op) { o.device = set("verification_uri", "http://evil.example/") }, want: keyless.Unusable},
		"another in the clear":   {change: func(o *op) { o.device = set("verification_uri_complete", "javascript:alert(1)") }, want: keyless.Unusable},
		"no page":                {change: func(o *op) { o.device = set("verification_uri", nil) }, want: keyless.Unusable},
		"no code":                {change: func(o *op) { o.device = set("user_code", nil) }, want: keyless.Malformed},
		"a code to type forever": {change: func(o *op) { o.device = set("user_code", strings.Repeat("x", 65)) }, want: keyless.Malformed},
		"no device code":         {change: func(o *op) { o.device = set("device_code", "") }, want: keyless.Malformed},
		"no end":                 {change: func(o *op) { o.device = set("expires_in", nil) }, want: keyless.Malformed},
		"an end in the past":     {change: func(o *op) { o.device = set("expires_in", -5) }, want: keyless.Malformed},
		"refused at once": {change: func(o *op) {
			o.fronts = map[string]http.HandlerFunc{"/device": func(w http.ResponseWriter, _ *http.Request) { answer(w, 400, map[string]any{"error": "invalid_scope"}) }}
		}, want: keyless.Denied, says: "invalid_scope"},
		"of another issuer":    {change: func(o *op) { o.claims = map[string]any{"iss": issuer} }, want: keyless.LoginInvalid},
		"for another":          {change: func(o *op) { o.claims = map[string]any{"aud": "other"} }, want: keyless.TokenAudience},
		"another access token": {change: func(o *op) { o.grant = set("access_token", "x") }, want: keyless.LoginInvalid, says: "(at_hash)"},
		"it stops answering":   {change: func(o *op) { o.fronts = map[string]http.HandlerFunc{"/token": hangUp} }, want: keyless.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t)
			if c.change != nil {
				c.change(o)
			}
			l, shown := o.person(t)
			var pauses []time.Duration
			now := time.Now()
			l.Now = func() time.Time { return now }
			l.Sleep = func(_ context.Context, d time.Duration) error {
				pauses = append(pauses, d)
				now = now.Add(d)
				return nil
			}
			if c.want == "" { // the token would be of the past
				o.claims = map[string]any{"exp": now.Add(time.Hour).Unix()}
			}
			got, err := l.Device(t.Context())
			o.check(t, got, err, c.want, c.says)
			if c.pauses != nil && !slices.Equal(pauses, c.pauses) {
				t.Errorf("pauses %v, want %v", pauses, c.pauses)
			}
			if len(pauses) > 1000 {
				t.Errorf("asked %d times", len(pauses))
			}
			if err == nil && (len(*shown) != 1 || !strings.Contains((*shown)[0], o.URL+"/enter in a browser and enter the code WDJB-MJHT")) {
				t.Errorf("told %q", *shown)
			}
		})
	}
}

// TestDeviceEnds: who gives up while the code is entered waits no longer.
func TestDeviceEnds(t *testing.T) {
	o := newOP(t)
	l, _ := o.person(t)
	ctx, cancel := context.WithCancel(t.Context())
	l.Sleep = nil // a real timer
	l.Show = func(string) { cancel() }
	got, err := l.Device(ctx)
	o.check(t, got, err, keyless.LoginExpired, "context canceled")
}

// TestIssuerInTheClear: nobody logs in where others listen.
func TestIssuerInTheClear(t *testing.T) {
	for _, at := range []string{"http://issuer.example", "", "issuer.example", "ftp://issuer.example"} {
		l := keyless.Login{Issuer: at, Network: keyless.Network{Now: time.Now}, Show: func(line string) { t.Error(line) }}
		for _, flow := range []func(context.Context) (keyless.Token, error){l.Browser, l.Device} {
			if _, err := flow(t.Context()); reasonOf(err) != keyless.Unusable {
				t.Errorf("%q: %v", at, err)
			}
		}
	}
}

// TestIssuer is whom the signing configuration has people log in at.
func TestIssuer(t *testing.T) {
	w := newWorld(t)
	if got := must(keyless.ParseServices(w.services(1))).Issuer(time.Now()); got != w.server.URL {
		t.Errorf("%q", got)
	}
	var none map[string]any
	if err := json.Unmarshal(w.services(1), &none); err != nil {
		t.Fatal(err)
	}
	delete(none, "oidcUrls")
	if got := must(keyless.ParseServices(must(json.Marshal(none)))).Issuer(time.Now()); got != "" {
		t.Errorf("%q", got)
	}
}
