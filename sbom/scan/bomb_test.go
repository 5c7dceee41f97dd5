package scan_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"

	"github.com/hallmark-oci/hallmark/sbom/scan"
)

// zeros yields n zero bytes.
type zeros struct{ n int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), z.n))
	clear(p[:n])
	z.n -= int64(n)
	return n, nil
}

// bomb returns a gzip layer with one file of size zero bytes, and its diffID.
func bomb(t testing.TB, name string, size int64) (packed []byte, diffID v1.Hash) {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	pr, pw := io.Pipe()
	go func() {
		tw := tar.NewWriter(pw)
		err := tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: size, Mode: 0o644})
		if err == nil {
			_, err = io.Copy(tw, &zeros{size})
		}
		if err == nil {
			err = tw.Close()
		}
		pw.CloseWithError(err)
	}()
	digest, _, err := v1.SHA256(io.TeeReader(pr, zw))
	if err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), digest
}

// TestMemory scans a large layer of few bytes, as a file that no one wants, and one
// that an extractor wants whole; memory must not follow.
func TestMemory(t *testing.T) {
	for _, name := range []string{"data", "var/lib/dpkg/status"} {
		m := newMemory()
		packed, diffID := bomb(t, name, 256<<20)
		s := imageOf(t, m, packNot, packed)
		s = rewrite(t, m, s, func(_ *v1.Manifest, c *v1.ConfigFile) { c.RootFS.DiffIDs[0] = diffID })
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		inv, err := scan.Image(t.Context(), m, s, scan.Options{})
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 48<<20 {
			t.Errorf("%s: the heap grew by %d MiB", name, grown>>20)
		}
		if want := map[string]int{"data": 0, "var/lib/dpkg/status": 1}[name]; len(inv.Unknowns) != want {
			t.Errorf("%s: unknowns %v", name, inv.Unknowns)
		}
	}
}

// TestSparse scans a sparse file that claims four exbibytes and begins like a
// program (GNU tar manual, "PAX Format, Version 1.0").
func TestSparse(t *testing.T) {
	const claimed = 1<<62 - 1
	records := ""
	for _, r := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=usr/bin/x", fmt.Sprintf("GNU.sparse.realsize=%d", claimed)} {
		records += paxRecord(r)
	}
	stored := "1\n0\n512\n"
	stored += strings.Repeat("\x00", 512-len(stored)) + "\x7fELF" + strings.Repeat("\x00", 508)
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, e := range []struct{ name, body string }{{"PaxHeaders.0/x", records}, {"GNUSparseFile.0/x", stored}} {
		if err := tw.WriteHeader(&tar.Header{Name: e.name, Typeflag: tar.TypeReg, Size: int64(len(e.body)), Format: tar.FormatUSTAR}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	raw := buf.Bytes()
	retype(raw[:512], tar.TypeXHeader)
	m := newMemory()
	inv, err := scan.Image(t.Context(), m, imageOf(t, m, packNot, raw), scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(inv.Unknowns) != 1 || inv.Unknowns[0].Path != "usr/bin/x" || !strings.Contains(inv.Unknowns[0].Reason, "sparse") {
		t.Errorf("unknowns: %v", inv.Unknowns)
	}
}

// paxRecord puts the length in front that counts its own digits.
func paxRecord(s string) string {
	n := len(s) + 3
	for len(fmt.Sprintf("%d %s\n", n, s)) != n {
		n++
	}
	return fmt.Sprintf("%d %s\n", n, s)
}

// retype changes the type of a tar header and makes its checksum right again.
func retype(block []byte, kind byte) {
	block[156] = kind
	copy(block[148:156], "        ")
	sum := 0
	for _, b := range block {
		sum += int(b)
	}
	copy(block[148:156], fmt.Sprintf("%06o\x00 ", sum))
}
