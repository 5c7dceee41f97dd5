package registry

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// A client sends requests to one repository.
type client struct {
	repo    name.Repository
	options Options
	plain   http.RoundTripper // without credentials

	access access

	mu      sync.Mutex
	profile profile
	cache   manifestCache
}

// A profile is what was learned of the registry.
type profile struct {
	twoStep      bool  // it takes no blob in one request
	noReferrers  bool  // it has no referrers API
	noMount      bool  // it mounts no blobs
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
		repo:    r,
		options: o,
		plain:   transport.NewUserAgent(o.Transport, o.UserAgent),
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
