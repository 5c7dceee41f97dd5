package storetest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
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

// Mount202 answers to who wants a blob of another repository mounted that it is
// to be uploaded, although it is there (go-containerregistry's registry, zot).
func Mount202() Quirk {
	return onMount("mount answered 202", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, setQuery(setQuery(r, "mount", ""), "from", ""))
	})
}

// Mounts mounts blobs for who may read the repository that they are taken from. A
// blob that is not there, or that he may not read there, is answered 202.
func Mounts() Quirk {
	return onMount("mount answered 201", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mount(w, r, next)
	})
}

// mount answers as a registry that mounts, and reports whether it did.
func mount(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
	digest := r.URL.Query().Get("mount")
	blob := "/v2/" + route(r).repo + "/blobs/" + digest
	from := blob
	if repo := r.URL.Query().Get("from"); repo != "" {
		from = "/v2/" + repo + "/blobs/" + digest
	}
	head := httptest.NewRequestWithContext(r.Context(), http.MethodHead, from, nil)
	head.Header.Set("Authorization", r.Header.Get("Authorization"))
	if record(next, head).Code != http.StatusOK {
		next.ServeHTTP(w, setQuery(setQuery(r, "mount", ""), "from", ""))
		return false
	}
	w.Header().Set("Location", blob)
	w.Header().Set("Docker-Content-Digest", digest)
	w.WriteHeader(http.StatusCreated)
	return true
}

// MountLie answers 201 to who wants a blob mounted, has it not, and says so when
// a manifest that names the blob is put (ECR). An upload of the blob helps.
func MountLie() Quirk { return mountLie("mount answered 201, then the manifest is refused", true) }

// MountNothing answers 201 to who wants a blob mounted, has it not, and takes a
// manifest that names it all the same. An upload of the blob helps.
func MountNothing() Quirk { return mountLie("mount answered 201, and nothing is there", false) }

func mountLie(name string, refuses bool) Quirk {
	var mu sync.Mutex
	missing := make(map[string]bool) // repo and digest
	return quirk(name, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		p, digest := route(r), r.URL.Query().Get("mount")
		mu.Lock()
		defer mu.Unlock()
		switch {
		case p.part == "uploads" && r.Method == http.MethodPost && digest != "":
			if mount(w, r, next) {
				missing[p.repo+" "+digest] = true
			}
			return
		case p.part == "uploads" && r.URL.Query().Get("digest") != "":
			delete(missing, p.repo+" "+r.URL.Query().Get("digest"))
		case p.part == "blobs" && missing[p.repo+" "+p.ref]:
			refuse(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry")
			return
		case p.part == "manifests" && r.Method == http.MethodPut && refuses:
			raw := manifestOf(r)
			for key := range missing {
				repo, digest, _ := strings.Cut(key, " ")
				if repo == p.repo && bytes.Contains(raw, []byte(digest)) {
					refuse(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry: "+digest)
					return
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// MountNeedsFrom refuses to mount a blob when the repository to take it from is
// not named (Quay).
func MountNeedsFrom() Quirk {
	return onMount("mount without from answered 400", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Query().Get("from") == "" {
			refuse(w, http.StatusBadRequest, "NAME_INVALID", "no repository to mount from")
			return
		}
		mount(w, r, next)
	})
}

func onMount(name string, h func(w http.ResponseWriter, r *http.Request, next http.Handler)) Quirk {
	return quirk(name, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost && route(r).part == "uploads" && r.URL.Query().Get("mount") != "" {
			h(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ChunkFromZero takes of an upload in chunks only one that begins at 0 (gitea).
func ChunkFromZero() Quirk {
	return quirk("chunk must start at 0", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if at := r.Header.Get("Content-Range"); r.Method == http.MethodPatch && at != "" && !strings.HasPrefix(at, "0-") {
			refuse(w, http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID", "chunks must start at 0")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// IgnoreRange answers with the whole blob who asks for a part (gitea).
func IgnoreRange() Quirk {
	return quirk("Range ignored", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		r = r.Clone(r.Context())
		r.Header.Del("Range")
		next.ServeHTTP(w, r)
	})
}

// ResetInBlob reads half of a blob that is uploaded and cuts the connection, for
// the first n of them.
func ResetInBlob(n int) Quirk {
	var count atomic.Int64
	return quirk(fmt.Sprintf("connection reset within the first %d blobs", n), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if route(r).part == "uploads" && r.ContentLength > 1 && count.Add(1) <= int64(n) {
			io.CopyN(io.Discard, r.Body, r.ContentLength/2)
			cut()
		}
		next.ServeHTTP(w, r)
	})
}
