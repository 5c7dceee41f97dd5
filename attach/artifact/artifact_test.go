package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
)

// store is a Reader over blobs and manifests in memory.
type store struct {
	content map[v1.Hash][]byte
	broken  error // what reading a blob ends with
}

func (s *store) put(raw []byte) v1.Descriptor {
	if s.content == nil {
		s.content = make(map[v1.Hash][]byte)
	}
	d := v1.Descriptor{Digest: attach.DigestOf(raw), Size: int64(len(raw))}
	s.content[d.Digest] = raw
	return d
}

func (s *store) Manifest(_ context.Context, _ attach.Subject, h v1.Hash) (attach.Manifest, error) {
	return attach.Manifest{Raw: s.content[h]}, nil
}

func (s *store) List(context.Context, attach.Subject, ...attach.Kind) iter.Seq2[attach.Attachment, error] {
	return nil
}

func (s *store) Open(context.Context, attach.Subject, attach.Attachment) (io.ReadCloser, error) {
	return nil, attach.ErrNotFound
}

func (s *store) Blob(_ context.Context, _ attach.Subject, d v1.Descriptor) (io.ReadCloser, error) {
	raw, ok := s.content[d.Digest]
	if !ok {
		return nil, attach.ErrNotFound
	}
	var r io.Reader = bytes.NewReader(raw)
	if s.broken != nil {
		r = io.MultiReader(bytes.NewReader(raw[:len(raw)/2]), iotest.ErrReader(s.broken))
	}
	return attach.Check(io.NopCloser(r), d)
}

// manifest puts an image manifest as the specification has it.
func (s *store) manifest(t testing.TB, configType string, config []byte, layers ...v1.Descriptor) v1.Hash {
	t.Helper()
	c := s.put(config)
	c.MediaType = types.MediaType(configType)
	raw, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": types.OCIManifestSchema1, "config": c, "layers": layers,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.put(raw).Digest
}

// take puts packed layers and returns their descriptors.
func (s *store) take(t *testing.T, layers []Layer) []v1.Descriptor {
	t.Helper()
	var list []v1.Descriptor
	for _, l := range layers {
		for range 2 { // a body can be read again
			rc, err := l.Body.Open()
			if err != nil {
				t.Fatal(err)
			}
			raw, err := io.ReadAll(rc)
			if err != nil {
				t.Fatal(err)
			}
			if d := s.put(raw); d.Digest != l.Body.Digest || d.Size != l.Body.Size {
				t.Fatalf("%s: %s of %d bytes; it is said to be %s of %d", l.Annotations, d.Digest, d.Size, l.Body.Digest, l.Body.Size)
			}
		}
		list = append(list, v1.Descriptor{MediaType: types.MediaType(l.MediaType), Digest: l.Body.Digest, Size: l.Body.Size, Annotations: l.Annotations})
	}
	return list
}

