package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// How hard a writer tries to make the view complete.
const (
	maxTries  = 40
	firstWait = 20 * time.Millisecond
	longWait  = 2 * time.Second
	// patientFor is for how many requests' time a view that another should
	// complete may stay as it is, with no crowd.
	patientFor = 12
	// longPatience bounds that time.
	longPatience = 30 * time.Second
	// longestQueue is how often as long the last wait to complete it after all.
	longestQueue = 3
)

// maxLost is how many writes of a view that nobody else changes may be answered
// "not found" before it is left alone.
const maxLost = 6

// requests is how many requests of one Put are under way at once.
const requests = 8

// A Store attaches to the subjects of one repository of a medium, and reads
// what is attached. It implements [attach.Reader] and [attach.Writer]. It is
// made by New and safe for concurrent use.
//
// When Put has written an entry into the journal and confirmed it there, but
// cannot make the view show it, the receipt says Viewed == false and why, and
// Put succeeds: readers that know the journal find the entry. When it cannot
// confirm the journal, Put fails with [attach.ErrUnconfirmed].
type Store struct {
	medium Medium
	repo   string
	sleep  func(context.Context, time.Duration) error
	random func() float64
	now    func() time.Time
	exists func(context.Context, v1.Hash) (bool, error)
	limit  int  // how many requests of one Put are under way at once
	ahead  int  // how many manifests of one List are read before their turn
	early  bool // whole manifests are put before it is asked what is there

	mu     sync.Mutex
	native *bool // whether the journal is kept as referrers; nil before it was asked
	noData bool  // the medium refuses the data field
	blobs  map[v1.Hash]*upload
	named  map[v1.Hash]mark // what referrers are to the journal, by digest
}

// An upload is a blob that was put or is being put.
type upload struct {
	done chan struct{}
	err  error
}

// An Option changes how a Store works.
type Option func(*Store)

// WithSleep replaces the way in which the store waits between two tries to
// complete a view. The function returns early with the context's error.
func WithSleep(sleep func(ctx context.Context, d time.Duration) error) Option {
	return func(s *Store) { s.sleep = sleep }
}

// WithRandom replaces the source of the random part of waits: numbers in [0, 1).
func WithRandom(random func() float64) Option {
	return func(s *Store) { s.random = random }
}

// WithClock replaces the clock by which the store finds how long a request
// takes, and from that how long to wait.
func WithClock(now func() time.Time) Option {
	return func(s *Store) { s.now = now }
}

// WithSubjects replaces the way in which the store sees whether a subject is
// there. It is for stores that keep attachments in another place than subjects.
func WithSubjects(exists func(ctx context.Context, digest v1.Hash) (bool, error)) Option {
	return func(s *Store) { s.exists = exists }
}

// WithReadAhead has lists read up to n manifests at once, before their turn: for
// a medium on which a request takes long. Without it they are read one by one.
func WithReadAhead(n int) Option {
	return func(s *Store) { s.ahead = n }
}

// WithEarlyPut has whole manifests put by digest before it is asked what is there:
// for a medium that most often lists referrers, where the list that is asked for then
// confirms them at once. Whether they were there before is not known then:
// [attach.Receipt.Unasked].
func WithEarlyPut() Option {
	return func(s *Store) { s.early = true }
}

// New returns the store on the medium. The repo is the repository as a reader
// would type it; it stands in errors.
func New(m Medium, repo string, opts ...Option) *Store {
	s := &Store{
		medium: m,
		repo:   repo,
		sleep:  Sleep,
		random: rand.Float64,
		now:    time.Now,
		limit:  requests,
		ahead:  1,
		blobs:  make(map[v1.Hash]*upload),
		named:  make(map[v1.Hash]mark),
	}
	s.exists = s.has
	for _, o := range opts {
		o(s)
	}
	return s
}

