package storetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hallmark-oci/hallmark/attach"
)

// ReferrersStatus answers the referrers API with the status and plain text, as
// registries and the proxies before them do that know nothing of it.
func ReferrersStatus(status int) Quirk {
	return onReferrers(fmt.Sprintf("referrers answered %d", status), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprintln(w, http.StatusText(status))
	})
}

// ReferrersRedirect sends who asks for referrers to another host with 303,
// which then answers 429 (GHCR).
func ReferrersRedirect() Quirk {
	return Quirk{Name: "referrers answered 303, then 429", wrap: func(s *Server, next http.Handler) http.Handler {
		var elsewhere http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			refuse(w, http.StatusTooManyRequests, "TOOMANYREQUESTS", "slow down")
		})
		s.elsewhere.Store(&elsewhere)
		return onReferrers("", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, s.other.URL+r.URL.Path, http.StatusSeeOther)
		}).wrap(s, next)
	}}
}

// ReferrersType answers the referrers API with 200 and some JSON of another type.
func ReferrersType(mediaType string) Quirk {
	return onReferrers("referrers answered 200 with "+mediaType, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		io.WriteString(w, `{"status":"ok"}`)
	})
}

// ReferrersEmpty answers the referrers API with an empty index, although
// manifests with a subject were taken (ECR in 2024).
func ReferrersEmpty() Quirk {
	return onReferrers("referrers answered 200, always empty", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		io.WriteString(w, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
	})
}

