package npm

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/purl"
	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

// A member is a package in its directory.
type member struct {
	*extract.Package
	dir  string
	kind sbom.Type
	at   sbom.Location
	dev  [][]string // what only the development of the package needs
}

// A resolver puts the files together.
type resolver struct {
	view    *extract.View
	members map[string]*member // by directory
	queue   []*member          // the same, in the order in which they were found
	alias   map[string]string  // directories that lock files call links
	holders map[string]bool    // directories that have a node_modules
	project map[string]*extract.File
	locks   map[string]*extract.File // by directory of the project
	hidden  map[string]*extract.File
	res     extract.Result
}

// Resolve implements extract.Extractor.
func (Extractor) Resolve(v *extract.View) extract.Result {
	r := &resolver{view: v,
		members: make(map[string]*member), alias: make(map[string]string), holders: make(map[string]bool),
		project: make(map[string]*extract.File), locks: make(map[string]*extract.File), hidden: make(map[string]*extract.File)}
	for i := range v.Files {
		r.sort(&v.Files[i])
	}
	populated := maps.Clone(r.holders)
	for _, dir := range slices.Sorted(maps.Keys(r.hidden)) {
		r.enrich(dir, r.hidden[dir])
	}
	for _, dir := range slices.Sorted(maps.Keys(r.locks)) {
		if populated[dir] || r.hidden[dir] != nil {
			r.enrich(dir, r.locks[dir])
		} else {
			r.list(dir, r.locks[dir])
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(r.project)) {
		if populated[dir] || r.hidden[dir] != nil || r.locks[dir] != nil {
			r.application(dir, r.project[dir])
		}
	}
	r.relate()
	return r.res
}

// sort takes in one file by its format.
func (r *resolver) sort(f *extract.File) {
	if len(f.Record.Packages) == 0 {
		return
	}
	dir := parent(f.Path)
	switch p := &f.Record.Packages[0]; f.Format {
	case installed:
		if p.Name == "" || p.Version == "" {
			r.res.Unknowns = append(r.res.Unknowns, sbom.Unknown{Path: f.Path, Reason: "an installed package without a name or a version"})
			return
		}
		r.add(&member{Package: p, dir: dir, kind: sbom.Library, at: sbom.Location{Path: f.Path, Layer: f.Layer}})
	case project:
		r.project[dir] = f
	case lockFile:
		// npm-shrinkwrap.json sorts first and goes before package-lock.json.
		if r.locks[dir] == nil {
			r.locks[dir] = f
		}
	case hiddenLock:
		r.hidden[parent(dir)] = f
	}
}

// parent returns the directory of the path, "" for the root.
func parent(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}

// add takes in a package unless there is one in its directory.
func (r *resolver) add(m *member) {
	if r.members[m.dir] != nil {
		return
	}
	r.members[m.dir] = m
	r.queue = append(r.queue, m)
	r.hold(m.dir)
}

// hold notes every directory on the way that has a node_modules.
func (r *resolver) hold(dir string) {
	parts := strings.Split(dir, "/")
	for i, part := range parts {
		if part == modules {
			r.holders[strings.Join(parts[:i], "/")] = true
		}
	}
}

// place returns the directory that a lock file of a project means. It cannot
// leave the root.
func place(dir, relative string) string { return path.Join("/", dir, relative)[1:] }

// list takes in the packages of a lock file beside which nothing is installed.
func (r *resolver) list(dir string, f *extract.File) {
	linked := make(map[string]string) // names of the members of the project
	for _, p := range f.Record.Packages {
		if p.Role == roleLink {
			at, to := place(dir, p.Place), place(dir, p.Provides[0])
			r.alias[at], linked[to] = to, nameOf(p.Place)
			r.hold(at)
		}
	}
	var last *member
	for i := range f.Record.Packages {
		p := &f.Record.Packages[i]
		at := place(dir, p.Place)
		if p.Role == roleDev && last != nil && last.dir == at {
			last.dev = p.Requires
		}
		if p.Role != "" || p.Place == "" {
			continue
		}
		named := *p
		if named.Name = cmp.Or(p.Name, linked[at]); named.Name == "" {
			continue
		}
		last = &member{Package: &named, dir: at, kind: sbom.Library, at: sbom.Location{Path: f.Path, Layer: f.Layer}}
		r.add(last)
	}
}

// enrich gives installed packages the hashes that a lock file has for them,
// and finds the members of the project, to which node_modules has only links.
func (r *resolver) enrich(dir string, f *extract.File) {
	for _, p := range f.Record.Packages {
		if p.Role == roleLink {
			at, to := place(dir, p.Place), place(dir, p.Provides[0])
			r.alias[at] = to
			r.hold(at)
			r.promote(to)
		}
		m := r.members[r.view.Real(place(dir, p.Place))]
		if p.Role != "" || p.Place == "" || m == nil || m.Version != p.Version || len(m.Hashes) > 0 {
			continue
		}
		with := *m.Package
		with.Hashes = p.Hashes
		m.Package = &with
	}
}

// promote makes the project in the directory a package that others can use.
func (r *resolver) promote(dir string) *member {
	f := r.project[dir]
	if m := r.members[dir]; m != nil || f == nil {
		return m
	}
	p := &f.Record.Packages[0]
	if p.Name == "" || p.Version == "" {
		return nil
	}
	r.add(&member{Package: p, dir: dir, kind: sbom.Library, dev: dev(f), at: sbom.Location{Path: f.Path, Layer: f.Layer}})
	return r.members[dir]
}

// dev returns the development dependencies that a package.json names.
func dev(f *extract.File) [][]string {
	if len(f.Record.Packages) < 2 {
		return nil
	}
	return f.Record.Packages[1].Requires
}

// application takes in the project itself.
func (r *resolver) application(dir string, f *extract.File) {
	p := f.Record.Packages[0]
	if p.Name == "" {
		p.Name = cmp.Or(path.Base("/"+dir), "project")
		p.Role = rolePrivate
	}
	r.add(&member{Package: &p, dir: dir, kind: sbom.Application, dev: dev(f), at: sbom.Location{Path: f.Path, Layer: f.Layer}})
}

// relate finds the dependencies of each package and writes the result. Members
// that are found on the way are looked at in turn.
func (r *resolver) relate() {
	for i := 0; i < len(r.queue); i++ {
		m := r.queue[i]
		r.res.Components = append(r.res.Components, m.component())
		for _, want := range slices.Concat(m.Requires, m.dev) {
			if to := r.find(m.dir, want[0]); to != nil {
				r.res.Relate(m.id(), sbom.DependsOn, to.id())
			}
		}
	}
}

// find returns the package that a module in the directory gets under the name,
// as Node.js looks for it (https://nodejs.org/api/modules.html, "Loading from
// node_modules folders").
func (r *resolver) find(dir, name string) *member {
	for at := dir; ; at = parent(at) {
		if r.holders[at] && path.Base(at) != modules {
			wanted := place(at, modules+"/"+name)
			if to, ok := r.alias[wanted]; ok {
				wanted = to
			}
			if m := r.members[wanted]; m != nil {
				return m
			}
			if real := r.view.Real(wanted); real != wanted {
				if m := r.promote(real); m != nil {
					return m
				}
			}
		}
		if at == "" {
			return nil
		}
	}
}

// id is the identifier of the package within the result.
func (m *member) id() string { return "/" + m.dir }

func (m *member) component() sbom.Component {
	c := sbom.Component{
		ID: m.id(), Type: m.kind, Name: m.Name, Version: m.Version,
		Licenses: m.Licenses, Supplier: m.Supplier, Hashes: m.Hashes, Locations: []sbom.Location{m.at},
	}
	// A project that is not published has no name that means anything elsewhere.
	if m.kind != sbom.Application || m.Role != rolePrivate && m.Version != "" {
		c.PURL = npmPURL(m.Name, m.Version)
	}
	return c
}

// npmPURL returns the package URL of a package; the scope is the namespace.
func npmPURL(name, version string) purl.PURL {
	scope, rest, scoped := strings.Cut(name, "/")
	if !scoped {
		scope, rest = "", name
	}
	return purl.PURL{Type: "npm", Namespace: scope, Name: rest, Version: version}
}
