package layout

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/hallmark-oci/hallmark/attach"
)

// TestDelete takes tags and manifests out of a layout.
func TestDelete(t *testing.T) {
	s := create(t)
	m := s.medium
	alone, shared := putRandom(t, s, "alone"), putRandom(t, s, "share")
	raw, err := s.Manifest(t.Context(), shared, shared.Desc.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.PutManifest(t.Context(), "keep", string(shared.Desc.MediaType), raw.Raw); err != nil {
		t.Fatal(err)
	}
	if err := m.Delete(t.Context(), alone.Desc.Digest.String()); !errors.Is(err, attach.ErrUndeletable) || !strings.Contains(err.Error(), `the tag "alone" names it`) {
		t.Errorf("%v", err)
	}
	for range 2 {
		if err := m.Delete(t.Context(), "alone", "share", "never-there"); err != nil {
			t.Error(err)
		}
	}
	for ref, there := range map[string]bool{
		"alone": false, "share": false, "keep": true,
		alone.Desc.Digest.String(): false, shared.Desc.Digest.String(): true,
	} {
		if _, err := m.Manifest(t.Context(), ref); errors.Is(err, attach.ErrNotFound) == there {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if err := m.Delete(t.Context(), "keep", shared.Desc.Digest.String()); err != nil {
		t.Error(err)
	}
	if _, err := m.Manifest(t.Context(), shared.Desc.Digest.String()); !errors.Is(err, attach.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if err := m.Delete(t.Context(), "sha256:../../x"); !errors.Is(err, attach.ErrMalformed) {
		t.Errorf("%v", err)
	}
}

// TestDeleteChild: what an index lists stays, whatever names it beside.
func TestDeleteChild(t *testing.T) {
	s := create(t)
	idx, err := random.Index(50, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := s.PutIndex(t.Context(), "multi", idx)
	if err != nil {
		t.Fatal(err)
	}
	children, err := attach.Children(t.Context(), s, sub)
	if err != nil || len(children) != 2 {
		t.Fatal(children, err)
	}
	child := children[0].Subject.Desc
	raw, err := s.Manifest(t.Context(), sub, child.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.medium.PutManifest(t.Context(), "one", string(child.MediaType), raw.Raw); err != nil {
		t.Fatal(err)
	}
	if err := s.medium.Delete(t.Context(), "one"); err != nil {
		t.Error(err)
	}
	if err := s.medium.Delete(t.Context(), child.Digest.String()); !errors.Is(err, attach.ErrUndeletable) {
		t.Errorf("%v", err)
	}
	if _, err := s.Manifest(t.Context(), sub, child.Digest); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(path(s), blobsDir, sub.Desc.Digest.Hex)); err != nil {
		t.Error(err)
	}
}
