package storetest

import (
	"encoding/json"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TestRedirectQuirk shows that blobs come from another host, which notes what
// it is given.
func TestRedirectQuirk(t *testing.T) {
	s := Start()
	defer s.Close()
	seed(t, s)
	var m v1.Manifest
	if err := json.Unmarshal(ask(s, "GET", "/v2/r/manifests/v1", "").body, &m); err != nil {
		t.Fatal(err)
	}
	path := "/v2/r/blobs/" + m.Config.Digest.String()
	elsewhere := &Server{Host: strings.TrimPrefix(s.other.URL, "http://")}
	for demand, want := range map[bool]int{false: 200, true: 401} {
		s.Set(RedirectBlobs(demand))
		s.Elsewhere.Forget()
		if a := ask(s, "GET", path, ""); a.status != 307 || a.header.Get("Location") != s.other.URL+path {
			t.Errorf("redirect: %d %v", a.status, a.header)
		}
		if a := ask(elsewhere, "GET", path, ""); a.status != want {
			t.Errorf("demand %v: %d, want %d", demand, a.status, want)
		}
		ask(elsewhere, "GET", path, "", "Authorization", "Basic c2VjcmV0")
		if r := s.Elsewhere.Requests(); len(r) != 2 || r[1].Authorization != "Basic c2VjcmV0" || r[0].Status != want {
			t.Errorf("log: %+v", r)
		}
	}
}

// TestListQuirks shows the ways in which lists of tags differ.
func TestListQuirks(t *testing.T) {
	s := Start()
	defer s.Close()
	for _, tag := range []string{"a", "b", "c", "d"} {
		putTag(s, tag, small(tag))
	}
	page := func(query string) answer { return ask(s, "GET", "/v2/r/tags/list"+query, "") }
	tests := []struct {
		name   string
		quirks []Quirk
		query  string
		want   string // tags, then the Link
	}{
		{"plain", nil, "?n=2&last=a", "b c |"},
		{"links", []Quirk{Links()}, "?n=2", "a b |</v2/r/tags/list?last=b&n=2>; rel=\"next\""},
		{"links, end", []Quirk{Links()}, "?n=9", "a b c d |"},
		{"page size", []Quirk{PageSize(1), Links()}, "?n=9", "a |</v2/r/tags/list?last=a&n=1>; rel=\"next\""},
		{"n ignored", []Quirk{IgnoreN()}, "?n=2&last=a", "b c d |"},
		{"last ignored", []Quirk{IgnoreLast()}, "?n=2&last=b", "a b |"},
		{"last exists", []Quirk{LastMustExist()}, "?n=1&last=b", "c |"},
		{"loop", []Quirk{EndlessPages(true)}, "?n=2", "a b c d |</v2/r/tags/list?n=2>; rel=\"next\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.Set(tt.quirks...)
			a := page(tt.query)
			if got := strings.Join(a.tags(t), " ") + " |" + a.header.Get("Link"); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	s.Set(LastMustExist())
	if a := page("?last=bb"); a.status != 404 {
		t.Errorf("last that does not exist: %d", a.status)
	}
	s.Set(EndlessPages(false))
	query, seen := "", make(map[string]bool)
	for range 5 {
		a := page(query)
		tags := a.tags(t)
		if seen[tags[len(tags)-1]] {
			t.Error("the pages end in a circle")
		}
		seen[tags[len(tags)-1]] = true
		link := a.header.Get("Link")
		if !strings.Contains(link, "?last=aa-") {
			t.Fatalf("no next page: %q", link)
		}
		query = link[strings.Index(link, "?"):strings.Index(link, ">")]
	}
}

// TestLog counts requests by pattern.
func TestLog(t *testing.T) {
	s := Start(Only("^DELETE", Truncated()))
	defer s.Close()
	putTag(s, "a", small("a"))
	ask(s, "GET", "/v2/r/tags/list?n=5", "")
	for pattern, want := range map[string]int{"": 2, "^PUT /v2/r/manifests/a$": 1, `tags/list\?n=5`: 1, "POST": 0} {
		if got := s.Count(pattern); got != want {
			t.Errorf("%q: %d requests, want %d", pattern, got, want)
		}
	}
	if r := s.Requests()[0]; r.Status != 201 || r.String() != "PUT /v2/r/manifests/a" {
		t.Errorf("log: %+v", r)
	}
	s.Forget()
	if n := s.Count(""); n != 0 {
		t.Errorf("%d requests after Forget", n)
	}
}
