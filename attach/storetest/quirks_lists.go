package storetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
)

// Links adds the Link header that leads from one page of tags to the next, as
// the specification wants it.
func Links() Quirk {
	return onTags("Link headers", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(next, r)
		var page struct{ Tags []string }
		n := r.URL.Query().Get("n")
		if json.Unmarshal(rec.Body.Bytes(), &page) == nil && n != "" && fmt.Sprint(len(page.Tags)) == n && len(page.Tags) > 0 {
			q := url.Values{"n": {n}, "last": {page.Tags[len(page.Tags)-1]}}
			w.Header().Set("Link", fmt.Sprintf("<%s?%s>; rel=\"next\"", r.URL.Path, q.Encode()))
		}
		replay(w, rec, rec.Body.Len())
		w.Write(rec.Body.Bytes())
	})
}

// PageSize sends at most n tags in a page, whatever was asked for.
func PageSize(n int) Quirk {
	return onTags(fmt.Sprintf("%d tags in a page at most", n), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, setQuery(r, "n", fmt.Sprint(n)))
	})
}

// IgnoreN sends all tags, whatever page size was asked for.
func IgnoreN() Quirk {
	return onTags("n ignored", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, setQuery(r, "n", ""))
	})
}

// IgnoreLast begins every list of tags with the first tag.
func IgnoreLast() Quirk {
	return onTags("last ignored", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, setQuery(r, "last", ""))
	})
}

// LastMustExist answers 404 when the list is to begin behind a tag that is not
// there (zot).
func LastMustExist() Quirk {
	return onTags("last must exist", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		last := r.URL.Query().Get("last")
		var all struct{ Tags []string }
		rec := record(next, setQuery(setQuery(r, "last", ""), "n", ""))
		if last != "" && json.Unmarshal(rec.Body.Bytes(), &all) == nil && !slices.Contains(all.Tags, last) {
			refuse(w, http.StatusNotFound, "NAME_UNKNOWN", "last not found")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// EndlessPages answers every request for tags with all tags, ten new ones out
// of order and a Link to the next page; with loop set, with all tags and a Link
// to the page itself.
func EndlessPages(loop bool) Quirk {
	name := "tag pages without end"
	if loop {
		name = "tag pages that lead to themselves"
	}
	var page atomic.Int64
	return onTags(name, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(next, setQuery(setQuery(r, "last", ""), "n", ""))
		var all struct {
			Name string   `json:"name"`
			Tags []string `json:"tags"`
		}
		if json.Unmarshal(rec.Body.Bytes(), &all) != nil || rec.Code != http.StatusOK {
			replay(w, rec, rec.Body.Len())
			w.Write(rec.Body.Bytes())
			return
		}
		follow := *r.URL
		if !loop {
			n := page.Add(1)
			for i := range 10 {
				all.Tags = append(all.Tags, fmt.Sprintf("aa-%d-%d", n, i))
			}
			follow.RawQuery = url.Values{"last": {all.Tags[len(all.Tags)-1]}}.Encode()
		}
		w.Header().Set("Link", fmt.Sprintf("<%s>; rel=\"next\"", follow.RequestURI()))
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(all)
	})
}

func onTags(name string, h func(w http.ResponseWriter, r *http.Request, next http.Handler)) Quirk {
	return quirk(name, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if route(r).part == "tags" {
			h(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// setQuery returns the request with the query parameter set to the value, or
// without the parameter where the value is empty.
func setQuery(r *http.Request, key, value string) *http.Request {
	r = r.Clone(r.Context())
	q := r.URL.Query()
	if q.Del(key); value != "" {
		q.Set(key, value)
	}
	r.URL.RawQuery = q.Encode()
	return r
}
