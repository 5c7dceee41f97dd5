package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// wide is a medium with one image to which many manifests of many layers refer.
type wide struct {
	journal.Medium
	root attach.Manifest
	list []v1.Descriptor
	by   map[string]attach.Manifest
}

func newWide(root attach.Manifest, number int) wide {
	m := wide{root: root, by: make(map[string]attach.Manifest)}
	for i := range number {
		c := layered(i)
		m.list, m.by[c.Desc.Digest.String()] = append(m.list, c.Desc), c
	}
	return m
}

func layered(i int) attach.Manifest {
	layer := fmt.Sprintf(`{"mediaType":"text/plain","size":1,"digest":"sha256:%064x"}`, i)
	layers := strings.TrimSuffix(strings.Repeat(layer+",", attach.MaxEntries), ",")
	raw := []byte(`{"schemaVersion":2,"mediaType":"` + types.OCIManifestSchema1 + `","config":` + types.MediaType(layer) + `,"layers":[` + types.MediaType(layers) + `]}`)
	return attach.Manifest{Raw: raw, Desc: v1.Descriptor{
		MediaType: types.OCIManifestSchema1, Size: int64(len(raw)), Digest: attach.DigestOf(raw), ArtifactType: "text/plain",
		Annotations: map[string]string{"i": fmt.Sprint(i)},
	}}
}

func (m wide) Tags(context.Context, string) ([]string, error) { return nil, nil }

func (m wide) Referrers(_ context.Context, digest v1.Hash) ([]v1.Descriptor, bool, error) {
	if digest != m.root.Desc.Digest {
		return nil, true, nil
	}
	return m.list, true, nil
}

func (m wide) Manifest(_ context.Context, ref string) (attach.Manifest, error) {
	if c, ok := m.by[ref]; ok {
		return c, nil
	}
	return attach.Manifest{}, attach.ErrNotFound
}

// TestTooMuchHangs refuses an image from which more hangs than can be held, and
// takes one from which less does.
func TestTooMuchHangs(t *testing.T) {
	raw := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[]}`)
	root := attach.Manifest{Raw: raw, Desc: v1.Descriptor{MediaType: types.OCIManifestSchema1, Size: int64(len(raw)), Digest: attach.DigestOf(raw)}}
	for number, limit := range map[int]bool{20: false, maxHeld/(partWeight*attach.MaxEntries) + 1: true} {
		m := newWide(root, number)
		tree, err := newWalker("wide", m, m, attach.Kinds()).walk(t.Context(), root)
		if errors.Is(err, attach.ErrLimit) != limit || !limit && len(tree.objects) != number+1 {
			t.Errorf("%d manifests: %v", number, err)
		}
	}
}

// TestNotes: annotations come back as they were, and none are told from an empty map.
func TestNotes(t *testing.T) {
	for _, want := range []map[string]string{
		nil, {}, {"": ""}, {"a": "<&>\u2028\"\\\x00é"}, {"org.opencontainers.image.title": "x", "b": "y"},
	} {
		if got := newNotes(want).all(); !maps.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%q came back as %q", want, got)
		}
	}
}
