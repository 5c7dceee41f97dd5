package layout

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// medium is the layout as the writing protocol sees it.
type medium struct {
	dir  *dir
	lock *lock
	// update is held while index.json is read, changed and written back. The
	// lock keeps other processes out; this keeps out goroutines of this store.
	update sync.Mutex
	// last is index.json as it was last read. The file is read each time, and
	// parsed only when its bytes are others.
	last atomic.Pointer[snapshot]
}

// A snapshot is index.json with what was read out of it, which nobody changes.
type snapshot struct {
	raw      []byte
	index    *index
	subjects subjects // of the manifests that it names
}

var _ journal.Medium = (*medium)(nil)

// Lock implements journal.Medium: it waits for the lock of the layout.
func (m *medium) Lock(ctx context.Context) (func(), error) { return m.lock.acquire(ctx) }

// index reads index.json. The caller must not change it.
func (m *medium) index() (*index, error) {
	s, err := m.snapshot()
	if err != nil {
		return nil, err
	}
	return s.index, nil
}

func (m *medium) snapshot() (*snapshot, error) {
	last := m.last.Load()
	if last != nil && m.dir.archive != nil { // nothing writes to it
		return last, nil
	}
	raw, err := m.dir.read(indexFile, maxIndex)
	if err != nil {
		return nil, err
	}
	if last != nil && bytes.Equal(last.raw, raw) {
		return last, nil
	}
	x, err := parseIndex(raw)
	if err != nil {
		return nil, fmt.Errorf("read %s in %s: %w", indexFile, m.dir.name, err)
	}
	s := &snapshot{raw: raw, index: x}
	if a := m.dir.archive; a != nil {
		x.forget(raw, io.NewSectionReader(a.file, a.index.at, a.index.size))
		s.raw = nil
	}
	m.last.Store(s)
	return s, nil
}

// Manifest implements journal.Medium.
func (m *medium) Manifest(ctx context.Context, ref string) (attach.Manifest, error) {
	if err := ctx.Err(); err != nil {
		return attach.Manifest{}, err
	}
	x, err := m.index()
	if err != nil {
		return attach.Manifest{}, err
	}
	d, err := m.locate(x, ref)
	if err != nil {
		return attach.Manifest{}, err
	}
	mf, _, err := m.manifest(d)
	return mf, err
}

// locate finds the descriptor that a tag or a digest names. A digest need not
// stand in index.json: the children of an index do not.
func (m *medium) locate(x *index, ref string) (v1.Descriptor, error) {
	if strings.HasPrefix(ref, "sha256:") {
		h := v1.Hash{Algorithm: "sha256", Hex: strings.TrimPrefix(ref, "sha256:")}
		if _, err := blobPath(h); err != nil {
			return v1.Descriptor{}, err
		}
		s, _ := sumOf(h)
		for i := range x.entries {
			if e := &x.entries[i]; e.known && e.sum == s {
				return x.desc(*e)
			}
		}
		return v1.Descriptor{Digest: h, Size: -1}, nil
	}
	if d, ok, err := x.find(ref); ok || err != nil {
		return d, err
	}
	if d, ok, err := x.saved(ref); ok || err != nil {
		return d, err
	}
	return v1.Descriptor{}, fmt.Errorf("%s has no tag %q: %w", m.dir.name, ref, attach.ErrNotFound)
}

