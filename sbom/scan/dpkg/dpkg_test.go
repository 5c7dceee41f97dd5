package dpkg_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/scan/dpkg"
	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

var debian = sbom.Distro{ID: "debian", VersionID: "12"}

// resolve reads the files and returns what the extractor makes of them.
func resolve(t testing.TB, d sbom.Distro, files ...[2]string) (extract.Result, *extract.View) {
	t.Helper()
	var x dpkg.Extractor
	var list []extract.File
	for _, f := range files {
		format := x.Match(f[0], int64(len(f[1])))
		if format == "" {
			continue
		}
		s := x.Open(format, int64(len(f[1])))
		if _, err := s.Write([]byte(f[1])); err != nil {
			t.Fatal(err)
		}
		if r, ok := s.Record(); ok {
			list = append(list, extract.File{Path: f[0], Format: format, Layer: "sha256:00", Record: r})
		}
	}
	v := extract.NewView(d, list, nil)
	return x.Resolve(v), v
}

func purls(res extract.Result) []string {
	var out []string
	for _, c := range res.Components {
		out = append(out, c.PURL.String())
	}
	slices.Sort(out)
	return out
}

func edges(res extract.Result) []string {
	var out []string
	for _, r := range res.Relations {
		out = append(out, r.From+" -> "+r.To)
	}
	slices.Sort(out)
	return out
}

// TestStates follows dpkg(1), "Package states".
func TestStates(t *testing.T) {
	want := map[string]bool{
		"not-installed": false, "config-files": false, "half-installed": true, "unpacked": true,
		"half-configured": true, "triggers-awaited": true, "triggers-pending": true, "installed": true,
	}
	for state, present := range want {
		for _, selection := range []string{"install", "hold", "deinstall", "purge", "unknown"} {
			body := fmt.Sprintf("Package: a\nStatus: %s ok %s\nVersion: 1\nArchitecture: amd64\n", selection, state)
			res, _ := resolve(t, debian, [2]string{"var/lib/dpkg/status", body})
			if got := len(res.Components) == 1; got != present {
				t.Errorf("state %s, selection %s: present %v, want %v", state, selection, got, present)
			}
		}
	}
}

