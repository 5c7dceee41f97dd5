package scan_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/scan"
)

// memory is a reader of blobs and manifests by digest.
type memory struct {
	blobs map[v1.Hash][]byte
	delay func(d v1.Descriptor) // called before a blob is handed out
}

func newMemory() *memory { return &memory{blobs: make(map[v1.Hash][]byte)} }

func (m *memory) put(mediaType types.MediaType, b []byte) v1.Descriptor {
	d := v1.Descriptor{MediaType: mediaType, Size: int64(len(b)), Digest: attach.DigestOf(b)}
	m.blobs[d.Digest] = b
	return d
}

func (m *memory) List(context.Context, attach.Subject, ...attach.Kind) iter.Seq2[attach.Attachment, error] {
	return func(func(attach.Attachment, error) bool) {}
}

func (m *memory) Open(ctx context.Context, s attach.Subject, a attach.Attachment) (io.ReadCloser, error) {
	return m.Blob(ctx, s, a.Desc)
}

func (m *memory) Manifest(_ context.Context, _ attach.Subject, digest v1.Hash) (attach.Manifest, error) {
	b, ok := m.blobs[digest]
	if !ok {
		return attach.Manifest{}, attach.ErrNotFound
	}
	return attach.Manifest{Raw: b, Desc: v1.Descriptor{Digest: digest, Size: int64(len(b))}}, nil
}

func (m *memory) Blob(_ context.Context, _ attach.Subject, d v1.Descriptor) (io.ReadCloser, error) {
	if m.delay != nil {
		m.delay(d)
	}
	b, ok := m.blobs[d.Digest]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", d.Digest, attach.ErrNotFound)
	}
	return attach.Check(io.NopCloser(bytes.NewReader(b)), d)
}

// An entry of a layer under construction.
type entry struct {
	name string
	kind byte
	to   string // link target
	body string
}

func file(name, body string) entry      { return entry{name: name, kind: tar.TypeReg, body: body} }
func folder(name string) entry          { return entry{name: name, kind: tar.TypeDir} }
func symlink(name, target string) entry { return entry{name: name, kind: tar.TypeSymlink, to: target} }
func hard(name, target string) entry    { return entry{name: name, kind: tar.TypeLink, to: target} }
func gone(name string) entry            { return entry{name: name, kind: tar.TypeReg} }

type layerTar []entry

func (l layerTar) bytes(t testing.TB) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, e := range l {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.to, Mode: 0o644, Size: int64(len(e.body)), ModTime: time.Unix(0, 0)}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// pack is a compression of layers.
type pack func(t testing.TB, b []byte) []byte

func packGzip(t testing.TB, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func packZstd(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	// A skippable frame first, as indexed layers may have it.
	return w.EncodeAll(b, []byte{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4})
}

func packNot(_ testing.TB, b []byte) []byte { return b }

// imageOf stores an image of uncompressed layer tars.
func imageOf(t testing.TB, m *memory, p pack, layers ...[]byte) attach.Subject {
	t.Helper()
	config := v1.ConfigFile{OS: "linux", Architecture: "amd64", Created: v1.Time{Time: time.Date(2024, 5, 6, 7, 8, 9, 10, time.UTC)}}
	config.RootFS.Type = "layers"
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	for _, l := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, attach.DigestOf(l))
		manifest.Layers = append(manifest.Layers, m.put(types.OCILayer, p(t, l)))
	}
	manifest.Config = m.put(types.OCIConfigJSON, marshal(t, config))
	return attach.Subject{Repo: "example.com/app", Desc: m.put(types.OCIManifestSchema1, marshal(t, manifest))}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// scanOf scans an image of the layers.
func scanOf(t testing.TB, layers ...layerTar) sbom.Inventory {
	t.Helper()
	m := newMemory()
	var raw [][]byte
	for _, l := range layers {
		raw = append(raw, l.bytes(t))
	}
	inv, err := scan.Image(t.Context(), m, imageOf(t, m, packGzip, raw...), scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// names returns name@version of all components of the ecosystem, in order.
func names(inv sbom.Inventory, ecosystem string) []string {
	var out []string
	for _, c := range inv.Components {
		if c.Ecosystem == ecosystem {
			out = append(out, c.Name+"@"+c.Version)
		}
	}
	slices.Sort(out)
	return out
}