func onReferrers(name string, h http.HandlerFunc) Quirk {
	return quirk(name, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if route(r).part == "referrers" {
			h(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// SubjectLie acknowledges the subject of every manifest with the OCI-Subject
// header, as only a registry with the referrers API should.
func SubjectLie() Quirk {
	return quirk("OCI-Subject sent without a referrers API", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPut && route(r).part == "manifests" {
			raw := manifestOf(r)
			var m struct{ Subject *struct{ Digest string } }
			if json.Unmarshal(raw, &m) == nil && m.Subject != nil {
				w.Header().Set("OCI-Subject", m.Subject.Digest)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// FallbackIsSubject resolves the tag sha256-<hex> to the manifest sha256:<hex>
// (GitLab).
func FallbackIsSubject() Quirk {
	return quirk("tag sha256-<hex> is the subject", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		p := route(r)
		hex, ok := strings.CutPrefix(p.ref, "sha256-")
		if ok && p.tag() && len(hex) == 64 && r.Method != http.MethodPut {
			r = r.Clone(r.Context())
			r.URL.Path = "/v2/" + p.repo + "/manifests/sha256:" + hex
		}
		next.ServeHTTP(w, r)
	})
}

// Immutable refuses to put a tag a second time, with one of the statuses that
// registries do so with: 403 (DENIED), 409 (TAG_IMMUTABLE), 412 (PRECONDITION)
// and 400 (TAG_INVALID, with a text that says so). The last one also refuses
// the very manifest that the tag has.
func Immutable(status int) Quirk {
	var mu sync.Mutex
	code := map[int]string{403: "DENIED", 409: "TAG_IMMUTABLE", 412: "PRECONDITION", 400: "TAG_INVALID"}[status]
	return quirk(fmt.Sprintf("overwrite refused with %d %s", status, code), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		p := route(r)
		if r.Method != http.MethodPut || !p.tag() {
			next.ServeHTTP(w, r)
			return
		}
		raw := manifestOf(r)
		mu.Lock()
		defer mu.Unlock()
		old := httptest.NewRequestWithContext(r.Context(), http.MethodGet, r.URL.Path, nil)
		rec := record(next, old)
		if rec.Code == http.StatusOK && (status == 400 || !bytes.Equal(rec.Body.Bytes(), raw)) {
			refuse(w, status, code, "tag invalid: the tag "+p.ref+" already exists and is immutable")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ManifestLimit refuses manifests of more than 4 MiB with the status.
func ManifestLimit(status int) Quirk {
	return quirk(fmt.Sprintf("manifest over 4 MiB answered %d", status), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPut && route(r).part == "manifests" && r.ContentLength > attach.MaxManifest {
			refuse(w, status, "MANIFEST_INVALID", "manifest too large")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ImagesOnly takes manifests only when their config and layers have the media
// types of runnable images (GitLab, Pulp, Quay when strict).
func ImagesOnly() Quirk {
	allowed := []string{
		"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json",
		"application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.image.layer.v1.tar+zstd",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
	}
	return quirk("image media types only", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodPut || route(r).part != "manifests" {
			next.ServeHTTP(w, r)
			return
		}
		raw := manifestOf(r)
		type part struct{ MediaType string }
		var m struct {
			Config *part
			Layers []part
		}
		if json.Unmarshal(raw, &m) == nil && m.Config != nil {
			for _, p := range append(m.Layers, *m.Config) {
				if !slices.Contains(allowed, p.MediaType) {
					refuse(w, http.StatusBadRequest, "MANIFEST_INVALID", "unknown media type: "+p.MediaType)
					return
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// StaleTags answers the first n reads of a tag after it was put with what was
// there before (GHCR, through caches).
func StaleTags(n int) Quirk {
	type old struct {
		rec  *httptest.ResponseRecorder
		left int
	}
	var mu sync.Mutex
	before := make(map[string]*old)
	return quirk(fmt.Sprintf("first %d reads of a tag are stale", n), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !route(r).tag() {
			next.ServeHTTP(w, r)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if r.Method == http.MethodPut {
			get := httptest.NewRequestWithContext(r.Context(), http.MethodGet, r.URL.Path, nil)
			before[r.URL.Path] = &old{record(next, get), n}
			next.ServeHTTP(w, r)
			return
		}
		if o := before[r.URL.Path]; o != nil && o.left > 0 {
			o.left--
			replay(w, o.rec, o.rec.Body.Len())
			if r.Method == http.MethodGet {
				w.Write(o.rec.Body.Bytes())
			}
			return
		}
		next.ServeHTTP(w, r)
	})
}

// manifestOf reads the manifest that is put, and has it read again by who comes
// next.
func manifestOf(r *http.Request) []byte {
	raw, err := io.ReadAll(io.LimitReader(r.Body, attach.MaxManifest+1))
	if err != nil {
		cut()
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	return raw
}

// NoDockerTypes answers 415 to manifests of docker's media types (zot).
func NoDockerTypes() Quirk {
	return onManifestPut("docker media types answered 415", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/vnd.docker.") {
			refuse(w, http.StatusUnsupportedMediaType, "MANIFEST_INVALID", "docker media types are not supported")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// StrictContentType refuses a manifest that states another media type than its
// Content-Type header, or none (distribution).
func StrictContentType() Quirk {
	return onManifestPut("Content-Type must be the manifest's mediaType", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		var m struct{ MediaType string }
		if json.Unmarshal(manifestOf(r), &m) != nil || m.MediaType != r.Header.Get("Content-Type") {
			refuse(w, http.StatusBadRequest, "MANIFEST_INVALID", fmt.Sprintf("mediaType in manifest is %q, in the header %q", m.MediaType, r.Header.Get("Content-Type")))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func onManifestPut(name string, h func(w http.ResponseWriter, r *http.Request, next http.Handler)) Quirk {
	return quirk(name, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPut && route(r).part == "manifests" {
			h(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// BlobsLate refuses the first n manifests for a blob that is there, as
// distribution 2.8 does while another client uploads the same blob: it rewrites
// the file that says so, and finds it empty in between.
func BlobsLate(n int) Quirk {
	var count atomic.Int64
	return onManifestPut(fmt.Sprintf("first %d manifests refused for blobs that are there", n), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if count.Add(1) <= int64(n) {
			refuse(w, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")
			return
		}
		next.ServeHTTP(w, r)
	})
}
