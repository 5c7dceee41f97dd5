package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/hallmark-oci/hallmark/attach"
)

// A grant is a value of the Authorization header, and whether it is new.
type grant struct {
	pass  string
	fresh bool
}

// authorize returns the value of the Authorization header for the registry, ""
// for none, which it is while the registry has not asked for any. A token
// is asked for once for reading and once for writing, one for writing does for
// both. A value that was refused is obtained anew, once for all requests that it
// was refused to. Fresh says that it was obtained while this call waited.
func (c *client) authorize(ctx context.Context, write bool, refused string) (g grant, err error) {
	ping := c.host.asked()
	if ping == nil {
		return grant{}, nil
	}
	c.state.answers(ping.Scheme)
	bearer := strings.EqualFold(ping.Scheme, "bearer")
	kind := bearer && (write || c.push) // basic credentials have no scopes
	if pass, ok := c.state.pass(kind, refused); ok {
		return grant{pass: pass}, nil
	}
	g, err = c.state.login(kind).do(ctx, func() (grant, error) {
		if pass, ok := c.state.pass(kind, refused); ok {
			return grant{pass: pass}, nil
		}
		pass, err := c.login(ctx, ping, kind)
		if err != nil {
			return grant{}, err
		}
		c.state.grant(kind, pass)
		return grant{pass, true}, nil
	})
	if err != nil {
		return grant{}, fmt.Errorf("log in to %s: %w", c.host.name, authError(err))
	}
	return g, nil
}

// introduce sends a request once more, whole, that was answered to a stranger,
// where it may be answered otherwise to who has credentials.
func (c *client) introduce(ctx context.Context, guard *watchdog, r request, u *url.URL, resp *http.Response) (*http.Response, error) {
	demands, err := c.demands(ctx, r, u, resp)
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	if !demands {
		return resp, nil
	}
	had, err := c.authorize(ctx, r.write, "")
	if err == nil && had.pass == "" {
		return resp, nil
	}
	drop(resp)
	if err != nil {
		return nil, err
	}
	if resp, err = c.transmit(ctx, guard, r, u, had.pass); err != nil {
		return nil, err
	}
	return c.renew(ctx, guard, r, u, had, resp)
}

// renew sends a request once more with a new token where the registry refused
// one that it took before.
func (c *client) renew(ctx context.Context, guard *watchdog, r request, u *url.URL, had grant, resp *http.Response) (*http.Response, error) {
	if resp.StatusCode != http.StatusUnauthorized || had.fresh {
		return resp, nil
	}
	for range maxRenewals { // others may have used up what they got together with this request
		renewed, err := c.authorize(ctx, r.write, had.pass)
		if err == nil && renewed.pass == had.pass {
			return resp, nil
		}
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		had = renewed
		if resp, err = c.transmit(ctx, guard, r, u, had.pass); err != nil || resp.StatusCode != http.StatusUnauthorized || renewed.fresh {
			return resp, err
		}
	}
	return resp, nil
}

// maxRenewals is how often a token is asked for anew for one request.
const maxRenewals = 3

// login returns where those meet who want the same right.
func (r *repository) login(write bool) *flight[grant] {
	if write {
		return &r.logins[1]
	}
	return &r.logins[0]
}

// answers forgets what was obtained for another sort of challenge.
func (r *repository) answers(scheme string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.scheme != scheme {
		r.scheme = scheme
		clear(r.passes)
	}
}

// pass returns a value that was obtained before and that is not the refused one.
func (r *repository) pass(write bool, refused string) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if all, ok := r.passes[true]; ok && all != refused {
		return all, true
	}
	pass, ok := r.passes[write]
	return pass, ok && (pass != refused || refused == "")
}

func (r *repository) grant(write bool, pass string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passes[write] = pass
}

// mountsFrom notes that blobs are to be mounted from another repository: a token
// for writing has to let read that one too. One that does not is given up. It
// returns false where the registry lately refused to mount anything.
func (r *repository) mountsFrom(repo name.Repository, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Before(r.noMount) {
		return false
	}
	scope := repo.Scope(transport.PullScope)
	if !slices.Contains(r.from, scope) && len(r.from) < maxSources {
		r.from = append(r.from, scope)
		delete(r.passes, true)
	}
	return true
}

