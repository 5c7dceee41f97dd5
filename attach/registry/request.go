package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
)

const (
	maxRetries   = 3
	maxRedirects = 5
	firstRetry   = 200 * time.Millisecond
	// longestRetry bounds what a registry can ask for with Retry-After.
	longestRetry = 30 * time.Second
	// maxMessage is how much of a refusal is read, in bytes.
	maxMessage = 8 << 10
)

// A request is sent, and sent again, by do.
type request struct {
	method string
	url    *url.URL
	header http.Header
	body   attach.Body // empty when Open is nil
	write  bool        // needs the right to push
	follow bool        // may be sent on to another host, without credentials
	whole  bool        // the answer is read at once, and has to arrive in time
}

// do sends the request and returns the answer, whatever its status, save that
// it tries again up to three times where the connection broke or the registry
// asked for it (408, 429, 5xx but 501). After that such an answer is returned
// too. All requests of this package may be sent twice without harm.
func (c *client) do(ctx context.Context, r request) (*http.Response, error) {
	var waited time.Time
	for try := 0; ; try++ {
		if d := c.host.held(c.options.Now(), waited); d > 0 {
			if err := c.options.Sleep(ctx, d); err != nil {
				return nil, fmt.Errorf("%s %s: wait as the registry asked to: %w", r.method, r.url.Redacted(), err)
			}
		}
		resp, err := c.once(ctx, r)
		if err == nil && ctx.Err() != nil && retryable(resp.StatusCode) {
			resp.Body.Close() // it would be asked again, and nobody waits for it
			resp, err = nil, ctx.Err()
		}
		if try == maxRetries || !again(ctx, resp, err) {
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", r.method, r.url.Redacted(), err)
			}
			return resp, nil
		}
		wait := firstRetry << try
		if resp != nil {
			if asked := retryAfter(resp.Header); asked > 0 {
				wait = max(wait, asked)
				waited = c.host.holdBack(c.options.Now().Add(asked))
			}
			resp.Body.Close()
		}
		if err := c.options.Sleep(ctx, wait); err != nil {
			return nil, fmt.Errorf("%s %s: %w", r.method, r.url.Redacted(), err)
		}
	}
}

// again reports whether there is hope in a further try.
func again(ctx context.Context, resp *http.Response, err error) bool {
	if ctx.Err() != nil || errors.Is(err, attach.ErrDenied) || errors.Is(err, errStalled) ||
		errors.Is(err, errRedirect) || attach.Judged(err) {
		return false
	}
	var se *statusError
	if errors.As(err, &se) {
		return retryable(se.status)
	}
	return err != nil || retryable(resp.StatusCode)
}

func retryable(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status >= 500
}

// retryAfter reads how long the registry asks to wait (RFC 9110, section
// 10.2.3). A date is taken relative to the answer's own, so that clocks need
// not agree.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return min(time.Duration(min(seconds, 3600))*time.Second, longestRetry)
	}
	then, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, min(then.Sub(now), longestRetry))
}

// once sends the request one time and follows redirects.
func (c *client) once(ctx context.Context, r request) (*http.Response, error) {
	limit := 0
	if r.whole {
		limit = wholeWithin
	}
	ctx, guard := watch(ctx, c.options.Patience, limit)
	resp, err := c.hops(ctx, guard, r)
	if err != nil {
		err = guard.explain(err)
		guard.stop()
		return nil, err
	}
	resp.Body = &watchedBody{guard: guard, rc: resp.Body}
	return resp, nil
}

func (c *client) hops(ctx context.Context, guard *watchdog, r request) (*http.Response, error) {
	u := r.url
	for range maxRedirects {
		resp, err := c.send(ctx, guard, r, u)
		if err != nil {
			return nil, err
		}
		if !redirects(r, resp) {
			return resp, nil
		}
		next, err := c.target(r, u, resp)
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		u = next
	}
	return nil, fmt.Errorf("more than %d redirects: %w", maxRedirects, errRedirect)
}

