package registry

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// A client sends requests to one repository.
type client struct {
	repo    name.Repository
	options Options // of the Hosts, how registries are talked to
	push    bool    // tokens are to let write
	hosts   *Hosts
	host    *host
	state   *repository
}

func newClient(repo string, o Options) (*client, error) {
	hosts := o.Hosts
	var opts []name.Option
	opts = append(opts, name.WithDefaultRegistry(name.DefaultRegistry))
	if hosts.options.Insecure {
		opts = append(opts, name.Insecure)
	}
	r, err := name.NewRepository(repo, opts...)
	if err != nil {
		return nil, fmt.Errorf("repository %q: %w", repo, err)
	}
	c := &client{repo: r, options: hosts.options, push: o.Push, hosts: hosts}
	c.options.PageSize, c.options.Delete = o.PageSize, o.Delete
	c.host, c.state = hosts.of(r.RegistryStr(), r.RepositoryStr())
	return c, nil
}

// newTransport returns a transport that gives up on servers that do not answer.
// It leaves compressed answers as they are: digests are over what is stored.
func newTransport(insecure bool, parallel int) http.RoundTripper {
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    15 * time.Second,
		ResponseHeaderTimeout:  time.Minute,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    parallel,
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
		Host:     c.host.name,
		Path:     "/v2/" + c.repo.RepositoryStr() + "/" + path,
		RawQuery: query.Encode(),
	}
}

// home reports whether the address is the registry's own.
func (c *client) home(u *url.URL) bool { return strings.EqualFold(u.Host, c.host.name) }
