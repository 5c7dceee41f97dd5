package storetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"time"
)

// StaleFor answers reads of a tag for the time d after it was put with what was
// there before (GHCR: seconds, at times minutes).
func StaleFor(d time.Duration) Quirk {
	past := history[*httptest.ResponseRecorder]{lasts: d}
	return quirk(fmt.Sprintf("tag reads stale for %v", d), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !route(r).tag() {
			next.ServeHTTP(w, r)
			return
		}
		if r.Method == http.MethodPut {
			past.add(r.URL.Path, record(next, httptest.NewRequestWithContext(r.Context(), http.MethodGet, r.URL.Path, nil)))
			next.ServeHTTP(w, r)
			return
		}
		if rec, ok := past.before(r.URL.Path); ok && r.Method != http.MethodDelete {
			replay(w, rec, rec.Body.Len())
			if r.Method == http.MethodGet {
				w.Write(rec.Body.Bytes())
			}
			return
		}
		next.ServeHTTP(w, r)
	})
}

// StaleLists lists the tags that there were the time d ago (GHCR and registries
// that list from a search index).
func StaleLists(d time.Duration) Quirk {
	past := history[[]string]{lasts: d}
	return quirk(fmt.Sprintf("tag lists stale for %v", d), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		p := route(r)
		if p.tag() && (r.Method == http.MethodPut || r.Method == http.MethodDelete) {
			past.add(p.repo, tagsOf(next, r, p.repo))
		}
		if tags, ok := past.before(p.repo); ok && p.part == "tags" {
			sendTags(w, r, p.repo, tags)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// A history remembers for a time what was there before each change of a thing.
type history[T any] struct {
	lasts time.Duration
	mu    sync.Mutex
	past  map[string][]bygone[T]
}

// A bygone is what was there until the thing changed, and the timer of how long it is
// told. A timer is asked, so that it depends on the time alone and not on when a
// goroutine runs.
type bygone[T any] struct {
	was  T
	over <-chan time.Time
}

// told reports whether it is told still. After a no it must not be asked again.
func (b bygone[T]) told() bool {
	select {
	case <-b.over:
		return false
	default:
		return true
	}
}

func (h *history[T]) add(thing string, before T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.past == nil {
		h.past = make(map[string][]bygone[T])
	}
	h.past[thing] = append(h.past[thing], bygone[T]{before, time.After(h.lasts)})
}

// before returns what there was that time ago, where that differs from now.
func (h *history[T]) before(thing string) (was T, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	past := h.past[thing]
	for len(past) > 0 && !past[0].told() {
		past = past[1:]
	}
	if h.past != nil {
		h.past[thing] = past
	}
	if len(past) == 0 {
		return was, false
	}
	return past[0].was, true
}

// tagsOf lists all tags of a repository behind the quirk.
func tagsOf(next http.Handler, r *http.Request, repo string) []string {
	rec := record(next, httptest.NewRequestWithContext(r.Context(), http.MethodGet, "/v2/"+repo+"/tags/list", nil))
	var list struct{ Tags []string }
	if rec.Code != http.StatusOK || json.Unmarshal(rec.Body.Bytes(), &list) != nil {
		return nil
	}
	return list.Tags
}

// digestOf returns what a tag names behind the quirk, "" where it names nothing.
func digestOf(next http.Handler, r *http.Request, repo, tag string) string {
	rec := record(next, httptest.NewRequestWithContext(r.Context(), http.MethodHead, "/v2/"+repo+"/manifests/"+tag, nil))
	return rec.Header().Get("Docker-Content-Digest")
}

// drop deletes a manifest or a tag behind the quirk.
func drop(next http.Handler, r *http.Request, repo, ref string) {
	record(next, httptest.NewRequestWithContext(r.Context(), http.MethodDelete, "/v2/"+repo+"/manifests/"+ref, nil))
}

// OldManifestGone drops the manifest that a tag had when the tag is given
// another and no other tag names it (zot, gitea).
func OldManifestGone() Quirk {
	var mu sync.Mutex
	return quirk("old manifest gone on overwrite", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		p := route(r)
		if r.Method != http.MethodPut || !p.tag() {
			next.ServeHTTP(w, r)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		old := digestOf(next, r, p.repo, p.ref)
		next.ServeHTTP(w, r)
		if old == "" {
			return
		}
		for _, tag := range tagsOf(next, r, p.repo) {
			if digestOf(next, r, p.repo, tag) == old {
				return
			}
		}
		drop(next, r, p.repo, old)
	})
}

// CollectUntagged drops manifests, the time d after they were put, that no tag
// names, referrers too: what cleaning jobs do that take "untagged" for "unused"
// (GHCR, ACR, distribution's offline collector). It looks before each request;
// what an index names it keeps.
func CollectUntagged(d time.Duration) Quirk {
	var mu sync.Mutex
	ripe := make(map[[2]string]bool) // repository and digest of what is old enough
	collect := func(r *http.Request, next http.Handler) {
		kept := make(map[string]map[string]bool)
		for m := range ripe {
			repo, digest := m[0], m[1]
			if kept[repo] == nil {
				kept[repo] = named(next, r, repo)
			}
			if !kept[repo][digest] {
				drop(next, r, repo, digest)
				delete(ripe, m)
			}
		}
	}
	return quirk(fmt.Sprintf("untagged manifests collected after %v", d), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		defer mu.Unlock()
		collect(r, next)
		rec := record(next, r)
		if p := route(r); r.Method == http.MethodPut && p.part == "manifests" && rec.Code == http.StatusCreated {
			m := [2]string{p.repo, rec.Header().Get("Docker-Content-Digest")}
			if d == 0 {
				ripe[m] = true
			} else {
				time.AfterFunc(d, func() {
					mu.Lock()
					defer mu.Unlock()
					ripe[m] = true
				})
			}
		}
		replay(w, rec, rec.Body.Len())
		if r.Method != http.MethodHead {
			w.Write(rec.Body.Bytes())
		}
	})
}

// named returns the digests that the tags of a repository name, and those that
// their indexes do.
func named(next http.Handler, r *http.Request, repo string) map[string]bool {
	all := make(map[string]bool)
	for _, tag := range tagsOf(next, r, repo) {
		rec := record(next, httptest.NewRequestWithContext(r.Context(), http.MethodGet, "/v2/"+repo+"/manifests/"+tag, nil))
		all[rec.Header().Get("Docker-Content-Digest")] = true
		var index struct{ Manifests []struct{ Digest string } }
		if json.Unmarshal(rec.Body.Bytes(), &index) == nil {
			for _, m := range index.Manifests {
				all[m.Digest] = true
			}
		}
	}
	return all
}

// CollectSignatures drops tags that look like cosign's and whose subject is not
// there, before each request that lists or reads. What it takes for cosign's is
// all that has "sha256-", something and ".sig" or ".sbom" anywhere in it, and
// the subject is what is between (zot's collector).
func CollectSignatures() Quirk {
	like := regexp.MustCompile(`sha256\-(.+)\.(sig|sbom)`)
	var mu sync.Mutex
	return quirk("tags like sha256-*.sig of unknown subjects collected", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if p := route(r); p.repo != "" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			mu.Lock()
			for _, tag := range tagsOf(next, r, p.repo) {
				m := like.FindStringSubmatch(tag)
				if m != nil && (strings.Contains(m[1], ".") || digestOf(next, r, p.repo, "sha256:"+m[1]) == "") {
					drop(next, r, p.repo, tag)
				}
			}
			mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}
