package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

const zeros = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// serve starts a server that answers as the handler does, save that it can be
// pinged and has no referrers API.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v2/":
		case strings.Contains(r.URL.Path, "/referrers/"):
			http.NotFound(w, r)
		default:
			h(w, r)
		}
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return strings.TrimPrefix(s.URL, "http://")
}

func storeOn(t *testing.T, host string, o Options) *Store {
	t.Helper()
	if o.Sleep == nil {
		o.Sleep = hurry
	}
	s, err := New(host+"/team/app", o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func aSubject() attach.Subject {
	return attach.Subject{Repo: "r", Desc: v1.Descriptor{
		MediaType: types.OCIManifestSchema1, Size: 2, Digest: v1.Hash{Algorithm: "sha256", Hex: zeros[7:]},
	}}
}

// flood writes for as long as somebody reads.
func flood(w io.Writer, text string) {
	chunk := []byte(strings.Repeat(text, 1+(32<<10)/len(text)))
	for {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// bounded fails the test when what f does takes more than the memory, or ten
// seconds.
func bounded(t *testing.T, memory uint64, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin := time.Now()
	f()
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > memory {
		t.Errorf("took %d bytes of memory", n)
	}
}

// A hostile is an answer to a request for a manifest, and what to make of it.
type hostile struct {
	name, ref string
	h         http.HandlerFunc
	want      error
}

func hostileManifests() []hostile {
	ok := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[]}`
	oci := string(types.OCIManifestSchema1)
	return []hostile{
		{"endless", "v1", func(w http.ResponseWriter, _ *http.Request) { flood(w, " ") }, attach.ErrLimit},
		{"said to be 10 GB", "v1", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10000000000")
		}, attach.ErrLimit},
		{"other digest", zeros, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, ok) }, attach.ErrDigest},
		{"other digest in header", "v1", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Docker-Content-Digest", zeros)
			io.WriteString(w, ok)
		}, attach.ErrDigest},
		{"types contradict", "v1", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", string(types.OCIImageIndex))
			io.WriteString(w, ok)
		}, attach.ErrMalformed},
		{"no type", "v1", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"hello":1}`)
		}, attach.ErrMalformed},
		{"duplicate key", "v1", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", oci)
			io.WriteString(w, `{"layers":[],"layers":[]}`)
		}, attach.ErrMalformed},
		{"not found", "v1", http.NotFound, attach.ErrNotFound},
		{"denied", "v1", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, attach.ErrDenied},
		{"sent elsewhere", "v1", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://198.51.100.1/", http.StatusFound)
		}, attach.ErrDenied},
		{"sent in circles", "v1", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}, errRedirect},
		{"no reference", "../../x", nil, attach.ErrMalformed},
		{"other algorithm", "sha512:" + zeros[7:], nil, attach.ErrMalformed},
	}
}

// TestHostileManifests resolves against servers that mean no good.
func TestHostileManifests(t *testing.T) {
	layers := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[` + strings.Repeat(`{},`, 1_000_000) + `{}]}`
	for _, tt := range hostileManifests() {
		t.Run(tt.name, func(t *testing.T) {
			s := storeOn(t, serve(t, tt.h), Options{})
			bounded(t, 64<<20, func() {
				if _, err := s.Resolve(t.Context(), tt.ref); !errors.Is(err, tt.want) {
					t.Errorf("%v, want %v", err, tt.want)
				}
			})
		})
	}
	t.Run("a million layers", func(t *testing.T) {
		s := storeOn(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", string(types.OCIManifestSchema1))
			io.WriteString(w, layers)
		}), Options{})
		bounded(t, 256<<20, func() {
			for _, err := range s.List(t.Context(), aSubject(), attach.Signature) {
				if !errors.Is(err, attach.ErrLimit) {
					t.Errorf("%v", err)
				}
				break
			}
		})
	})
}

// TestUndetermined shows that what could not be obtained is not judged.
func TestUndetermined(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"429": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(429)
		},
		"401": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"truncated": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, "{")
		},
		"drip": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				io.WriteString(w, " ")
				w.(http.Flusher).Flush()
				time.Sleep(5 * time.Millisecond)
			}
		},
		"silence": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			s := storeOn(t, serve(t, h), Options{Patience: 200 * time.Millisecond})
			bounded(t, 64<<20, func() {
				_, err := s.Resolve(t.Context(), "v1")
				if err == nil || attach.Judged(err) || errors.Is(err, attach.ErrNotFound) {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

// TestRetryAfter sees that a registry is given the time that it asks for, and
// no more than that is sensible.
func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"2": 2 * time.Second, "86400": longestRetry, "": firstRetry, "-1": firstRetry, "soon": firstRetry,
		"Thu, 01 Jan 2026 00:00:07 GMT": 7 * time.Second,
	} {
		asked := 0
		host := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if asked++; asked == 1 {
				w.Header().Set("Retry-After", header)
				w.Header().Set("Date", "Thu, 01 Jan 2026 00:00:00 GMT")
				w.WriteHeader(429)
				return
			}
			w.WriteHeader(404)
		})
		var waited []time.Duration
		s := storeOn(t, host, Options{Sleep: func(_ context.Context, d time.Duration) error {
			waited = append(waited, d)
			return nil
		}})
		if _, err := s.Resolve(t.Context(), "v1"); !errors.Is(err, attach.ErrNotFound) {
			t.Fatal(err)
		}
		if len(waited) != 1 || waited[0] != want {
			t.Errorf("Retry-After %q: waited %v, want %v", header, waited, want)
		}
	}
}

// TestHostileTags lists tags of servers that do not come to an end.
func TestHostileTags(t *testing.T) {
	n := 0
	tests := []struct {
		name string
		h    http.HandlerFunc
		want error
	}{
		{"link to itself", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "<"+r.URL.String()+`>; rel="next"`)
			io.WriteString(w, `{"tags":["a"]}`)
		}, attach.ErrUnfinished},
		{"always another page", func(w http.ResponseWriter, _ *http.Request) {
			n++
			w.Header().Set("Link", fmt.Sprintf(`</v2/team/app/tags/list?last=%d>; rel="next"`, n))
			fmt.Fprintf(w, `{"tags":["a%09d"]}`, n)
		}, attach.ErrUnfinished},
		{"link to another host", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", `<http://198.51.100.1/v2/team/app/tags/list>; rel="next"`)
			io.WriteString(w, `{"tags":["a"]}`)
		}, attach.ErrDenied},
		{"endless page", func(w http.ResponseWriter, _ *http.Request) { flood(w, " ") }, attach.ErrLimit},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, attach.ErrMalformed},
		{"no repository", http.NotFound, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := storeOn(t, serve(t, tt.h), Options{})
			bounded(t, 512<<20, func() {
				if _, err := (medium{s.subjects}).Tags(t.Context(), "sha256-"); !errors.Is(err, tt.want) {
					t.Errorf("%v, want %v", err, tt.want)
				}
			})
		})
	}
}

