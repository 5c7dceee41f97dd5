package network_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/verify/network"
)

// TestHosts: whoever was named is asked, and nobody else is even dialled.
func TestHosts(t *testing.T) {
	var dialled []string
	offline := &http.Transport{DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
		dialled = append(dialled, address)
		return nil, errors.New("no network")
	}}
	h, err := network.New([]string{"log.example", "Other.example:8443", "127.0.0.1:1"}, offline)
	if err != nil {
		t.Fatal(err)
	}
	var zero network.Hosts
	var none *network.Hosts
	for address, named := range map[string]bool{
		"https://log.example/x":                  true,
		"https://LOG.example/x":                  true,
		"https://log.example:443/x":              true,
		"https://other.example:8443/":            true,
		"http://127.0.0.1:1/":                    true,
		"https://127.0.0.1:1/":                   true,
		"https://log.example:8443/x":             false,
		"https://other.example/":                 false,
		"http://log.example/x":                   false,
		"http://log.example:443/x":               false,
		"http://127.0.0.1/":                      false,
		"https://log.example.evil.test/":         false,
		"https://evil.test/log.example":          false,
		"https://log.example@evil.test/":         false,
		"https://user:secret@log.example/":       false,
		"https://sub.log.example/":               false,
		"https://evil.test/?https://log.example": false,
		"ftp://log.example/":                     false,
		"log.example":                            false,
		"":                                       false,
	} {
		dialled = nil
		if h.Allows(address) != named {
			t.Errorf("%s: allowed is not %v", address, named)
		}
		_, err := h.Get(t.Context(), address, 10)
		if err == nil || named != (len(dialled) == 1) {
			t.Errorf("%s: %v, dialled %q", address, err, dialled)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells a secret: %v", address, err)
		}
		if _, err := zero.Get(t.Context(), address, 10); err == nil || zero.Allows(address) || none.Allows(address) {
			t.Errorf("%s: nobody was named: %v", address, err)
		}
	}
	if _, err := none.Get(t.Context(), "https://log.example", 1); !errors.Is(err, network.ErrNotNamed) || !strings.Contains(err.Error(), "log.example") {
		t.Errorf("%v", err)
	}
	for _, name := range []string{"", "https://a.example", "a.example/", "*.example", "a,b", "a b", "u@a.example", ":443", strings.Repeat("a", 300), "a.example?x"} {
		if _, err := network.New([]string{name}, nil); err == nil {
			t.Errorf("%q was taken for a host", name)
		}
	}
	if _, err := network.New(make([]string, 65), nil); err == nil {
		t.Error("65 hosts were taken")
	}
}

// TestAnswers: no redirect is followed, and no more is read than was asked for.
func TestAnswers(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(rw, r, elsewhere.URL, http.StatusFound)
		case "/gone":
			http.NotFound(rw, r)
		case "/cut":
			rw.Header().Set("Content-Length", "100")
			fmt.Fprint(rw, "ten bytes!")
		default:
			fmt.Fprint(rw, "ten bytes!")
		}
	}))
	defer s.Close()
	h, err := network.New([]string{strings.TrimPrefix(s.URL, "http://"), strings.TrimPrefix(elsewhere.URL, "http://")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/away": "status 302", "/gone": "status 404", "/cut": "did not arrive whole", "/": ""} {
		raw, err := h.Get(t.Context(), s.URL+path, 10)
		if want == "" && (err != nil || string(raw) != "ten bytes!") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %q %v", path, raw, err)
		}
	}
	if _, err := h.Post(t.Context(), s.URL, nil, 9); err == nil || !strings.Contains(err.Error(), "more than 9 bytes") {
		t.Errorf("too long an answer: %v", err)
	}
}