func TestPackageURLs(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"plain", "Package: curl\nVersion: 7.88.1-10\nArchitecture: amd64\n", "pkg:deb/debian/curl@7.88.1-10?arch=amd64&distro=debian-12"},
		{"epoch and plus", "Package: g++\nVersion: 4:12.2.0+dfsg~1\nArchitecture: arm64\n", "pkg:deb/debian/g%2B%2B@4:12.2.0%2Bdfsg~1?arch=arm64&distro=debian-12"},
		{"source", "Package: libc6\nVersion: 2.36-9\nArchitecture: amd64\nSource: glibc\n", "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12&upstream=glibc"},
		{"source of another version", "Package: perl-base\nVersion: 5+b1\nArchitecture: amd64\nSource: perl (5)\n", "pkg:deb/debian/perl-base@5%2Bb1?arch=amd64&distro=debian-12&upstream=perl%405"},
		{"fields in any case", "package: a\nVERSION: 1\nArchitecture: all\n", "pkg:deb/debian/a@1?arch=all&distro=debian-12"},
		{"line ends", "Package: a\r\nVersion: 1\r\nArchitecture: all\r\n\r\n", "pkg:deb/debian/a@1?arch=all&distro=debian-12"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := "Status: install ok installed\n" + tt.body
			res, _ := resolve(t, debian, [2]string{"var/lib/dpkg/status", body})
			if d := cmp.Diff([]string{tt.want}, purls(res)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func par(name, arch string, more ...string) string {
	return "Package: " + name + "\nStatus: install ok installed\nVersion: 1\nArchitecture: " + arch + "\n" + strings.Join(more, "\n") + "\n\n"
}

// TestDependencies follows the Debian policy manual, sections 7.1 and 7.5.
func TestDependencies(t *testing.T) {
	tests := []struct {
		name, body string
		want       []string
	}{
		{"both fields", par("a", "amd64", "Depends: b (>= 1)", "Pre-Depends: c") + par("b", "amd64") + par("c", "all"), []string{"a:amd64=1 -> b:amd64=1", "a:amd64=1 -> c:all=1"}},
		{"first alternative that is there", par("a", "amd64", "Depends: x | c | b") + par("b", "amd64") + par("c", "amd64"), []string{"a:amd64=1 -> c:amd64=1"}},
		{"provided", par("a", "amd64", "Depends: mail-transport-agent") + par("exim", "amd64", "Provides: mail-transport-agent (= 4), other"), []string{"a:amd64=1 -> exim:amd64=1"}},
		{"real before provided", par("a", "amd64", "Depends: m") + par("exim", "amd64", "Provides: m") + par("m", "amd64"), []string{"a:amd64=1 -> m:amd64=1"}},
		{"same architecture", par("a", "i386", "Depends: b") + par("b", "amd64") + par("b", "i386"), []string{"a:i386=1 -> b:i386=1"}},
		{"named architecture", par("a", "i386", "Depends: b:amd64, c:any") + par("b", "i386") + par("b", "amd64") + par("c", "amd64"), []string{"a:i386=1 -> b:amd64=1", "a:i386=1 -> c:amd64=1"}},
		{"folded", par("a", "amd64", "Depends: b,", "  c (<< 2),", "\td [amd64] <!nocheck>") + par("b", "amd64") + par("c", "amd64") + par("d", "amd64"),
			[]string{"a:amd64=1 -> b:amd64=1", "a:amd64=1 -> c:amd64=1", "a:amd64=1 -> d:amd64=1"}},
		{"none there", par("a", "amd64", "Depends: x | y, , |", "Recommends: b") + par("b", "amd64"), nil},
		{"itself", par("a", "amd64", "Depends: a", "Provides: a"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, _ := resolve(t, debian, [2]string{"var/lib/dpkg/status", tt.body})
			if d := cmp.Diff(tt.want, edges(res)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestFiles(t *testing.T) {
	single := "Package: base-files\nVersion: 12\nArchitecture: amd64\nMaintainer: A B <a@b.c>\n"
	res, v := resolve(t, debian,
		[2]string{"var/lib/dpkg/status", par("a", "amd64") + par("a", "i386")},
		[2]string{"var/lib/dpkg/status.d/base-files", single},
		[2]string{"var/lib/dpkg/status.d/base-files.md5sums", "0123  usr/bin/x\n"},
		[2]string{"opt/chroot/var/lib/dpkg/status", par("foreign", "amd64")},
		[2]string{"usr/share/doc/base-files/copyright", "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-2+\n text\n"},
		[2]string{"srv/status", par("nothing", "amd64")},
	)
	want := []string{"pkg:deb/debian/a@1?arch=amd64&distro=debian-12", "pkg:deb/debian/a@1?arch=i386&distro=debian-12", "pkg:deb/debian/base-files@12?arch=amd64&distro=debian-12"}
	if d := cmp.Diff(want, purls(res)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	unknowns := append(res.Unknowns, v.Unknowns()...)
	if len(unknowns) != 1 || unknowns[0].Path != "opt/chroot/var/lib/dpkg/status" || !strings.Contains(unknowns[0].Reason, "1 packages") {
		t.Errorf("unknowns: %v", unknowns)
	}
	for _, c := range res.Components {
		if c.Name == "base-files" && (c.Supplier != "A B <a@b.c>" || !slices.Equal(c.Licenses, []string{"GPL-2.0-or-later"})) {
			t.Errorf("base-files: %+v", c)
		}
	}
}

func TestWithoutDistro(t *testing.T) {
	res, _ := resolve(t, sbom.Distro{}, [2]string{"var/lib/dpkg/status", par("a", "amd64")})
	if len(res.Components) != 1 || !res.Components[0].PURL.IsZero() || len(res.Unknowns) != 1 {
		t.Errorf("got %+v", res)
	}
}

func TestBroken(t *testing.T) {
	for name, body := range map[string]string{
		"no name":    "Status: install ok installed\nVersion: 1\n\n" + par("a", "amd64"),
		"no version": "Package: x\nStatus: install ok installed\n\n" + par("a", "amd64"),
		"status":     "Package: x\nVersion: 1\nStatus: installed\n\n" + par("a", "amd64"),
	} {
		res, v := resolve(t, debian, [2]string{"var/lib/dpkg/status", body})
		if len(res.Components) != 1 || len(v.Unknowns()) != 1 {
			t.Errorf("%s: %d components, unknowns %v", name, len(res.Components), v.Unknowns())
		}
	}
	var x dpkg.Extractor
	s := x.Open("status", 1<<40)
	if _, err := s.Write([]byte("Package: a\n")); err != extract.ErrEnough {
		t.Errorf("a database of a terabyte: %v", err)
	}
	if r, ok := s.Record(); !ok || len(r.Unknowns) != 1 {
		t.Errorf("a database of a terabyte: %v", r)
	}
}

// TestLicenses holds short names of the copyright format, section 7.1, and the
// identifiers of the SPDX license list that mean the same.
func TestLicenses(t *testing.T) {
	const head = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
	tests := []struct {
		name, body string
		want       []string
	}{
		{"known", head + "\nFiles: *\nLicense: GPL-3\n\nFiles: b\nLicense: Expat\n text\n\nFiles: c\nLicense: LGPL-2.1+\n", []string{"GPL-3.0-only", "LGPL-2.1-or-later", "MIT"}},
		{"choice", head + "\nFiles: *\nLicense: GPL-1+ or Artistic\n", []string{"GPL-1.0-or-later OR Artistic-1.0"}},
		{"unknown in a choice", head + "\nFiles: *\nLicense: GPL-1+ or Beerware\n", []string{"GPL-1+ or Beerware"}},
		{"exception", head + "\nFiles: *\nLicense: GPL-2+ with OpenSSL exception\n", []string{"GPL-2+ with OpenSSL exception"}},
		{"public domain", head + "\nFiles: *\nLicense: public-domain\n", []string{"public-domain"}},
		{"header", head + "License: ISC\n\nFiles: *\nLicense: ISC\n", []string{"ISC"}},
		{"texts stand alone", head + "\nFiles: *\nLicense: zlib\n\nLicense: GPL-2\n text\n", []string{"Zlib"}},
		{"free text", "This package was debianized.\n\nLicense: GPL-2\n", nil},
		{"empty", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, _ := resolve(t, debian, [2]string{"usr/share/doc/a/copyright", tt.body}, [2]string{"var/lib/dpkg/status", par("a", "amd64")})
			if d := cmp.Diff(tt.want, res.Components[0].Licenses); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func FuzzStatus(f *testing.F) {
	f.Add(par("a", "amd64", "Depends: b | c (>= 1), d:any", "Source: x (1)") + par("b", "i386", "Provides: d (= 2)"))
	f.Add("Package: a\n folded\n\n\n:\nStatus:\n")
	f.Add("Format: copyright-format\nLicense: GPL-2+ or MIT\n\nFiles: *\nLicense:\n")
	f.Fuzz(func(t *testing.T, body string) {
		res, _ := resolve(t, debian, [2]string{"usr/share/doc/a/copyright", body},
			[2]string{"var/lib/dpkg/status", body}, [2]string{"var/lib/dpkg/status.d/x", body})
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
