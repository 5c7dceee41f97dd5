package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/testscript"
)

const bombPiece = 16 << 20

// bombs are files that inflate to a quarter of a gigabyte from a thousandth of that, by
// what is in them.
func bombs() map[string]struct{ file, head, filling string } {
	return map[string]struct{ file, head, filling string }{
		"zeros":     {"var/cache/zeros", "", "\x00"},
		"dpkg":      {"var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\nDescription: ", "x"},
		"dpkg-many": {"var/lib/dpkg/status", "", "Package: a\nStatus: install ok installed\nVersion: 1\n\n"},
		"apk":       {"lib/apk/db/installed", "P:a\nV:1\nT:", "x"},
		"npm":       {"app/node_modules/a/package.json", `{"name":"`, "x"},
		"npm-deep":  {"app/node_modules/a/package.json", "", "["},
		"npm-lock":  {"app/package-lock.json", `{"lockfileVersion":3,"packages":{"":{}`, `,"node_modules/a":{"version":"1"}`},
		"go":        {"usr/bin/program", "\x7fELF\x02\x01\x01", "\x00"},
		"release":   {"etc/os-release", "ID=", "x"},
	}
}

// bomb is a layer that is small as it is kept and large when it is inflated.
type bomb struct {
	compressed []byte
	diffID     v1.Hash
}

// newBomb puts 16 pieces of the filling into one file of a layer. Compressed
// layers may be joined from parts (RFC 1952, section 2.2), so that the piece is
// compressed once.
func newBomb(file, head, filling string) (bomb, error) {
	filling = strings.Repeat(filling, bombPiece/len(filling))
	const pieces = 16
	size := int64(len(head) + pieces*len(filling))
	var begin bytes.Buffer
	tw := tar.NewWriter(&begin)
	if err := tw.WriteHeader(&tar.Header{Name: file, Mode: 0o755, Size: size, Typeflag: tar.TypeReg}); err != nil {
		return bomb{}, err
	}
	begin.WriteString(head)
	end := make([]byte, (512-size%512)%512+1024)
	parts := append([][]byte{begin.Bytes()}, []byte(filling))
	packed := make([][]byte, 0, 3)
	for _, p := range append(parts, end) {
		var buf bytes.Buffer
		zw, err := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
		if err != nil {
			return bomb{}, err
		}
		if _, err := zw.Write(p); err != nil {
			return bomb{}, err
		}
		if err := zw.Close(); err != nil {
			return bomb{}, err
		}
		packed = append(packed, buf.Bytes())
	}
	sum := sha256.New()
	sum.Write(begin.Bytes())
	for range pieces {
		io.WriteString(sum, filling)
	}
	sum.Write(end)
	all := append(append(bytes.Clone(packed[0]), bytes.Repeat(packed[1], pieces)...), packed[2]...)
	return bomb{all, v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}}, nil
}

// Digest implements v1.Layer.
func (b bomb) Digest() (v1.Hash, error) {
	h, _, err := v1.SHA256(bytes.NewReader(b.compressed))
	return h, err
}

// DiffID implements v1.Layer.
func (b bomb) DiffID() (v1.Hash, error) { return b.diffID, nil }

// Compressed implements v1.Layer.
func (b bomb) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b.compressed)), nil
}

// Uncompressed implements v1.Layer.
func (b bomb) Uncompressed() (io.ReadCloser, error) { return nil, fmt.Errorf("better not") }

// Size implements v1.Layer.
func (b bomb) Size() (int64, error) { return int64(len(b.compressed)), nil }

// MediaType implements v1.Layer.
func (b bomb) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// pushBomb pushes an image of one layer that inflates without measure: bomb NAME REF
func pushBomb(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: bomb NAME REF")
	}
	kind, ok := bombs()[args[0]]
	if !ok {
		ts.Fatalf("no bomb is called %q", args[0])
	}
	layer, err := newBomb(kind.file, kind.head, kind.filling)
	ts.Check(err)
	img, err := mutate.AppendLayers(empty.Image, layer)
	ts.Check(err)
	ref, err := name.NewTag(args[1])
	ts.Check(err)
	ts.Check(remote.Write(ref, img))
}
