package attach

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// A Child is one manifest that an index lists.
type Child struct {
	Subject Subject
	// Platform is what the index says the child is for, nil where it says nothing.
	Platform *v1.Platform
	about    string // the digest of the image that the child attests, "" for an image
}

// ParseIndex returns the descriptors that an image index lists (image
// specification 1.1, image-index.md). One that is malformed spoils the whole
// index, as does one more than limit.
func ParseIndex(raw []byte, limit int) ([]v1.Descriptor, error) {
	all, err := ParseReferrers(raw, limit)
	var bad Spoiled
	switch {
	case errors.As(err, &bad):
		return nil, fmt.Errorf("index: %w", bad[0])
	case errors.Is(err, ErrUnfinished):
		return nil, fmt.Errorf("index of more than %d manifests: %w", limit, ErrLimit)
	case err != nil:
		return nil, err
	}
	return all, nil
}

// ParseReferrers returns the descriptors in a list of referrers, which is an
// image index too. Unlike the manifests of an image they have nothing to do
// with each other: a malformed one spoils only itself. The good ones are then
// returned with an error of type [Spoiled]. Of more than limit the first ones are
// returned with an error that wraps [ErrUnfinished]: what is behind them is not
// known.
func ParseReferrers(raw []byte, limit int) ([]v1.Descriptor, error) {
	m, err := Members(raw)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	if _, ok := m["manifests"]; !ok {
		return nil, fmt.Errorf("index lists no manifests: %w", ErrMalformed)
	}
	var all []v1.Descriptor
	var bad Spoiled
	err = Elements(m["manifests"], limit, func(e json.RawMessage) {
		d, err := ParseDescriptor(e)
		if err != nil {
			bad = append(bad, err)
			return
		}
		all = append(all, d)
	})
	switch {
	case errors.Is(err, ErrLimit):
		return all, fmt.Errorf("more than %d entries: %w", limit, ErrUnfinished)
	case err != nil:
		return nil, fmt.Errorf("index: %w", err)
	case bad != nil:
		return all, bad
	}
	return all, nil
}

// Spoiled are the errors of the malformed entries of a list whose other entries
// are good. It is [Judged] by what its errors are.
type Spoiled []error

// Error implements error.
func (s Spoiled) Error() string {
	return fmt.Sprintf("%d entries of the list are bad, the first: %v", len(s), s[0])
}

// Unwrap returns the errors.
func (s Spoiled) Unwrap() []error { return s }

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
			about:    aboutOf(d),
		})
	}
	return children, nil
}

// Select returns the first child whose platform has all that want names: a want
// of linux/arm matches linux/arm/v7. It returns an error that wraps
// [ErrNotFound] and names the platforms there are when none matches. Children
// that hold attestations are never chosen.
func Select(children []Child, want v1.Platform) (Child, error) {
	var have []string
	for _, c := range children {
		if c.Platform == nil || c.Attests() {
			continue
		}
		if c.Platform.Satisfies(want) {
			return c, nil
		}
		have = append(have, c.Platform.String())
	}
	return Child{}, fmt.Errorf("no manifest for platform %s, there is %q: %w", want.String(), strings.Join(have, " "), ErrNotFound)
}
