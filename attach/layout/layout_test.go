package layout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	ggcr "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/validate"

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
	img, err := random.Image(512, 2)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := s.PutImage(t.Context(), tag, img)
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

// TestPutImage has go-containerregistry's layout package read and validate
// what was written: images and an index with children.
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

// TestForeignKept writes beside descriptors and fields of other tools.
func TestForeignKept(t *testing.T) {
	s := create(t)
	sub := putRandom(t, s, "v1")
	foreign := `{"schemaVersion":2,"x-top":{"n":12345678901234567890,"s":"<&>"},"annotations":{"k":"v"},"manifests":[` +
		`{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + sub.Desc.Digest.String() + `","size":` + jsonOf(t, sub.Desc.Size) +
		`,"x-own":[1,{"a":null}],"annotations":{"org.opencontainers.image.ref.name":"v1","other":"ä"}},` +
		`{"mediaType":"text/plain","digest":"sha512:` + strings.Repeat("ab", 64) + `","size":3},` +
		`{"strange":true}]}`
	file := filepath.Join(path(s), indexFile)
	if err := os.WriteFile(file, []byte(foreign), 0o664); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o664); err != nil {
		t.Fatal(err)
	}
	putRandom(t, s, "v2")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var before, after map[string]any
	decode(t, []byte(foreign), &before)
	decode(t, raw, &after)
	got := after["manifests"].([]any)
	if len(got) != 4 {
		t.Fatalf("%d descriptors, want 4", len(got))
	}
	after["manifests"] = got[:3]
	if jsonOf(t, before) != jsonOf(t, after) {
		t.Errorf("before %s\nafter  %s", jsonOf(t, before), jsonOf(t, after))
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o664 {
		t.Errorf("mode of index.json became %v, %v", info.Mode(), err)
	}
}

func decode(t *testing.T, raw []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestReferrers finds entries by subject: in index.json and in a referrers tag.
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
		if e.desc.ArtifactType != "" && e.desc.Annotations["note"] != "" {
			shown++
		}
	}
	if shown != 3 {
		t.Errorf("index.json shows %d referrers with type and annotations, want 3", shown)
	}
}