// manifest reads a manifest and recomputes its digest. A size below zero in d
// and an empty media type stand for unknown.
func (m *medium) manifest(d v1.Descriptor) (attach.Manifest, head, error) {
	path, err := blobPath(d.Digest)
	if err != nil {
		return attach.Manifest{}, head{}, err
	}
	raw, err := m.dir.read(path, attach.MaxManifest)
	if err != nil {
		return attach.Manifest{}, head{}, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	h, err := checkManifest(d, raw)
	if err != nil {
		return attach.Manifest{}, head{}, fmt.Errorf("manifest %s in %s: %w", d.Digest, m.dir.name, err)
	}
	mt := d.MediaType
	if mt == "" {
		mt = h.mediaType
	}
	return attach.Manifest{
		Desc: v1.Descriptor{MediaType: mt, Size: int64(len(raw)), Digest: d.Digest},
		Raw:  raw,
	}, h, nil
}

// checkManifest holds the bytes of a manifest against its descriptor.
func checkManifest(d v1.Descriptor, raw []byte) (head, error) {
	if got := attach.DigestOf(raw); got != d.Digest {
		return head{}, fmt.Errorf("the file holds %d bytes of digest %s: %w", len(raw), got, attach.ErrDigest)
	}
	if d.Size >= 0 && d.Size != int64(len(raw)) {
		return head{}, fmt.Errorf("%d bytes, its descriptor says %d: %w", len(raw), d.Size, attach.ErrDigest)
	}
	h, err := parseHead(raw)
	if err == nil && d.MediaType != "" && h.stated != "" && d.MediaType != h.stated {
		err = fmt.Errorf("it says media type %q, its descriptor %q: %w", h.stated, d.MediaType, attach.ErrMalformed)
	}
	return h, err
}

// PutManifest implements journal.Medium. The manifest is on the disk before
// index.json names it.
func (m *medium) PutManifest(ctx context.Context, ref, mediaType string, raw []byte) error {
	return m.lock.under(ctx, func() error { return m.putManifest(ctx, ref, types.MediaType(mediaType), raw) })
}

// putManifest stores the manifest and names it. The lock must be held.
func (m *medium) putManifest(ctx context.Context, ref string, mt types.MediaType, raw []byte) error {
	body := attach.Bytes(raw)
	tag, err := tagOf(ref, body.Digest)
	if err != nil {
		return fmt.Errorf("put manifest %s into %s: %w", ref, m.dir.name, err)
	}
	if len(raw) > attach.MaxManifest {
		return fmt.Errorf("put manifest %s into %s: %d bytes, the limit is %d: %w", ref, m.dir.name, len(raw), attach.MaxManifest, attach.ErrLimit)
	}
	h, err := parseHead(raw)
	if err != nil {
		return fmt.Errorf("put manifest %s into %s: %w", ref, m.dir.name, err)
	}
	if h.stated != "" && h.stated != mt {
		return fmt.Errorf("put manifest %s into %s as %q: it says media type %q: %w", ref, m.dir.name, mt, h.stated, attach.ErrMalformed)
	}
	d := v1.Descriptor{MediaType: mt, Size: body.Size, Digest: body.Digest}
	if h.subject != nil {
		d.ArtifactType, d.Annotations = h.artifactType(), attach.Unnaming(h.annotations)
	}
	if err := m.writeBlob(ctx, body); err != nil {
		return err
	}
	return m.name(ctx, d, tag)
}

// tagOf returns the tag that ref is, or "" when it is the digest.
func tagOf(ref string, digest v1.Hash) (string, error) {
	if strings.HasPrefix(ref, "sha256:") {
		if ref != digest.String() {
			return "", fmt.Errorf("the manifest has digest %s: %w", digest, attach.ErrDigest)
		}
		return "", nil
	}
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || r == '@' }
	if ref == "" || len(ref) > 255 || strings.ContainsFunc(ref, bad) {
		return "", fmt.Errorf("%q can be no tag: %w", ref, attach.ErrMalformed)
	}
	return ref, nil
}

// name makes index.json name the descriptor. The lock must be held.
func (m *medium) name(ctx context.Context, d v1.Descriptor, tag string) error {
	m.update.Lock()
	defer m.update.Unlock()
	x, err := m.index()
	if err != nil {
		return err
	}
	x = x.clone()
	x.adopt(tag)
	changed, err := x.put(d, tag)
	if err != nil || !changed {
		return err
	}
	return m.writeIndex(ctx, x)
}

// PutBlob implements journal.Medium.
func (m *medium) PutBlob(ctx context.Context, b attach.Body) error {
	return m.lock.under(ctx, func() error { return m.writeBlob(ctx, b) })
}

// writeBlob stores the blob unless it is there. The lock must be held.
func (m *medium) writeBlob(ctx context.Context, b attach.Body) error {
	path, err := blobPath(b.Digest)
	if err != nil {
		return fmt.Errorf("put blob into %s: %w", m.dir.name, err)
	}
	if m.has(path, b) {
		return nil
	}
	rc, err := b.Open()
	if err != nil {
		return fmt.Errorf("put blob %s into %s: %w", b.Digest, m.dir.name, err)
	}
	rc, err = attach.Check(rc, v1.Descriptor{Digest: b.Digest, Size: b.Size})
	if err != nil {
		return fmt.Errorf("put blob into %s: %w", m.dir.name, err)
	}
	defer rc.Close()
	if err := m.dir.root.MkdirAll(blobsDir, 0o755); err != nil {
		return m.dir.wrap("create", blobsDir, err)
	}
	return m.dir.write(ctx, path, rc)
}

// has reports whether the blob is there. A file of another size is not it, nor
// is a small one whose bytes are others: both are written anew.
func (m *medium) has(path string, b attach.Body) bool {
	info, err := m.dir.root.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != b.Size {
		return false
	}
	if b.Size > attach.MaxManifest {
		return true
	}
	raw, err := m.dir.read(path, b.Size)
	return err == nil && attach.DigestOf(raw) == b.Digest
}

// OpenBlob implements journal.Medium.
func (m *medium) OpenBlob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path, err := blobPath(d.Digest)
	if err != nil {
		return nil, err
	}
	f, _, err := m.dir.open(path)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	return f, nil
}

// Tags implements journal.Medium.
func (m *medium) Tags(ctx context.Context, prefix string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	x, err := m.index()
	if err != nil {
		return nil, err
	}
	var tags []string
	seen := make(map[string]bool)
	for _, e := range x.entries {
		if t := e.tag; t != "" && strings.HasPrefix(t, prefix) && !seen[t] {
			seen[t] = true
			tags = append(tags, t)
		}
	}
	for _, t := range x.implied() {
		if strings.HasPrefix(t, prefix) && !seen[t] {
			tags = append(tags, t)
		}
	}
	return tags, nil
}