// TestUnsortedTags lists a repository whose tags come in no order, so that what
// is behind a tag means nothing.
func TestUnsortedTags(t *testing.T) {
	s := storeOn(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("last") != "" {
			io.WriteString(w, `{"tags":["sha256-b.x","a"]}`)
			return
		}
		io.WriteString(w, `{"tags":["sha256-b.x","a","sha256-b.y","sha256-b.x"]}`)
	}), Options{})
	tags, err := medium{s.subjects}.Tags(t.Context(), "sha256-b.")
	if err != nil || fmt.Sprint(tags) != "[sha256-b.x sha256-b.y]" {
		t.Errorf("%v, %v", tags, err)
	}
}

// TestCredentials sees that credentials go to their registry alone.
func TestCredentials(t *testing.T) {
	for _, demand := range []bool{false, true} {
		s := start(t)
		push(t, s, "v1", newImage(t))
		s.Set(storetest.RedirectBlobs(demand), storetest.Credentials("user", "secret"))
		store := open(t, s, Options{Keychain: keychain{"user", "secret"}})
		subject := resolve(t, store, "v1")
		m, err := store.Manifest(t.Context(), subject, subject.Desc.Digest)
		if err != nil {
			t.Fatal(err)
		}
		img, err := v1.ParseManifest(strings.NewReader(string(m.Raw)))
		if err != nil {
			t.Fatal(err)
		}
		rc, err := store.Blob(t.Context(), subject, img.Config)
		if demand != errors.Is(err, attach.ErrDenied) || demand == (err == nil) {
			t.Errorf("demand %v: %v", demand, err)
		}
		if err == nil {
			_, err = attach.ReadAll(rc, img.Config, 1<<20)
		} else if !strings.Contains(err.Error(), "asks for credentials") {
			t.Errorf("the error does not say why: %v", err)
		}
		if !demand && err != nil {
			t.Error(err)
		}
		asked := s.Elsewhere.Requests()
		if len(asked) == 0 {
			t.Error("the other host was not asked")
		}
		for _, r := range asked {
			if r.Authorization != "" {
				t.Errorf("the other host was given %q", r.Authorization)
			}
		}
		wrong := open(t, s, Options{Keychain: keychain{"user", "wrong"}})
		if _, err := wrong.Resolve(t.Context(), "v1"); !errors.Is(err, attach.ErrDenied) || strings.Contains(err.Error(), "wrong") {
			t.Errorf("wrong password: %v", err)
		}
	}
}

// TestImmutable writes to registries that let no tag be written twice.
func TestImmutable(t *testing.T) {
	for _, status := range []int{400, 403, 409, 412} {
		s := start(t)
		push(t, s, "v1", newImage(t))
		s.Set(storetest.Immutable(status))
		for i := range 3 {
			store := open(t, s, Options{})
			subject := resolve(t, store, "v1")
			for range 2 {
				receipts, err := store.Put(t.Context(), attach.Parcel{Subject: subject, Content: storetest.NewSignature(subject, fmt.Sprint(i))})
				if err != nil {
					t.Fatalf("%d, signature %d: %v", status, i, err)
				}
				if r := receipts[0]; r.Viewed != (i == 0) || (r.Note == "") != (i == 0) {
					t.Errorf("%d, signature %d: %+v", status, i, r)
				}
			}
			if all, errs := attach.Collect(t.Context(), store, subject); len(all) != i+1 || len(errs) > 0 {
				t.Errorf("%d: %d entries after %d signatures, %v", status, len(all), i+1, errs)
			}
		}
	}
}
