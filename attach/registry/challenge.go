package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/hallmark-oci/hallmark/attach"
)

// What a registry asks for is told by its answers. The first request of a process
// goes to it without credentials: one that wants some answers 401 and says which,
// and then the request is sent again. So a registry that wants none, or says at
// once what it wants, is not pinged (GET /v2/).
//
// There are registries that tell a stranger "not found", or show a shorter list,
// where they show a friend more. Such an answer must not stand, since what is
// written next may rest on it. So where there are credentials that were not sent,
// only an answer that leaves nothing out stands: a manifest, a blob, something
// taken. After any other the registry is pinged, and the request sent again with
// what it takes. See [client.stands].

// schemeKnown returns the scheme to use with the registry, "" while it is not known.
func (h *host) schemeKnown() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.scheme
}

// asked returns what the registry asks for, nil while it has asked for nothing
// and was not pinged.
func (h *host) asked() *transport.Challenge {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.challenge
}

// learn notes what the registry asks for. A challenge wins over none.
func (h *host) learn(c *transport.Challenge) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.challenge == nil || h.challenge.Scheme == "" {
		h.challenge = c
	}
}

// speaks notes by which scheme the registry answers. The first answer counts.
func (h *host) speaks(secure bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.scheme == "" {
		h.scheme = schemeOf(secure)
	}
}

func schemeOf(secure bool) string {
	if secure {
		return "https"
	}
	return "http"
}

