package cosign

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
)

// all reads to the end.
func all(t testing.TB, open func() (io.ReadCloser, error)) []byte {
	t.Helper()
	rc, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	raw, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// unpack opens a layer in image form that is said to hold content of this
// descriptor, and reads it.
func unpack(layer []byte, d v1.Descriptor) ([]byte, error) {
	l := v1.Descriptor{Digest: attach.DigestOf(layer), Size: int64(len(layer))}
	rc, err := attach.Check(io.NopCloser(bytes.NewReader(layer)), l)
	if err != nil {
		return nil, err
	}
	if rc, err = OpenStrict(rc, d); err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(rc)
}

func TestStrict(t *testing.T) {
	for name, c := range map[string]attach.Content{
		"signature":   NewSignature([]byte(`{"critical":{}}`), []byte("sig")),
		"attestation": NewAttestation(attach.Bytes([]byte("{}")), "https://example.com/x"),
		"sbom":        NewSBOM(attach.Bytes(bytes.Repeat([]byte("0123456789"), 100_000)), SPDXJSON, "all"),
		"empty":       NewSBOM(attach.Bytes(nil), "text/plain", ""),
	} {
		packed, err := Strict(c)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, _ := Strict(c)
		layer := all(t, packed.Body.Open)
		if again.Body.Digest != packed.Body.Digest || attach.DigestOf(layer) != packed.Body.Digest || int64(len(layer)) != packed.Body.Size {
			t.Errorf("%s: %d bytes of digest %s, %+v", name, len(layer), attach.DigestOf(layer), packed.Body)
		}
		// The specification's media type: a tar archive in gzip, read by tar itself.
		if packed.MediaType != "application/vnd.oci.image.layer.v1.tar+gzip" {
			t.Errorf("%s: media type %q", name, packed.MediaType)
		}
		cmd := exec.Command("tar", "-xzOf", "-")
		cmd.Stdin = bytes.NewReader(layer)
		out, err := cmd.Output()
		if want := all(t, c.Body.Open); err != nil || !bytes.Equal(out, want) {
			t.Errorf("%s: tar reads %d bytes, %v", name, len(out), err)
		}
		e, err := NewEntry(packed)
		if err != nil {
			t.Fatal(err)
		}
		a := e.Attachment(c.Kind, attach.Place{})
		if a.ID() != c.ID() || string(a.Desc.MediaType) != c.MediaType || !maps.Equal(a.Annotations, c.Annotations) || a.Places[0].Layer == nil || a.Places[0].Layer.Digest != packed.Body.Digest {
			t.Errorf("%s: attachment %+v", name, a)
		}
		if e.ID() == c.ID() {
			t.Errorf("%s: whoever writes cannot tell the two forms apart", name)
		}
		got, err := unpack(layer, a.Desc)
		if err != nil || !bytes.Equal(got, out) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		// The image is one that tools which unpack images can unpack.
		raw, config, err := Image{Entries: []Entry{e}}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(layer))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		var file v1.ConfigFile
		if err := json.Unmarshal(config, &file); err != nil || file.RootFS.DiffIDs[0] != attach.DigestOf(plain) {
			t.Errorf("%s: config %s, %v", name, config, err)
		}
		img, err := Parse(raw)
		if err != nil || len(img.Entries) != 1 || img.Entries[0].ID() != e.ID() || img.Entries[0].Attachment(c.Kind, attach.Place{}).ID() != c.ID() {
			t.Errorf("%s: %+v, %v", name, img, err)
		}
	}
}