// TestHostile reads blobs that are not what they should be.
func TestHostile(t *testing.T) {
	ctx := t.Context()
	s := create(t)
	sub := putRandom(t, s, "v1")
	blob := filepath.Join(path(s), blobsDir, sub.Desc.Digest.Hex)
	good, err := os.ReadFile(blob)
	if err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, good, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		do   func() error
		want error
	}{
		{"truncated", func() error { return os.WriteFile(blob, good[:len(good)/2], 0o644) }, attach.ErrDigest},
		{"longer", func() error { return os.WriteFile(blob, append(slices.Clone(good), ' '), 0o644) }, attach.ErrDigest},
		{"flipped", func() error { return os.WriteFile(blob, bytes.ToUpper(good), 0o644) }, attach.ErrDigest},
		{"huge", func() error { return os.Truncate(blob, 10<<30) }, attach.ErrLimit},
		{"missing", func() error { return nil }, attach.ErrNotFound},
		{"directory", func() error { return os.Mkdir(blob, 0o755) }, attach.ErrMalformed},
		{"link outside", func() error { return os.Symlink(outside, blob) }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.RemoveAll(blob); err != nil {
				t.Fatal(err)
			}
			if tt.name == "huge" {
				if err := os.WriteFile(blob, nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := tt.do(); err != nil {
				t.Fatal(err)
			}
			_, err := s.Resolve(ctx, "v1")
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	// Putting the manifest again repairs what can be repaired.
	if err := os.RemoveAll(blob); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(blob, bytes.ToUpper(good), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.medium.PutManifest(ctx, "v1", string(sub.Desc.MediaType), good); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resolve(ctx, "v1"); err != nil {
		t.Error(err)
	}
}

// TestPutRefuses puts what does not belong into a layout.
func TestPutRefuses(t *testing.T) {
	ctx := t.Context()
	s := create(t)
	const mt = "application/vnd.oci.image.manifest.v1+json"
	ok := []byte(`{"schemaVersion":2,"layers":[]}`)
	tests := []struct {
		name, ref, mt string
		raw           []byte
		want          error
	}{
		{"wrong digest", "sha256:" + strings.Repeat("0", 64), mt, ok, attach.ErrDigest},
		{"empty tag", "", mt, ok, attach.ErrMalformed},
		{"tag with newline", "a\nb", mt, ok, attach.ErrMalformed},
		{"long tag", strings.Repeat("a", 256), mt, ok, attach.ErrMalformed},
		{"no JSON", "x", mt, []byte("{"), attach.ErrMalformed},
		{"no manifest", "x", mt, []byte("{}"), attach.ErrMalformed},
		{"two types", "x", mt, []byte(`{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`), attach.ErrMalformed},
		{"too large", "x", mt, append(bytes.Repeat([]byte(" "), attach.MaxManifest), ok...), attach.ErrLimit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := s.medium.PutManifest(ctx, tt.ref, tt.mt, tt.raw); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	short := attach.Bytes([]byte("abc"))
	short.Size = 4
	if err := s.medium.PutBlob(ctx, short); !errors.Is(err, attach.ErrDigest) {
		t.Errorf("short body: %v", err)
	}
	bad := attach.Bytes([]byte("abc"))
	bad.Digest.Hex = "../../../../tmp/x"
	if err := s.medium.PutBlob(ctx, bad); !errors.Is(err, attach.ErrMalformed) {
		t.Errorf("digest with path: %v", err)
	}
	if names := list(t, filepath.Join(path(s), blobsDir)); len(names) != 0 {
		t.Errorf("refused content left %v", names)
	}
	if names := list(t, filepath.Join(path(s), ours)); !slices.Equal(names, []string{"lock"}) {
		t.Errorf("refused content left %v", names)
	}
}

// TestBodyFails puts a body whose reader breaks off: the blob that is there stays.
func TestBodyFails(t *testing.T) {
	s := create(t)
	b := attach.Bytes(bytes.Repeat([]byte("x"), 100))
	broken := errors.New("cable pulled")
	b.Open = func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("xxxxx"), iotestErr{broken})), nil
	}
	if err := s.medium.PutBlob(t.Context(), b); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if names := list(t, filepath.Join(path(s), blobsDir)); len(names) != 0 {
		t.Errorf("left %v", names)
	}
}

type iotestErr struct{ err error }

func (r iotestErr) Read([]byte) (int, error) { return 0, r.err }

// TestLock waits no longer than the context lasts, and lets the next one in.
func TestLock(t *testing.T) {
	s := create(t)
	other, err := Open(path(s), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	release, err := s.medium.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, waiter := range map[string]*Store{"same store": s, "other store": other} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		if _, err := waiter.medium.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	// What the holder does under its lock does not wait for it.
	if err := s.medium.PutManifest(t.Context(), "x", "application/vnd.oci.image.manifest.v1+json", []byte(`{"layers":[]}`)); err != nil {
		t.Error(err)
	}
	release()
	release()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	again, err := other.medium.Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

// TestCosignSave reads and extends the form in which "cosign save" writes: no
// tags, and the annotation "kind" on each entry.
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
	found := slices.ContainsFunc(x.entries, func(e entry) bool { return maps.Equal(e.desc.Annotations, want) })
	if len(x.entries) != 2 || !found {
		t.Errorf("index.json: %+v", x.entries)
	}
}

// FuzzIndex parses anything; what parses is kept by a round trip.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"manifests":[]}`))
	f.Add([]byte(`{"manifests":[{"digest":"sha256:` + strings.Repeat("0", 64) + `","size":-1}],"a":{"b":[]}}`))
	f.Add([]byte(`{"manifests":[{"annotations":{"org.opencontainers.image.ref.name":"x"}}, 3, null, "s"]}`))
	f.Add([]byte(`[[[[[`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		x, err := parseIndex(raw)
		if err != nil {
			if !attach.Judged(err) {
				t.Fatalf("error without a class: %v", err)
			}
			return
		}
		out, err := x.encode()
		if err != nil {
			t.Fatal(err)
		}
		y, err := parseIndex(out)
		if err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		again, err := y.encode()
		if err != nil || !bytes.Equal(out, again) || len(x.entries) != len(y.entries) {
			t.Fatalf("not stable: %s then %s, %v", out, again, err)
		}
	})
}
