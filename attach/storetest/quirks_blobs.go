package storetest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/hallmark-oci/hallmark/attach"
)

// TwoStepUploads answers an upload in one request as if the content had not
// come with it: 202 and the place to put it (distribution).
func TwoStepUploads() Quirk {
	return quirk("uploads in two steps only", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost && route(r).part == "uploads" {
			r = setQuery(r, "digest", "")
			r.Body, r.ContentLength = http.NoBody, 0
		}
		next.ServeHTTP(w, r)
	})
}

// RedirectBlobs sends who reads a blob to another host. Where demand is set
// that host asks for credentials, which no client should give it; its log,
// [Server.Elsewhere], tells what it was given.
func RedirectBlobs(demand bool) Quirk {
	name := "blobs redirected to another host"
	if demand {
		name += " that asks for credentials"
	}
	return Quirk{Name: name, wrap: func(s *Server, next http.Handler) http.Handler {
		var elsewhere http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if demand && r.Header.Get("Authorization") == "" {
				w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
				refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
				return
			}
			s.base.ServeHTTP(w, r)
		})
		s.elsewhere.Store(&elsewhere)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if route(r).part == "blobs" && r.Method == http.MethodGet {
				http.Redirect(w, r, s.other.URL+r.URL.Path, http.StatusTemporaryRedirect)
				return
			}
			next.ServeHTTP(w, r)
		})
	}}
}

// Mounts mounts blobs from other repositories, which go-containerregistry's
// registry does without saying so: it has one store for all of them.
func Mounts() Quirk {
	return onMounts("blobs mounted", func(s *Server, w http.ResponseWriter, r *http.Request, next http.Handler) {
		q := r.URL.Query()
		digest := q.Get("mount")
		head := httptest.NewRequestWithContext(r.Context(), http.MethodHead, "/v2/"+q.Get("from")+"/blobs/"+digest, nil)
		if rec := record(s.base, head); rec.Code != http.StatusOK {
			next.ServeHTTP(w, r)
			return
		}
		mounted(w, r, digest)
	})
}

// MountLie says that it mounted every blob, does not, and then refuses the
// manifests that name those blobs (ECR): those that were not sent since.
func MountLie() Quirk {
	var mu sync.Mutex
	lies := make(map[string]bool)
	return Quirk{Name: "mount answered 201, blob missing", wrap: func(s *Server, next http.Handler) http.Handler {
		liar := onMounts("", func(_ *Server, w http.ResponseWriter, r *http.Request, _ http.Handler) {
			digest := r.URL.Query().Get("mount")
			mu.Lock()
			lies[digest] = true
			mu.Unlock()
			mounted(w, r, digest)
		}).wrap(s, next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && route(r).part == "manifests" {
				raw, err := io.ReadAll(io.LimitReader(r.Body, attach.MaxManifest+1))
				if err != nil {
					cut()
				}
				r.Body = io.NopCloser(bytes.NewReader(raw))
				mu.Lock()
				defer mu.Unlock()
				for digest := range lies {
					if bytes.Contains(raw, []byte(digest)) {
						refuse(w, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry: "+digest)
						return
					}
				}
			}
			if digest := r.URL.Query().Get("digest"); digest != "" {
				mu.Lock()
				delete(lies, digest)
				mu.Unlock()
			}
			liar.ServeHTTP(w, r)
		})
	}}
}

func mounted(w http.ResponseWriter, r *http.Request, digest string) {
	w.Header().Set("Location", "/v2/"+route(r).repo+"/blobs/"+digest)
	w.Header().Set("Docker-Content-Digest", digest)
	w.WriteHeader(http.StatusCreated)
}

func onMounts(name string, h func(s *Server, w http.ResponseWriter, r *http.Request, next http.Handler)) Quirk {
	return Quirk{Name: name, wrap: func(s *Server, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost && route(r).part == "uploads" && r.URL.Query().Has("mount") {
				h(s, w, r, next)
				return
			}
			next.ServeHTTP(w, r)
		})
	}}
}
