package scan_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

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

// A refusal is an image, changed, or limits that it goes over, and the error that must come of it.
type refusal struct {
	name   string
	change func(t *testing.T, m *memory, s attach.Subject) attach.Subject
	limits scan.Limits
	is     error
	says   string
}

// badImages are images with something wrong in them.
func badImages() []refusal {
	truncated := func(b []byte) []byte { return b[:len(b)/2] }
	return []refusal{
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
	}
}

func TestRefuses(t *testing.T) {
	overLimits := []refusal{
		{name: "too many bytes", is: attach.ErrLimit, says: "uncompressed", limits: scan.Limits{Uncompressed: 4096}},
		{name: "too many files", is: attach.ErrLimit, says: "entries", limits: scan.Limits{Files: 1}},
		{name: "too many names", is: attach.ErrLimit, says: "file names", limits: scan.Limits{Index: 20}},
		{name: "too many links", is: attach.ErrLimit, says: "links", limits: scan.Limits{Links: 1}},
		{name: "too many packages", is: attach.ErrLimit, says: "package descriptions", limits: scan.Limits{Retained: 1000}},
		{name: "too many components", is: attach.ErrLimit, says: "components", limits: scan.Limits{Components: 3}},
	}
	for _, tt := range append(badImages(), overLimits...) {
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

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}
