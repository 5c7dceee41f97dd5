package dpkg

import (
	"fmt"
	"path"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

// A found package is one that the image's database lists.
type found struct {
	*extract.Package
	id string
}

// Resolve implements extract.Extractor.
func (Extractor) Resolve(v *extract.View) extract.Result {
	var res extract.Result
	var all []found
	status, single := v.Real(statusPath), v.Real(singleDir)
	for i := range v.Files {
		f := &v.Files[i]
		switch {
		case f.Format == copyrightFormat:
			continue
		case f.Format == statusFormat && f.Path != status, f.Format == singleFormat && path.Dir(f.Path) != single:
			if len(f.Record.Packages) > 0 {
				res.Unknowns = append(res.Unknowns, sbom.Unknown{Path: f.Path,
					Reason: fmt.Sprintf("a dpkg database that is not the image's own; its %d packages are not listed", len(f.Record.Packages))})
			}
			continue
		}
		for j := range f.Record.Packages {
			p := &f.Record.Packages[j]
			id := p.Name + ":" + p.Arch + "=" + p.Version
			all = append(all, found{p, id})
			res.Components = append(res.Components, component(v, f, p, id))
		}
	}
	if len(all) > 0 && v.Distro.ID == "" {
		res.Unknowns = append(res.Unknowns, sbom.Unknown{Path: v.Files[0].Path, Reason: extract.NoDistro})
	}
	relate(&res, all)
	return res
}

func component(v *extract.View, f *extract.File, p *extract.Package, id string) sbom.Component {
	c := sbom.Component{
		ID: id, Type: sbom.Library, Name: p.Name, Version: p.Version,
		PURL:     extract.SystemPURL("deb", v.Distro, p),
		Supplier: p.Supplier, SourceName: p.SourceName, SourceVersion: p.SourceVersion,
		Locations: []sbom.Location{{Path: f.Path, Layer: f.Since(p)}},
	}
	if doc, ok := v.Find(path.Join(docDir, p.Name, "copyright"), copyrightFormat); ok && len(doc.Record.Packages) > 0 {
		c.Licenses = doc.Record.Packages[0].Licenses
	}
	return c
}

// relate adds the dependencies. Of the alternatives of a dependency the first
// one counts that is there, by its own name or by what a package provides.
// Versions are not compared: dpkg did that when it configured the package.
func relate(res *extract.Result, all []found) {
	byName := make(map[string][]found, len(all))
	for _, f := range all {
		byName[f.Name] = append(byName[f.Name], f)
	}
	provided := make(map[string][]found)
	for _, f := range all {
		for _, name := range f.Provides {
			provided[name] = append(provided[name], f)
		}
	}
	for _, f := range all {
		for _, alternatives := range f.Requires {
			if to, ok := satisfy(f, alternatives, byName, provided); ok {
				res.Relate(f.id, sbom.DependsOn, to.id)
			}
		}
	}
}

func satisfy(from found, alternatives []string, byName, provided map[string][]found) (found, bool) {
	for _, want := range alternatives {
		name, arch, _ := strings.Cut(want, ":")
		if arch == "" || arch == "any" || arch == "native" {
			arch = from.Arch
		}
		for _, list := range [][]found{byName[name], provided[name]} {
			if f, ok := prefer(list, arch); ok {
				return f, true
			}
		}
	}
	return found{}, false
}

// prefer chooses the package of the architecture, else the first one.
func prefer(list []found, arch string) (found, bool) {
	for _, f := range list {
		if f.Arch == arch {
			return f, true
		}
	}
	if len(list) == 0 {
		return found{}, false
	}
	return list[0], true
}