// write makes files below a new directory. A name that ends in a slash makes a directory.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(p, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := fs.FileMode(0o600)
		if strings.HasPrefix(text, "#!") {
			mode = 0o700
		}
		if err := os.WriteFile(p, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// read returns what is below a directory.
func read(t testing.TB, dir string) map[string]string {
	t.Helper()
	got := make(map[string]string)
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		name, _ := filepath.Rel(dir, p)
		name = filepath.ToSlash(name)
		if d.IsDir() {
			got[name+"/"] = ""
			return nil
		}
		raw, err := os.ReadFile(p)
		got[name] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func sameFiles(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name, text := range want {
		if have, ok := got[name]; !ok || have != text {
			t.Errorf("%s: %q, want %q", name, have, text)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is there too", name)
		}
	}
}

// imageConfig is the config that goes with the layers.
func imageConfig(t *testing.T, layers []Layer) []byte {
	t.Helper()
	c := v1.ConfigFile{RootFS: v1.RootFS{Type: "layers"}}
	for _, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, l.DiffID)
	}
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestRoundTrip(t *testing.T) {
	files := map[string]string{
		"a.txt": "one", "tree/": "", "tree/empty/": "", "tree/run.sh": "#!/bin/sh\n", "tree/deep/": "", "tree/deep/b": strings.Repeat("b", 1<<20),
	}
	dir := write(t, files)
	sources := []Source{
		{Path: filepath.Join(dir, "a.txt"), Name: "a.txt", MediaType: "text/plain"},
		{Path: filepath.Join(dir, "tree"), Name: "tree"},
	}
	for form, pack := range map[string]func(context.Context, []Source) ([]Layer, error){"image": PackArchives, "artifact": PackFiles} {
		t.Run(form, func(t *testing.T) {
			layers, err := pack(t.Context(), sources)
			if err != nil {
				t.Fatal(err)
			}
			var s store
			list := s.take(t, layers)
			config, configType := []byte("{}"), EmptyType
			if form == "image" {
				config, configType = imageConfig(t, layers), string(types.OCIConfigJSON)
				for _, d := range list {
					if d.MediaType != types.OCILayer {
						t.Errorf("layer of type %s", d.MediaType)
					}
				}
			} else if list[0].MediaType != "text/plain" || list[0].Annotations[TitleAnnotation] != "a.txt" || list[1].Annotations[UnpackAnnotation] != "true" {
				t.Errorf("layers %+v", list)
			}
			out := filepath.Join(t.TempDir(), "new", "out")
			got, err := Unpack(t.Context(), &s, attach.Subject{}, s.manifest(t, configType, config, list...), Options{Dir: out})
			if err != nil {
				t.Fatal(err)
			}
			sameFiles(t, read(t, out), files)
			if len(got) != 3 || got[0].Name != "a.txt" || got[0].Size != 3 || got[0].Digest != attach.DigestOf([]byte("one")) {
				t.Errorf("%+v", got)
			}
			info, err := os.Stat(filepath.Join(out, "tree", "run.sh"))
			if err != nil || info.Mode()&0o100 == 0 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
		})
	}
}

// TestPackIsReproducible: neither times nor the modes of others nor the order
// of creation change the bytes. What is in the archive is read with Go's own
// reader.
func TestPackIsReproducible(t *testing.T) {
	pack := func(names ...string) Layer {
		dir := t.TempDir()
		for _, n := range names {
			if err := os.WriteFile(filepath.Join(dir, n), []byte(n), 0o640); err != nil {
				t.Fatal(err)
			}
		}
		layers, err := PackArchives(t.Context(), []Source{{Path: dir, Name: "d"}})
		if err != nil {
			t.Fatal(err)
		}
		return layers[0]
	}
	a, b := pack("x", "y", "z"), pack("z", "x", "y")
	if a.Body.Digest != b.Body.Digest || a.DiffID != b.DiffID {
		t.Errorf("%s and %s", a.Body.Digest, b.Body.Digest)
	}
	rc, err := a.Body.Open()
	if err != nil {
		t.Fatal(err)
	}
	zr, err := gzip.NewReader(rc)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(zr)
	if err != nil || attach.DigestOf(raw) != a.DiffID {
		t.Fatalf("the diff ID is not the digest of the archive: %v", err)
	}
	var names []string
	for tr := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.ModTime.Unix() != 0 || h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Typeflag == tar.TypeReg && h.Mode != 0o644 {
			t.Errorf("%+v", h)
		}
		names = append(names, h.Name)
	}
	if !slices.Equal(names, []string{"d/", "d/x", "d/y", "d/z"}) {
		t.Errorf("%q", names)
	}
}

func TestPackRefuses(t *testing.T) {
	dir := write(t, map[string]string{"a": "1", "b": "2", "links/": ""})
	if err := os.Symlink("../a", filepath.Join(dir, "links", "l")); err != nil {
		t.Fatal("this test needs symbolic links:", err)
	}
	at := func(n string) string { return filepath.Join(dir, n) }
	for name, tt := range map[string]struct {
		sources []Source
		want    error
	}{
		"missing":   {[]Source{{Path: at("none"), Name: "n"}}, fs.ErrNotExist},
		"link":      {[]Source{{Path: at("links"), Name: "links"}}, attach.ErrMalformed},
		"twice":     {[]Source{{Path: at("a"), Name: "n"}, {Path: at("b"), Name: "n"}}, attach.ErrMalformed},
		"below":     {[]Source{{Path: at("a"), Name: "n"}, {Path: at("b"), Name: "n/b"}}, attach.ErrMalformed},
		"bad name":  {[]Source{{Path: at("a"), Name: "../a"}}, attach.ErrMalformed},
		"many":      {make([]Source, attach.MaxEntries+1), attach.ErrLimit},
		"long name": {[]Source{{Path: at("a"), Name: strings.Repeat("a", maxName+1)}}, attach.ErrLimit},
	} {
		for _, pack := range []func(context.Context, []Source) ([]Layer, error){PackArchives, PackFiles} {
			if layers, err := pack(t.Context(), tt.sources); !errors.Is(err, tt.want) || layers != nil {
				t.Errorf("%s: %v, %v", name, layers, err)
			}
		}
	}
	layers, err := PackArchives(t.Context(), []Source{{Path: at("a"), Name: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("a"), []byte("longer"), 0o600); err != nil {
		t.Fatal(err)
	}
	rc, err := layers[0].Body.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(rc); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("a file that changed: %v", err)
	}
}

func TestNameOf(t *testing.T) {
	for in, want := range map[string]string{
		"a.txt": "a.txt", "./dir/a.txt": "dir/a.txt", "../x/a.txt": "a.txt", "/etc/passwd": "passwd", "dir/": "dir",
	} {
		if got := NameOf(filepath.FromSlash(in)); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, good := range []string{"a", "a/b.c", "...", "a b", ".hidden", "ä"} {
		if err := CheckName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "/a", "a/", "a//b", "a/../b", "../a", "./a", `a\b`, "c:a", "a\x00", "a\n", "\xff"} {
		if err := CheckName(bad); !errors.Is(err, attach.ErrMalformed) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := CheckName(strings.Repeat("a/", 100) + "a"); !errors.Is(err, attach.ErrLimit) {
		t.Error(err)
	}
}