// maxSources is from how many repositories blobs are mounted with one token.
const maxSources = 16

// sources returns the scopes of the repositories to mount from.
func (r *repository) sources() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.from)
}

// login obtains a value of the Authorization header: from the credentials, or
// from the token service that the registry names.
func (c *client) login(ctx context.Context, ping *transport.Challenge, write bool) (string, error) {
	auth, config, err := c.credentials(ctx)
	if err != nil {
		return "", err
	}
	switch {
	case config.RegistryToken != "":
		return "Bearer " + config.RegistryToken, nil
	case strings.EqualFold(ping.Scheme, "bearer") && config.IdentityToken != "":
		return c.exchange(ctx, ping, config.IdentityToken, write)
	case strings.EqualFold(ping.Scheme, "bearer"):
		pass, _, err := c.token(ctx, ping, auth, write)
		return pass, err
	case config.Username != "" && config.Password != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(config.Username+":"+config.Password)), nil
	case config.Auth != "":
		return "Basic " + config.Auth, nil
	}
	return "", nil
}

// exchange asks the token service with an identity token. It may answer with
// another one that holds from then on: one exchange at a time for the registry.
func (c *client) exchange(ctx context.Context, ping *transport.Challenge, identity string, write bool) (string, error) {
	h := c.host
	if err := h.renew.lock(ctx); err != nil {
		return "", err
	}
	defer h.renew.unlock()
	h.mu.Lock()
	now, ok := h.renewed[identity]
	h.mu.Unlock()
	if !ok {
		now = identity
	}
	pass, next, err := c.token(ctx, ping, authn.FromConfig(authn.AuthConfig{IdentityToken: now}), write)
	if err != nil || next == "" {
		return pass, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.renewed) >= maxKnown {
		clear(h.renewed)
	}
	h.renewed[identity] = next
	return pass, nil
}

// token asks the token service (distribution's "Token Authentication
// Specification", and its OAuth2 variant for identity tokens). It returns the
// identity token too that came with the answer.
func (c *client) token(ctx context.Context, ping *transport.Challenge, auth authn.Authenticator, write bool) (pass, identity string, err error) {
	if err := c.checkRealm(ping.Parameters["realm"]); err != nil {
		return "", "", err
	}
	scope := c.repo.Scope(transport.PullScope)
	if write {
		scope = c.repo.Scope(transport.PushScope)
		if c.options.Delete {
			scope = c.repo.Scope(transport.DeleteScope)
		}
	}
	scopes := []string{scope}
	if write {
		scopes = append(scopes, c.state.sources()...)
	}
	token, err := transport.Exchange(ctx, c.repo.Registry, auth, c.hosts.plain, scopes, ping)
	var te *transport.Error
	if err != nil {
		if line, _, more := strings.Cut(err.Error(), "\n"); more && !errors.As(err, &te) {
			return "", "", errors.New(line) // the other lines are the answer, which may hold secrets
		}
		return "", "", err
	}
	if token.AccessToken != "" {
		return "Bearer " + token.AccessToken, token.RefreshToken, nil
	}
	return "Bearer " + token.Token, token.RefreshToken, nil
}

// checkRealm refuses a token service that would get credentials over plain HTTP: it
// has to be reached over https, unless it is on this machine, plain HTTP was asked
// for, or it is the registry's own and the registry itself speaks plain HTTP.
func (c *client) checkRealm(realm string) error {
	u, err := url.Parse(realm)
	if err != nil {
		return fmt.Errorf("the token service has the address %q, which is none", realm)
	}
	own := c.home(u) && c.host.schemeKnown() == "http"
	if u.Scheme == "https" || u.Scheme == "http" && (own || c.options.Insecure || isLoopback(u.Hostname())) {
		return nil
	}
	return fmt.Errorf("the registry %s sends for a token to %s by %s: %w", c.host.name, u.Host, u.Scheme, attach.ErrDenied)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// authError says what kind of failure a failed ping or login is.
func authError(err error) error {
	var te *transport.Error
	if !errors.As(err, &te) {
		return err
	}
	if te.StatusCode == http.StatusUnauthorized || te.StatusCode == http.StatusForbidden {
		return fmt.Errorf("%w: %w", err, attach.ErrDenied)
	}
	return &statusError{status: te.StatusCode, text: te.Error()}
}
