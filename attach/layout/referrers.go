package layout

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// Referrers implements journal.Medium. It lists the entries of index.json, and
// of the referrers tag where another tool left one, whose manifest has the
// subject. A manifest that is absent or broken has none.
func (m *medium) Referrers(ctx context.Context, digest v1.Hash) ([]v1.Descriptor, bool, error) {
	x, err := m.index()
	if err != nil {
		return nil, true, err
	}
	candidates := m.listed(x, digest)
	var list []v1.Descriptor
	seen := make(map[v1.Hash]bool)
	for _, d := range candidates {
		if err := ctx.Err(); err != nil {
			return nil, true, err
		}
		if d.Digest == digest || seen[d.Digest] || !isManifest(d.MediaType) {
			continue
		}
		seen[d.Digest] = true
		r, ok, err := m.referrer(d, digest)
		if err != nil {
			return nil, true, err
		}
		if !ok {
			continue
		}
		if len(list) == attach.MaxReferrers {
			return list, true, fmt.Errorf("%s: more than %d entries refer to %s: %w", m.dir.name, attach.MaxReferrers, digest, attach.ErrUnfinished)
		}
		list = append(list, r)
	}
	return list, true, nil
}

// listed returns the descriptors that may be of referrers: all of index.json,
// and those of the referrers tag, where it can be read.
func (m *medium) listed(x *index, digest v1.Hash) []v1.Descriptor {
	all := make([]v1.Descriptor, 0, len(x.entries))
	for _, e := range x.entries {
		all = append(all, e.desc)
	}
	d, ok := x.find("sha256-" + digest.Hex)
	if !ok {
		return all
	}
	fallback, _, err := m.manifest(d)
	if err != nil {
		return all
	}
	list, err := attach.ParseReferrers(fallback.Raw, attach.MaxReferrers)
	var spoiled attach.Spoiled
	if err != nil && !errors.As(err, &spoiled) && !errors.Is(err, attach.ErrUnfinished) {
		return all
	}
	return append(all, list...)
}

// referrer reads the manifest and, where its subject is the digest, returns
// the descriptor that a referrers API would show for it.
func (m *medium) referrer(d v1.Descriptor, digest v1.Hash) (v1.Descriptor, bool, error) {
	mf, h, err := m.manifest(d)
	if errors.Is(err, attach.ErrNotFound) || attach.Judged(err) {
		return v1.Descriptor{}, false, nil
	}
	if err != nil {
		return v1.Descriptor{}, false, err
	}
	if h.subject == nil || h.subject.Digest != digest {
		return v1.Descriptor{}, false, nil
	}
	r := mf.Desc
	r.ArtifactType, r.Annotations = h.artifactType(), h.annotations
	return r, true, nil
}
