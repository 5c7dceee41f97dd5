package layout

import (
	"context"
	"slices"

	"github.com/hallmark-oci/hallmark/attach"
)

// An Image is one image of a layout, under one of its tags.
type Image struct {
	Subject attach.Subject
	Tag     string // "" where it has none
}

// Images returns the images and indexes that the layout holds: no attachments, and
// nothing that another index lists. One of several tags is returned once for each.
func (s *Store) Images(ctx context.Context) ([]Image, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m := s.medium
	x, err := m.index()
	if err != nil {
		return nil, err
	}
	list, err := m.images(x)
	if err != nil {
		return nil, err
	}
	tagsOf := x.tags()
	var all []Image
	for _, i := range list {
		d, err := x.desc(x.entries[i])
		if err != nil {
			return nil, err
		}
		mf, _, err := m.manifest(d)
		if err != nil {
			return nil, err
		}
		mine := tagsOf(x.entries[i].sum)
		for _, t := range mine {
			if t == "" && len(mine) > 1 {
				continue
			}
			all = append(all, Image{Subject: attach.Subject{Repo: m.dir.name, Desc: mf.Desc}, Tag: t})
		}
	}
	return all, nil
}

// tags returns a function that returns the tags of a digest, each once, in the order
// of index.json; "" is among them where an entry has none.
func (x *index) tags() func(sum) []string {
	sorted := make([]int32, 0, len(x.entries)) // places
	for i := range x.entries {
		sorted = append(sorted, int32(i))
	}
	slices.SortStableFunc(sorted, func(a, b int32) int { return x.entries[a].sum.compare(x.entries[b].sum) })
	return func(s sum) (tags []string) {
		seen := make(map[string]bool)
		at, _ := slices.BinarySearchFunc(sorted, s, func(i int32, s sum) int { return x.entries[i].sum.compare(s) })
		for _, i := range sorted[at:] {
			e := x.entries[i]
			if e.sum != s {
				break
			}
			if e.known && !seen[e.tag] {
				seen[e.tag] = true
				tags = append(tags, e.tag)
			}
		}
		return tags
	}
}
