package layout

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	ggcr "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/hallmark-oci/hallmark/attach"
)

// TestPutImage has go-containerregistry's layout package read and validate
func TestPutImage(t *testing.T) {
	s := create(t)
	img := putRandom(t, s, "v1")
	idx, err := random.Index(256, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	index, err := s.PutIndex(t.Context(), "all", idx)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ggcr.FromPath(path(s))
	if err != nil {
		t.Fatal(err)
	}
	root, err := p.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	got, err := root.Image(img.Desc.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	gotIdx, err := root.ImageIndex(index.Desc.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(gotIdx); err != nil {
		t.Error(err)
	}
	m, err := root.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Manifests) != 2 {
		t.Errorf("index.json has %d entries, want the image and the index", len(m.Manifests))
	}
	children, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range children.Manifests {
		sub, err := s.Resolve(t.Context(), c.Digest.String())
		if err != nil {
			t.Fatal(err)
		}
		if sub.Desc.MediaType != c.MediaType || sub.Desc.Size != c.Size || sub.Repo != s.String() {
			t.Errorf("child resolved to %+v, want %+v", sub, c)
		}
	}
}

// TestReadForeign resolves what go-containerregistry wrote, which has no tags.
func TestReadForeign(t *testing.T) {
	dir := t.TempDir()
	img, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ggcr.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AppendImage(img); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sub, err := s.Resolve(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := img.Digest(); sub.Desc.Digest != want {
		t.Errorf("resolved to %s, want %s", sub.Desc.Digest, want)
	}
}

func TestResolve(t *testing.T) {
	ctx := t.Context()
	s := create(t)
	if _, err := s.Resolve(ctx, ""); !errors.Is(err, attach.ErrNotFound) {
		t.Errorf("empty layout: %v", err)
	}
	a := putRandom(t, s, "a")
	hang := func(ref string, img v1.Image) {
		t.Helper()
		if _, err := s.PutImage(ctx, ref, img); err != nil {
			t.Fatal(err)
		}
	}
	sig, _ := random.Image(10, 1)
	hang(attach.CosignTagOf(a.Desc.Digest, attach.Signature), sig)
	entry, _ := random.Image(10, 1)
	hang("sha256-"+a.Desc.Digest.Hex+".0123456789abcdef0123456789abcdef.hm", entry)
	ref, _ := random.Image(10, 1)
	hang("", mutate.Subject(ref, a.Desc).(v1.Image))

	for _, name := range []string{"", "a", a.Desc.Digest.String()} {
		if got, err := s.Resolve(ctx, name); err != nil || got.Desc.Digest != a.Desc.Digest {
			t.Errorf("Resolve(%q) = %v, %v", name, got, err)
		}
	}
	b := putRandom(t, s, "b")
	_, err := s.Resolve(ctx, "")
	if err == nil || errors.Is(err, attach.ErrNotFound) {
		t.Fatalf("two images: %v", err)
	}
	for _, want := range []string{a.Desc.Digest.String(), b.Desc.Digest.String(), `"a"`, `"b"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not list %s", err, want)
		}
	}
	for _, bad := range []string{"none", "sha256:" + strings.Repeat("0", 64)} {
		if _, err := s.Resolve(ctx, bad); !errors.Is(err, attach.ErrNotFound) {
			t.Errorf("Resolve(%q): %v", bad, err)
		}
	}
	for _, bad := range []string{"sha256:", "sha256:../../../etc/passwd", "sha256:" + strings.Repeat("A", 64), "sha256:" + strings.Repeat("0", 63) + "/"} {
		if _, err := s.Resolve(ctx, bad); !errors.Is(err, attach.ErrMalformed) {
			t.Errorf("Resolve(%q): %v", bad, err)
		}
	}
}

func TestReferrers(t *testing.T) {
	ctx := t.Context()
	s := create(t)
	a, b := putRandom(t, s, "a"), putRandom(t, s, "b")
	refer := func(to attach.Subject, note string) v1.Image {
		img, err := random.Image(10, 1)
		if err != nil {
			t.Fatal(err)
		}
		img = mutate.Annotations(img, map[string]string{"note": note}).(v1.Image)
		return mutate.Subject(img, to.Desc).(v1.Image)
	}
	for _, note := range []string{"one", "two"} {
		if _, err := s.PutImage(ctx, "", refer(a, note)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.PutImage(ctx, "", refer(b, "other")); err != nil {
		t.Fatal(err)
	}
	// The referrers tag names one more, whose manifest is a blob only, and one
	// that belongs to another subject.
	idx := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: refer(a, "three")}, mutate.IndexAddendum{Add: refer(b, "liar")})
	if _, err := s.PutIndex(ctx, "sha256-"+a.Desc.Digest.Hex, idx); err != nil {
		t.Fatal(err)
	}
	got, native, err := s.medium.Referrers(ctx, a.Desc.Digest)
	if err != nil || !native {
		t.Fatal(native, err)
	}
	var notes []string
	for _, d := range got {
		notes = append(notes, d.Annotations["note"])
		if d.ArtifactType != "application/vnd.docker.container.image.v1+json" {
			t.Errorf("artifact type %q, want that of the config", d.ArtifactType)
		}
	}
	slices.Sort(notes)
	if !slices.Equal(notes, []string{"one", "three", "two"}) {
		t.Errorf("referrers %v", notes)
	}
	raw, err := s.medium.index()
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, e := range raw.entries {
		d, err := raw.desc(e)
		if err != nil {
			t.Fatal(err)
		}
		if d.ArtifactType != "" && d.Annotations["note"] != "" {
			shown++
		}
	}
	if shown != 3 {
		t.Errorf("index.json shows %d referrers with type and annotations, want 3", shown)
	}
}

// TestCosignSave reads and extends the form in which "cosign save" writes: no
func TestCosignSave(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	p, err := ggcr.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	img, _ := random.Image(100, 1)
	sigs, _ := random.Image(100, 1)
	for kind, im := range map[string]v1.Image{"dev.cosignproject.cosign/image": img, "dev.cosignproject.cosign/sigs": sigs} {
		if err := p.AppendImage(im, ggcr.WithAnnotations(map[string]string{"kind": kind})); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sub, err := s.Resolve(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	tag := attach.CosignTagOf(sub.Desc.Digest, attach.Signature)
	m, err := s.medium.Manifest(ctx, tag)
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := sigs.Digest(); m.Desc.Digest != want {
		t.Errorf("%s is %s, want %s", tag, m.Desc.Digest, want)
	}
	if _, err := s.medium.Manifest(ctx, attach.CosignTagOf(m.Desc.Digest, attach.Signature)); !errors.Is(err, attach.ErrNotFound) {
		t.Errorf("signatures of another image: %v", err)
	}
	more, _ := random.Image(50, 2)
	if _, err := s.PutImage(ctx, tag, more); err != nil {
		t.Fatal(err)
	}
	x, err := s.medium.index()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"kind": "dev.cosignproject.cosign/sigs", refName: tag}
	found := slices.ContainsFunc(x.entries, func(e entry) bool {
		d, err := x.desc(e)
		return err == nil && maps.Equal(d.Annotations, want)
	})
	if len(x.entries) != 2 || !found {
		t.Errorf("index.json: %+v", x.entries)
	}
}

// TestResolveChild takes an index for the one image of a layout although its
// children stand in index.json too.
func TestResolveChild(t *testing.T) {
	s := create(t)
	idx, err := random.Index(64, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.PutIndex(t.Context(), "", idx)
	if err != nil {
		t.Fatal(err)
	}
	m, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range m.Manifests {
		child, err := idx.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.PutImage(t.Context(), "", child); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Resolve(t.Context(), ""); err != nil || got.Desc.Digest != want.Desc.Digest {
		t.Errorf("got %v, %v, want %s", got, err, want)
	}
}

// failing is a file that cannot be read any more.
type failing struct{}

// ReadAt implements io.ReaderAt.
func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("input/output error") }

// TestIndexLost: an index.json that was read and cannot be read again names what it
// named: that it cannot be told what is no "there is none".
func TestIndexLost(t *testing.T) {
	s, err := Create(t.Context(), filepath.Join(t.TempDir(), "layout"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	raw := []byte(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":2,"digest":"sha256:` +
		strings.Repeat("a", 64) + `","annotations":{"org.opencontainers.image.ref.name":"v1"}}]}`)
	x, err := parseIndex(raw)
	if err != nil {
		t.Fatal(err)
	}
	x.forget(raw, failing{})
	if list, err := s.medium.images(x); err == nil {
		t.Errorf("images: %v", list)
	}
	if d, ok, err := x.find("v1"); ok || err == nil {
		t.Errorf("found: %v", d)
	}
	if d, err := s.medium.locate(x, "v1"); err == nil || errors.Is(err, attach.ErrNotFound) {
		t.Errorf("located: %v, %v", d, err)
	}
	if _, err := s.medium.descendants(t.Context(), x); err == nil {
		t.Error("descendants")
	}
}
