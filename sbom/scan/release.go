package scan

import (
	"bufio"
	"bytes"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

// release reads the os-release file, which names the distribution of an image
// (freedesktop.org, os-release(5)).
type release struct{}

const (
	releaseFormat extract.Format = "os-release"
	maxRelease                   = 64 << 10
)

// releasePaths returns where the file is looked for, the first one that exists counts.
func releasePaths() []string { return []string{"etc/os-release", "usr/lib/os-release"} }

// Name implements extract.Extractor.
func (release) Name() string { return "os" }

// Match implements extract.Extractor. The real file may have any directory,
// reached by a link, so that every file of the name is read.
func (release) Match(p string, _ int64) extract.Format {
	if strings.HasSuffix(p, "os-release") {
		return releaseFormat
	}
	return ""
}

// Open implements extract.Extractor.
func (release) Open(_ extract.Format, size int64) extract.Sink {
	return extract.Whole(size, maxRelease, parseRelease)
}

// parseRelease reads the assignments. Values may stand in quotes, with
// backslash escapes inside double ones.
func parseRelease(b []byte) (extract.Record, error) {
	values := make(map[string]string)
	sc := bufio.NewScanner(bytes.NewReader(b))
	for sc.Scan() {
		name, value, ok := strings.Cut(strings.TrimSpace(sc.Text()), "=")
		if ok && !strings.HasPrefix(name, "#") {
			values[name] = unquote(strings.TrimSpace(value))
		}
	}
	p := extract.Package{Name: values["ID"], Version: values["VERSION_ID"], Role: values["PRETTY_NAME"]}
	if p.Name == "" {
		p.Name = "linux" // the default that os-release(5) names
	}
	return extract.Record{Packages: []extract.Package{p}}, sc.Err()
}

func unquote(s string) string {
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '"' && s[0] != '\'' {
		return s
	}
	inner := s[1 : len(s)-1]
	if s[0] == '\'' {
		return inner
	}
	var out strings.Builder
	for i := 0; i < len(inner); i++ {
		if inner[i] == '\\' && i+1 < len(inner) {
			i++
		}
		out.WriteByte(inner[i])
	}
	return out.String()
}

// Resolve implements extract.Extractor.
func (release) Resolve(v *extract.View) extract.Result {
	for _, p := range releasePaths() {
		f, ok := v.Find(p, releaseFormat)
		if !ok || len(f.Record.Packages) == 0 {
			continue
		}
		os := f.Record.Packages[0]
		return extract.Result{Components: []sbom.Component{{
			ID: "os", Type: sbom.OS, Name: os.Name, Version: os.Version,
			Locations: []sbom.Location{{Path: f.Path, Layer: f.Layer}},
		}}}
	}
	return extract.Result{}
}

// distro returns what the image's os-release file says.
func distro(v *extract.View) sbom.Distro {
	for _, p := range releasePaths() {
		if f, ok := v.Find(p, releaseFormat); ok && len(f.Record.Packages) > 0 {
			os := f.Record.Packages[0]
			return sbom.Distro{ID: os.Name, VersionID: os.Version, PrettyName: os.Role}
		}
	}
	return sbom.Distro{}
}
