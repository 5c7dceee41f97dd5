// Package serve runs a small OCI registry: for demonstrations, for tests, and
// for places that have none. Storage of blobs and protocol are
// go-containerregistry's; this package bounds what comes in, refuses manifests
// that are not what their digest says, and keeps the manifests over a restart.
package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/hallmark-oci/hallmark/attach"
)

// MaxBlob is the size of the largest blob that is taken where the options say
// nothing else, in bytes.
const MaxBlob = 20 << 30

// Options say how the registry behaves.
type Options struct {
	// Dir keeps blobs and manifests; empty means memory only. One registry at a
	// time may use it.
	Dir string
	// Referrers switches the referrers API of OCI 1.1 on.
	Referrers bool
	// MaxBlob is the size of the largest blob that is taken, in bytes; 0 means
	// [MaxBlob]. A blob that is uploaded in pieces is held in memory until it is
	// complete, so where strangers may push, memory is what to choose it by.
	MaxBlob int64
	// Log receives one line for each request; nil means none.
	Log io.Writer
}

// New returns the registry. With Options.Dir, what an earlier run kept is
// served again; a directory that cannot be read is an error. Manifests above
// attach.MaxManifest, the size that the distribution specification asks a
// registry to take, are refused.
func New(opts Options) (http.Handler, error) {
	out := opts.Log
	if out == nil {
		out = io.Discard
	}
	with := []registry.Option{
		registry.Logger(log.New(out, "", 0)),
		registry.WithReferrersSupport(opts.Referrers),
	}
	s := &server{maxBlob: opts.MaxBlob, uploads: make(map[string]int64)}
	if s.maxBlob <= 0 {
		s.maxBlob = MaxBlob
	}
	if opts.Dir == "" {
		s.inner = registry.New(with...)
		return s, nil
	}
	blobs := filepath.Join(opts.Dir, "blobs")
	s.kept = &shelf{dir: filepath.Join(opts.Dir, "manifests")}
	for _, d := range []string{blobs, s.kept.dir} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	// What a run that was killed left half-written is nobody's.
	if err := errors.Join(removeAll(blobs, "upload-*"), removeAll(s.kept.dir, unfinished)); err != nil {
		return nil, err
	}
	s.inner = registry.New(append(with, registry.WithBlobHandler(registry.NewDiskBlobHandler(blobs)))...)
	records, err := s.kept.read()
	if err != nil {
		return nil, err
	}
	return s, s.replay(records)
}

func removeAll(dir, pattern string) error {
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	for _, f := range files {
		err = errors.Join(err, os.Remove(f))
	}
	return err
}

var (
	manifestPath = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^/v2/(.+)/manifests/([^/]+)$`) })
	uploadPath   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^/v2/.+/blobs/uploads(/[^/]*)?$`) })
)

// A server stands before the registry proper.
type server struct {
	inner   http.Handler
	kept    *shelf // nil where everything is in memory
	maxBlob int64

	// writing makes a change of the registry and its record one step.
	writing sync.Mutex
	// counting guards uploads, the bytes that came in by upload.
	counting sync.Mutex
	uploads  map[string]int64
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	write := r.Method == http.MethodPut || r.Method == http.MethodDelete
	switch {
	case write && manifestPath().MatchString(r.URL.Path):
		s.manifest(w, r)
	case r.Method != http.MethodGet && uploadPath().MatchString(r.URL.Path):
		s.upload(w, r)
	default:
		s.inner.ServeHTTP(w, r)
	}
}

// manifest takes or deletes a manifest. It is kept before the client hears that
// it was accepted.
func (s *server) manifest(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, attach.MaxManifest))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, "SIZE_INVALID", fmt.Sprintf("a manifest has at most %d bytes", large.Limit))
		return
	case err != nil:
		refuse(w, http.StatusBadRequest, "MANIFEST_INVALID", "the manifest did not arrive whole")
		return
	}
	target := manifestPath().FindStringSubmatch(r.URL.Path)[2]
	digest := attach.DigestOf(body).String()
	if r.Method == http.MethodPut && strings.Contains(target, ":") && target != digest {
		refuse(w, http.StatusBadRequest, "DIGEST_INVALID", fmt.Sprintf("the manifest has digest %s, not %s", digest, target))
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.writing.Lock()
	defer s.writing.Unlock()
	a := newAnswer()
	s.inner.ServeHTTP(a, r)
	if a.good() && s.kept != nil {
		if err := s.keep(r, body, digest); err != nil {
			refuse(w, http.StatusInsufficientStorage, "UNKNOWN", fmt.Sprintf("keep the manifest: %v", err))
			return
		}
	}
	a.copyTo(w)
}

// keep records what became of the manifest. A manifest that a tag names is
// recorded under its digest too, first: it stays when the tag moves on.
func (s *server) keep(r *http.Request, body []byte, digest string) error {
	if r.Method == http.MethodDelete {
		return s.kept.remove(r.URL.Path)
	}
	byDigest := siblingPath(r.URL.Path, digest)
	rec := record{Path: byDigest, ContentType: r.Header.Get("Content-Type"), Body: body}
	if err := s.kept.put(rec); err != nil || r.URL.Path == byDigest {
		return err
	}
	rec.Path = r.URL.Path
	return s.kept.put(rec)
}

// siblingPath returns the path of another manifest of the same repository.
func siblingPath(path, target string) string {
	return path[:strings.LastIndex(path, "/")+1] + target
}

// upload lets a part of a blob through, as long as all parts together are
// within the limit.
func (s *server) upload(w http.ResponseWriter, r *http.Request) {
	s.counting.Lock()
	before := s.uploads[r.URL.Path]
	s.counting.Unlock()
	left := s.maxBlob - before
	if left < 0 || r.ContentLength > left {
		refuse(w, http.StatusRequestEntityTooLarge, "SIZE_INVALID", fmt.Sprintf("a blob has at most %d bytes", s.maxBlob))
		return
	}
	counted := &counter{ReadCloser: http.MaxBytesReader(w, r.Body, left)}
	r.Body = counted
	s.inner.ServeHTTP(w, r)
	s.counting.Lock()
	defer s.counting.Unlock()
	if r.Method == http.MethodPatch {
		s.uploads[r.URL.Path] = before + counted.n
	} else {
		delete(s.uploads, r.URL.Path)
	}
}

// A counter counts what is read.
type counter struct {
	io.ReadCloser
	n int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	return n, err
}

// An answer holds what a handler answers.
type answer struct {
	code   int
	header http.Header
	body   bytes.Buffer
}

func newAnswer() *answer { return &answer{code: http.StatusOK, header: make(http.Header)} }

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) { a.code = code }

func (a *answer) good() bool { return a.code/100 == 2 }

func (a *answer) copyTo(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.code)
	_, _ = w.Write(a.body.Bytes()) // the client is gone where this fails
}

// refuse answers with an error in the form that the distribution specification
// gives them.
func refuse(w http.ResponseWriter, status int, code, message string) {
	type item struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string][]item{"errors": {{code, message}}}) // the client is gone where this fails
}
