package apk_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/scan/apk"
	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

var alpine = sbom.Distro{ID: "alpine", VersionID: "3.20.1"}

const database = `C:Q1abcdefghijklmnopqrstuvwxyz0=
P:musl
V:1.2.5-r0
A:x86_64
S:407278
L:MIT
o:musl
m:Some One <one@example.com>
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1abcdefghijklmnopqrstuvwxyz0=

P:libcrypto3
V:3.3.1-r0
A:x86_64
L:Apache-2.0
o:openssl
D:so:libc.musl-x86_64.so.1
p:so:libcrypto.so.3=3

P:busybox-binsh
V:1.36.1-r28
A:x86_64
L:GPL-2.0-only
o:busybox
D:musl>=1.2 !uclibc missing
p:/bin/sh cmd:sh=1.36.1-r28

P:scripts
V:1-r0
A:noarch
D:/bin/sh cmd:sh libcrypto3~3.3 openssl@edge
`

func resolve(t testing.TB, path, body string, real func(string) string) (extract.Result, *extract.View) {
	t.Helper()
	var x apk.Extractor
	format := x.Match(path, int64(len(body)))
	if format == "" {
		t.Fatalf("%s is not read", path)
	}
	s := x.Open(format, int64(len(body)))
	if _, err := s.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	r, _ := s.Record()
	v := extract.NewView(alpine, []extract.File{{Path: path, Format: format, Layer: "sha256:00", Record: r}}, real)
	return x.Resolve(v), v
}

func TestDatabase(t *testing.T) {
	for _, path := range []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"} {
		res, v := resolve(t, path, database, nil)
		var got []string
		for _, c := range res.Components {
			got = append(got, strings.Join(append([]string{c.PURL.String(), c.Supplier, c.SourceName}, c.Licenses...), "|"))
		}
		want := []string{
			"pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.1|Some One <one@example.com>||MIT",
			"pkg:apk/alpine/libcrypto3@3.3.1-r0?arch=x86_64&distro=alpine-3.20.1&upstream=openssl||openssl|Apache-2.0",
			"pkg:apk/alpine/busybox-binsh@1.36.1-r28?arch=x86_64&distro=alpine-3.20.1&upstream=busybox||busybox|GPL-2.0-only",
			"pkg:apk/alpine/scripts@1-r0?arch=noarch&distro=alpine-3.20.1||",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("components (-want +got):\n%s", d)
		}
		got = nil
		for _, r := range res.Relations {
			got = append(got, r.From+" "+r.To)
		}
		slices.Sort(got)
		want = []string{
			"busybox-binsh=1.36.1-r28 musl=1.2.5-r0",
			"libcrypto3=3.3.1-r0 musl=1.2.5-r0",
			"scripts=1-r0 busybox-binsh=1.36.1-r28",
			"scripts=1-r0 libcrypto3=3.3.1-r0",
		}
		if d := cmp.Diff(want, slices.Compact(got)); d != "" {
			t.Errorf("relations (-want +got):\n%s", d)
		}
		if n := len(res.Unknowns) + len(v.Unknowns()); n != 0 {
			t.Errorf("%d unknowns", n)
		}
	}
}

func TestElsewhere(t *testing.T) {
	const path = "opt/chroot/lib/apk/db/installed"
	res, _ := resolve(t, path, database, nil)
	if len(res.Components) != 0 || len(res.Unknowns) != 1 {
		t.Errorf("a database elsewhere: %d components, unknowns %v", len(res.Components), res.Unknowns)
	}
	res, _ = resolve(t, path, database, func(p string) string {
		return strings.Replace(p, "lib/apk", "opt/chroot/lib/apk", 1)
	})
	if len(res.Components) != 4 {
		t.Errorf("a database behind a link: %d components", len(res.Components))
	}
}

func TestBroken(t *testing.T) {
	res, v := resolve(t, "lib/apk/db/installed", "V:1\n\nP:a\n\nP:b\r\nV:2\r\n\r\n:\n:::\nx\n", nil)
	if len(res.Components) != 1 || len(v.Unknowns()) != 1 || !strings.Contains(v.Unknowns()[0].Reason, "3 packages") {
		t.Errorf("components %v, unknowns %v", res.Components, v.Unknowns())
	}
}

func FuzzInstalled(f *testing.F) {
	f.Add(database)
	f.Add("P:\nV:\n\n\nD:!a b\np:c=")
	f.Fuzz(func(t *testing.T, body string) {
		res, _ := resolve(t, "lib/apk/db/installed", body, nil)
		ids := make(map[string]bool)
		for _, c := range res.Components {
			if c.Name == "" || c.Version == "" {
				t.Errorf("component without name or version: %+v", c)
			}
			ids[c.ID] = true
		}
		for _, r := range res.Relations {
			if !ids[r.From] || !ids[r.To] {
				t.Errorf("relation to what is not there: %+v", r)
			}
		}
	})
}
