// Package network lets verification ask the hosts that somebody named, and no others.
//
// To verify needs no network but the registry's: what vouches for a signature comes with
// it. Where something is left to be asked for, an entry of a transparency log or a part of
// a policy, it is asked for here. The question goes to a host that was named beforehand,
// by https, follows no redirect, and its answer is bounded in size and time. What comes
// back is believed no more than what was attached.
package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// ErrNotNamed says that a host may not be asked.
var ErrNotNamed = errors.New("the host is not among those that may be asked over the network")

// Hosts are those that may be asked. Nil, and the zero value, ask nobody. It is safe for
// concurrent use.
type Hosts struct {
	names  []string
	client http.Client
}

// New returns hosts by their names, HOST or HOST:PORT, each exactly as it stands in
// addresses; without port the one of https is meant. The transport carries the requests;
// nil means Go's default.
func New(names []string, transport http.RoundTripper) (*Hosts, error) {
	if len(names) > maxHosts {
		return nil, fmt.Errorf("%d hosts, at most %d are taken", len(names), maxHosts)
	}
	h := &Hosts{}
	for _, name := range names {
		u, err := url.Parse("https://" + name)
		if err != nil || name == "" || u.Host != name || u.Hostname() == "" || strings.ContainsAny(name, "*?, \t") || len(name) > maxName {
			return nil, fmt.Errorf("%.100q is no name of a host, HOST or HOST:PORT", name)
		}
		h.names = append(h.names, place(u))
	}
	if transport == nil {
		transport = http.DefaultTransport
	}
	h.client = http.Client{
		Transport:     gate{h, transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return h, nil
}

// place is the host of an address with its port.
func place(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// Allows reports whether the address is one that may be asked.
func (h *Hosts) Allows(address string) bool {
	u, err := url.Parse(address)
	return err == nil && h.allows(u)
}

// allows reports whether the host of the address was named, and nobody can listen or
// answer in its place: the address is https, or leads to this machine itself.
func (h *Hosts) allows(u *url.URL) bool {
	if h == nil || u.User != nil || !slices.Contains(h.names, place(u)) {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && u.Port() != "" && ip != nil && ip.IsLoopback()
}

// gate carries requests to the hosts that were named, and refuses all others before a
// connection is made.
type gate struct {
	hosts *Hosts
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (g gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if !g.hosts.allows(r.URL) {
		return nil, ErrNotNamed
	}
	return g.next.RoundTrip(r)
}

// Get returns what is at the address, at most limit bytes. The error wraps [ErrNotNamed]
// where nobody named its host.
func (h *Hosts) Get(ctx context.Context, address string, limit int64) ([]byte, error) {
	return h.ask(ctx, http.MethodGet, address, nil, limit)
}

// Post sends a JSON text to the address and returns the answer, at most limit bytes, as
// [Hosts.Get] does.
func (h *Hosts) Post(ctx context.Context, address string, body []byte, limit int64) ([]byte, error) {
	return h.ask(ctx, http.MethodPost, address, body, limit)
}

func (h *Hosts) ask(ctx context.Context, method, address string, body []byte, limit int64) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%.200q is no address that can be asked", address)
	}
	at := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String() // without what may be a secret
	if !h.allows(u) {
		return nil, fmt.Errorf("%s: %w: --network %s allows it, where the address is https", at, ErrNotNamed, u.Host)
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s is no address that can be asked", at)
	}
	r.Header.Set("User-Agent", "hallmark")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json")
	}
	res, err := h.client.Do(r)
	if err != nil {
		var why *url.Error
		if errors.As(err, &why) {
			err = why.Err // the address is told here
		}
		return nil, fmt.Errorf("%s %s: %w", method, at, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: status %d, where 200 is wanted", method, at, res.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s %s: the answer did not arrive whole: %w", method, at, err)
	case int64(len(raw)) > limit:
		return nil, fmt.Errorf("%s %s: the answer has more than %d bytes", method, at, limit)
	}
	return raw, nil
}