// send sends the request to one address: with credentials to the registry,
// without them to others. Where the registry refuses a token that it took before,
// one that expired, it is sent once more with a new one.
func (c *client) send(ctx context.Context, guard *watchdog, r request, to *url.URL) (*http.Response, error) {
	u := *to
	if !c.home(&u) {
		resp, err := c.transmit(ctx, guard, r, &u, "")
		if err == nil && resp.StatusCode == http.StatusUnauthorized {
			resp.Body.Close()
			return nil, fmt.Errorf("the registry %s sends on to %s, which asks for credentials: %w", c.host.name, u.Host, attach.ErrDenied)
		}
		return resp, err
	}
	resp, err := c.open(ctx, guard, r, &u)
	if err != nil {
		return nil, err
	}
	u.Scheme = c.host.schemeKnown()
	var had grant
	if resp == nil {
		if had, err = c.authorize(ctx, r.write, ""); err != nil {
			return nil, err
		}
		if resp, err = c.transmit(ctx, guard, r, &u, had.pass); err != nil {
			return nil, err
		}
	}
	if had.pass == "" {
		return c.introduce(ctx, guard, r, &u, resp)
	}
	return c.renew(ctx, guard, r, &u, had, resp)
}

// transmit sends the request one time to the address.
func (c *client) transmit(ctx context.Context, guard *watchdog, r request, u *url.URL, pass string) (*http.Response, error) {
	return c.pass(ctx, guard, r, u, pass, c.hosts.plain.RoundTrip)
}

// transmitFirst sends a request without a body one time, without credentials, and
// tells by which scheme it was answered: https, or http where both will do.
func (c *client) transmitFirst(ctx context.Context, guard *watchdog, r request, u *url.URL) (resp *http.Response, secure bool, err error) {
	secure = true
	trip := c.hosts.plain.RoundTrip
	if c.repo.Scheme() == "http" {
		trip = func(req *http.Request) (resp *http.Response, err error) {
			resp, secure, err = c.tryBoth(req)
			return resp, err
		}
	}
	resp, err = c.pass(ctx, guard, r, u, "", trip)
	return resp, secure, err
}

// pass makes the request and waits for its place before it is sent.
func (c *client) pass(ctx context.Context, guard *watchdog, r request, u *url.URL, pass string, trip func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, attach.ErrMalformed)
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	if pass != "" {
		req.Header.Set("Authorization", pass)
	}
	if r.body.Open != nil {
		rc, err := r.body.Open()
		if err != nil {
			return nil, err
		}
		req.Body, req.ContentLength = &watchedBody{guard: guard, rc: rc, keep: true}, r.body.Size
	}
	leave, err := c.host.enter(ctx, guard)
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	resp, err := trip(req)
	if err != nil || r.follow {
		leave()
		return resp, err
	}
	resp.Body = &leaving{resp.Body, leave}
	return resp, nil
}

// A leaving body ends the request when it is closed.
type leaving struct {
	io.ReadCloser
	leave func()
}

// Close implements io.Closer.
func (l *leaving) Close() error {
	defer l.leave()
	return l.ReadCloser.Close()
}

// redirects reports whether the answer is a redirect that is looked at: of what
// only reads. What writes takes it for a refusal.
func redirects(r request, resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return r.method == http.MethodGet || r.method == http.MethodHead
	}
	return false
}

// errRedirect says that a registry sends on to where a client does not go: to
// another host what must be answered by itself, in circles, or nowhere.
var errRedirect = errors.New("redirect that cannot be followed")

// errSeeOther says that a registry answers "see other" (303, RFC 9110 section
// 15.4.4) and names another host: what was asked for is not to be had from it.
var errSeeOther = errors.New("see other")

