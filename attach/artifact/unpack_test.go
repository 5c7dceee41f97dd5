package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
)

// archived returns a tar archive of the headers; a regular file holds "x".
func archived(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, h := range headers {
		if h.Typeflag == tar.TypeReg {
			h.Size = 1
		}
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := tw.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zipped(t testing.TB, raw []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	if _, err := zw.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// image puts an artifact of the image form with one layer.
func (s *store) image(t testing.TB, layer []byte) v1.Hash {
	t.Helper()
	d := s.put(layer)
	d.MediaType = types.OCILayer
	return s.manifest(t, string(types.OCIConfigJSON), []byte("{}"), d)
}

// titled puts an artifact of one file.
func (s *store) titled(t testing.TB, title string, content []byte) v1.Hash {
	t.Helper()
	d := s.put(content)
	d.MediaType, d.Annotations = "text/plain", map[string]string{TitleAnnotation: title}
	return s.manifest(t, EmptyType, []byte("{}"), d)
}

func reg(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }

// refusals are artifacts that must not be unpacked, with the reason.
func refusals(t testing.TB, s *store) map[string]struct {
	digest v1.Hash
	want   error
} {
	tests := make(map[string]struct {
		digest v1.Hash
		want   error
	})
	add := func(name string, digest v1.Hash, want error) {
		tests[name] = struct {
			digest v1.Hash
			want   error
		}{digest, want}
	}
	for _, name := range []string{"../evil", "/evil", "a/../../evil", "a/..", `..\evil`, "c:evil", ""} {
		if name != "" {
			add("title "+name, s.titled(t, name, []byte("x")), attach.ErrMalformed)
		}
		add("entry "+name, s.image(t, zipped(t, archived(t, reg("good"), reg(name)))), attach.ErrMalformed)
	}
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "../outside"}, {Typeflag: tar.TypeLink, Name: "l", Linkname: "good"},
		{Typeflag: tar.TypeChar, Name: "dev"}, {Typeflag: tar.TypeBlock, Name: "dev"}, {Typeflag: tar.TypeFifo, Name: "pipe"},
	} {
		add("type "+string(h.Typeflag), s.image(t, zipped(t, archived(t, reg("good"), h))), attach.ErrMalformed)
	}
	add("dir ..", s.image(t, archived(t, tar.Header{Typeflag: tar.TypeDir, Name: "../d/"})), attach.ErrMalformed)
	add("twice", s.image(t, archived(t, reg("a"), reg("a"))), attach.ErrMalformed)
	add("below a file", s.image(t, archived(t, reg("a"), reg("a/b"))), attach.ErrMalformed)
	add("file over directory", s.image(t, archived(t, reg("a/b"), reg("a"))), attach.ErrMalformed)
	whole := zipped(t, archived(t, reg("good")))
	add("cut off", s.image(t, whole[:len(whole)-9]), attach.ErrMalformed)
	add("no archive", s.image(t, []byte("hello, this is no archive at all")), attach.ErrMalformed)
	add("zstd cut off", s.zstd(t, rawZstd(archived(t, reg("good")))[:600]), attach.ErrMalformed)
	add("zstd of another's", s.zstd(t, append(rawZstd(archived(t, reg("good"))), "and more"...)), attach.ErrMalformed)
	add("zstd bomb", s.zstd(t, zstdBomb(archived(t, reg("good")), 1<<30)), attach.ErrLimit)
	add("zstd window", s.zstd(t, []byte("\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00")), attach.ErrLimit) // 2^(10+17) bytes
	add("index", s.put([]byte(`{"schemaVersion":2,"manifests":[]}`)).Digest, attach.ErrMalformed)
	add("no layers", s.manifest(t, EmptyType, []byte("{}")), attach.ErrMalformed)
	add("too large", s.titled(t, "big", make([]byte, 2<<10)), attach.ErrLimit)
	add("too large inside", s.image(t, zipped(t, archived(t, tarOf(2<<10)...))), attach.ErrLimit)
	lie := s.put([]byte("other"))
	s.content[lie.Digest] = []byte("wrong")
	lie.MediaType, lie.Annotations = "text/plain", map[string]string{TitleAnnotation: "f"}
	add("wrong bytes", s.manifest(t, EmptyType, []byte("{}"), lie), attach.ErrDigest)
	return tests
}

// tarOf returns n headers of files with one byte each.
func tarOf(n int) []tar.Header {
	list := make([]tar.Header, n)
	for i := range list {
		list[i] = reg(fmt.Sprint("f", i))
	}
	return list
}

// TestUnpackRefuses: what is refused leaves nothing behind, neither in the
// directory nor outside of it.
func TestUnpackRefuses(t *testing.T) {
	var s store
	for name, tt := range refusals(t, &s) {
		t.Run(name, func(t *testing.T) {
			parent := write(t, map[string]string{"outside": "safe", "out/": "", "out/kept": "kept"})
			files, err := Unpack(t.Context(), &s, attach.Subject{Repo: "r"}, tt.digest, Options{Dir: filepath.Join(parent, "out"), MaxBytes: 1 << 10})
			if !errors.Is(err, tt.want) || files != nil {
				t.Errorf("%v, %v", files, err)
			}
			sameFiles(t, read(t, parent), map[string]string{"outside": "safe", "out/": "", "out/kept": "kept"})
		})
	}
}

// TestUnpackKeepsWhatIsThere: a file that exists is never touched without Force,
// and then nothing else is put there either.
func TestUnpackKeepsWhatIsThere(t *testing.T) {
	var s store
	digest := s.image(t, zipped(t, archived(t, reg("new"), reg("d/old"), reg("z"))))
	before := map[string]string{"d/": "", "d/old": "mine"}
	out := write(t, before)
	if _, err := Unpack(t.Context(), &s, attach.Subject{}, digest, Options{Dir: out}); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "d/old") {
		t.Fatal(err)
	}
	sameFiles(t, read(t, out), before)
	if _, err := Unpack(t.Context(), &s, attach.Subject{}, digest, Options{Dir: out, Force: true}); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, read(t, out), map[string]string{"new": "x", "d/": "", "d/old": "x", "z": "x"})
	if _, err := Unpack(t.Context(), &s, attach.Subject{}, digest, Options{Dir: out}); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
}

