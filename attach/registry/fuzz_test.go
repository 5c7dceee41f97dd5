package registry

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func fuzzClient(f *testing.F) *client {
	f.Helper()
	c, err := newClient("registry.example/app", Options{Hosts: NewHosts(Options{})})
	if err != nil {
		f.Fatal(err)
	}
	return c
}

// FuzzChallenge: whatever a registry answers to a stranger is a challenge or an error.
func FuzzChallenge(f *testing.F) {
	c := fuzzClient(f)
	c.host.speaks(true)
	for _, seed := range []string{`Bearer realm="https://auth.example/token",service="s",scope="a,b"`, `Basic realm="x"`, `Bearer realm="`, `bearer`, "Basic,Bearer x=\xff", ``} {
		f.Add(seed, "Basic")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		header := http.Header{}
		header.Add("WWW-Authenticate", first)
		header.Add("WWW-Authenticate", second)
		got, err := c.challengeIn(t.Context(), &http.Response{StatusCode: http.StatusUnauthorized, Header: header, Body: http.NoBody}, c.host.schemeKnown())
		if err == nil && got.Insecure {
			t.Errorf("%q, %q: led from https to http", first, second)
		}
	})
}

// FuzzNextPage: a link leads to the registry itself, or nowhere.
func FuzzNextPage(f *testing.F) {
	c := fuzzClient(f)
	from, err := url.Parse("https://registry.example/v2/app/tags/list?n=10")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{`</v2/app/tags/list?last=a>; rel="next"`, `<https://evil.example/x>; rel=next`, `<//evil.example>;rel="next"`, `<>; rel="next"`, `<`, `<?last=%zz>; rel="next"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, link string) {
		next, err := c.nextPage(from, http.Header{"Link": {link}})
		if err == nil && next != nil && !strings.EqualFold(next.Host, "registry.example") {
			t.Errorf("%q leads to %s", link, next)
		}
	})
}

// FuzzRetryAfter: a registry makes nobody wait longer than the limit, or before now.
func FuzzRetryAfter(f *testing.F) {
	date := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Format(http.TimeFormat)
	for _, seed := range []string{"0", "1", "-1", "99999999999999999999", "1e9", date, "Fri, 31 Dec 9999 23:59:59 GMT", ""} {
		f.Add(seed, date)
	}
	f.Fuzz(func(t *testing.T, after, now string) {
		if d := retryAfter(http.Header{"Retry-After": {after}, "Date": {now}}); d < 0 || d > longestRetry {
			t.Errorf("%q at %q: %v", after, now, d)
		}
	})
}
