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
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/hallmark-oci/hallmark/attach"
)

// access is what a client knows of how to be let in.
type access struct {
	mu     sync.Mutex
	ping   *transport.Challenge // what the registry asks for; nil before it was asked
	passes map[bool]string      // values of the Authorization header, by whether for writing
	// rotated is the identity token that a token service gave in exchange for
	// the one that the keychain has.
	rotated authn.Authenticator
}

// authorize returns the value of the Authorization header for the registry, ""
// for none, and the scheme to use with it. The registry is pinged once. A token
// is asked for once for reading and once for writing, one for writing does for
// both. A value that was refused is obtained anew, once for all requests that it
// was refused to. fresh says that this call obtained it.
func (c *client) authorize(ctx context.Context, write bool, refused string) (pass, scheme string, fresh bool, err error) {
	c.access.mu.Lock()
	defer c.access.mu.Unlock()
	if err := c.pinged(ctx); err != nil {
		return "", "", false, fmt.Errorf("reach the registry %s: %w", c.repo.RegistryStr(), authError(err))
	}
	scheme = "https"
	if c.access.ping.Insecure {
		scheme = "http"
	}
	bearer := strings.EqualFold(c.access.ping.Scheme, "bearer")
	kind := bearer && (write || c.options.Push) // basic credentials have no scopes
	if all, ok := c.access.passes[true]; ok && all != refused {
		return all, scheme, false, nil
	}
	if pass, ok := c.access.passes[kind]; ok && (pass != refused || refused == "") {
		return pass, scheme, false, nil
	}
	if pass, err = c.login(ctx, kind); err != nil {
		return "", "", false, fmt.Errorf("log in to %s: %w", c.repo.RegistryStr(), authError(err))
	}
	if c.access.passes == nil {
		c.access.passes = make(map[bool]string)
	}
	c.access.passes[kind] = pass
	return pass, scheme, true, nil
}

// pinged asks the registry what it asks for.
func (c *client) pinged(ctx context.Context) error {
	if c.access.ping != nil {
		return nil
	}
	ping, err := transport.Ping(ctx, c.repo.Registry, bearerFirst{c.plain})
	if err != nil {
		return err
	}
	if ping.Insecure && c.repo.Scheme() == "https" {
		return fmt.Errorf("it leads from https to http: %w", attach.ErrDenied)
	}
	c.access.ping = ping
	return nil
}

// login obtains a value of the Authorization header: from the credentials, or
// from the token service that the registry names.
func (c *client) login(ctx context.Context, write bool) (string, error) {
	auth := c.access.rotated
	if auth == nil {
		var err error
		if auth, err = authn.Resolve(ctx, c.options.Keychain, c.repo); err != nil {
			return "", fmt.Errorf("find credentials: %w", err)
		}
	}
	config, err := authn.Authorization(ctx, auth)
	if err != nil {
		return "", fmt.Errorf("find credentials: %w", err)
	}
	switch {
	case config.RegistryToken != "":
		return "Bearer " + config.RegistryToken, nil
	case strings.EqualFold(c.access.ping.Scheme, "bearer"):
		return c.token(ctx, auth, config.IdentityToken != "", write)
	case config.Username != "" && config.Password != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(config.Username+":"+config.Password)), nil
	case config.Auth != "":
		return "Basic " + config.Auth, nil
	}
	return "", nil
}

// token asks the token service (distribution's "Token Authentication
// Specification", and its OAuth2 variant for identity tokens).
func (c *client) token(ctx context.Context, auth authn.Authenticator, identity, write bool) (string, error) {
	if err := c.checkRealm(c.access.ping.Parameters["realm"]); err != nil {
		return "", err
	}
	scope := c.repo.Scope(transport.PullScope)
	if write {
		scope = c.repo.Scope(transport.PushScope)
		if c.options.Delete {
			scope = c.repo.Scope(transport.DeleteScope)
		}
	}
	token, err := transport.Exchange(ctx, c.repo.Registry, auth, c.plain, []string{scope}, c.access.ping)
	var te *transport.Error
	if err != nil {
		if line, _, more := strings.Cut(err.Error(), "\n"); more && !errors.As(err, &te) {
			return "", errors.New(line) // the other lines are the answer, which may hold secrets
		}
		return "", err
	}
	if identity && token.RefreshToken != "" {
		c.access.rotated = authn.FromConfig(authn.AuthConfig{IdentityToken: token.RefreshToken})
	}
	if token.AccessToken != "" {
		return "Bearer " + token.AccessToken, nil
	}
	return "Bearer " + token.Token, nil
}

// checkRealm refuses a token service that would get credentials over plain HTTP:
// on another host than the registry's it has to be reached over https, unless it
// is on this machine or plain HTTP was asked for.
func (c *client) checkRealm(realm string) error {
	u, err := url.Parse(realm)
	if err != nil {
		return fmt.Errorf("the token service has the address %q, which is none", realm)
	}
	if u.Scheme == "https" || c.home(u) || u.Scheme == "http" && (c.options.Insecure || isLoopback(u.Hostname())) {
		return nil
	}
	return fmt.Errorf("the registry %s sends for a token to %s by %s: %w", c.repo.RegistryStr(), u.Host, u.Scheme, attach.ErrDenied)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
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
