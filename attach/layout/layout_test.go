package layout

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/hallmark-oci/hallmark/attach"
)

func create(t *testing.T) *Store {
	t.Helper()
	s, err := Create(t.Context(), filepath.Join(t.TempDir(), "layout"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func path(s *Store) string { return strings.TrimPrefix(s.String(), "oci:") }

func putRandom(t *testing.T, s *Store, tag string) attach.Subject {
	t.Helper()
	sub, err := putImage(t.Context(), s, tag)
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

func putImage(ctx context.Context, s *Store, tag string) (attach.Subject, error) {
	img, err := random.Image(512, 2)
	if err != nil {
		return attach.Subject{}, err
	}
	return s.PutImage(ctx, tag, img)
}

// what was written: images and an index with children.
func TestCreateRefusesForeign(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(ctx, dir, Options{}); err == nil || !strings.Contains(err.Error(), "thesis.txt") {
		t.Errorf("foreign directory: %v", err)
	}
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(ctx, dir, Options{}); err == nil {
		t.Error("a lone index.json was taken for a layout")
	}
	if names := list(t, dir); !slices.Equal(names, []string{"index.json"}) {
		t.Errorf("the refused directory now holds %v", names)
	}
	s := create(t)
	sub := putRandom(t, s, "x")
	again, err := Create(ctx, path(s), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got, err := again.Resolve(ctx, "x"); err != nil || got.Desc.Digest != sub.Desc.Digest {
		t.Errorf("after Create over a layout: %v, %v", got, err)
	}
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestOpenBroken opens what is no whole layout.
func TestOpenBroken(t *testing.T) {
	const marker, index = `{"imageLayoutVersion":"1.0.0"}`, `{"schemaVersion":2,"manifests":[]}`
	tests := []struct {
		name          string
		marker, index string
		want          error
	}{
		{"no marker", "", index, attach.ErrNotFound},
		{"no index", marker, "", attach.ErrNotFound},
		{"other version", `{"imageLayoutVersion":"2.0.0"}`, index, attach.ErrMalformed},
		{"marker no JSON", `1.0.0`, index, attach.ErrMalformed},
		{"torn index", marker, index[:20], attach.ErrMalformed},
		{"zeroed index", marker, strings.Repeat("\x00", 300), attach.ErrMalformed},
		{"no manifests", marker, `{"schemaVersion":2}`, attach.ErrMalformed},
		{"manifests no list", marker, `{"manifests":{}}`, attach.ErrMalformed},
		{"twice", marker, `{"manifests":[],"manifests":[]}`, attach.ErrMalformed},
		{"twice below", marker, `{"manifests":[{"digest":"a","size":1,"digest":"b"}]}`, attach.ErrMalformed},
		{"trailing", marker, index + `x`, attach.ErrMalformed},
		{"null list", marker, `{"manifests":null}`, nil},
		{"huge marker", strings.Repeat(" ", 70<<10), index, attach.ErrLimit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{markerFile: tt.marker, indexFile: tt.index} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			s, err := Open(dir, Options{})
			if err == nil {
				defer s.Close()
			}
			if tt.want == nil && err != nil || !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil && !strings.Contains(err.Error(), dir) {
				t.Errorf("%q does not name the layout", err)
			}
		})
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), Options{}); !errors.Is(err, attach.ErrNotFound) {
		t.Errorf("missing directory: %v", err)
	}
}

// TestReferrers finds entries by subject: in index.json and in a referrers tag.
// TestLock waits no longer than the context lasts, and lets the next one in.
// tags, and the annotation "kind" on each entry.