// archive makes a layer with these files.
func archive(t testing.TB, files ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for _, h := range files {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte("x"), int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zipped(t testing.TB, plain []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestStrictRefuses reads layers that are not what they say.
func TestStrictRefuses(t *testing.T) {
	content := []byte("xxxxx")
	good := v1.Descriptor{Digest: attach.DigestOf(content), Size: 5}
	file := tar.Header{Typeflag: tar.TypeReg, Name: "a", Mode: 0o644, Size: 5}
	long := file
	long.Name = strings.Repeat("n", 100<<10)
	other := good
	other.Digest = attach.DigestOf([]byte("y"))
	plain := archive(t, file)
	for name, c := range map[string]struct {
		layer []byte
		d     v1.Descriptor
		want  error
	}{
		"good":           {plain, good, nil},
		"other digest":   {plain, other, attach.ErrDigest},
		"no archive":     {[]byte("hello"), good, attach.ErrMalformed},
		"nothing":        {nil, good, attach.ErrMalformed},
		"no tar":         {zipped(t, []byte("hello")), good, attach.ErrMalformed},
		"empty archive":  {archive(t), good, attach.ErrMalformed},
		"two files":      {archive(t, file, file), good, attach.ErrMalformed},
		"a link":         {archive(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "a", Linkname: "b"}), v1.Descriptor{Digest: attach.DigestOf(nil)}, attach.ErrMalformed},
		"a directory":    {archive(t, tar.Header{Typeflag: tar.TypeDir, Name: "a/"}), v1.Descriptor{Digest: attach.DigestOf(nil)}, attach.ErrMalformed},
		"other size":     {plain, v1.Descriptor{Digest: good.Digest, Size: 4}, attach.ErrMalformed},
		"long name":      {archive(t, long), good, attach.ErrMalformed},
		"trailing bytes": {append(bytes.Clone(plain), "more"...), good, attach.ErrMalformed},
		"trailing zip":   {append(bytes.Clone(plain), zipped(t, make([]byte, 1<<20))...), good, attach.ErrMalformed},
		"cut short":      {plain[:len(plain)-9], good, attach.ErrMalformed},
	} {
		got, err := unpack(c.layer, c.d)
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	// Another layer than the one that was named.
	l := v1.Descriptor{Digest: attach.DigestOf([]byte("z")), Size: int64(len(plain))}
	rc, err := attach.Check(io.NopCloser(bytes.NewReader(plain)), l)
	if err != nil {
		t.Fatal(err)
	}
	if rc, err = OpenStrict(rc, good); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(rc); !errors.Is(err, attach.ErrDigest) {
		t.Errorf("layer of another digest: %v", err)
	}
	// A connection that breaks is no bad content.
	reset := errors.New("reset")
	broken := io.NopCloser(io.MultiReader(bytes.NewReader(plain[:20]), errorReader{reset}))
	if rc, err = OpenStrict(broken, good); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(rc); !errors.Is(err, reset) || attach.Judged(err) {
		t.Errorf("broken connection: %v", err)
	}
}

type errorReader struct{ err error }

// Read implements io.Reader.
func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// TestStrictBomb opens a small layer that unpacks to half a gigabyte.
func TestStrictBomb(t *testing.T) {
	// A stream of gzip may be many, one behind the other (RFC 1952, section 2.2).
	bomb := bytes.Repeat(zipped(t, make([]byte, 8<<20)), 64)
	counted := &countingReader{r: bytes.NewReader(bomb)}
	rc, err := OpenStrict(io.NopCloser(counted), v1.Descriptor{Digest: attach.DigestOf(nil), Size: 10})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(rc); !errors.Is(err, attach.ErrMalformed) {
		t.Errorf("%v", err)
	}
	if counted.n > 64<<10 {
		t.Errorf("%d bytes of the layer were read", counted.n)
	}
}

type countingReader struct {
	r io.Reader
	n int
}

// Read implements io.Reader.
func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// TestInner takes a layer of an image for what it is where its annotations make no
// sense.
func TestInner(t *testing.T) {
	good := map[string]string{
		innerTypeAnnotation: SPDXJSON, innerDigestAnnotation: attach.DigestOf(nil).String(), innerSizeAnnotation: "0", "kept": "1",
	}
	e := Entry{Desc: v1.Descriptor{MediaType: types.OCILayer, Annotations: good}}
	if d, ok := e.Inner(); !ok || string(d.MediaType) != SPDXJSON || !maps.Equal(d.Annotations, map[string]string{"kept": "1"}) {
		t.Errorf("%+v, %v", d, ok)
	}
	for name, value := range map[string]string{
		innerTypeAnnotation: "", innerDigestAnnotation: "sha512:00", innerSizeAnnotation: "-1",
	} {
		bad := e
		bad.Desc.Annotations = maps.Clone(good)
		bad.Desc.Annotations[name] = value
		if d, ok := bad.Inner(); ok || d.MediaType != types.OCILayer {
			t.Errorf("%s=%q: %+v", name, value, d)
		}
		if _, err := Strict(attach.Content{Annotations: good, Body: attach.Bytes(nil)}); !errors.Is(err, attach.ErrMalformed) {
			t.Errorf("packed twice: %v", err)
		}
	}
	e.Desc.MediaType = "text/plain"
	if _, ok := e.Inner(); ok {
		t.Error("a layer of another media type")
	}
}

// FuzzOpenStrict looks for panics, for content that is not what was named, and for
// errors that are no judgements although all arrived.
func FuzzOpenStrict(f *testing.F) {
	content := []byte("xxxxx")
	d := v1.Descriptor{Digest: attach.DigestOf(content), Size: 5}
	file := tar.Header{Typeflag: tar.TypeReg, Name: "a", Mode: 0o644, Size: 5}
	f.Add(archive(f, file))
	f.Add(archive(f, file, file))
	f.Add(zipped(f, make([]byte, 2048)))
	f.Add([]byte{0x1f, 0x8b})
	f.Fuzz(func(t *testing.T, layer []byte) {
		got, err := unpack(layer, d)
		if err == nil && !bytes.Equal(got, content) || err != nil && !attach.Judged(err) {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// TestStrictLayerSize takes a layer that is much larger than what it claims to hold
// for no such layer, and one that could not be compressed for one.
func TestStrictLayerSize(t *testing.T) {
	noise := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(noise)
	c, err := Strict(attach.Content{Kind: attach.SBOM, MediaType: SPDXJSON, Body: attach.Bytes(noise)})
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEntry(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := e.Inner(); !ok {
		t.Error("what Strict made is not read")
	}
	e.Desc.Size = 100 << 30
	if d, ok := e.Inner(); ok {
		t.Errorf("a layer of 100 GB holds a file of %d bytes", d.Size)
	}
}
