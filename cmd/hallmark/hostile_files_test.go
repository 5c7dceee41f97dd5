package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
)

// hostileFiles are artifacts whose files want to be where they must not, by name:
// the titles of their layers, or the headers of the archive in the only layer.
func hostileFiles() map[string]struct {
	titles  []string
	headers []tar.Header
} {
	file := func(name string) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 4, Mode: 0o644}
	}
	type files = struct {
		titles  []string
		headers []tar.Header
	}
	return map[string]files{
		"good":        {titles: []string{"good.txt", "sub/good.txt"}},
		"up":          {titles: []string{"good.txt", "../evil.txt"}},
		"deep-up":     {titles: []string{"sub/../../evil.txt"}},
		"root":        {titles: []string{"/tmp/hallmark-evil.txt"}},
		"twice":       {titles: []string{"same.txt", "same.txt"}},
		"twice-case":  {titles: []string{"same.txt", "./same.txt"}},
		"below":       {titles: []string{"a", "a/b"}},
		"through":     {titles: []string{"link/evil.txt"}},
		"tar-good":    {headers: []tar.Header{file("good.txt"), file("sub/good.txt")}},
		"zstd-good":   {headers: []tar.Header{file("good.txt"), file("sub/good.txt")}},
		"zstd-up":     {headers: []tar.Header{file("good.txt"), file("../evil.txt")}},
		"zstd-bomb":   {headers: []tar.Header{file("good.txt")}},
		"zstd-window": {headers: []tar.Header{file("good.txt")}},
		"tar-up":      {headers: []tar.Header{file("good.txt"), file("../evil.txt")}},
		"tar-root":    {headers: []tar.Header{file("/tmp/hallmark-evil.txt")}},
		"tar-twice":   {headers: []tar.Header{file("same.txt"), file("same.txt")}},
		"tar-symlink": {headers: []tar.Header{{Typeflag: tar.TypeSymlink, Name: "link", Linkname: "../outside"}, file("link/evil.txt")}},
		"tar-link":    {headers: []tar.Header{{Typeflag: tar.TypeLink, Name: "link", Linkname: "../outside/kept.txt"}}},
		"tar-device":  {headers: []tar.Header{{Typeflag: tar.TypeChar, Name: "null", Devmajor: 1, Devminor: 3}}},
	}
}

// hostileManifest uploads what the artifact has and returns its manifest.
func hostileManifest(ts *testscript.TestScript, at name.Digest, what string, subject map[string]any) []byte {
	files, ok := hostileFiles()[what]
	if !ok {
		ts.Fatalf("no files are called %q", what)
	}
	config := map[string]any{"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": blob(ts, at, []byte("{}"))}
	m := map[string]any{"schemaVersion": 2, "mediaType": ociManifest, "artifactType": "application/vnd.example.hostile"}
	var layers []map[string]any
	for i, title := range files.titles {
		content := fmt.Appendf(nil, "evil %d", i)
		layers = append(layers, map[string]any{
			"mediaType": "text/plain", "size": len(content), "digest": blob(ts, at, content),
			"annotations": map[string]string{"org.opencontainers.image.title": title},
		})
	}
	if files.headers != nil {
		plain, packed := archiveOf(ts, files.headers)
		mediaType := "application/vnd.oci.image.layer.v1.tar+gzip"
		if kind, zstd := strings.CutPrefix(what, "zstd-"); zstd {
			mediaType, packed = "application/vnd.oci.image.layer.v1.tar+zstd", zstdOf(ts, kind, plain)
		}
		layers = append(layers, map[string]any{
			"mediaType": mediaType, "size": len(packed), "digest": blob(ts, at, packed),
		})
		image := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`, sha256.Sum256(plain))
		config = map[string]any{"mediaType": "application/vnd.oci.image.config.v1+json", "size": len(image), "digest": blob(ts, at, image)}
	}
	m["config"], m["layers"] = config, layers
	if subject != nil {
		m["subject"] = subject
	}
	raw, err := json.Marshal(m)
	ts.Check(err)
	return raw
}

// archiveOf returns an archive of the entries, each file with four bytes.
func archiveOf(ts *testscript.TestScript, headers []tar.Header) (plain, packed []byte) {
	var inner, outer bytes.Buffer
	tw := tar.NewWriter(&inner)
	for _, h := range headers {
		ts.Check(tw.WriteHeader(&h))
		if h.Size > 0 {
			_, err := tw.Write([]byte("evil"))
			ts.Check(err)
		}
	}
	ts.Check(tw.Close())
	zw := gzip.NewWriter(&outer)
	_, err := zw.Write(inner.Bytes())
	ts.Check(err)
	ts.Check(zw.Close())
	return inner.Bytes(), outer.Bytes()
}

// zstdOf compresses an archive with zstd. A bomb goes on with 20 GiB of zeros, of the
// same frame again and again; a window is one of 128 MiB.
func zstdOf(ts *testscript.TestScript, kind string, plain []byte) []byte {
	options := []zstd.EOption{zstd.WithEncoderConcurrency(1)}
	if kind == "window" {
		options = append(options, zstd.WithWindowSize(128<<20))
		plain = append(plain, make([]byte, 9<<20)...)
	}
	zw, err := zstd.NewWriter(nil, options...)
	ts.Check(err)
	packed := zw.EncodeAll(plain, nil)
	if kind == "window" { // not one whose size is told, which is a window of that size
		var buf bytes.Buffer
		zw.Reset(&buf)
		_, err := zw.Write(plain)
		ts.Check(err)
		ts.Check(zw.Close())
		packed = buf.Bytes()
	}
	if kind == "bomb" {
		const piece = 64 << 20
		packed = append(packed, bytes.Repeat(zw.EncodeAll(make([]byte, piece), nil), 20<<30/piece)...)
	}
	return packed
}

// forgeFiles stores the artifact under a tag.
func forgeFiles(ts *testscript.TestScript, what, ref string) {
	tag, err := name.NewTag(ref)
	ts.Check(err)
	at := tag.Digest(fmt.Sprintf("sha256:%064d", 0))
	send(ts, http.MethodPut, "manifests/"+tag.TagStr(), tag, ociManifest, hostileManifest(ts, at, what, nil))
}

// forgeAttached stores the artifact as one that refers to the image.
func forgeAttached(ts *testscript.TestScript, what string, image name.Digest) {
	d, err := remote.Get(image)
	ts.Check(err)
	raw := hostileManifest(ts, image, what, map[string]any{"mediaType": d.MediaType, "size": d.Size, "digest": image.DigestStr()})
	send(ts, http.MethodPut, fmt.Sprintf("manifests/sha256:%x", sha256.Sum256(raw)), image.Tag("x"), ociManifest, raw)
}
