package keyless

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"
)

// A Network is how services are reached and how long is waited between two tries.
// A service that is busy (429, 502, 503, 504) or to which the connection breaks is
// asked again, a few times and within a bounded time.
type Network struct {
	// Transport carries the requests. nil means Go's default.
	Transport http.RoundTripper
	// Now is the clock.
	Now func() time.Time
	// Sleep waits that long, or returns an error when the context ends before. nil
	// means a timer.
	Sleep func(context.Context, time.Duration) error
	// Jitter returns a number from 0 and below 1, by which pauses differ: those who
	// failed together do not come back together. nil means a random one.
	Jitter func() float64
	// Note is told in one line what is tried again or elsewhere. nil means nobody is.
	Note func(line string)
}

// sleep waits.
func (n Network) sleep(ctx context.Context, d time.Duration) error {
	if n.Sleep != nil {
		return n.Sleep(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// note tells what is done.
func (n Network) note(format string, args ...any) {
	if n.Note != nil {
		n.Note(fmt.Sprintf(format, args...))
	}
}

// pause is how long is waited after that many tries: twice as long after each, less
// up to a half.
func (n Network) pause(tries int) time.Duration {
	jitter := rand.Float64
	if n.Jitter != nil {
		jitter = n.Jitter
	}
	whole := firstPause << (tries - 1)
	return whole - time.Duration(jitter()*float64(whole)/2)
}

// A miss is why there is no answer, and whether another try has hope.
type miss struct {
	refusal *Refusal
	again   bool
	after   time.Duration // that the service asks to wait
}

// ask asks, and again where there is hope. The error is a [*Refusal].
func (c *client) ask(ctx context.Context, q call) (answer, error) {
	began := c.net.Now()
	for try := 1; ; try++ {
		a, m := c.once(ctx, q)
		if m == nil {
			return a, nil
		}
		pause := max(m.after, c.net.pause(try))
		if !m.again || try == maxTries || ctx.Err() != nil || c.net.Now().Add(pause).Sub(began) > retryTime {
			if try > 1 {
				m.refusal.Detail += fmt.Sprintf(" (asked %d times)", try)
			}
			return answer{}, m.refusal
		}
		c.net.note("%v; asking again in %s", m.refusal, pause.Round(time.Millisecond))
		if err := c.net.sleep(ctx, pause); err != nil {
			return answer{}, refuse(Unreachable, err, "%s, and while waiting to ask again", m.refusal.Detail)
		}
	}
}

// busy reports whether the status is one that passes (RFC 9110, section 15.6, and
// RFC 6585, section 4). After the first two the request was not worked on.
func busy(status int, once bool) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return true
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return !once
	}
	return false
}

// passes reports whether the error of a connection may be gone at the next try. What
// must not be sent twice is sent again only if it was not sent at all.
func passes(err error, once bool) bool {
	var cert *tls.CertificateVerificationError
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &cert), errors.Is(err, http.ErrSchemeMismatch), errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &dns) && dns.IsNotFound:
		return false
	case once:
		return errors.As(err, &op) && op.Op == "dial"
	}
	return true
}

// retryAfter reads how long the service asks to be left alone (RFC 9110, section
// 10.2.3). A date is taken relative to the answer's own: clocks need not agree.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, int(longestPause/time.Second))) * time.Second
	}
	then, err1 := http.ParseTime(value)
	now, err2 := http.ParseTime(h.Get("Date"))
	if err1 != nil || err2 != nil {
		return 0
	}
	return max(0, min(then.Sub(now), longestPause))
}
