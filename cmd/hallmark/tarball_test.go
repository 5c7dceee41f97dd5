package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hallmark-oci/hallmark/attach"
)

// A tarball is an archive of a layout in the making.
type tarball struct {
	ts  *testscript.TestScript
	w   *tar.Writer
	out io.Writer
}

// tarballs write archives that are hostile or only large, by name.
func tarballs() map[string]func(tarball) {
	return map[string]func(tarball){
		// 100,000 blobs, which belong to 1000 images of an index.
		"honest": func(t tarball) { t.layout(t.images(1000, 98)) },
		// More files than a layout may have; as many as it may have, with an index.json
		// as large as it may be and larger.
		"members": func(t tarball) { t.blobs(attach.MaxFiles + 2000); t.layout("") },
		"crowded": func(t tarball) { t.blobs(attach.MaxFiles); t.layout(t.entries(attach.MaxIndex - 4<<10)) },
		"index":   func(t tarball) { t.layout(t.entries(attach.MaxIndex)) },
		// Files of long names, and of many records.
		"names":   func(t tarball) { t.named(150); t.layout("") },
		"records": func(t tarball) { t.recorded(20); t.layout("") },
		"sparse":  func(t tarball) { t.sparse(); t.layout("") },
		// Lists of nothing, of descriptors of nothing, of much that is not needed.
		"nothing":     func(t tarball) { t.layout(strings.Repeat("{},", 3<<20) + "{}") },
		"nothing-few": func(t tarball) { t.layout(strings.Repeat("{},", 99_000) + "{}") },
		"absent":      func(t tarball) { t.layout(t.entries(attach.MaxIndex - 4<<10)) },
		"annotated":   func(t tarball) { t.layout(t.annotated(attach.MaxIndex - 64<<10)) },
		"members-json": func(t tarball) {
			var b strings.Builder
			for i := range 900_000 {
				fmt.Fprintf(&b, `"%x":0,`, i)
			}
			t.file("index.json", []byte(`{`+b.String()+`"manifests":[]}`))
			t.layout("-")
		},
	}
}

// makeTarball writes an archive: tarball NAME FILE
func makeTarball(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tarball NAME FILE")
	}
	fill := tarballs()[args[0]]
	if fill == nil {
		ts.Fatalf("no tarball is called %q", args[0])
	}
	f, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	defer f.Close()
	buf := bufio.NewWriterSize(f, 1<<20)
	t := tarball{ts, tar.NewWriter(buf), buf}
	fill(t)
	ts.Check(t.w.Close())
	ts.Check(buf.Flush())
}

func (t tarball) file(name string, raw []byte) {
	t.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(raw)), Mode: 0o644})
	_, err := t.w.Write(raw)
	t.ts.Check(err)
}

func (t tarball) header(h *tar.Header) { t.ts.Check(t.w.WriteHeader(h)) }

// layout writes the marker, and an index.json with the manifests unless that is "-".
func (t tarball) layout(manifests string) {
	if manifests != "-" {
		t.file("index.json", []byte(`{"schemaVersion":2,"manifests":[`+manifests+`]}`))
	}
	t.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
}

// blob writes a blob and returns its descriptor, open at the end.
func (t tarball) blob(mediaType, content string) string {
	sum := sha256.Sum256([]byte(content))
	t.file(fmt.Sprintf("blobs/sha256/%x", sum), []byte(content))
	return fmt.Sprintf(`{"mediaType":%q,"digest":"sha256:%x","size":%d`, mediaType, sum, len(content))
}

// images writes an index of images with so many layers each, and returns its entry.
func (t tarball) images(n, layers int) string {
	const index = "application/vnd.oci.image.index.v1+json"
	config := t.blob("application/vnd.oci.image.config.v1+json", "{}") + "}"
	var list []string
	for i := range n {
		var own []string
		for j := range layers {
			own = append(own, t.blob("application/vnd.oci.image.layer.v1.tar", fmt.Sprint(i, j))+"}")
		}
		m := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, ociManifest, config, strings.Join(own, ","))
		list = append(list, t.blob(ociManifest, m)+fmt.Sprintf(`,"platform":{"os":"linux","architecture":"a%d"}}`, i))
	}
	all := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, index, strings.Join(list, ","))
	return t.blob(index, all) + `,"annotations":{"org.opencontainers.image.ref.name":"1"}}`
}

// blobs writes blobs of no content.
func (t tarball) blobs(n int) {
	for i := range n {
		t.header(&tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("blobs/sha256/%064x", i), Mode: 0o644})
	}
}

// entries returns so many bytes of entries of manifests that are not there.
func (t tarball) entries(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"mediaType":%q,"digest":"sha256:%064x","size":2,"annotations":{"org.opencontainers.image.ref.name":"t%d"}}`, ociManifest, i, i)
	}
	return b.String()
}

// annotated returns so many bytes of entries that say much.
func (t tarball) annotated(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"mediaType":%q,"digest":"sha256:%064x","size":2,"annotations":{"a":""`, ociManifest, i)
		for j := range 2000 {
			fmt.Fprintf(&b, `,"k%x":""`, j)
		}
		b.WriteString("}}")
	}
	return b.String()
}

// named writes files with names of almost a megabyte.
func (t tarball) named(n int) {
	for i := range n {
		t.header(&tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprint(i, "/", strings.Repeat("x", 1<<20-200)), Mode: 0o644, Format: tar.FormatPAX})
	}
}

// recorded writes files with many records each.
func (t tarball) recorded(n int) {
	records := make(map[string]string)
	for i := range 55_000 {
		records[fmt.Sprintf("X.%x", i)] = "y"
	}
	for i := range n {
		t.header(&tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprint(i), Mode: 0o644, PAXRecords: records, Format: tar.FormatPAX})
	}
}

// sparse writes the file of an old kind of sparse file, with blocks without end (GNU
// tar, "Old GNU Format"): the writer of the library makes none.
func (t tarball) sparse() {
	var raw bytes.Buffer
	w := tar.NewWriter(&raw)
	t.ts.Check(w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "x", Mode: 0o644, Format: tar.FormatGNU}))
	h := raw.Bytes()[:512]
	h[156] = 'S'
	h[482] = 1 // more blocks follow
	for i := range 4 {
		copy(h[386+24*i:], "00000000000\x0000000000000\x00")
	}
	copy(h[483:], "77777777777\x00")
	copy(h[257:], "ustar  \x00")
	copy(h[148:], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	t.ts.Check(t.w.Flush())
	block := bytes.Repeat([]byte("00000000000\x0000000000000\x00"), 21)
	block = append(block, 1, 0, 0, 0, 0, 0, 0, 0)
	t.raw(h)
	for range 100_000 {
		t.raw(block)
	}
}

// raw writes blocks past the checks of the library.
func (t tarball) raw(b []byte) { _, err := t.out.Write(b); t.ts.Check(err) }
