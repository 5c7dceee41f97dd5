package layout

import (
	"context"

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
	var all []Image
	for _, d := range list {
		mf, _, err := m.manifest(d)
		if err != nil {
			return nil, err
		}
		tags := make(map[string]bool)
		for _, e := range x.entries {
			if e.desc.Digest == d.Digest {
				tags[e.tag()] = true
			}
		}
		for _, e := range x.entries {
			t := e.tag()
			if e.desc.Digest != d.Digest || !tags[t] || t == "" && len(tags) > 1 {
				continue
			}
			delete(tags, t)
			all = append(all, Image{Subject: attach.Subject{Repo: m.dir.name, Desc: mf.Desc}, Tag: t})
		}
	}
	return all, nil
}
