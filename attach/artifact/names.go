package artifact

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
)

// CheckName accepts the names that a file of an artifact may have: relative
// paths with slashes that lead nowhere but down. "..", ".", absolute paths,
// empty parts, backslashes, colons and control characters are refused, so that
// a name means the same on every system, with an error that wraps
// [attach.ErrMalformed].
func CheckName(name string) error {
	bad := func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == ':' }
	switch {
	case len(name) > maxName:
		return fmt.Errorf("the name of a file has %d bytes, the limit is %d: %w", len(name), maxName, attach.ErrLimit)
	case !fs.ValidPath(name) || name == "." || strings.ContainsFunc(name, bad):
		return fmt.Errorf("the file name %q is not a plain relative path: %w", name, attach.ErrMalformed)
	case strings.Count(name, "/") >= maxDepth:
		return fmt.Errorf("the file name %.64q... is nested deeper than %d directories: %w", name, maxDepth, attach.ErrLimit)
	}
	return nil
}

// NameOf returns the name that the file or directory at the path gets in an
// artifact: the path itself where it is relative and leads down, as oras has
// it, else its last part.
func NameOf(path string) string {
	if filepath.IsLocal(path) && filepath.Clean(path) != "." {
		return filepath.ToSlash(filepath.Clean(path))
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return filepath.Base(path)
}