// TestUnpackTakesBack: when a file cannot be put into its place, those that were
// put are taken away.
func TestUnpackTakesBack(t *testing.T) {
	var s store
	digest := s.image(t, archived(t, reg("a"), reg("f/b")))
	before := map[string]string{"f": "a file where a directory should be"}
	out := write(t, before)
	if _, err := Unpack(t.Context(), &s, attach.Subject{}, digest, Options{Dir: out}); err == nil {
		t.Fatal("a file was put below a file")
	}
	sameFiles(t, read(t, out), before)
}

// TestUnpackFollowsNoLinkOut: a link that is in the directory already leads
// nothing out of it.
func TestUnpackFollowsNoLinkOut(t *testing.T) {
	for name, link := range map[string]string{"directory": "d", "file": "d/f"} {
		t.Run(name, func(t *testing.T) {
			parent := write(t, map[string]string{"outside/": "", "outside/f": "safe", "out/": ""})
			if name == "file" {
				if err := os.Mkdir(filepath.Join(parent, "out", "d"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			target := filepath.Join(parent, "outside")
			if name == "file" {
				target = filepath.Join(target, "f")
			}
			if err := os.Symlink(target, filepath.Join(parent, "out", link)); err != nil {
				t.Fatal("this test needs symbolic links:", err)
			}
			var s store
			digest := s.image(t, archived(t, reg("d/f"), reg("d/g")))
			_, err := Unpack(t.Context(), &s, attach.Subject{}, digest, Options{Dir: filepath.Join(parent, "out"), Force: true})
			if name == "directory" && err == nil {
				t.Error("a link out of the directory was followed")
			}
			raw, rerr := os.ReadFile(filepath.Join(parent, "outside", "f"))
			if rerr != nil || string(raw) != "safe" {
				t.Errorf("outside: %q, %v", raw, rerr)
			}
			if _, err := os.Stat(filepath.Join(parent, "outside", "g")); err == nil {
				t.Error("a file was put outside")
			}
		})
	}
}

// TestUnpackBrokenConnection: what did not arrive is no judgement on the archive.
func TestUnpackBrokenConnection(t *testing.T) {
	gone := errors.New("connection reset")
	for _, broken := range []error{gone, io.ErrUnexpectedEOF} {
		s := store{broken: broken}
		digest := s.image(t, zipped(t, archived(t, reg("a"))))
		out := filepath.Join(t.TempDir(), "out")
		_, err := Unpack(t.Context(), &s, attach.Subject{}, digest, Options{Dir: out})
		if !errors.Is(err, broken) || attach.Judged(err) {
			t.Error(err)
		}
		if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the directory stays: %v", err)
		}
	}
}

// TestUnpackDigestOfArchive: an archive whose files are whole but that is not
// the one that the manifest names is refused.
func TestUnpackDigestOfArchive(t *testing.T) {
	var s store
	whole := zipped(t, archived(t, reg("a")))
	digest := s.image(t, whole)
	other := bytes.Clone(whole)
	other[9] ^= 1 // the operating system, which nobody looks at (RFC 1952, section 2.3.1)
	s.content[attach.DigestOf(whole)] = other
	out := t.TempDir()
	if _, err := Unpack(t.Context(), &s, attach.Subject{}, digest, Options{Dir: out}); !errors.Is(err, attach.ErrDigest) {
		t.Error(err)
	}
	sameFiles(t, read(t, out), nil)
}

func TestUnpackInterrupted(t *testing.T) {
	var s store
	digest := s.titled(t, "a", []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := t.TempDir()
	if _, err := Unpack(ctx, &s, attach.Subject{}, digest, Options{Dir: out}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	sameFiles(t, read(t, out), nil)
}

// TestUnpackForeign: layers without a title get a name; content that rides in
// the descriptor is not asked for; a Helm chart is called as "helm pull" does.
func TestUnpackForeign(t *testing.T) {
	var s store
	chart, prov, other := s.put([]byte("chart")), s.put([]byte("prov")), s.put([]byte("other"))
	chart.MediaType, prov.MediaType, other.MediaType = helmChart, helmProvenance, "application/x"
	digest := s.manifest(t, helmConfig, []byte(`{"name":"web","version":"1.2.3"}`), chart, prov, other)
	inline := v1.Descriptor{MediaType: "text/plain", Digest: attach.DigestOf([]byte("in")), Size: 2, Data: []byte("in"), Annotations: map[string]string{TitleAnnotation: "in.txt"}}
	empty := v1.Descriptor{MediaType: EmptyType, Digest: attach.DigestOf([]byte("{}")), Size: 2, Data: []byte("{}")}
	small := s.manifest(t, EmptyType, []byte("{}"), empty, inline)
	out := t.TempDir()
	for _, d := range []v1.Hash{digest, small} {
		if _, err := Unpack(t.Context(), &s, attach.Subject{}, d, Options{Dir: out}); err != nil {
			t.Fatal(err)
		}
	}
	sameFiles(t, read(t, out), map[string]string{
		"web-1.2.3.tgz": "chart", "web-1.2.3.tgz.prov": "prov", "sha256-" + other.Digest.Hex: "other", "in.txt": "in",
	})
	for _, config := range []string{`{}`, `{"name":"../a","version":"1"}`, `{"name":"a","version":""}`, `[]`} {
		d := s.manifest(t, helmConfig, []byte(config), chart)
		if _, err := Unpack(t.Context(), &s, attach.Subject{}, d, Options{Dir: t.TempDir()}); !errors.Is(err, attach.ErrMalformed) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

// FuzzUnpack: whatever the layer, nothing is written outside of the directory,
// what is refused leaves nothing in it, and what was told is what is there.
func FuzzUnpack(f *testing.F) {
	f.Add(archived(f, reg("a"), reg("d/b")), false)
	f.Add(zipped(f, archived(f, reg("a"), tar.Header{Typeflag: tar.TypeDir, Name: "./d/"}, reg("./d/b"))), false)
	f.Add(archived(f, reg("../a")), false)
	f.Add(archived(f, tar.Header{Typeflag: tar.TypeSymlink, Name: "a", Linkname: "/"}, reg("a/b")), false)
	f.Add([]byte("../title"), true)
	f.Add([]byte("t/i/t/l/e"), true)
	f.Fuzz(func(t *testing.T, raw []byte, title bool) {
		var s store
		digest := v1.Hash{}
		if title {
			digest = s.titled(t, string(raw), []byte("content"))
		} else {
			digest = s.image(t, raw)
		}
		parent := write(t, map[string]string{"outside": "safe"})
		out := filepath.Join(parent, "out")
		files, err := Unpack(t.Context(), &s, attach.Subject{}, digest, Options{Dir: out, MaxBytes: 1 << 16})
		got := read(t, parent)
		if got["outside"] != "safe" {
			t.Error("a file outside was changed")
		}
		delete(got, "outside")
		delete(got, "out/")
		for _, file := range files {
			text, ok := got["out/"+file.Name]
			if !ok || attach.DigestOf([]byte(text)) != file.Digest {
				t.Errorf("%+v is %q", file, text)
			}
			delete(got, "out/"+file.Name)
		}
		for name := range got {
			if err != nil || !strings.HasSuffix(name, "/") {
				t.Errorf("%q is there, %v", name, err)
			}
		}
	})
}
