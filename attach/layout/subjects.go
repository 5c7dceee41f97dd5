package layout

import (
	"context"
	"errors"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// Subjects returns what the manifests that index.json names have as subjects, each
// once, in the order of index.json. Manifests that are absent or broken have none.
func (m *medium) Subjects(ctx context.Context) ([]v1.Hash, error) {
	x, err := m.index()
	if err != nil {
		return nil, err
	}
	var list []v1.Hash
	seen := make(map[v1.Hash]bool)
	for _, e := range x.entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d, err := x.desc(e)
		if err != nil {
			return nil, err
		}
		if !isManifest(d.MediaType) {
			continue
		}
		_, h, err := m.manifest(d)
		if errors.Is(err, attach.ErrNotFound) || attach.Judged(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if h.subject != nil && !seen[h.subject.Digest] {
			if _, err := blobPath(h.subject.Digest); err != nil {
				continue
			}
			seen[h.subject.Digest] = true
			list = append(list, h.subject.Digest)
		}
	}
	return list, nil
}
