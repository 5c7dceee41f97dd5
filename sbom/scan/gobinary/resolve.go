package gobinary

import (
	"path"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/purl"
	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

// Resolve implements extract.Extractor. The build information does not say
// which module needs which, so that every module depends directly on the program.
func (Extractor) Resolve(v *extract.View) extract.Result {
	var res extract.Result
	for i := range v.Files {
		f := &v.Files[i]
		if len(f.Record.Packages) == 0 {
			continue
		}
		at := []sbom.Location{{Path: f.Path, Layer: f.Layer}}
		main := &f.Record.Packages[0]
		root := f.Path
		res.Components = append(res.Components, application(main, f.Path, root, at))
		for j := range f.Record.Packages[1:] {
			p := &f.Record.Packages[j+1]
			id := root + "\x00" + p.Name + "@" + p.Version
			res.Components = append(res.Components, sbom.Component{
				ID: id, Type: sbom.Library, Name: p.Name, Version: p.Version,
				PURL: goPURL(p.Name, p.Version), Locations: at,
			})
			res.Relate(root, sbom.DependsOn, id)
		}
	}
	return res
}

// application is the program itself. Programs of the Go distribution and those
// built without a module have no version that means anything elsewhere, hence
// no package URL.
func application(main *extract.Package, file, id string, at []sbom.Location) sbom.Component {
	c := sbom.Component{ID: id, Type: sbom.Application, Name: main.Name, Version: main.Version, Locations: at}
	if c.Name == "" || c.Name == "command-line-arguments" {
		c.Name, c.Version = main.Place, ""
	}
	if c.Name == "" || c.Name == "command-line-arguments" {
		c.Name = path.Base(file)
	}
	if c.Version != "" {
		c.PURL = goPURL(c.Name, c.Version)
	}
	return c
}

// goPURL returns the package URL of a module. Case is kept: it tells modules apart.
func goPURL(module, version string) purl.PURL {
	namespace, name := "", module
	if i := strings.LastIndexByte(module, '/'); i >= 0 {
		namespace, name = module[:i], module[i+1:]
	}
	return purl.PURL{Type: "golang", Namespace: namespace, Name: name, Version: version}
}
