package tuf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// errAbsent marks a file that the mirror says it does not have.
var errAbsent = errors.New("not found")

// source is where the files of a repository are read. Its errors for files that it
// does not have wrap errAbsent.
type source interface {
	get(ctx context.Context, limit int64, parts ...string) ([]byte, error)
}

// mirror is a TUF repository on a web server. Nothing that it says is believed
// before its signature was checked.
type mirror struct {
	base   *url.URL
	client *http.Client
}

func newMirror(at string, transport http.RoundTripper) (*mirror, error) {
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, failed(Misused, errors.New("a mirror is named as https://HOST/PATH"), "mirror %q", at)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, failed(Misused, errors.New("no user, query or fragment is sent to a mirror"), "mirror %s", u.Redacted())
	}
	// With a slash at its end or without it is the same mirror, and must have the same
	// name: by that what it said before is remembered.
	u.Path, u.RawPath = unslashed(u.Path), unslashed(u.RawPath)
	return &mirror{base: u, client: &http.Client{
		Transport: transport,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if r.URL.Host != u.Host || r.URL.Scheme != u.Scheme || len(via) > 3 {
				return fmt.Errorf("it sends on to %s, which is not followed", r.URL.Redacted())
			}
			return nil
		},
	}}, nil
}

// unslashed takes the slashes off the end of a mirror's name or path.
func unslashed(at string) string { return strings.TrimRight(at, "/") }

// get reads a file of at most limit bytes. The parts of its name are escaped.
func (m *mirror) get(ctx context.Context, limit int64, parts ...string) ([]byte, error) {
	at := m.base.JoinPath(parts...).String()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, failed(Malformed, err, "ask for %s", at)
	}
	res, err := m.client.Do(req)
	if err != nil {
		var e *url.Error
		if errors.As(err, &e) {
			err = e.Err // it names the URL once more
		}
		return nil, failed(Unreachable, err, "read %s", at)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotFound:
		return nil, failed(Unreachable, errAbsent, "read %s", at)
	case res.StatusCode != http.StatusOK:
		return nil, failed(Unreachable, fmt.Errorf("the mirror answers %s", strings.TrimSpace(res.Status)), "read %s", at)
	case res.ContentLength > limit:
		return nil, failed(Oversized, fmt.Errorf("%d bytes are announced, %d are read at most", res.ContentLength, limit), "read %s", at)
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return nil, failed(Unreachable, err, "read %s", at)
	}
	if int64(len(raw)) > limit {
		return nil, failed(Oversized, fmt.Errorf("more than %d bytes", limit), "read %s", at)
	}
	return raw, nil
}
