// Package apk finds the packages of Alpine, Wolfi and their like, from the
// database of apk: lib/apk/db/installed, or usr/lib/apk/db/installed on
// systems that have only one lib directory.
//
// The database is a list of paragraphs of one-letter fields (apk-package(5)
// and apk-tools' documentation of the installed database). All packages in it
// are installed. Each is attributed to the layer since which the database has
// had that name and version without a break.
package apk

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

// Extractor reads apk databases. It implements [extract.Extractor].
type Extractor struct{}

const (
	installed    extract.Format = "installed"
	maxInstalled                = 32 << 20 // bytes of a database
)

// databases returns where the database is looked for.
func databases() []string { return []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"} }

// Name implements extract.Extractor.
func (Extractor) Name() string { return "apk" }

// Match implements extract.Extractor.
func (Extractor) Match(p string, _ int64) extract.Format {
	if strings.HasSuffix(p, "db/installed") && (strings.HasSuffix(p, "apk/db/installed") || p == "db/installed") {
		return installed
	}
	return ""
}

// Open implements extract.Extractor.
func (Extractor) Open(_ extract.Format, size int64) extract.Sink {
	return extract.Whole(size, maxInstalled, parse)
}

// parse reads a database. The many lines about files are passed over.
func parse(b []byte) (extract.Record, error) {
	var r extract.Record
	var p extract.Package
	bad, begun := 0, false
	end := func() {
		switch {
		case !begun:
		case p.Name == "" || p.Version == "":
			bad++
		default:
			r.Packages = append(r.Packages, p)
		}
		p, begun = extract.Package{}, false
	}
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		line = bytes.TrimRight(line, "\r")
		if len(line) == 0 {
			end()
			continue
		}
		begun = true
		if len(line) > 2 && line[1] == ':' {
			set(&p, line[0], line[2:])
		}
	}
	end()
	if bad > 0 {
		return r, fmt.Errorf("%d packages have no name or no version", bad)
	}
	return r, nil
}

func set(p *extract.Package, field byte, value []byte) {
	switch field {
	case 'P':
		p.Name = string(value)
	case 'V':
		p.Version = string(value)
	case 'A':
		p.Arch = string(value)
	case 'L':
		p.Licenses = []string{string(value)}
	case 'm':
		p.Supplier = string(value)
	case 'o':
		p.SourceName = string(value)
	case 'D':
		for _, want := range strings.Fields(string(value)) {
			if !strings.HasPrefix(want, "!") {
				p.Requires = append(p.Requires, []string{bare(want)})
			}
		}
	case 'p':
		for _, name := range strings.Fields(string(value)) {
			p.Provides = append(p.Provides, bare(name))
		}
	}
}

// bare returns the name without the version that is asked for or provided and
// without the repository tag.
func bare(s string) string {
	if i := strings.IndexAny(s, "<>=~@"); i >= 0 {
		return s[:i]
	}
	return s
}

// Resolve implements extract.Extractor.
func (Extractor) Resolve(v *extract.View) extract.Result {
	var res extract.Result
	own := make(map[string]bool, len(databases()))
	for _, p := range databases() {
		own[v.Real(p)] = true
	}
	providers := make(map[string]string)
	var all []*extract.Package
	for i := range v.Files {
		f := &v.Files[i]
		if !own[f.Path] {
			if len(f.Record.Packages) > 0 {
				res.Unknowns = append(res.Unknowns, sbom.Unknown{Path: f.Path,
					Reason: fmt.Sprintf("an apk database that is not the image's own; its %d packages are not listed", len(f.Record.Packages))})
			}
			continue
		}
		for j := range f.Record.Packages {
			p := &f.Record.Packages[j]
			all = append(all, p)
			res.Components = append(res.Components, component(v, f, p))
		}
	}
	if len(all) > 0 && v.Distro.ID == "" {
		res.Unknowns = append(res.Unknowns, sbom.Unknown{Path: v.Files[0].Path, Reason: extract.NoDistro})
	}
	index(providers, all)
	for _, p := range all {
		for _, alternatives := range p.Requires {
			if to, ok := providers[alternatives[0]]; ok {
				res.Relate(id(p), sbom.DependsOn, to)
			}
		}
	}
	return res
}

// index notes which package answers to which name. A package's own name goes
// before what others provide.
func index(providers map[string]string, all []*extract.Package) {
	for _, p := range all {
		for _, name := range p.Provides {
			if _, taken := providers[name]; !taken {
				providers[name] = id(p)
			}
		}
	}
	for _, p := range all {
		providers[p.Name] = id(p)
	}
}

// id is the identifier of the package within the result.
func id(p *extract.Package) string { return p.Name + "=" + p.Version }

func component(v *extract.View, f *extract.File, p *extract.Package) sbom.Component {
	src := *p
	if src.SourceName == src.Name {
		src.SourceName = ""
	}
	c := sbom.Component{
		ID: id(p), Type: sbom.Library, Name: p.Name, Version: p.Version,
		PURL:     extract.SystemPURL("apk", v.Distro, &src),
		Licenses: p.Licenses, Supplier: p.Supplier,
		Locations: []sbom.Location{{Path: f.Path, Layer: f.Since(p)}},
	}
	if src.SourceName != "" {
		c.SourceName, c.SourceVersion = src.SourceName, p.Version
	}
	return c
}
