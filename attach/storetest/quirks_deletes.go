package storetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// NoDelete refuses to delete anything, with 405 as distribution does unless it is
// configured to delete, and as GHCR does always.
func NoDelete() Quirk {
	return onDelete("deleting answered 405", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported.")
	})
}

// DeleteByDigest refuses to delete by tag, with the status: 400 is what
// distribution 2.8 answers (DIGEST_INVALID). By digest it deletes the manifest
// and all tags that name it.
func DeleteByDigest(status int) Quirk {
	var mu sync.Mutex
	code := map[int]string{400: "DIGEST_INVALID", 404: "MANIFEST_UNKNOWN", 405: "UNSUPPORTED"}[status]
	return onDelete(fmt.Sprintf("deleting by tag answered %d %s", status, code), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		p := route(r)
		if p.tag() {
			refuse(w, status, code, "provided digest did not match uploaded content")
			return
		}
		mu.Lock()
		defer mu.Unlock()
		ask := func(method, path string) *httptest.ResponseRecorder {
			return record(next, httptest.NewRequestWithContext(r.Context(), method, "/v2/"+p.repo+path, nil))
		}
		var list struct{ Tags []string }
		if json.Unmarshal(ask(http.MethodGet, "/tags/list").Body.Bytes(), &list) == nil {
			for _, tag := range list.Tags {
				if ask(http.MethodHead, "/manifests/"+tag).Header().Get("Docker-Content-Digest") == p.ref {
					ask(http.MethodDelete, "/manifests/"+tag)
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// DeleteImmutable refuses to delete with 403, since tags are immutable there
// (Docker Hub, Google Artifact Registry). New tags it takes.
func DeleteImmutable() Quirk {
	return onDelete("deleting answered 403, tags are immutable", func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		refuse(w, http.StatusForbidden, "DENIED", "the tag "+strings.TrimPrefix(route(r).ref, "sha256:")+" is immutable")
	})
}

func onDelete(name string, h func(w http.ResponseWriter, r *http.Request, next http.Handler)) Quirk {
	return quirk(name, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodDelete && route(r).part == "manifests" {
			h(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}
