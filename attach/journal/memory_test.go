package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// world is what a repository holds.
type world struct {
	mu        sync.Mutex
	blobs     map[v1.Hash][]byte
	manifests map[v1.Hash]attach.Manifest
	tags      map[string]v1.Hash
	parsed    map[v1.Hash]cosign.Image // manifests that were parsed, zero where that failed
	native    bool
	hidden    bool // the referrers API answers, but with nothing
	immutable bool
	noData    bool // manifests with a data field are refused
	noList    error
	noDelete  error
}

func newWorld() *world {
	return &world{
		blobs:     make(map[v1.Hash][]byte),
		manifests: make(map[v1.Hash]attach.Manifest),
		tags:      make(map[string]v1.Hash),
		parsed:    make(map[v1.Hash]cosign.Image),
	}
}

// port is a Medium on a world. The gate, when set, is passed before each step
// that reads or writes what others write or read.
type port struct {
	*world
	gate func(ctx context.Context, what string) error
	note func(what string) // told what each step brought
}

func (p port) tell(format string, args ...any) {
	if p.note != nil {
		p.note(fmt.Sprintf(format, args...))
	}
}

func (p port) pass(ctx context.Context, what string) error {
	if p.gate == nil {
		return ctx.Err()
	}
	return p.gate(ctx, what)
}

