package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

const (
	// maxChoices is how many images an error names.
	maxChoices = 10
	// maxChildren is how many manifests of one index are looked at.
	maxChildren = attach.MaxEntries
	// maxAllChildren is how many manifests the indexes of a layout may list.
	maxAllChildren = 100_000
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
	var found []int
	seen := make(map[sum]bool)
	for i, e := range x.entries {
		if e.tag == tag && !seen[e.sum] {
			seen[e.sum] = true
			found = append(found, i)
		}
	}
	switch len(found) {
	case 0:
		if d, ok, err := x.saved(tag); ok || err != nil {
			return d, err
		}
		images, err := m.images(x)
		if err != nil {
			return v1.Descriptor{}, err
		}
		return v1.Descriptor{}, fmt.Errorf("%s has no tag %q%s: %w", m.dir.name, tag, m.choices("it holds", x, images), attach.ErrNotFound)
	case 1:
		return x.desc(x.entries[found[0]])
	}
	return v1.Descriptor{}, fmt.Errorf("the tag %q of %s names %d manifests%s", tag, m.dir.name, len(found), m.choices("choose one by digest of", x, found))
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
		return x.desc(x.entries[images[0]])
	}
	return v1.Descriptor{}, fmt.Errorf("%s holds %d images%s", m.dir.name, len(images), m.choices("name one of", x, images))
}

// images returns the places of the descriptors of index.json, one for each digest,
// that are images or indexes by themselves: no attachments, and no children of another.
func (m *medium) images(x *index) ([]int, error) {
	var list []int
	children := make(map[sum]bool)
	for i, e := range x.entries {
		if !e.known || attachmentTag(e.tag) ||
			e.kind != "" && e.kind != kindImage && e.kind != kindIndex {
			continue
		}
		d, err := x.desc(e)
		if err != nil {
			return nil, err
		}
		if !isManifest(d.MediaType) {
			continue
		}
		hangs, err := m.hangs(d, children)
		if err != nil {
			return nil, err
		}
		if !hangs {
			list = append(list, i)
		}
	}
	list = slices.DeleteFunc(list, func(i int) bool { return children[x.entries[i].sum] })
	slices.SortStableFunc(list, func(a, b int) int { return x.entries[a].sum.compare(x.entries[b].sum) })
	list = slices.CompactFunc(list, func(a, b int) bool { return x.entries[a].sum == x.entries[b].sum })
	slices.Sort(list)
	return list, nil
}

// hangs reports whether the manifest has a subject, and notes its children. A
// manifest that is absent or broken counts as an image: hiding it would make
// another one the only one.
func (m *medium) hangs(d v1.Descriptor, children map[sum]bool) (bool, error) {
	_, h, err := m.manifest(d)
	if errors.Is(err, attach.ErrNotFound) || attach.Judged(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = attach.Elements(h.manifests, maxChildren, func(raw json.RawMessage) {
		if child, err := attach.ParseDescriptor(raw); err == nil {
			if s, ok := sumOf(child.Digest); ok {
				children[s] = true
			}
		}
	})
	if len(children) > maxAllChildren {
		return false, fmt.Errorf("the indexes of %s list more than %d manifests: %w", m.dir.name, maxAllChildren, attach.ErrLimit)
	}
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

// choices lists images the way that a user types them.
func (m *medium) choices(intro string, x *index, images []int) string {
	if len(images) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("; " + intro)
	for i, at := range images {
		if i == maxChoices {
			fmt.Fprintf(&b, " and %d more", len(images)-i)
			break
		}
		e := x.entries[at]
		b.WriteString(" " + m.dir.name + "@" + e.sum.hash().String())
		if tag := e.tag; tag != "" {
			fmt.Fprintf(&b, " (tag %q)", tag)
		}
	}
	return b.String()
}
