package storetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// Links adds the Link header that leads from one page of tags to the next, as
// the specification wants it, and ends the list where it ends: the registry
// behind begins anew there.
func Links() Quirk {
	return onTags("Link headers", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(next, setQuery(setQuery(r, "last", ""), "n", ""))
		var all struct{ Tags []string }
		if rec.Code != http.StatusOK || json.Unmarshal(rec.Body.Bytes(), &all) != nil {
			replay(w, rec, rec.Body.Len())
			w.Write(rec.Body.Bytes())
			return
		}
		n, err := strconv.Atoi(r.URL.Query().Get("n"))
		last := r.URL.Query().Get("last")
		slices.Sort(all.Tags)
		behind := slices.DeleteFunc(slices.Clone(all.Tags), func(t string) bool { return t <= last })
		if err == nil && n > 0 && len(behind) > n {
			q := url.Values{"n": {fmt.Sprint(n)}, "last": {behind[n-1]}}
			w.Header().Set("Link", fmt.Sprintf("<%s?%s>; rel=\"next\"", r.URL.Path, q.Encode()))
		}
		sendTags(w, r, route(r).repo, all.Tags)
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

// MaxN answers 400 to who asks for pages of more than n tags (ECR, with 1000).
func MaxN(n int) Quirk {
	return onTags(fmt.Sprintf("n over %d answered 400", n), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if asked, err := strconv.Atoi(r.URL.Query().Get("n")); err == nil && asked > n {
			refuse(w, http.StatusBadRequest, "UNSUPPORTED", fmt.Sprintf("n must be between 1 and %d", n))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// PseudoTag lists a tag, first of all, that nothing is stored under and that no
// tag may be called: Artifactory lists its folder "_uploads".
func PseudoTag(tag string) Quirk {
	return tagList("bogus tag "+tag, func(tags []string) []string { return append([]string{tag}, tags...) })
}

// Crowd lists n further tags, those of signatures of other images, half of them
// before all real ones of that shape and half behind. Nothing is stored there.
func Crowd(n int) Quirk {
	return tagList(fmt.Sprintf("%d tags of other images", n), func(tags []string) []string {
		for i := range n {
			digit := "0"
			if i%2 == 1 {
				digit = "f"
			}
			tags = append(tags, fmt.Sprintf("sha256-%s%032x.sig", strings.Repeat(digit, 32), i))
		}
		return tags
	})
}

// tagList makes a registry that lists other tags than it has, in order.
func tagList(name string, change func([]string) []string) Quirk {
	return onTags(name, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(next, setQuery(setQuery(r, "last", ""), "n", ""))
		var all struct {
			Name string   `json:"name"`
			Tags []string `json:"tags"`
		}
		if rec.Code != http.StatusOK || json.Unmarshal(rec.Body.Bytes(), &all) != nil {
			replay(w, rec, rec.Body.Len())
			w.Write(rec.Body.Bytes())
			return
		}
		sendTags(w, r, all.Name, change(all.Tags))
	})
}

// sendTags sends the page of the tags that the request asks for.
func sendTags(w http.ResponseWriter, r *http.Request, repo string, tags []string) {
	tags = slices.Clone(tags)
	slices.Sort(tags)
	last := r.URL.Query().Get("last")
	tags = slices.DeleteFunc(tags, func(t string) bool { return t <= last })
	if n, err := strconv.Atoi(r.URL.Query().Get("n")); err == nil && n > 0 {
		tags = tags[:min(n, len(tags))]
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"name": repo, "tags": tags})
}

// AbsentEmpty lists no tags, and finds nothing wrong with that, in a repository
// that does not exist (olareg).
func AbsentEmpty() Quirk {
	return onTags("absent repository answered 200, no tags", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(next, r)
		if rec.Code == http.StatusNotFound {
			sendTags(w, r, route(r).repo, []string{})
			return
		}
		replay(w, rec, rec.Body.Len())
		w.Write(rec.Body.Bytes())
	})
}

// NoCatalog answers 404 to who asks for all repositories (olareg, and most
// hosted registries in one way or another).
func NoCatalog() Quirk {
	return quirk("catalog answered 404", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Path == "/v2/_catalog" {
			refuse(w, http.StatusNotFound, "UNSUPPORTED", "no such API")
			return
		}
		next.ServeHTTP(w, r)
	})
}