// target returns the address that a redirect leads to.
func (c *client) target(r request, from *url.URL, resp *http.Response) (*url.URL, error) {
	location := resp.Header.Get("Location")
	to, err := from.Parse(location)
	if err != nil || location == "" {
		return nil, fmt.Errorf("%d to %q: %w", resp.StatusCode, location, errRedirect)
	}
	switch {
	case c.home(to):
		return to, nil
	case !r.follow && resp.StatusCode == http.StatusSeeOther && to.Host != "":
		return nil, fmt.Errorf("the registry %s sends on to %s: %w: %w: %w", c.host.name, to.Host, errSeeOther, errRedirect, attach.ErrDenied)
	case !r.follow:
		return nil, fmt.Errorf("the registry %s sends on to %s: %w: %w", c.host.name, to.Host, errRedirect, attach.ErrDenied)
	case !c.mayUse(to):
		return nil, fmt.Errorf("the registry %s sends on to %s by %s: %w: %w", c.host.name, to.Host, to.Scheme, errRedirect, attach.ErrDenied)
	}
	return to, nil
}

// mayUse reports whether the address of another host is one that this registry
// can send on to: plain HTTP only where the registry itself may use it.
func (c *client) mayUse(u *url.URL) bool {
	return u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && c.repo.Scheme() == "http")
}

// wholeWithin is how often the patience an answer may take that is read at once.
const wholeWithin = 3

// bytes sends the request and reads the answer, at most limit bytes of it. An
// answer that breaks off is asked for again. The answer's body is closed. It
// takes no longer than three times the patience to arrive.
func (c *client) bytes(ctx context.Context, r request, limit int64) (resp *http.Response, b []byte, err error) {
	resp, err = c.answer(ctx, r, func(resp *http.Response) error {
		b, err = c.readAll(ctx, resp, limit)
		return err
	})
	if err != nil {
		return resp, nil, err
	}
	return resp, b, nil
}

// answer is bytes for who reads the answer himself. An answer that breaks off is
// read again from its beginning.
func (c *client) answer(ctx context.Context, r request, read func(*http.Response) error) (*http.Response, error) {
	r.whole = true
	for try := 0; ; try++ {
		resp, err := c.do(ctx, r)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusOK {
			return resp, refusal(r, resp)
		}
		err = read(resp)
		resp.Body.Close()
		if err == nil {
			return resp, nil
		}
		if try == maxRetries || attach.Judged(err) || !again(ctx, nil, err) {
			return nil, fmt.Errorf("%s %s: %w", r.method, r.url.Redacted(), err)
		}
	}
}

// smallAnswer is the size up to which answers are read side by side. Of larger
// ones there is one at a time for each registry, so that a registry that answers
// everything with as much as it may costs little more than one such answer.
const smallAnswer = 256 << 10

// readAll reads the answer and closes it.
func (c *client) readAll(ctx context.Context, resp *http.Response, limit int64) ([]byte, error) {
	defer resp.Body.Close()
	if resp.ContentLength > limit {
		return nil, fmt.Errorf("answer of %d bytes, the limit is %d: %w", resp.ContentLength, limit, attach.ErrLimit)
	}
	begin, err := io.ReadAll(io.LimitReader(resp.Body, min(limit, smallAnswer)+1))
	b := begin
	if err == nil && int64(len(begin)) > smallAnswer && int64(len(begin)) <= limit {
		guard := resp.Body.(*watchedBody).guard
		if err := guard.rest(func() error { return c.host.large.lock(ctx) }); err != nil {
			return nil, err
		}
		defer c.host.large.unlock()
		b, err = readOn(begin, resp, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("answer broke off after %d bytes: %w", len(b), err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("answer of more than %d bytes: %w", limit, attach.ErrLimit)
	}
	return b, nil
}

// readOn reads the rest of an answer into as little memory as is known to do.
func readOn(begin []byte, resp *http.Response, limit int64) ([]byte, error) {
	room := max(resp.ContentLength+1, 4*int64(len(begin)))
	b := bytes.NewBuffer(make([]byte, 0, min(room, limit+1)+bytes.MinRead))
	b.Write(begin)
	_, err := b.ReadFrom(io.LimitReader(resp.Body, limit+1-int64(len(begin))))
	return b.Bytes(), err
}
