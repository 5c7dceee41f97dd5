package attach

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// A Child is one manifest that an index lists.
type Child struct {
	Subject Subject
	// Platform is what the index says the child is for, nil where it says nothing.
	Platform *v1.Platform
}

// ParseIndex returns the descriptors that an image index lists (image
// specification 1.1, image-index.md). One that is malformed spoils the whole
// index, as does one more than limit.
func ParseIndex(raw []byte, limit int) ([]v1.Descriptor, error) {
	m, err := Members(raw)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	if _, ok := m["manifests"]; !ok {
		return nil, fmt.Errorf("index lists no manifests: %w", ErrMalformed)
	}
	var all []v1.Descriptor
	var bad error
	err = Elements(m["manifests"], limit, func(e json.RawMessage) {
		d, err := ParseDescriptor(e)
		if err != nil && bad == nil {
			bad = err
		}
		all = append(all, d)
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return all, nil
}

// Children returns the manifests that the subject lists when it is an index, in
// the order of the index, each digest once; none when it is an image. It does
// not look whether they exist. An index of more than [MaxEntries] is refused.
func Children(ctx context.Context, r Reader, s Subject) ([]Child, error) {
	if !s.Desc.MediaType.IsIndex() {
		return nil, nil
	}
	m, err := r.Manifest(ctx, s, s.Desc.Digest)
	if err != nil {
		return nil, fmt.Errorf("read the index %s: %w", s, err)
	}
	list, err := ParseIndex(m.Raw, MaxEntries)
	if err != nil {
		return nil, fmt.Errorf("read the index %s: %w", s, err)
	}
	seen := make(map[v1.Hash]bool)
	var children []Child
	for _, d := range list {
		if seen[d.Digest] {
			continue
		}
		seen[d.Digest] = true
		children = append(children, Child{
			Subject: Subject{
				Repo: s.Repo,
				Desc: v1.Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest},
			},
			Platform: d.Platform,
		})
	}
	return children, nil
}

// Select returns the first child whose platform has all that want names: a want
// of linux/arm matches linux/arm/v7. It returns an error that wraps
// [ErrNotFound] and names the platforms there are when none matches.
func Select(children []Child, want v1.Platform) (Child, error) {
	var have []string
	for _, c := range children {
		if c.Platform == nil {
			continue
		}
		if c.Platform.Satisfies(want) {
			return c, nil
		}
		have = append(have, c.Platform.String())
	}
	return Child{}, fmt.Errorf("no manifest for platform %s, there is %q: %w", want.String(), strings.Join(have, " "), ErrNotFound)
}
