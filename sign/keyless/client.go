package keyless

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
	"unicode"
)

// client asks services. It follows no redirect: a service is the one that the
// signing configuration names, and a token is shown to nobody else.
type client struct {
	net     Network
	http    *http.Client
	secrets []string // are cut out of what services say
}

func newClient(n Network, secrets ...string) *client {
	return &client{net: n, secrets: secrets, http: &http.Client{
		Transport:     n.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// A call is one question to a service.
type call struct {
	method, url string
	accept      string
	contentType string
	body        []byte
	header      map[string]string
	ok          []int // the status codes of an answer
	single      bool  // must not reach the service twice
}

// An answer is what a service says.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	trailer http.Header
}

// do asks and returns the body of the answer, at most maxAnswer bytes. The error is
// a [*Refusal].
func (c *client) do(ctx context.Context, q call) ([]byte, error) {
	a, err := c.ask(ctx, q)
	return a.body, err
}

// once asks one time.
func (c *client) once(ctx context.Context, q call) (answer, *miss) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	at := bare(q.url)
	r, err := http.NewRequestWithContext(ctx, q.method, q.url, bytes.NewReader(q.body))
	if err != nil {
		return answer{}, &miss{refusal: refuse(Unusable, nil, "%s is no address that can be asked", at)}
	}
	if q.contentType != "" {
		r.Header.Set("Content-Type", q.contentType)
	}
	r.Header.Set("Accept", q.accept)
	r.Header.Set("User-Agent", "hallmark")
	for k, v := range q.header {
		r.Header.Set(k, v)
	}
	res, err := c.http.Do(r)
	if err != nil {
		return answer{}, &miss{refusal: refuse(Unreachable, plainly(err), "%s %s", q.method, at), again: passes(err, q.single)}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return answer{}, &miss{refusal: refuse(Unreachable, err, "%s %s: the answer did not arrive whole", q.method, at), again: passes(err, q.single)}
	case len(body) > maxAnswer:
		return answer{}, &miss{refusal: refuse(Malformed, nil, "%s %s: the answer has more than %d bytes", q.method, at, maxAnswer)}
	case slices.Contains(q.ok, res.StatusCode):
		return answer{res.StatusCode, res.Header, body, res.Trailer}, nil
	}
	return answer{}, &miss{refusal: c.denied(q, at, res, body), again: busy(res.StatusCode, q.single), after: retryAfter(res.Header)}
}

// denied says why an answer is none.
func (c *client) denied(q call, at string, res *http.Response, body []byte) *Refusal {
	said := c.quote(body)
	switch {
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return refuse(Denied, nil, "%s %s: it sends elsewhere, to %.200q, which is not followed; correct the address", q.method, at, bare(res.Header.Get("Location")))
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests:
		return refuse(Unreachable, nil, "%s %s: status %d %s", q.method, at, res.StatusCode, said)
	}
	return refuse(Denied, nil, "%s %s: status %d %s", q.method, at, res.StatusCode, said)
}

// quote returns the beginning of what a service said, on one line and without the
// secrets, which it may have repeated.
func (c *client) quote(body []byte) string {
	text := string(body)
	for _, secret := range c.secrets {
		for _, part := range append([]string{secret}, strings.Split(secret, ".")...) {
			if len(part) >= 16 {
				text = strings.ReplaceAll(text, part, "[token]")
			}
		}
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if text = strings.TrimSpace(text); len(text) > maxQuote {
		text = strings.ToValidUTF8(text[:maxQuote], "") + "..."
	}
	return text
}

// bare returns an address without what may be a secret in it.
func bare(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(an address that cannot be read)"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// plainly returns the error without the address, which the caller tells.
func plainly(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// private accepts addresses to which a token can be sent: nobody listens on the way.
func private(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%s is no address", bare(address))
	}
	if u.Scheme == "https" || u.Scheme == "http" && local(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%s is not https: a token would be sent in the clear", bare(address))
}

// local reports whether the name is one of this machine for itself.
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