// open finds the scheme of the registry, once for all who wait for it. Where the
// request only reads it is sent for that, and its answer is returned. Who sends a
// body pings, since a body is not to be sent in clear by chance.
func (c *client) open(ctx context.Context, guard *watchdog, r request, u *url.URL) (*http.Response, error) {
	if c.host.schemeKnown() != "" {
		return nil, nil
	}
	var resp *http.Response
	err := guard.rest(func() error { // who waits for another does not wait for the server
		_, err := c.host.opening.do(ctx, func() (none struct{}, err error) {
			err = guard.work(func() error {
				resp, err = c.scout(ctx, guard, r, u)
				return err
			})
			return none, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reach the registry %s: %w", c.host.name, authError(err))
	}
	return resp, nil
}

// scout finds the scheme of the registry with the request, or with a ping.
func (c *client) scout(ctx context.Context, guard *watchdog, r request, u *url.URL) (*http.Response, error) {
	if c.host.schemeKnown() != "" {
		return nil, nil
	}
	if r.method != http.MethodGet && r.method != http.MethodHead {
		_, err := c.ping(ctx)
		return nil, err
	}
	to := *u
	to.Scheme = c.repo.Scheme()
	resp, secure, err := c.transmitFirst(ctx, guard, r, &to)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusUnauthorized { // so that those who wait need not hear it too
		if challenge, err := c.challengeIn(ctx, resp, schemeOf(secure)); err == nil && challenge.Scheme != "" {
			c.host.learn(challenge)
		}
	}
	c.host.speaks(secure) // from here on nobody waits
	return resp, nil
}

// headStart is for how long https is tried alone where http will do.
const headStart = 300 * time.Millisecond

// A first answer came by one of two schemes.
type firstAnswer struct {
	resp   *http.Response
	err    error
	secure bool
	end    context.CancelFunc
}

// tryBoth sends a request without a body by https and, where that fails or says
// nothing for a while, by http. An answer by https counts whatever it is. One by
// http counts while https is silent only if it shows that http is spoken there:
// there are servers that answer http on their https port with a refusal.
func (c *client) tryBoth(req *http.Request) (resp *http.Response, secure bool, err error) {
	answers := make(chan firstAnswer, 2)
	send := func(scheme string) context.CancelFunc {
		ctx, cancel := context.WithCancel(req.Context())
		one := req.Clone(ctx)
		one.URL.Scheme = scheme
		go func() {
			resp, err := c.hosts.plain.RoundTrip(one)
			answers <- firstAnswer{resp, err, scheme == "https", cancel}
		}()
		return cancel
	}
	stop := []context.CancelFunc{send("https")}
	wait := time.NewTimer(headStart)
	defer wait.Stop()
	late := wait.C
	var held []firstAnswer
	for {
		select {
		case <-late:
			late = nil
			stop = append(stop, send("http"))
			continue
		case a := <-answers:
			held = append(held, a)
			if a.secure && a.err != nil && late != nil {
				late = nil
				stop = append(stop, send("http"))
				continue
			}
		}
		if best, ok := choose(held, len(stop)); ok {
			c.dismiss(best, held, stop, answers)
			return best.keep()
		}
	}
}

// choose returns the answer that counts, if it is known which does.
func choose(held []firstAnswer, sent int) (firstAnswer, bool) {
	var plain firstAnswer
	for _, a := range held {
		switch {
		case a.err == nil && (a.secure || a.resp.StatusCode/100 == 2 || a.resp.StatusCode == http.StatusUnauthorized):
			return a, true
		case !a.secure:
			plain = a
		}
	}
	if len(held) < 2 || sent < 2 {
		return firstAnswer{}, false
	}
	if plain.err != nil {
		for _, a := range held {
			if a.secure {
				plain.err = fmt.Errorf("by https: %w; by http: %w", a.err, plain.err)
			}
		}
	}
	return plain, true
}

// dismiss ends what does not count.
func (c *client) dismiss(best firstAnswer, held []firstAnswer, stop []context.CancelFunc, answers <-chan firstAnswer) {
	for _, a := range held {
		if a.secure == best.secure {
			continue
		}
		a.end()
		if a.err == nil {
			a.resp.Body.Close()
		}
	}
	if len(held) == len(stop) {
		return
	}
	other := stop[0]
	if best.secure {
		other = stop[1]
	}
	other()
	go func() {
		if a := <-answers; a.err == nil {
			a.resp.Body.Close()
		}
	}()
}

// keep hands out the answer. The request ends with its body.
func (a firstAnswer) keep() (*http.Response, bool, error) {
	if a.err != nil {
		a.end()
		return nil, a.secure, a.err
	}
	a.resp.Body = &leaving{a.resp.Body, a.end}
	return a.resp, a.secure, nil
}

// demands reports whether credentials are to be sent after all: where the answer
// to a request that came without any asks for them, or where it may be another
// for who has some. The registry's challenge is known then.
func (c *client) demands(ctx context.Context, r request, u *url.URL, resp *http.Response) (bool, error) {
	if resp.StatusCode == http.StatusUnauthorized {
		challenge, err := c.challengeIn(ctx, resp, c.host.schemeKnown())
		if err != nil {
			return false, fmt.Errorf("log in to %s: %w", c.host.name, err)
		}
		if challenge.Scheme != "" {
			c.host.learn(challenge)
			return true, nil
		}
	} else if c.host.asked() != nil || c.stands(r, u, resp) {
		return false, nil
	} else if has, err := c.hasCredentials(ctx); err != nil || !has {
		return false, err
	}
	if c.host.asked() != nil {
		return false, nil
	}
	if _, err := c.pinged(ctx); err != nil {
		return false, fmt.Errorf("reach the registry %s: %w", c.host.name, authError(err))
	}
	return true, nil
}

// stands reports whether an answer to a stranger would be the same for a friend,
// or is none at all and will be asked for again.
func (c *client) stands(r request, u *url.URL, resp *http.Response) bool {
	if retryable(resp.StatusCode) || resp.StatusCode >= 500 {
		return true
	}
	if resp.StatusCode >= 400 {
		return false
	}
	what, ok := strings.CutPrefix(u.Path, "/v2/"+c.repo.RepositoryStr()+"/")
	return r.write || ok && (strings.HasPrefix(what, "manifests/") || strings.HasPrefix(what, "blobs/"))
}

// hasCredentials reports whether there are credentials for the repository. What
// was found is kept for the login that follows.
func (c *client) hasCredentials(ctx context.Context) (bool, error) {
	c.state.mu.Lock()
	stranger := c.state.stranger
	c.state.mu.Unlock()
	if stranger {
		return false, nil
	}
	auth, err := authn.Resolve(ctx, c.options.Keychain, c.repo)
	if err != nil {
		return false, fmt.Errorf("find credentials for %s: %w", c.host.name, err)
	}
	config, err := authn.Authorization(ctx, auth)
	if err != nil {
		return false, fmt.Errorf("find credentials for %s: %w", c.host.name, err)
	}
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	c.state.stranger = *config == authn.AuthConfig{}
	c.state.found = auth
	return !c.state.stranger, nil
}

// credentials finds the credentials for the repository.
func (c *client) credentials(ctx context.Context) (authn.Authenticator, *authn.AuthConfig, error) {
	c.state.mu.Lock()
	auth := c.state.found
	c.state.found = nil
	c.state.mu.Unlock()
	var err error
	if auth == nil {
		auth, err = authn.Resolve(ctx, c.options.Keychain, c.repo)
	}
	var config *authn.AuthConfig
	if err == nil {
		config, err = authn.Authorization(ctx, auth)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("find credentials: %w", err)
	}
	return auth, config, nil
}

// pinged returns what the registry asks for; it is asked where that is not known.
func (c *client) pinged(ctx context.Context) (*transport.Challenge, error) {
	if asked := c.host.asked(); asked != nil {
		return asked, nil
	}
	return c.host.pings.do(ctx, func() (*transport.Challenge, error) {
		if asked := c.host.asked(); asked != nil {
			return asked, nil
		}
		return c.ping(ctx)
	})
}

// ping asks the registry what it asks for.
func (c *client) ping(ctx context.Context) (*transport.Challenge, error) {
	ping, err := transport.Ping(ctx, c.repo.Registry, bearerFirst{c.hosts.plain})
	if err != nil {
		return nil, err
	}
	if ping.Insecure && (c.repo.Scheme() == "https" || c.host.schemeKnown() == "https") {
		return nil, fmt.Errorf("it leads from https to http: %w", attach.ErrDenied)
	}
	c.host.speaks(!ping.Insecure)
	c.host.learn(ping)
	return c.host.asked(), nil
}

// challengeIn reads what an answer of the registry asks for, as that to a ping is
// read: it is replayed as one.
func (c *client) challengeIn(ctx context.Context, resp *http.Response, scheme string) (*transport.Challenge, error) {
	challenge, err := transport.Ping(ctx, c.repo.Registry, bearerFirst{replay{resp.Header.Clone(), scheme}})
	if err != nil {
		return nil, err
	}
	return challenge, nil
}

// A replay answers every request by the scheme with the refusal that was received.
type replay struct {
	header http.Header
	scheme string
}

// RoundTrip implements http.RoundTripper.
func (p replay) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != p.scheme {
		return nil, errors.New("not the scheme of the registry")
	}
	return &http.Response{
		StatusCode: http.StatusUnauthorized, Header: p.header, Body: http.NoBody, Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// bearerFirst puts the challenges of token services before others, so that they
// are preferred: tokens are for one repository and let the anonymous read.
type bearerFirst struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bearerFirst) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		slices.SortStableFunc(resp.Header.Values("WWW-Authenticate"), func(a, b string) int {
			return rankOf(a) - rankOf(b)
		})
	}
	return resp, err
}

func rankOf(challenge string) int {
	if scheme, _, _ := strings.Cut(challenge, " "); strings.EqualFold(scheme, "bearer") {
		return 0
	}
	return 1
}

// drop closes an answer that is not looked at. A small one is read to its end, so
// that the connection can be used again.
func drop(resp *http.Response) {
	io.CopyN(io.Discard, resp.Body, maxMessage)
	resp.Body.Close()
}
