package scan

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

// maxHops is how many symbolic links one path may lead through, as in Linux.
const maxHops = 40

// A tree is the merged image, as far as it matters: the files that extractors
// read, the symbolic links, and the directories on the way to them.
//
// Layers are laid over each other as container runtimes do it: entries are
// taken in tar order; the directories in a path are followed through symbolic
// links; a directory keeps what is in a directory of the same name, anything
// else takes its place; a whiteout removes only what layers below brought.
type tree struct {
	root       *node
	extractors []extract.Extractor
	// The directory looked up last. Files of a directory stand together.
	lastDir  string
	lastReal string
	valid    bool
}

// A node is a directory (no versions, no link), a file or a symbolic link.
type node struct {
	children map[string]*node
	isLink   bool
	target   string
	versions []version // the oldest first; the last one is visible
	layer    int
}

// A version is what one layer made of a file.
type version struct {
	layer   int
	records []record
}

func (n *node) isDir() bool { return !n.isLink && len(n.versions) == 0 }

func newTree(extractors []extract.Extractor) *tree {
	return &tree{root: &node{}, extractors: extractors}
}

// lay puts a layer on top. The number tells its place in the image.
func (t *tree) lay(l *layer, number int) {
	file, target := 0, 0
	t.valid = false
	l.index.each(func(k kind, p []byte) {
		if k == opaque {
			t.opaque(string(p), number)
			return
		}
		dirPart, base := splitPath(p)
		at := t.dirOf(dirPart) + base
		switch k {
		case plain:
			t.remove(at)
		case dir:
			if n := t.get(at); n != nil && !n.isDir() {
				t.remove(at)
			}
		case kept:
			t.put(at, version{number, l.files[file]})
			file++
		case symlink:
			t.symlink(at, l.targets[target].target, number)
			target++
		case hardlink:
			t.hardlink(at, l.targets[target], number)
			target++
		case whiteout:
			t.hide(at, number)
		}
	})
}

// splitPath cuts the path behind its last slash.
func splitPath(p []byte) (dirPart []byte, base string) {
	i := len(p)
	for i > 0 && p[i-1] != '/' {
		i--
	}
	return p[:i], string(p[i:])
}

// dirOf returns the real path of the directory, ending in a slash unless it is the root.
func (t *tree) dirOf(dirPart []byte) string {
	if !t.valid || t.lastDir != string(dirPart) {
		t.lastDir = string(dirPart)
		t.lastReal = t.real(t.lastDir, true)
		if t.lastReal != "" {
			t.lastReal += "/"
		}
		t.valid = true
	}
	return t.lastReal
}

// get returns the node at a real path, nil when there is none.
func (t *tree) get(p string) *node {
	n := t.root
	for part := range strings.SplitSeq(p, "/") {
		if n == nil || part == "" {
			return n
		}
		n = n.children[part]
	}
	return n
}

// make returns the node at a real path, made where it is missing. Files on the way to it turn into directories.
func (t *tree) make(p string) *node {
	n := t.root
	parts := strings.Split(p, "/")
	for i, part := range parts {
		child := n.children[part]
		if child == nil {
			child = &node{}
			if n.children == nil {
				n.children = make(map[string]*node, 1)
			}
			n.children[part] = child
		}
		if i < len(parts)-1 && !child.isDir() {
			*child = node{}
		}
		n = child
	}
	t.valid = false
	return n
}

// remove deletes what is at a real path, whatever layer brought it.
func (t *tree) remove(p string) {
	parentPath, base := path.Split(p)
	parent := t.get(strings.TrimSuffix(parentPath, "/"))
	if parent == nil || parent.children[base] == nil {
		return
	}
	delete(parent.children, base)
	t.valid = false
}

// put makes the path a file. A file that was there becomes an earlier version.
func (t *tree) put(p string, v version) {
	n := t.make(p)
	versions := n.versions
	*n = node{versions: append(versions, v), layer: v.layer}
}

func (t *tree) symlink(p, target string, layer int) {
	*t.make(p) = node{isLink: true, target: target, layer: layer}
}

// hardlink makes the path another name of the link's target.
func (t *tree) hardlink(p string, l link, layer int) {
	records := slices.Clone(l.extra)
	if n := t.get(t.real(l.target, false)); n != nil && len(n.versions) > 0 {
		records = append(records, n.versions[len(n.versions)-1].records...)
	} else if n != nil && n.isLink {
		t.symlink(p, n.target, layer)
		return
	}
	records = slices.DeleteFunc(records, func(r record) bool {
		return t.extractors[r.by].Match(p, unknownSize) != r.format
	})
	if len(records) == 0 {
		t.remove(p)
		return
	}
	t.put(p, version{layer, records})
}

// hide deletes what layers below the given one brought at a real path.
func (t *tree) hide(p string, layer int) {
	n := t.get(p)
	if n == nil || p == "" {
		return
	}
	if n.hide(layer) {
		t.remove(p)
	}
	t.valid = false
}

func (t *tree) opaque(p string, layer int) {
	if n := t.get(t.real(p, true)); n != nil {
		n.hideChildren(layer)
		t.valid = false
	}
}

// hide reports whether nothing is left of the node.
func (n *node) hide(layer int) bool {
	if !n.isDir() {
		if n.layer < layer {
			return true
		}
		// Written again by the same layer: what was there before is gone.
		n.versions = slices.DeleteFunc(n.versions, func(v version) bool { return v.layer < layer })
		return false
	}
	n.hideChildren(layer)
	return len(n.children) == 0
}

func (n *node) hideChildren(layer int) {
	for name, child := range n.children {
		if child.hide(layer) {
			delete(n.children, name)
		}
	}
}

// real follows the symbolic links in the path and returns where it leads, as a
// path without links. The last part is followed only when asked for. Parts
// that do not exist are kept; ".." never leaves the root. A path that leads
// through too many links, a loop for example, is returned as it is.
func (t *tree) real(p string, last bool) string {
	todo := slices.DeleteFunc(strings.Split(p, "/"), func(s string) bool { return s == "" || s == "." })
	slices.Reverse(todo)
	var names []string
	nodes := []*node{t.root}
	for hops := 0; len(todo) > 0; {
		part := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if part == ".." {
			if len(names) > 0 {
				names, nodes = names[:len(names)-1], nodes[:len(nodes)-1]
			}
			continue
		}
		var n *node
		if at := nodes[len(nodes)-1]; at != nil {
			n = at.children[part]
		}
		if n == nil || !n.isLink || len(todo) == 0 && !last {
			names, nodes = append(names, part), append(nodes, n)
			continue
		}
		if hops++; hops > maxHops {
			return strings.Trim(p, "/")
		}
		if strings.HasPrefix(n.target, "/") {
			names, nodes = nil, nodes[:1]
		}
		rest := strings.Split(n.target, "/")
		slices.Reverse(rest)
		todo = append(todo, slices.DeleteFunc(rest, func(s string) bool { return s == "" || s == "." })...)
	}
	return strings.Join(names, "/")
}

// each calls visit for every visible file in the order of paths.
func (t *tree) each(visit func(p string, versions []version)) { t.root.each("", visit) }

func (n *node) each(p string, visit func(string, []version)) {
	if len(n.versions) > 0 {
		visit(p, n.versions)
	}
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		n.children[name].each(path.Join(p, name), visit)
	}
}
