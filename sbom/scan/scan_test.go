package scan_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/scan"
)

const dpkgStatus = "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\nArchitecture: amd64\nSource: glibc\n\n" +
	"Package: curl\nStatus: install ok installed\nVersion: 7.88.1-10\nArchitecture: amd64\nDepends: libc6 (>= 2.34)\n"

// sample is an image of several layers and ecosystems.
func sample() []layerTar {
	return []layerTar{
		{symlink("etc/os-release", "../usr/lib/os-release"), file("usr/lib/os-release", "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
			file("var/lib/dpkg/status", dpkgStatus)},
		{file("app/package.json", `{"name":"app","version":"1.0.0","dependencies":{"a":"1"}}`), pkg("app/node_modules/a", "1.0.0"), pkg("app/node_modules/b", "1.0.0")},
		{gone("app/node_modules/.wh.b"), file("broken/node_modules/x/package.json", "{")},
		{file("lib/apk/db/installed", "P:musl\nV:1.2.4-r2\nA:x86_64\n\n")},
	}
}

func TestInventory(t *testing.T) {
	layers := sample()
	inv := scanOf(t, layers...)
	if want := (sbom.Distro{ID: "debian", VersionID: "12", PrettyName: "Debian GNU/Linux 12 (bookworm)"}); inv.Distro != want {
		t.Errorf("distro %+v, want %+v", inv.Distro, want)
	}
	if want := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC); !inv.Created.Equal(want) {
		t.Errorf("created %v, want %v", inv.Created, want)
	}
	if inv.Subject.Platform != "linux/amd64" || !strings.HasPrefix(inv.Subject.Digest, "sha256:") || inv.Subject.Name != "example.com/app" {
		t.Errorf("subject %+v", inv.Subject)
	}
	ids := make(map[string]string)
	var got []string
	for _, c := range inv.Components {
		ids[c.ID] = c.Name
		got = append(got, fmt.Sprintf("%s %s@%s %s", c.Type, c.Name, c.Version, c.PURL))
	}
	want := []string{
		"library a@1.0.0 pkg:npm/a@1.0.0",
		"application app@1.0.0 pkg:npm/app@1.0.0",
		"library curl@7.88.1-10 pkg:deb/debian/curl@7.88.1-10?arch=amd64&distro=debian-12",
		"operating-system debian@12 ",
		"library libc6@2.36-9 pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12&upstream=glibc",
		"library musl@1.2.4-r2 pkg:apk/debian/musl@1.2.4-r2?arch=x86_64&distro=debian-12",
	}
	if d := cmp.Diff(sorted(want), sorted(got)); d != "" {
		t.Errorf("components (-want +got):\n%s", d)
	}
	got = nil
	for _, r := range inv.Relations {
		got = append(got, fmt.Sprintf("%s %s %s", ids[r.From], r.Type, ids[r.To]))
	}
	if d := cmp.Diff([]string{"app depends-on a", "curl depends-on libc6"}, sorted(got)); d != "" {
		t.Errorf("relations (-want +got):\n%s", d)
	}
	if len(inv.Unknowns) != 1 || inv.Unknowns[0].Path != "broken/node_modules/x/package.json" {
		t.Errorf("unknowns: %v", inv.Unknowns)
	}
	for _, c := range inv.Components {
		if c.Name == "a" && (len(c.Locations) != 1 || c.Locations[0] != sbom.Location{Path: "app/node_modules/a/package.json", Layer: diffIDOf(t, layers[1])}) {
			t.Errorf("locations of a: %v", c.Locations)
		}
	}
}