// has reports whether the medium has the manifest.
func (s *Store) has(ctx context.Context, digest v1.Hash) (bool, error) {
	_, err := s.medium.Manifest(ctx, digest.String())
	if errors.Is(err, attach.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Sleep waits for d, or until the context ends, and then returns its error.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Tags returns all tags of the repository, as [Medium.Tags] does.
func (s *Store) Tags(ctx context.Context) ([]string, error) {
	tags, err := s.medium.Tags(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("list the tags of %s: %w", s.repo, err)
	}
	return tags, nil
}

// Manifest implements [attach.Reader].
func (s *Store) Manifest(ctx context.Context, _ attach.Subject, digest v1.Hash) (attach.Manifest, error) {
	m, err := s.medium.Manifest(ctx, digest.String())
	if err != nil {
		return attach.Manifest{}, err
	}
	if m.Desc.Digest != digest {
		return attach.Manifest{}, fmt.Errorf("manifest %s@%s has digest %s: %w", s.repo, digest, m.Desc.Digest, attach.ErrDigest)
	}
	return m, nil
}

// Blob implements [attach.Reader].
func (s *Store) Blob(ctx context.Context, _ attach.Subject, d v1.Descriptor) (io.ReadCloser, error) {
	rc, err := s.medium.OpenBlob(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("read %s@%s: %w", s.repo, d.Digest, err)
	}
	return attach.CheckIn(s.repo, rc, d)
}

// Open implements [attach.Reader]. Content that the descriptor carries is not
// asked for. An artifact opens as its manifest.
func (s *Store) Open(ctx context.Context, subject attach.Subject, a attach.Attachment) (io.ReadCloser, error) {
	if a.Desc.Data != nil {
		return attach.Check(io.NopCloser(bytes.NewReader(a.Desc.Data)), a.Desc)
	}
	for _, p := range a.Places {
		if p.Manifest.Digest != a.Desc.Digest {
			continue
		}
		m, err := s.Manifest(ctx, subject, a.Desc.Digest)
		if err != nil {
			return nil, err
		}
		return attach.Check(io.NopCloser(bytes.NewReader(m.Raw)), a.Desc)
	}
	layers, bare := layersOf(a)
	if bare {
		rc, err := s.Blob(ctx, subject, a.Desc)
		if len(layers) == 0 || !errors.Is(err, attach.ErrNotFound) {
			return rc, err
		}
	}
	return s.openStrict(ctx, subject, a.Desc, layers)
}

// layersOf returns the layers in strict image form that hold the attachment, and
// whether it is kept as a layer of its own too.
func layersOf(a attach.Attachment) (layers []v1.Descriptor, bare bool) {
	for _, p := range a.Places {
		switch {
		case p.Layer == nil:
			bare = true
		case !slices.ContainsFunc(layers, func(d v1.Descriptor) bool { return d.Digest == p.Layer.Digest }):
			layers = append(layers, *p.Layer)
		}
	}
	return layers, bare || len(layers) == 0
}

// openStrict opens content in strict image form. Where several layers claim to hold
// it, all but the last are read first, so that a false one does not hide a good one.
func (s *Store) openStrict(ctx context.Context, subject attach.Subject, d v1.Descriptor, layers []v1.Descriptor) (io.ReadCloser, error) {
	last := len(layers) - 1
	for _, l := range layers[:last] {
		one := attach.Attachment{Desc: d, Places: []attach.Place{{Layer: &l}}}
		if readable(ctx, s, one) {
			last = slices.IndexFunc(layers, func(o v1.Descriptor) bool { return o.Digest == l.Digest })
			break
		}
	}
	layer := layers[last]
	if layer.Data != nil {
		rc, err := attach.Check(io.NopCloser(bytes.NewReader(layer.Data)), layer)
		if err != nil {
			return nil, err
		}
		return cosign.OpenStrict(rc, d)
	}
	rc, err := s.Blob(ctx, subject, layer)
	if err != nil {
		return nil, err
	}
	return cosign.OpenStrict(rc, d)
}

// putBlob puts a blob, once in the life of the store.
func (s *Store) putBlob(ctx context.Context, b attach.Body) error {
	s.mu.Lock()
	u, begun := s.blobs[b.Digest]
	if !begun {
		u = &upload{done: make(chan struct{})}
		s.blobs[b.Digest] = u
	}
	s.mu.Unlock()
	if begun {
		select {
		case <-u.done:
			return u.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	u.err = s.medium.PutBlob(ctx, b)
	if u.err != nil {
		u.err = fmt.Errorf("put the blob %s of %d bytes into %s: %w", b.Digest, b.Size, s.repo, u.err)
		s.mu.Lock()
		delete(s.blobs, b.Digest)
		s.mu.Unlock()
	}
	close(u.done)
	return u.err
}
