package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/hallmark-oci/hallmark/attach"
)

// A client sends requests to one repository.
type client struct {
	repo    name.Repository
	options Options
	plain   http.RoundTripper // without credentials

	mu       sync.Mutex
	ping     *transport.Challenge       // what the registry asks for; nil before it was asked
	sessions map[bool]http.RoundTripper // with credentials, by whether for writing
	profile  profile
	cache    manifestCache
}

// A profile is what was learned of the registry.
type profile struct {
	twoStep      bool  // it takes no blob in one request
	noReferrers  bool  // it has no referrers API
	oddReferrers error // what it answers in place of a plain no
}

func newClient(repo string, o Options) (*client, error) {
	opts := []name.Option{name.WithDefaultRegistry(name.DefaultRegistry)}
	if o.Insecure {
		opts = append(opts, name.Insecure)
	}
	r, err := name.NewRepository(repo, opts...)
	if err != nil {
		return nil, fmt.Errorf("repository %q: %w", repo, err)
	}
	return &client{
		repo:     r,
		options:  o,
		plain:    transport.NewUserAgent(o.Transport, o.UserAgent),
		sessions: make(map[bool]http.RoundTripper),
	}, nil
}

// newTransport returns a transport that gives up on servers that do not answer.
// It leaves compressed answers as they are: digests are over what is stored.
func newTransport(insecure bool) http.RoundTripper {
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    15 * time.Second,
		ResponseHeaderTimeout:  time.Minute,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
	}
	if insecure {
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	}
	return t
}

// session returns the transport that carries credentials, and the scheme to use
// with it. The registry is pinged once, and asked for a token once for reading
// and once for writing.
func (c *client) session(ctx context.Context, write bool) (http.RoundTripper, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ping == nil {
		ping, err := transport.Ping(ctx, c.repo.Registry, c.plain)
		if err != nil {
			return nil, "", fmt.Errorf("reach the registry %s: %w", c.repo.RegistryStr(), authError(err))
		}
		if ping.Insecure && c.repo.Scheme() == "https" {
			return nil, "", fmt.Errorf("registry %s leads from https to http: %w", c.repo.RegistryStr(), attach.ErrDenied)
		}
		c.ping = ping
	}
	scheme := "https"
	if c.ping.Insecure {
		scheme = "http"
	}
	if !strings.EqualFold(c.ping.Scheme, "bearer") {
		write = false // no scopes: one session does for both
	}
	if rt := c.sessions[write]; rt != nil {
		return rt, scheme, nil
	}
	rt, err := c.login(ctx, write)
	if err != nil {
		return nil, "", fmt.Errorf("log in to %s: %w", c.repo.RegistryStr(), authError(err))
	}
	c.sessions[write] = rt
	return rt, scheme, nil
}

func (c *client) login(ctx context.Context, write bool) (http.RoundTripper, error) {
	auth, err := authn.Resolve(ctx, c.options.Keychain, c.repo)
	if err != nil {
		return nil, fmt.Errorf("find credentials: %w", err)
	}
	var token *transport.Token
	if strings.EqualFold(c.ping.Scheme, "bearer") {
		scope := c.repo.Scope(transport.PullScope)
		if write {
			scope = c.repo.Scope(transport.PushScope)
		}
		token, err = transport.Exchange(ctx, c.repo.Registry, auth, c.plain, []string{scope}, c.ping)
		if err != nil {
			return nil, err
		}
		if token.Token == "" {
			token.Token = token.AccessToken
		}
	}
	return transport.FromToken(c.repo.Registry, auth, c.plain, c.ping, token)
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

// url returns the address of something in the repository.
func (c *client) url(path string, query url.Values) *url.URL {
	return &url.URL{
		Scheme:   c.repo.Scheme(),
		Host:     c.repo.RegistryStr(),
		Path:     "/v2/" + c.repo.RepositoryStr() + "/" + path,
		RawQuery: query.Encode(),
	}
}

// home reports whether the address is the registry's own.
func (c *client) home(u *url.URL) bool { return strings.EqualFold(u.Host, c.repo.RegistryStr()) }
