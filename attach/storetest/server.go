package storetest

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/registry"
)

// A Server is a registry on a loopback port that misbehaves as its quirks say:
// go-containerregistry's in-memory registry behind them. Without quirks it is
// a registry that takes uploads in one request, serves no referrers API and
// sends no Link headers. It counts what is asked of it.
type Server struct {
	// Host is "127.0.0.1:port".
	Host string
	// Elsewhere is the log of a second host, to which [RedirectBlobs] and
	// [ReferrersRedirect] send clients.
	Elsewhere *Log

	*Log
	main, other *httptest.Server
	base        http.Handler
	handler     atomic.Pointer[http.Handler]
	elsewhere   atomic.Pointer[http.Handler]
}

// A Quirk is one way in which registries differ from the specification, from
// each other or from what they were yesterday. Quirks are made by the
// functions of this package and combined freely; the first one named sees a
// request first.
type Quirk struct {
	// Name says what the registry does, for tables and test names.
	Name string
	wrap func(s *Server, next http.Handler) http.Handler
	// native has the registry serve referrers, at its innermost.
	native bool
}

// Start starts a registry with the quirks. Close it when done.
func Start(quirks ...Quirk) *Server {
	s := &Server{
		Log:       &Log{},
		Elsewhere: &Log{},
		base:      whole(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))),
	}
	s.main = httptest.NewUnstartedServer(s)
	s.other = httptest.NewUnstartedServer(s.Elsewhere.around(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*s.elsewhere.Load()).ServeHTTP(w, r)
	})))
	quiet := log.New(io.Discard, "", 0)
	s.main.Config.ErrorLog, s.other.Config.ErrorLog = quiet, quiet
	s.Set(quirks...)
	s.main.Start()
	s.other.Start()
	s.Host = strings.TrimPrefix(s.main.URL, "http://")
	return s
}

// whole hands on manifests only when all of them arrived. The registry behind
// would keep what came before a client went away.
func whole(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && route(r).part == "manifests" {
			raw, err := io.ReadAll(r.Body)
			if err != nil {
				refuse(w, http.StatusBadRequest, "MANIFEST_INVALID", "the manifest broke off")
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(raw))
		}
		next.ServeHTTP(w, r)
	})
}

// Set replaces all quirks. What the registry holds stays.
func (s *Server) Set(quirks ...Quirk) {
	plain := http.NotFoundHandler()
	s.elsewhere.Store(&plain)
	h := s.base
	native := false
	for _, q := range quirks {
		native = native || q.native
	}
	if !native {
		h = withoutReferrers(h)
	}
	for i := len(quirks) - 1; i >= 0; i-- {
		h = quirks[i].wrap(s, h)
	}
	s.handler.Store(&h)
}

// Close stops the registry. Requests under way are cut off.
func (s *Server) Close() {
	s.main.CloseClientConnections()
	s.other.CloseClientConnections()
	s.main.Close()
	s.other.Close()
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Log.around(*s.handler.Load()).ServeHTTP(w, r)
}

// NativeReferrers has the registry serve the referrers API.
func NativeReferrers() Quirk {
	return Quirk{
		Name:   "referrers API",
		native: true,
		wrap:   func(_ *Server, next http.Handler) http.Handler { return next },
	}
}

// withoutReferrers answers like a registry of before OCI 1.1.
func withoutReferrers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if route(r).part == "referrers" {
			refuse(w, http.StatusNotFound, "METHOD_UNKNOWN", "no such API")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// A Request is one request as it was answered.
type Request struct {
	Method, Path, Query string
	// Authorization is the header that came with it.
	Authorization string
	// Status is what was answered, 0 when the connection was cut instead.
	Status int
}

// String returns the method and the path, which is what patterns match.
func (r Request) String() string {
	if r.Query == "" {
		return r.Method + " " + r.Path
	}
	return r.Method + " " + r.Path + "?" + r.Query
}

// A Log remembers requests.
type Log struct {
	mu   sync.Mutex
	list []Request
}

// Requests returns the requests so far, in the order in which they were answered.
func (l *Log) Requests() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Request(nil), l.list...)
}

// Count returns the number of requests so far whose "METHOD /path?query"
// matches the regular expression.
func (l *Log) Count(pattern string) int {
	re := regexp.MustCompile(pattern)
	n := 0
	for _, r := range l.Requests() {
		if re.MatchString(r.String()) {
			n++
		}
	}
	return n
}

// Forget empties the log.
func (l *Log) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = nil
}

func (l *Log) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entry := Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Authorization: r.Header.Get("Authorization")}
		seen := &statusWriter{ResponseWriter: w}
		defer func() {
			entry.Status = seen.status
			l.mu.Lock()
			l.list = append(l.list, entry)
			l.mu.Unlock()
		}()
		next.ServeHTTP(seen, r)
		if seen.status == 0 {
			seen.status = http.StatusOK
		}
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController flush.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// A place is what a request of the distribution API is about.
type place struct {
	repo string
	part string // "manifests", "blobs", "uploads", "tags", "referrers" or ""
	ref  string
}

// tag reports whether the request is about a manifest by tag.
func (p place) tag() bool { return p.part == "manifests" && !strings.Contains(p.ref, ":") }

func route(r *http.Request) place {
	path, ok := strings.CutPrefix(r.URL.Path, "/v2/")
	if !ok {
		return place{}
	}
	for _, part := range []string{"manifests", "referrers", "tags", "blobs/uploads", "blobs"} {
		i := strings.LastIndex(path, "/"+part+"/")
		if i < 0 {
			continue
		}
		name := part
		if part == "blobs/uploads" {
			name = "uploads"
		}
		return place{repo: path[:i], part: name, ref: path[i+len(part)+2:]}
	}
	return place{}
}
