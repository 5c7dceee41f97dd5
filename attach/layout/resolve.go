package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

const (
	// maxChoices is how many images an error names.
	maxChoices = 10
	// maxChildren is how many manifests of one index are looked at.
	maxChildren = attach.MaxEntries
)

// Resolve implements attach.Resolver. The ref is a tag, a digest "sha256:..."
// of any manifest of the layout, or "" for the one image that the layout holds
// beside attachments. It is an error that lists the choices when there are
// several, or when a tag names several images.
func (s *Store) Resolve(ctx context.Context, ref string) (attach.Subject, error) {
	m := s.medium
	if err := ctx.Err(); err != nil {
		return attach.Subject{}, err
	}
	x, err := m.index()
	if err != nil {
		return attach.Subject{}, err
	}
	var d v1.Descriptor
	switch {
	case ref == "":
		d, err = m.only(x)
	case strings.HasPrefix(ref, "sha256:"):
		d, err = m.locate(x, ref)
	default:
		d, err = m.tagged(x, ref)
	}
	if err != nil {
		return attach.Subject{}, err
	}
	mf, _, err := m.manifest(d)
	if err != nil {
		return attach.Subject{}, err
	}
	return attach.Subject{Repo: m.dir.name, Desc: mf.Desc}, nil
}

// tagged returns the one descriptor that has the tag.
func (m *medium) tagged(x *index, tag string) (v1.Descriptor, error) {
	var found []v1.Descriptor
	for _, e := range x.entries {
		if e.tag() == tag && !holds(found, e.desc.Digest) {
			found = append(found, e.desc)
		}
	}
	switch len(found) {
	case 0:
		if d, ok := x.saved(tag); ok {
			return d, nil
		}
		images, err := m.images(x)
		if err != nil {
			return v1.Descriptor{}, err
		}
		return v1.Descriptor{}, fmt.Errorf("%s has no tag %q%s: %w", m.dir.name, tag, m.choices("it holds", images), attach.ErrNotFound)
	case 1:
		return found[0], nil
	}
	return v1.Descriptor{}, fmt.Errorf("the tag %q of %s names %d manifests%s", tag, m.dir.name, len(found), m.choices("choose one by digest of", found))
}

// only returns the one image that the layout holds.
func (m *medium) only(x *index) (v1.Descriptor, error) {
	images, err := m.images(x)
	if err != nil {
		return v1.Descriptor{}, err
	}
	switch len(images) {
	case 0:
		return v1.Descriptor{}, fmt.Errorf("%s holds no image: %w", m.dir.name, attach.ErrNotFound)
	case 1:
		return images[0], nil
	}
	return v1.Descriptor{}, fmt.Errorf("%s holds %d images%s", m.dir.name, len(images), m.choices("name one of", images))
}

// images returns the descriptors of index.json, one for each digest, that are
// images or indexes by themselves: no attachments, and no children of another.
func (m *medium) images(x *index) ([]v1.Descriptor, error) {
	var list []v1.Descriptor
	children := make(map[v1.Hash]bool)
	for _, e := range x.entries {
		d := e.desc
		kind := d.Annotations[kindName]
		if !isManifest(d.MediaType) || attachmentTag(e.tag()) || holds(list, d.Digest) ||
			strings.HasPrefix(kind, kindPrefix) && kind != kindImage && kind != kindIndex {
			continue
		}
		hangs, err := m.hangs(d, children)
		if err != nil {
			return nil, err
		}
		if !hangs {
			list = append(list, d)
		}
	}
	var images []v1.Descriptor
	for _, d := range list {
		if !children[d.Digest] {
			images = append(images, d)
		}
	}
	return images, nil
}

// hangs reports whether the manifest has a subject, and notes its children. A
// manifest that is absent or broken counts as an image: hiding it would make
// another one the only one.
func (m *medium) hangs(d v1.Descriptor, children map[v1.Hash]bool) (bool, error) {
	_, h, err := m.manifest(d)
	if errors.Is(err, attach.ErrNotFound) || attach.Judged(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = attach.Elements(h.manifests, maxChildren, func(raw json.RawMessage) {
		if child, err := attach.ParseDescriptor(raw); err == nil {
			children[child.Digest] = true
		}
	})
	return err == nil && h.subject != nil, nil
}

// attachmentTag reports whether the tag belongs to what hangs from an image:
// cosign's tags, the journal's and the referrers tag, sha256-<hex>[.<suffix>].
func attachmentTag(tag string) bool {
	hex, ok := strings.CutPrefix(tag, "sha256-")
	if !ok {
		return false
	}
	hex, _, _ = strings.Cut(hex, ".")
	_, err := blobPath(v1.Hash{Algorithm: "sha256", Hex: hex})
	return err == nil
}

func holds(list []v1.Descriptor, h v1.Hash) bool {
	for _, d := range list {
		if d.Digest == h {
			return true
		}
	}
	return false
}

// choices lists images the way that a user types them.
func (m *medium) choices(intro string, images []v1.Descriptor) string {
	if len(images) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("; " + intro)
	for i, d := range images {
		if i == maxChoices {
			fmt.Fprintf(&b, " and %d more", len(images)-i)
			break
		}
		b.WriteString(" " + m.dir.name + "@" + d.Digest.String())
		if tag := d.Annotations[refName]; tag != "" {
			fmt.Fprintf(&b, " (tag %q)", tag)
		}
	}
	return b.String()
}
