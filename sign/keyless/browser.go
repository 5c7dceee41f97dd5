package keyless

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// usualDoor is where a browser comes back to where nothing else is said, at a port that
// is free. The path is that of cosign.
const usualDoor = "http://127.0.0.1:0/auth/callback"

// Browser has the person log in with a browser on this machine: the authorization code
// flow (RFC 6749, section 4.1) with a proof key (RFC 7636, S256 only). The browser
// comes back to a port of 127.0.0.1 (RFC 8252, section 7.3), or to Redirect, once and
// within five minutes. Who comes without the state of this login, as any page that is
// open in the browser may have it do, changes nothing, but is told of. The error is a
// [*Refusal].
func (l Login) Browser(ctx context.Context) (Token, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, browserTime, errLate(browserTime))
	defer cancel()
	v, err := l.begin(ctx, rand.Text()+rand.Text())
	if err != nil {
		return Token{}, err
	}
	if !v.challenged() {
		return Token{}, refuse(Unusable, nil, "the issuer %s knows no proof keys (PKCE, S256), without which others on this machine could take the login over: use --oidc-flow device", bare(l.Issuer))
	}
	d, err := v.listen(ctx)
	if err != nil {
		return Token{}, err
	}
	defer d.close()
	at, err := d.page(v)
	if err != nil {
		return Token{}, err
	}
	if l.Open == nil || l.Open(ctx, at) != nil {
		l.Show("to log in, open this address in a browser on this machine: " + at)
	} else {
		l.Show("to log in, use the browser that opens; if none does, open this address: " + at)
	}
	var back returned
	select {
	case back = <-d.back:
	case <-ctx.Done():
		if d.strange.Load() {
			return Token{}, refuse(LoginInvalid, context.Cause(ctx), "nobody has logged in at %s but %s: begin again, and open only the address that is printed", bare(l.Issuer), strangeLogin)
		}
		return Token{}, late(ctx, l.Issuer, browserTime)
	}
	if back.err != nil {
		return Token{}, back.err
	}
	v.client = newClient(l.Network, append(v.client.secrets, back.code)...)
	g, err := v.post(ctx, "token endpoint", v.metadata.Token, v.form("grant_type", "authorization_code",
		"code", back.code, "redirect_uri", d.uri, "code_verifier", v.verifier), true)
	switch {
	case err != nil:
		return Token{}, err
	case g.Error != "":
		return Token{}, v.refused(g)
	}
	return v.token(g, d.nonce)
}

// strangeLogin says of whom nothing is taken.
const strangeLogin = "a browser that came back from another login than the one that began here (state)"

// returned is with what a browser comes back.
type returned struct {
	code    string
	err     error
	strange bool // it is of another login
}

// A door is where the browser comes back to.
type door struct {
	uri          string
	state, nonce string
	back         chan returned // the first that comes of this login
	strange      atomic.Bool   // somebody came of another
	server       *http.Server
}

// listen opens the door. It takes small requests, and one counts.
func (v *visit) listen(ctx context.Context) (*door, error) {
	u, err := url.Parse(cmp.Or(v.Redirect, usualDoor))
	if err != nil || u.Scheme != "http" || !local(u.Hostname()) || u.Port() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, refuse(Unusable, nil, "%.200q is no place for a browser to come back to: that is an http address of this machine with a port, as %s", v.Redirect, usualDoor)
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", u.Host)
	if err != nil {
		return nil, refuse(Unusable, err, "wait at %s for the browser (or use --oidc-flow device)", u.Host)
	}
	if u.Port() == "0" {
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	seen := *v // as it is now: the door may stand open while the login goes on
	d := &door{uri: u.String(), state: rand.Text(), nonce: rand.Text(), back: make(chan returned, 1)}
	d.server = &http.Server{
		ReadTimeout: answerTime, WriteTimeout: answerTime, MaxHeaderBytes: maxAddress,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.Path != cmp.Or(u.Path, "/") || r.Host != u.Host {
				http.NotFound(w, r)
				return
			}
			back := d.read(&seen, r.URL.RawQuery)
			if back.strange && !d.strange.Swap(true) {
				seen.Login.note("%s; waiting for the right one", strangeLogin)
			}
			text := "You can close this window and go back to the terminal.\n"
			if back.err != nil {
				w.WriteHeader(http.StatusBadRequest)
				text = "This is not the login that hallmark waits for. See the terminal.\n"
			}
			io.WriteString(w, text)
			if back.strange {
				return
			}
			select {
			case d.back <- back:
			default: // somebody came before
			}
		}),
	}
	go d.server.Serve(l)
	return d, nil
}

// close lets the browser have its page, and closes the door.
func (d *door) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if d.server.Shutdown(ctx) != nil {
		d.server.Close()
	}
}

// page is where the browser begins.
func (d *door) page(v *visit) (string, error) {
	if err := v.address("authorization endpoint", v.Authorization); err != nil {
		return "", err
	}
	u, err := url.Parse(v.Authorization)
	if err != nil {
		return "", refuse(Unusable, nil, "the authorization endpoint of the issuer %s is no address", bare(v.Login.Issuer))
	}
	q := u.Query()
	for name, values := range v.form("response_type", "code", "scope", "openid email", "redirect_uri", d.uri,
		"state", d.state, "nonce", d.nonce, "code_challenge", v.challenge(), "code_challenge_method", "S256") {
		q[name] = values
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// read reads with what a browser comes back: the state that it was sent away with, the
// issuer where that is told (RFC 9207), and a code or an error, each once.
func (d *door) read(v *visit, query string) returned {
	q, err := url.ParseQuery(query)
	one := func(name string) string {
		if len(q[name]) != 1 {
			return ""
		}
		return q.Get(name)
	}
	switch {
	case err != nil || !same(one("state"), d.state):
		return returned{strange: true, err: refuse(LoginInvalid, nil, strangeLogin)}
	case q.Has("iss") && one("iss") != v.Login.Issuer:
		return returned{err: refuse(LoginInvalid, nil, "the browser comes from the issuer %.200q and was sent to %.200q", one("iss"), v.Login.Issuer)}
	case q.Has("error"):
		return returned{err: v.refused(granted{Error: one("error"), Why: one("error_description")})}
	case one("code") == "" || len(one("code")) > maxAddress:
		return returned{err: refuse(LoginInvalid, nil, "the browser came back from %s without a code", bare(v.Login.Issuer))}
	}
	return returned{code: one("code")}
}
