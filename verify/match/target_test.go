package match

import (
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/purl"
)

func component(t testing.TB, p string) sbom.Component {
	t.Helper()
	u, err := purl.Parse(p)
	if err != nil {
		t.Fatal(err)
	}
	return sbom.Component{ID: p, Type: sbom.Library, Name: u.Name, Version: u.Version, PURL: u, Ecosystem: sbom.EcosystemOf(u)}
}

// TestTargets maps package URLs as syft, trivy and hallmark write them to the
// packages of advisories.
func TestTargets(t *testing.T) {
	for p, want := range map[string]string{
		"pkg:golang/golang.org/x/text@v0.3.6":                                               "Go golang.org/x/text v0.3.6",
		"pkg:golang/cloud.google.com/go@v0.1.0":                                             "Go cloud.google.com/go v0.1.0",
		"pkg:golang/stdlib@1.22.1":                                                          "Go stdlib 1.22.1",
		"pkg:golang/stdlib@v1.22.1":                                                         "Go stdlib v1.22.1",
		"pkg:golang/std@go1.21rc2":                                                          "Go stdlib 1.21.0-rc.2",
		"pkg:golang/stdlib@go1.22.3%20X:nocoverageredesign":                                 "Go stdlib 1.22.3",
		"pkg:golang/toolchain@1.20":                                                         "Go toolchain 1.20",
		"pkg:golang/github.com/a/b@v2.0.0#v2":                                               "Go github.com/a/b v2.0.0, Go github.com/a/b/v2 v2.0.0",
		"pkg:golang/github.com/a/b@v2.0.0#cmd/x":                                            "Go github.com/a/b v2.0.0",
		"pkg:golang/k8s.io/kubernetes@v1.20.0":                                              "Go k8s.io/kubernetes v1.20.0, Kubernetes k8s.io/kubernetes v1.20.0",
		"pkg:npm/%40babel/core@7.0.0":                                                       "npm @babel/core 7.0.0",
		"pkg:npm/minimist@1.2.5":                                                            "npm minimist 1.2.5",
		"pkg:pypi/Ruamel_Yaml@1.0":                                                          "PyPI ruamel-yaml 1.0",
		"pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1":                              "Maven org.apache.logging.log4j:log4j-core 2.14.1",
		"pkg:cargo/time@0.1.43":                                                             "crates.io time 0.1.43",
		"pkg:composer/symfony/http-kernel@5.0.0":                                            "Packagist symfony/http-kernel 5.0.0",
		"pkg:deb/debian/libssl3@3.0.11-1~deb12u1?upstream=openssl&distro=debian-12":         "Debian:12 openssl 3.0.11-1~deb12u1",
		"pkg:deb/debian/bash@5.2.15-2%2Bb13?distro=debian-12.15":                            "Debian:12 bash 5.2.15-2",
		"pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?distro=bookworm":                             "Debian:12 libc6 2.36-9+deb12u4",
		"pkg:deb/debian/gcc-12-base@12.2.0-14?upstream=gcc-12%4012.2.0-13&distro=debian-12": "Debian:12 gcc-12 12.2.0-13",
		"pkg:deb/debian/g%2B%2B@1?upstream=gcc%2Bx%401%2B2&distro=debian-sid":               "Debian:sid gcc+x 1+2",
		"pkg:deb/debian/curl@7.88.1-10":                                                     "Debian curl 7.88.1-10",
		"pkg:deb/debian/curl@7.88.1-10?distro=debian-testing":                               "Debian curl 7.88.1-10",
		"pkg:deb/ubuntu/openssl@3.0.2-0ubuntu1?distro=ubuntu-22.04":                         "Ubuntu:22.04 openssl 3.0.2-0ubuntu1",
		"pkg:deb/ubuntu/openssl@3.0.2-0ubuntu1?distro=jammy":                                "Ubuntu:22.04 openssl 3.0.2-0ubuntu1",
		"pkg:apk/alpine/libcrypto3@3.1.4-r5?upstream=openssl&distro=alpine-3.19.1":          "Alpine:v3.19 openssl 3.1.4-r5",
		"pkg:apk/alpine/busybox@1.36.1-r15?distro=3.19":                                     "Alpine:v3.19 busybox 1.36.1-r15",
		"pkg:apk/alpine/busybox@1.36.1-r15?distro=alpine-edge":                              "Alpine:edge busybox 1.36.1-r15",
		"pkg:apk/wolfi/glibc@2.38-r5?distro=wolfi-20230201":                                 "Wolfi glibc 2.38-r5",
		"pkg:rpm/almalinux/bash@5.1":                                                        "!" + noSupport + "rpm",
		"pkg:deb/raspbian/bash@5.1":                                                         "!" + noDistro + "raspbian",
		"pkg:deb/bash@5.1":                                                                  "!" + noDistro + "none named",
		"pkg:oci/app@sha256:00":                                                             "!" + noSupport + "oci",
		"pkg:github/a/b@v1":                                                                 "!" + noSupport + "github",
	} {
		c := component(t, p)
		list, unmapped := targets(&c, sbom.Distro{})
		var got []string
		for _, x := range list {
			got = append(got, x.ecosystem()+" "+x.name+" "+x.version)
		}
		if unmapped != "" {
			got = append(got, "!"+unmapped)
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%s is %s, want %s", p, s, want)
		}
	}
}