func (p port) Manifest(ctx context.Context, ref string) (attach.Manifest, error) {
	if err := p.pass(ctx, "GET "+ref); err != nil {
		return attach.Manifest{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	h, ok := p.tags[ref]
	if strings.HasPrefix(ref, "sha256:") {
		h, ok = v1.Hash{Algorithm: "sha256", Hex: ref[7:]}, true
	}
	m, found := p.manifests[h]
	p.tell("GET %s %v %s", ref, ok && found, h.Hex)
	if !ok || !found {
		return attach.Manifest{}, fmt.Errorf("%s: %w", ref, attach.ErrNotFound)
	}
	return m, nil
}

func (p port) PutManifest(ctx context.Context, ref, mediaType string, raw []byte) error {
	if err := p.pass(ctx, "PUT "+ref); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.noData && bytes.Contains(raw, []byte(`"data":`)) {
		return fmt.Errorf("MANIFEST_INVALID: %w", attach.ErrMalformed)
	}
	if _, there := p.tags[ref]; there && p.immutable {
		return fmt.Errorf("TAG_IMMUTABLE: %w", attach.ErrImmutable)
	}
	h := attach.DigestOf(raw)
	p.tell("PUT %s %s", ref, h.Hex)
	p.manifests[h] = attach.Manifest{Raw: raw, Desc: v1.Descriptor{
		MediaType: types.MediaType(mediaType), Size: int64(len(raw)), Digest: h,
	}}
	if !strings.HasPrefix(ref, "sha256:") {
		p.tags[ref] = h
	}
	return nil
}

func (p port) PutBlob(_ context.Context, b attach.Body) error {
	rc, err := b.Open()
	if err != nil {
		return err
	}
	defer rc.Close()
	data, err := io.ReadAll(rc)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blobs[b.Digest] = data
	return nil
}

func (p port) OpenBlob(_ context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	data, ok := p.blobs[d.Digest]
	if !ok {
		return nil, fmt.Errorf("%s: %w", d.Digest, attach.ErrNotFound)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (p port) Tags(ctx context.Context, prefix string) ([]string, error) {
	if err := p.pass(ctx, "LIST"); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.noList != nil {
		return nil, p.noList
	}
	var tags []string
	for t := range p.tags {
		if strings.HasPrefix(t, prefix) {
			tags = append(tags, t)
		}
	}
	slices.Sort(tags)
	p.tell("LIST %s", tags)
	return tags, nil
}

func (p port) Referrers(ctx context.Context, digest v1.Hash) ([]v1.Descriptor, bool, error) {
	if !p.native {
		return nil, false, ctx.Err()
	}
	if err := p.pass(ctx, "REFERRERS"); err != nil {
		return nil, false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []v1.Descriptor
	for h, m := range p.manifests {
		img, ok := p.parsed[h]
		if !ok {
			img, _ = cosign.Parse(m.Raw)
			p.parsed[h] = img
		}
		if img.Subject != nil && img.Subject.Digest == digest && !p.hidden {
			d := m.Desc
			d.Digest, d.ArtifactType, d.Annotations = h, img.ArtifactType, img.Annotations
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b v1.Descriptor) int { return strings.Compare(a.Digest.Hex, b.Digest.Hex) })
	for _, d := range list {
		p.tell("REFERRER %s", d.Digest.Hex)
	}
	return list, true, nil
}

func (p port) Delete(ctx context.Context, refs ...string) error {
	var left []error
	for _, ref := range refs {
		if err := p.pass(ctx, "DELETE "+ref); err != nil {
			return err
		}
		if p.noDelete != nil {
			left = append(left, attach.Left{Ref: ref, Err: p.noDelete})
			continue
		}
		p.remove(ref)
		p.tell("DELETE %s", ref)
	}
	return errors.Join(left...)
}

// remove forgets a tag, with the manifest that no other tag names, or a manifest.
func (p port) remove(ref string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := v1.Hash{Algorithm: "sha256", Hex: strings.TrimPrefix(ref, "sha256:")}
	if !strings.HasPrefix(ref, "sha256:") {
		h = p.tags[ref]
		delete(p.tags, ref)
	}
	if !slices.Contains(slices.Collect(maps.Values(p.tags)), h) {
		delete(p.manifests, h)
	}
}

// state returns all that a reader could see.
func (w *world) state() string {
	var lines []string
	for tag, h := range w.tags {
		lines = append(lines, tag+" "+h.Hex)
	}
	for h := range w.manifests {
		lines = append(lines, h.Hex)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (p port) Lock(context.Context) (func(), error) { return func() {}, nil }

// subjectOf returns a subject, a different one for each n.
func subjectOf(n int) attach.Subject {
	raw := fmt.Appendf(nil, `{"schemaVersion":2,"n":%d}`, n)
	return attach.Subject{Repo: "example.com/app", Desc: v1.Descriptor{
		MediaType: types.OCIManifestSchema1, Size: int64(len(raw)), Digest: attach.DigestOf(raw),
	}}
}

// signature returns a well-formed signature on the subject, a different one for
// each n.
func signature(s attach.Subject, n int) attach.Parcel {
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":%q},`+
		`"type":"cosign container image signature"},"optional":{"n":%d}}`, s.Desc.Digest, n/2)
	return attach.Parcel{Subject: s, Content: cosign.NewSignature(payload, fmt.Appendf(nil, "signature %d", n))}
}

func sbomOf(s attach.Subject, n int) attach.Parcel {
	doc := attach.Bytes(fmt.Appendf(nil, `{"spdxVersion":"SPDX-2.3","n":%d}`, n))
	return attach.Parcel{Subject: s, Content: cosign.NewSBOM(doc, cosign.SPDXJSON, "")}
}

// quick returns a store that does not wait and does one thing at a time.
func quick(m Medium) *Store {
	s := New(m, "example.com/app",
		WithSleep(func(ctx context.Context, _ time.Duration) error { return ctx.Err() }),
		WithRandom(func() float64 { return 0 }))
	s.limit = 1
	return s
}

// viewed returns the identities that the view shows.
func (w *world) viewed(t testing.TB, s attach.Subject, k attach.Kind) map[attach.ID]bool {
	t.Helper()
	ids := make(map[attach.ID]bool)
	m, ok := w.manifests[w.tags[attach.CosignTagOf(s.Desc.Digest, k)]]
	if !ok {
		return ids
	}
	img, err := cosign.Parse(m.Raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range img.Entries {
		ids[e.ID()] = true
	}
	return ids
}

// journaled returns the identities that the journal holds.
func (w *world) journaled(t testing.TB, s attach.Subject) map[attach.ID]bool {
	t.Helper()
	ids := make(map[attach.ID]bool)
	for _, m := range w.manifests {
		r, err := readRecord(m, "", "", s.Desc.Digest)
		if err != nil {
			continue
		}
		for _, e := range r.image.Entries {
			ids[e.ID()] = true
		}
	}
	return ids
}

func mustPut(t testing.TB, s *Store, parcels ...attach.Parcel) []attach.Receipt {
	t.Helper()
	receipts, err := s.Put(t.Context(), parcels...)
	if err != nil {
		t.Fatal(err)
	}
	if len(receipts) != len(parcels) {
		t.Fatalf("%d receipts for %d parcels", len(receipts), len(parcels))
	}
	return receipts
}
