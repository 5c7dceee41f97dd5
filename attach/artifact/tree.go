package artifact

import (
	"fmt"
	"path"

	"github.com/hallmark-oci/hallmark/attach"
)

// names are the files and directories of one artifact: each name stands for one
// thing, and nothing is below a file.
type names struct {
	dirs  map[string]bool // true for those that were named, false for those on the way
	files map[string]bool
}

func newNames() *names {
	return &names{dirs: make(map[string]bool), files: make(map[string]bool)}
}

// add notes a name. A directory may be named again.
func (n *names) add(name string, dir bool) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if len(n.files)+len(n.dirs) >= MaxFiles {
		return fmt.Errorf("more than %d files and directories: %w", MaxFiles, attach.ErrLimit)
	}
	if n.files[name] || !dir && n.has(name) {
		return fmt.Errorf("the name %q is there twice: %w", name, attach.ErrMalformed)
	}
	for up := path.Dir(name); up != "."; up = path.Dir(up) {
		if n.files[up] {
			return fmt.Errorf("%q lies below %q, which is a file: %w", name, up, attach.ErrMalformed)
		}
		if !n.has(up) {
			n.dirs[up] = false
		}
	}
	if dir {
		n.dirs[name] = true
	} else {
		n.files[name] = true
	}
	return nil
}

func (n *names) has(dir string) bool { _, ok := n.dirs[dir]; return ok }