// TestTargetsOfInventory takes what the package URL does not say from the component
// and the inventory.
func TestTargetsOfInventory(t *testing.T) {
	deb := component(t, "pkg:deb/debian/libssl3@3.0.11-1")
	deb.SourceName, deb.SourceVersion = "openssl", "3.0.11-0"
	bare := sbom.Component{Name: "libssl3", Version: "3.0.11-1+b2", Ecosystem: "dpkg", SourceName: "openssl"}
	for name, c := range map[string]struct {
		c    sbom.Component
		d    sbom.Distro
		want string
	}{
		"release of the inventory":  {deb, sbom.Distro{ID: "debian", VersionID: "12"}, "Debian:12 openssl 3.0.11-0"},
		"another distribution":      {deb, sbom.Distro{ID: "ubuntu", VersionID: "22.04"}, "Debian openssl 3.0.11-0"},
		"no release":                {deb, sbom.Distro{ID: "debian"}, "Debian openssl 3.0.11-0"},
		"no package URL":            {bare, sbom.Distro{ID: "debian", VersionID: "12.4"}, "Debian:12 openssl 3.0.11-1"},
		"no package URL, no distro": {bare, sbom.Distro{}, "Debian openssl 3.0.11-1, Ubuntu openssl 3.0.11-1"},
		"apk without both":          {sbom.Component{Name: "musl", Version: "1-r0", Ecosystem: "apk"}, sbom.Distro{}, "Alpine musl 1-r0, Wolfi musl 1-r0, Chainguard musl 1-r0"},
		"nothing":                   {sbom.Component{Name: "thing", Version: "1"}, sbom.Distro{}, ""},
	} {
		list, unmapped := targets(&c.c, c.d)
		var got []string
		for _, x := range list {
			got = append(got, x.ecosystem()+" "+x.name+" "+x.version)
		}
		if s := strings.Join(got, ", "); s != c.want || (s == "") != (unmapped != "") {
			t.Errorf("%s: %s (%s), want %s", name, s, unmapped, c.want)
		}
	}
}

func TestNoGoVersion(t *testing.T) {
	const real, zero = "v0.0.0-20220722155217-630584e8d5aa", "v0.0.0-00010101000000-000000000000"
	for _, c := range []struct {
		kind sbom.Type
		v    string
		bad  bool
	}{
		{sbom.Library, real, false}, {sbom.Application, real, true}, {sbom.Library, zero, true}, {sbom.Library, "(devel)", true},
		{sbom.Library, "", true}, {sbom.Application, "v1.2.3+dirty", false}, {sbom.Library, "v0.0.0", true},
	} {
		if got := noGoVersion(c.kind, c.v); (got != "") != c.bad {
			t.Errorf("%s %s: %q", c.kind, c.v, got)
		}
	}
}

// TestReleases gives point releases, code names and spellings the same form.
func TestReleases(t *testing.T) {
	for in, want := range map[string]string{
		"Debian:12": "12", "Debian:12.15": "12", "Debian:bookworm": "12", "Debian:6.0": "6", "Debian:3.1": "3.1", "Debian:sid": "sid",
		"Ubuntu:22.04:LTS": "22.04", "Ubuntu:22.04.3": "22.04", "Ubuntu:23.10": "23.10", "Ubuntu:Pro:18.04:LTS": "Pro:18.04:LTS",
		"Alpine:v3.19": "v3.19", "Alpine:3.19.1": "v3.19", "Alpine:edge": "edge", "Maven:https://maven.google.com": "", "Go": "", "Debian": "",
	} {
		if _, got := split(in); got != want {
			t.Errorf("release of %s is %q, want %q", in, got, want)
		}
	}
	for _, c := range [][2]string{{"Debian", "testing"}, {"Debian", "12a"}, {"Debian", ""}, {"Ubuntu", "22"}, {"Alpine", "3"}, {"Alpine", "3.21_alpha20240923"}, {"Wolfi", "1"}} {
		if r, ok := releaseOf(c[0], c[1]); ok {
			t.Errorf("%v is release %q", c, r)
		}
	}
}

func TestFoldPyPI(t *testing.T) {
	for in, want := range map[string]string{ // PEP 503: re.sub(r"[-_.]+", "-", name).lower()
		"Friendly-Bard": "friendly-bard", "FRIENDLY.BARD": "friendly-bard", "friendly__bard": "friendly-bard", "FrIeNdLy-._.-bArD": "friendly-bard",
	} {
		if got := foldPyPI(in); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
}