// TestDeterminism scans one image with layers that arrive in random order, on
// one to four processors, in every compression.
func TestDeterminism(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var raw [][]byte
	for _, l := range sample() {
		raw = append(raw, l.bytes(t))
	}
	var first []byte
	for seed := range 60 {
		rnd := newRandom(uint64(seed))
		runtime.GOMAXPROCS(1 + seed%4)
		m := newMemory()
		s := imageOf(t, m, []pack{packGzip, packZstd, packNot}[seed%3], raw...)
		waits := make(chan time.Duration, 16)
		for _, i := range shuffled(rnd, cap(waits)) {
			waits <- time.Duration(i) * 100 * time.Microsecond
		}
		m.delay = func(v1.Descriptor) {
			select {
			case d := <-waits:
				time.Sleep(d)
			default:
			}
		}
		inv, err := scan.Image(t.Context(), m, s, scan.Options{})
		if err != nil {
			t.Fatal(err)
		}
		inv.Subject.Digest = "" // the manifest differs with the compression
		b := marshal(t, inv)
		if first == nil {
			first = b
		}
		if !bytes.Equal(b, first) {
			t.Fatalf("run %d differs:\n%s", seed, cmp.Diff(string(first), string(b)))
		}
	}
}

func TestOptions(t *testing.T) {
	m := newMemory()
	s := imageOf(t, m, packGzip, sample()[0].bytes(t))
	at := time.Date(2001, 2, 3, 4, 5, 6, 7, time.FixedZone("x", 3600))
	inv, err := scan.Image(t.Context(), m, s, scan.Options{Created: at, Tool: sbom.Tool{Name: "hallmark", Version: "1"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2001, 2, 3, 3, 5, 6, 0, time.UTC); inv.Created != want || inv.Tool.Name != "hallmark" {
		t.Errorf("created %v, want %v; tool %v", inv.Created, want, inv.Tool)
	}
}

// rewriteManifest stores a changed copy of the image's manifest.
func rewriteManifest(t testing.TB, m *memory, s attach.Subject, change func(*v1.Manifest)) attach.Subject {
	t.Helper()
	var manifest v1.Manifest
	if err := json.Unmarshal(m.blobs[s.Desc.Digest], &manifest); err != nil {
		t.Fatal(err)
	}
	change(&manifest)
	s.Desc = m.put(types.OCIManifestSchema1, marshal(t, manifest))
	return s
}

// rewrite stores changed copies of the image's manifest and config.
func rewrite(t testing.TB, m *memory, s attach.Subject, change func(*v1.Manifest, *v1.ConfigFile)) attach.Subject {
	t.Helper()
	return rewriteManifest(t, m, s, func(man *v1.Manifest) {
		var config v1.ConfigFile
		if err := json.Unmarshal(m.blobs[man.Config.Digest], &config); err != nil {
			t.Fatal(err)
		}
		change(man, &config)
		man.Config = m.put(man.Config.MediaType, marshal(t, config))
	})
}

func TestRefuses(t *testing.T) {
	truncated := func(b []byte) []byte { return b[:len(b)/2] }
	tests := []struct {
		name   string
		change func(t *testing.T, m *memory, s attach.Subject) attach.Subject
		limits scan.Limits
		is     error
		says   string
	}{
		{name: "diffID of other content", is: attach.ErrDigest, says: "diffID",
			change: func(t *testing.T, m *memory, s attach.Subject) attach.Subject {
				return rewrite(t, m, s, func(_ *v1.Manifest, c *v1.ConfigFile) { c.RootFS.DiffIDs[0] = c.RootFS.DiffIDs[1] })
			}},
		{name: "blob that is not there", is: attach.ErrNotFound, says: "layer 1 of 4",
			change: func(t *testing.T, m *memory, s attach.Subject) attach.Subject {
				return rewrite(t, m, s, func(man *v1.Manifest, _ *v1.ConfigFile) { man.Layers[0].Digest.Hex = strings.Repeat("0", 64) })
			}},
		{name: "blob of other content", is: attach.ErrDigest,
			change: func(t *testing.T, m *memory, s attach.Subject) attach.Subject {
				return rewrite(t, m, s, func(man *v1.Manifest, _ *v1.ConfigFile) {
					b := bytes.Clone(m.blobs[man.Layers[0].Digest])
					b[4]++ // the time in the gzip header
					m.blobs[man.Layers[0].Digest] = b
				})
			}},
		{name: "truncated layer", says: "unexpected EOF",
			change: func(t *testing.T, m *memory, s attach.Subject) attach.Subject {
				return rewrite(t, m, s, func(man *v1.Manifest, _ *v1.ConfigFile) {
					man.Layers[0] = m.put(types.OCILayer, truncated(m.blobs[man.Layers[0].Digest]))
				})
			}},
		{name: "config that is none", is: attach.ErrMalformed, says: "no image config",
			change: func(t *testing.T, m *memory, s attach.Subject) attach.Subject {
				return rewriteManifest(t, m, s, func(man *v1.Manifest) { man.Config = m.put(types.OCIConfigJSON, []byte("[]")) })
			}},
		{name: "no image", is: attach.ErrMalformed, says: "this is no image",
			change: func(t *testing.T, m *memory, s attach.Subject) attach.Subject {
				return rewrite(t, m, s, func(_ *v1.Manifest, c *v1.ConfigFile) { c.RootFS.DiffIDs = nil })
			}},
		{name: "config of 10 GB", is: attach.ErrLimit,
			change: func(t *testing.T, m *memory, s attach.Subject) attach.Subject {
				return rewriteManifest(t, m, s, func(man *v1.Manifest) { man.Config.Size = 10 << 30 })
			}},
		{name: "too many layers", is: attach.ErrLimit, says: "1001 layers",
			change: func(t *testing.T, m *memory, s attach.Subject) attach.Subject {
				return rewrite(t, m, s, func(man *v1.Manifest, c *v1.ConfigFile) {
					for len(man.Layers) <= 1000 {
						man.Layers = append(man.Layers, man.Layers[0])
						c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, c.RootFS.DiffIDs[0])
					}
				})
			}},
		{name: "too many bytes", is: attach.ErrLimit, says: "uncompressed", limits: scan.Limits{Uncompressed: 4096}},
		{name: "too many files", is: attach.ErrLimit, says: "entries", limits: scan.Limits{Files: 1}},
		{name: "too many names", is: attach.ErrLimit, says: "file names", limits: scan.Limits{Index: 20}},
		{name: "too many links", is: attach.ErrLimit, says: "links", limits: scan.Limits{Links: 1}},
		{name: "too many packages", is: attach.ErrLimit, says: "package descriptions", limits: scan.Limits{Retained: 1000}},
		{name: "too many components", is: attach.ErrLimit, says: "components", limits: scan.Limits{Components: 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory()
			var raw [][]byte
			for _, l := range append(sample()[:3], layerTar{symlink("x", "y"), symlink("z", "y")}) {
				raw = append(raw, l.bytes(t))
			}
			s := imageOf(t, m, packGzip, raw...)
			if tt.change != nil {
				s = tt.change(t, m, s)
			}
			_, err := scan.Image(t.Context(), m, s, scan.Options{Limits: tt.limits})
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want an error that is %v and says %q", err, tt.is, tt.says)
			}
		})
	}
}

func TestIndexIsRefused(t *testing.T) {
	m := newMemory()
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{
		{MediaType: types.OCIManifestSchema1, Digest: attach.DigestOf([]byte("a")), Platform: &v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}},
		{MediaType: types.OCIManifestSchema1, Digest: attach.DigestOf([]byte("b")), Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}},
	}}
	s := attach.Subject{Repo: "r", Desc: m.put(types.OCIImageIndex, marshal(t, index))}
	_, err := scan.Image(t.Context(), m, s, scan.Options{})
	if err == nil || !strings.Contains(err.Error(), "linux/amd64, linux/arm/v7") {
		t.Errorf("got %v, want an error that names both platforms", err)
	}
}

func TestCancelled(t *testing.T) {
	m := newMemory()
	s := imageOf(t, m, packGzip, sample()[0].bytes(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := scan.Image(ctx, m, s, scan.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

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

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}
