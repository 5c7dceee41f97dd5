// Package npm finds Node.js packages: those that are installed in
// node_modules directories, and those that a lock file names where nothing is
// installed.
//
// What is on disk is the truth. A package counts when its package.json, with
// name and version, stands where package managers put it: in
// node_modules/<name> or node_modules/@scope/<name>, with nothing but further
// node_modules steps between the outermost node_modules and it (the stores of
// pnpm and its like, node_modules/.pnpm/<id>/node_modules/<name>, included). A
// package.json anywhere else inside of node_modules is a fixture, a test or a
// part of a package, and no package.
//
// package-lock.json, npm-shrinkwrap.json and npm's hidden
// node_modules/.package-lock.json add what only they know: the hash of the
// archive that a package came from, and which packages are members of the
// project itself. A lock file beside which nothing is installed lists all its
// packages, those for development and for other platforms included, because
// it is then the only statement about what the project uses.
//
// Dependencies are found as Node.js finds modules: in the node_modules of the
// package, then of each directory above it. The project's own package.json
// becomes an application when it has a lock file or installed packages.
package npm

import (
	"path"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

// Extractor reads installed Node.js packages and npm lock files. It implements
// [extract.Extractor].
type Extractor struct{}

const (
	installed  extract.Format = "package.json in node_modules"
	project    extract.Format = "package.json"
	lockFile   extract.Format = "package-lock.json"
	hiddenLock extract.Format = ".package-lock.json"
)

// Sizes of the largest files that are read, in bytes.
const (
	maxManifest = 4 << 20
	maxLock     = 32 << 20
)

const modules = "node_modules"

// Name implements extract.Extractor.
func (Extractor) Name() string { return "npm" }

// Match implements extract.Extractor.
func (Extractor) Match(p string, _ int64) extract.Format {
	switch path.Base(p) {
	case "package.json":
		inside, proper := standing(path.Dir(p))
		switch {
		case !inside:
			return project
		case proper:
			return installed
		}
	case "package-lock.json", "npm-shrinkwrap.json":
		if inside, _ := standing(path.Dir(p)); !inside {
			return lockFile
		}
	case ".package-lock.json":
		parent := path.Dir(p)
		if inside, _ := standing(path.Dir(parent)); path.Base(parent) == modules && !inside {
			return hiddenLock
		}
	}
	return ""
}

// Open implements extract.Extractor.
func (Extractor) Open(f extract.Format, size int64) extract.Sink {
	if f == lockFile || f == hiddenLock {
		return extract.Whole(size, maxLock, parseLock)
	}
	return extract.Whole(size, maxManifest, parseManifest)
}

// standing reports whether the directory is inside of a node_modules
// directory, and whether it is a place where a package manager puts a package.
func standing(dir string) (inside, proper bool) {
	parts := strings.Split(dir, "/")
	i := 0
	for i < len(parts) && parts[i] != modules {
		i++
	}
	if i == len(parts) {
		return false, false
	}
	for i < len(parts) {
		if parts[i] != modules || i+1 == len(parts) {
			return true, false
		}
		switch next := parts[i+1]; {
		case strings.HasPrefix(next, "."):
			// A store: the directory behind it holds a node_modules again.
			i += 3
			if i >= len(parts) {
				return true, false
			}
		case strings.HasPrefix(next, "@"):
			i += 3
		default:
			i += 2
		}
	}
	return true, i == len(parts)
}
