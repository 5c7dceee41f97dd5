package layout

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/hallmark-oci/hallmark/attach"
)

// A file is one member of an archive of the tests.
type file struct {
	header tar.Header
	body   string
}

func regular(name, body string) file {
	return file{tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(body)), Mode: 0o644}, body}
}

func tarOf(t *testing.T, files ...file) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		if err := w.WriteHeader(&f.header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// marked are the files of an empty layout.
func marked(more ...file) []file {
	return append([]file{
		regular("oci-layout", `{"imageLayoutVersion":"1.0.0"}`),
		regular("index.json", `{"schemaVersion":2,"manifests":[]}`),
	}, more...)
}

// TestArchiveRefused: an archive that breaks off or holds what no layout holds is
// refused whole, with the reason.
func TestArchiveRefused(t *testing.T) {
	whole := tarOf(t, marked(regular("blobs/sha256/"+strings.Repeat("a", 64), strings.Repeat("b", 5000)))...)
	link := func(flag byte, name, to string) file {
		return file{header: tar.Header{Typeflag: flag, Name: name, Linkname: to, Mode: 0o644}}
	}
	sparse := file{tar.Header{Typeflag: tar.TypeReg, Name: "blobs/x", Size: 3, Mode: 0o644, Format: tar.FormatPAX,
		PAXRecords: map[string]string{"HALLMARK.note": "x"}}, "abc"}
	tests := []struct {
		name string
		raw  []byte
		says string
	}{
		{"empty", nil, "no tar file"},
		{"no tar", bytes.Repeat([]byte("not a tar file "), 100), "tar"},
		{"gzip", []byte("\x1f\x8b\x08\x00 and so on"), "compressed"},
		{"zstd", []byte("\x28\xb5\x2f\xfd and so on"), "compressed"},
		{"cut in a blob", whole[:len(whole)-4096], "breaks off"},
		{"cut in a header", whole[:700], "breaks off"},
		{"path that leads out", tarOf(t, marked(regular("../evil", "x"))...), "leads elsewhere"},
		{"path that leads out deep", tarOf(t, marked(regular("blobs/../../evil", "x"))...), "leads elsewhere"},
		{"absolute path", tarOf(t, marked(regular("/etc/passwd", "x"))...), "leads elsewhere"},
		{"backslashes", tarOf(t, marked(regular(`blobs\..\..\evil`, "x"))...), "leads elsewhere"},
		{"symbolic link", tarOf(t, marked(link(tar.TypeSymlink, "blobs/sha256/x", "/etc/passwd"))...), "a link"},
		{"hard link", tarOf(t, marked(link(tar.TypeLink, "blobs/sha256/x", "index.json"))...), "a link"},
		{"pipe", tarOf(t, marked(link(tar.TypeFifo, "index", ""))...), "special file"},
		{"two of one name", tarOf(t, marked(regular("./index.json", `{"manifests":[]}`))...), "twice"},
		{"no marker", tarOf(t, regular("index.json", `{"manifests":[]}`)), "no OCI layout"},
		{"no index", tarOf(t, regular("oci-layout", `{"imageLayoutVersion":"1.0.0"}`)), "index.json"},
		{"another version", tarOf(t, regular("oci-layout", `{"imageLayoutVersion":"2.0.0"}`)), "2.0.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.tar")
			if err := os.WriteFile(path, tt.raw, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(path, Options{})
			if err == nil {
				s.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q in it", err, tt.says)
			}
		})
	}
	// What other tools put beside a layout is no reason to refuse it.
	path := filepath.Join(t.TempDir(), "x.tar")
	dirs := []file{{header: tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755}}, {header: tar.Header{Typeflag: tar.TypeDir, Name: "blobs/", Mode: 0o755}}}
	if err := os.WriteFile(path, tarOf(t, append(dirs, marked(regular("manifest.json", "[]"), sparse)...)...), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// TestArchiveReads: what a directory holds is read in the same way out of a tar
// file of it, and nothing writes to that.
func TestArchiveReads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "layout")
	s, err := Create(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	img, err := random.Image(4096, 2)
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.PutImage(t.Context(), "v1", img)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.tar")
	var files []file
	for _, name := range []string{"oci-layout", "index.json"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, regular("./"+name, string(raw)))
	}
	blobs, err := os.ReadDir(filepath.Join(dir, blobsDir))
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range blobs {
		raw, err := os.ReadFile(filepath.Join(dir, blobsDir, b.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			raw = bytes.ToUpper(raw) // another content under the name of this one
		}
		files = append(files, regular("./"+blobsDir+"/"+b.Name(), string(raw)))
	}
	if err := os.WriteFile(path, tarOf(t, files...), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	bad := 0
	for i, b := range blobs {
		digest := attach.DigestOf(nil)
		digest.Hex = b.Name()
		info, err := b.Info()
		if err != nil {
			t.Fatal(err)
		}
		d := want.Desc
		d.Digest, d.Size = digest, info.Size()
		rc, err := a.Blob(t.Context(), want, d)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, rc)
		rc.Close()
		if (i == 0) != errors.Is(err, attach.ErrDigest) {
			t.Errorf("blob %d: %v", i, err)
		}
		if err != nil {
			bad++
		}
	}
	if bad != 1 {
		t.Errorf("%d blobs are bad, not one", bad)
	}
	if _, err := a.PutImage(t.Context(), "v2", img); !errors.Is(err, attach.ErrDenied) {
		t.Errorf("written to: %v", err)
	}
}

// FuzzArchive: no bytes make the reader do more than refuse them.
func FuzzArchive(f *testing.F) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "oci-layout", Size: 3, Mode: 0o644}); err != nil {
		f.Fatal(err)
	}
	if _, err := w.Write([]byte("{}\n")); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Add(buf.Bytes()[:600])
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "x.tar")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := openArchive(path)
		if err != nil {
			return
		}
		defer d.close()
		a := d.archive
		if err := a.locate(); err != nil {
			return
		}
		for _, b := range append(a.blobs, blob{section: a.marker}, blob{section: a.index}) {
			if b.at < 0 || b.size < 0 || b.at+b.size > int64(len(raw)) {
				t.Errorf("%+v of %d bytes", b, len(raw))
			}
		}
	})
}
