package layout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// Delete implements journal.Medium: it takes the references out of index.json,
// and the files of those manifests that nothing names any more. Blobs of content
// stay, since another process may be about to name them.
func (m *medium) Delete(ctx context.Context, refs ...string) error {
	return m.lock.under(ctx, func() error {
		m.update.Lock()
		defer m.update.Unlock()
		old, err := m.index()
		if err != nil {
			return err
		}
		x := old.clone()
		gone := x.untag(refs)
		listed, err := m.descendants(ctx, x)
		if err != nil {
			return fmt.Errorf("see what names the manifests to be deleted: %w", err)
		}
		var errs []error
		for _, ref := range refs {
			if !strings.HasPrefix(ref, "sha256:") {
				continue
			}
			h := v1.Hash{Algorithm: "sha256", Hex: strings.TrimPrefix(ref, "sha256:")}
			if err := x.drop(h, listed); err != nil {
				errs = append(errs, attach.Left{Ref: ref, Err: err})
				continue
			}
			gone = append(gone, h)
		}
		if len(x.entries) < len(old.entries) {
			if err := m.writeIndex(ctx, x); err != nil {
				return errors.Join(append(errs, err)...)
			}
		}
		for _, h := range gone {
			if !listed[h] && !x.names(h) {
				errs = append(errs, m.removeBlob(h))
			}
		}
		return errors.Join(errs...)
	})
}

// untag removes the entries that have one of the tags, and returns their digests.
func (x *index) untag(tags []string) (gone []v1.Hash) {
	for _, tag := range tags {
		x.adopt(tag)
		x.entries = slices.DeleteFunc(x.entries, func(e entry) bool {
			if e.tag == "" || e.tag != tag {
				return false
			}
			gone = append(gone, e.sum.hash())
			return true
		})
	}
	return gone
}

// drop removes the entries of the digest, unless a tag or another index names it.
func (x *index) drop(h v1.Hash, listed map[v1.Hash]bool) error {
	if _, err := blobPath(h); err != nil {
		return err
	}
	if listed[h] {
		return fmt.Errorf("an index lists it: %w", attach.ErrUndeletable)
	}
	for _, e := range x.entries {
		if e.is(h) && e.tag != "" {
			return fmt.Errorf("the tag %q names it: %w", e.tag, attach.ErrUndeletable)
		}
	}
	x.entries = slices.DeleteFunc(x.entries, func(e entry) bool { return e.is(h) })
	return nil
}

// names reports whether an entry of the index has the digest.
func (x *index) names(h v1.Hash) bool {
	return slices.ContainsFunc(x.entries, func(e entry) bool { return e.is(h) })
}

// descendants returns what is listed by the indexes that index.json names, and
// by those that they list. An index that is absent or broken lists nothing; of one
// that is over a limit it is not known what it lists, so that nothing may go.
func (m *medium) descendants(ctx context.Context, x *index) (map[v1.Hash]bool, error) {
	listed := make(map[v1.Hash]bool)
	var todo []v1.Descriptor
	for _, e := range x.entries {
		d, err := x.desc(e)
		if err != nil {
			return nil, err
		}
		if d.MediaType.IsIndex() {
			todo = append(todo, d)
		}
	}
	for len(todo) > 0 {
		d := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !d.MediaType.IsIndex() {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		_, h, err := m.manifest(d)
		if errors.Is(err, attach.ErrNotFound) || attach.Judged(err) && !errors.Is(err, attach.ErrLimit) {
			continue
		}
		if err != nil {
			return nil, err
		}
		err = attach.Elements(h.manifests, maxEntries, func(raw json.RawMessage) {
			child, err := attach.ParseDescriptor(raw)
			if err == nil && !listed[child.Digest] {
				listed[child.Digest] = true
				todo = append(todo, child)
			}
		})
		if err != nil && (!attach.Judged(err) || errors.Is(err, attach.ErrLimit)) {
			return nil, err
		}
	}
	return listed, nil
}

// removeBlob removes the file of a manifest.
func (m *medium) removeBlob(h v1.Hash) error {
	path, err := blobPath(h)
	if err != nil {
		return err
	}
	if err := m.dir.root.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m.dir.wrap("delete", path, err)
	}
	return nil
}

// writeIndex writes index.json. The lock must be held, and update.
func (m *medium) writeIndex(ctx context.Context, x *index) error {
	raw, err := x.encode()
	if err != nil {
		return err
	}
	if len(raw) > maxIndex {
		return fmt.Errorf("write %s in %s: more than %d bytes: %w", indexFile, m.dir.name, maxIndex, attach.ErrLimit)
	}
	if err := m.dir.sync(blobsDir); err != nil {
		return err
	}
	if err := m.dir.write(ctx, indexFile, bytes.NewReader(raw)); err != nil {
		return err
	}
	return m.dir.sync(".")
}
