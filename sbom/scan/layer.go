package scan

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/inflate"
	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

// A layer is what is kept of one layer: a pure function of its content.
type layer struct {
	diffID  string
	index   index
	files   [][]record // of the kept entries, in order
	targets []link     // of the symlink and hardlink entries, in order
}

// A record is what one extractor read from one file.
type record struct {
	by     int // place of the extractor in the list
	format extract.Format
	extract.Record
}

// A link is where a symbolic or hard link leads.
type link struct {
	target string
	// extra holds what was read from the target of a hard link because the
	// link's name asks for a format that the target's name does not.
	extra []record
}

// budgets are shared by all layers of an image.
type budgets struct {
	uncompressed, index, links, retained *budget
	files                                int
}

func newBudgets(l Limits) *budgets {
	return &budgets{
		uncompressed: newBudget(l.Uncompressed, "bytes of uncompressed layers"),
		index:        newBudget(l.Index, "bytes of file names"),
		links:        newBudget(int64(l.Links), "links"),
		retained:     newBudget(l.Retained, "bytes of package descriptions"),
		files:        l.Files,
	}
}

// A walker reads one layer.
type walker struct {
	*layer
	extractors []extract.Extractor
	budgets    *budgets
	buf        []byte
	raw        *metered
	// again asks for files to be read in formats that their own names do not
	// ask for, because a hard link does.
	again map[string][]claim
}

// A claim is an extractor's wish to read a file.
type claim struct {
	by     int
	format extract.Format
}

// stream inflates the blob, checks the content against the diffID and calls
// visit for each entry of the tar inside.
func (w *walker) stream(ctx context.Context, blob io.Reader, visit func(*tar.Reader, *tar.Header) error) error {
	content, err := inflate.Reader(blob, maxWindow)
	if err != nil {
		return err
	}
	defer content.Close()
	sum := sha256.New()
	w.raw = &metered{r: io.TeeReader(content, sum), b: w.budgets.uncompressed}
	tr := tar.NewReader(w.raw)
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("tar, behind entry %d: %w", n, err)
		}
		if n >= w.budgets.files {
			return fmt.Errorf("more than %d entries: %w", w.budgets.files, attach.ErrLimit)
		}
		if err := visit(tr, h); err != nil {
			return err
		}
	}
	// What follows the end marker of the tar counts for both digests.
	if _, err := io.Copy(io.Discard, w.raw); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, blob); err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); got != w.diffID {
		return fmt.Errorf("the content has diffID %s, the image config says %s: %w", got, w.diffID, attach.ErrDigest)
	}
	return nil
}

// entry handles one entry of the tar.
func (w *walker) entry(tr *tar.Reader, h *tar.Header) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name := clean(h.Name)
	if len(name) > maxPath {
		return fmt.Errorf("a path of %d bytes, more than %d: %w", len(name), maxPath, attach.ErrLimit)
	}
	if name == "" || strings.HasPrefix(name, ".wh..wh.") && name != opaqueName || strings.Contains(name, "/.wh..wh.") && path.Base(name) != opaqueName {
		return nil // the root itself, or bookkeeping of AUFS
	}
	if base := path.Base(name); strings.HasPrefix(base, whiteoutPrefix) {
		return w.whiteout(name, base)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return w.note(dir, name)
	case tar.TypeSymlink:
		return w.link(symlink, name, h.Linkname)
	case tar.TypeLink:
		return w.link(hardlink, name, clean(h.Linkname))
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return w.regular(tr, name, h.Size)
	default:
		return w.note(plain, name)
	}
}

// Names of the layer changeset format (OCI image specification, layer.md,
// "Whiteouts").
const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"
)

func (w *walker) whiteout(name, base string) error {
	parent := strings.TrimSuffix(strings.TrimSuffix(name, base), "/")
	if base == opaqueName {
		return w.note(opaque, parent)
	}
	hidden := strings.TrimPrefix(base, whiteoutPrefix)
	if hidden == "" || hidden == "." || hidden == ".." {
		return nil
	}
	return w.note(whiteout, path.Join(parent, hidden))
}

func (w *walker) note(k kind, name string) error {
	return w.budgets.index.take(w.index.add(k, name))
}

func (w *walker) link(k kind, name, target string) error {
	if len(target) > maxPath {
		return fmt.Errorf("link target of %d bytes, more than %d: %w", len(target), maxPath, attach.ErrLimit)
	}
	if err := w.budgets.links.take(1); err != nil {
		return err
	}
	if err := w.budgets.index.take(int64(len(target))); err != nil {
		return err
	}
	if k == hardlink {
		for by, x := range w.extractors {
			f := x.Match(name, unknownSize)
			c := claim{by, f}
			if f != "" && f != x.Match(target, unknownSize) && !slices.Contains(w.again[target], c) {
				w.again[target] = append(w.again[target], c)
			}
		}
	}
	w.targets = append(w.targets, link{target: target})
	return w.note(k, name)
}

// unknownSize is what extractors are told where the size of a link's target is
// not at hand.
const unknownSize = 1 << 20

// regular reads a regular file if an extractor claims it.
func (w *walker) regular(tr io.Reader, name string, size int64) error {
	var claims []claim
	for by, x := range w.extractors {
		if f := x.Match(name, size); f != "" {
			claims = append(claims, claim{by, f})
		}
	}
	records, err := w.read(tr, size, claims)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(records) == 0 {
		return w.note(plain, name)
	}
	w.files = append(w.files, records)
	return w.note(kept, name)
}

// clean makes a path of a tar entry relative to the root, which it cannot leave.
func clean(name string) string { return path.Clean("/" + name)[1:] }
