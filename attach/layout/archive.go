package layout

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// maxMembers is how many members of an archive are looked at: one for each
// manifest and blob, the directories that hold them, and some room for what other
// tools put beside them.
const maxMembers = attach.MaxFiles + 1000

// An archive is a layout in a tar file, which is read in place: nothing of it is
// unpacked, so that no name in it becomes a path.
type archive struct {
	file *os.File
	// Only what a layout consists of is kept of the members. Of the names of the
	// blobs the digests are, since they are many.
	marker, index section
	count         int    // of the blobs
	blobs         []blob // sorted, after locate
}

// A blob is where the content of a digest stands.
type blob struct {
	sum sum
	section
}

// A section is where a file stands in the archive, in bytes. No file begins at 0.
type section struct{ at, size int64 }

// openArchive reads the names of what is in the tar file, and keeps those of the
// marker and of index.json: [archive.locate] finds the blobs. It refuses one that
// breaks off, and one that holds what no layout holds: links, names that lead out
// of it, two files of one name.
func openArchive(name string) (*dir, error) {
	display := "oci:" + name
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", display, err)
	}
	a := &archive{file: f}
	if err := a.scan(a.look); err != nil {
		f.Close()
		return nil, fmt.Errorf("read the archive %s: %w", display, err)
	}
	return &dir{name: display, archive: a}, nil
}

// locate notes where the blobs are. It is called after index.json was parsed, so that
// the text of that and the digests of these are not held at once.
func (a *archive) locate() error {
	a.blobs = make([]blob, 0, a.count)
	err := a.scan(func(name string, s section) error {
		if digest, ok := blobAt(name); ok {
			a.blobs = append(a.blobs, blob{digest, s})
		}
		return nil
	})
	if err == nil {
		err = a.sort()
	}
	if err != nil {
		return fmt.Errorf("read the archive oci:%s: %w", a.file.Name(), err)
	}
	return nil
}

// scan calls visit for the files of the archive.
func (a *archive) scan(visit func(name string, s section) error) error {
	if err := a.compressed(); err != nil {
		return err
	}
	info, err := a.file.Stat()
	if err != nil {
		return err
	}
	if _, err := a.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	r := tar.NewReader(a.file)
	last := int64(0) // where the last file ended
	for n := 0; ; n++ {
		h, err := r.Next()
		switch {
		case errors.Is(err, io.EOF) && n == 0:
			return fmt.Errorf("it is empty, or no tar file: %w", attach.ErrMalformed)
		case errors.Is(err, io.EOF):
			return a.ends(last, n)
		case errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("it breaks off after %d files: %w: %w", n, attach.ErrMalformed, err)
		case err != nil:
			return fmt.Errorf("%w: %w", attach.ErrMalformed, err)
		case n == maxMembers:
			return fmt.Errorf("it holds more than %d files: %w", maxMembers, attach.ErrLimit)
		}
		at, err := a.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		name, err := nameOf(h)
		if err != nil {
			return err
		}
		if name != "" {
			if err := visit(name, section{at, h.Size}); err != nil {
				return err
			}
		}
		if last = at + h.Size; last > info.Size() {
			return fmt.Errorf("it breaks off in %q: %w", h.Name, attach.ErrMalformed)
		}
	}
}

// ends looks for the block of zeros that ends an archive: one that was cut off
// between two files has none.
func (a *archive) ends(last int64, files int) error {
	const block = 512
	at := (last + block - 1) / block * block
	zeros := make([]byte, block)
	if n, err := a.file.ReadAt(zeros, at); n < block {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("it breaks off after %d files: %w: %w", files, attach.ErrMalformed, err)
	}
	return nil
}

// compressed says so where the file is a compressed one.
func (a *archive) compressed() error {
	var magic [4]byte
	n, err := a.file.ReadAt(magic[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, known := range []string{"\x1f\x8b", "\x28\xb5\x2f\xfd", "BZh", "\xfd7zX"} {
		if strings.HasPrefix(string(magic[:n]), known) {
			return fmt.Errorf("it is compressed; decompress it first: what is in it is read in place: %w", attach.ErrMalformed)
		}
	}
	return nil
}

// nameOf returns the name of a file, "" for a directory. It refuses what no layout
// holds.
func nameOf(h *tar.Header) (string, error) {
	name := strings.TrimPrefix(h.Name, "./")
	if h.Typeflag == tar.TypeDir {
		name = strings.TrimSuffix(name, "/")
		if name == "" || name == "." {
			return "", nil
		}
	}
	if !fs.ValidPath(name) || strings.Contains(name, `\`) {
		return "", fmt.Errorf("it holds a file %q, whose name leads elsewhere: %w", h.Name, attach.ErrMalformed)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return "", nil
	case tar.TypeReg:
	default:
		return "", fmt.Errorf("it holds %q, a link or a special file, which no layout has: %w", h.Name, attach.ErrMalformed)
	}
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return "", fmt.Errorf("it holds %q as a sparse file, which cannot be read in place: %w", h.Name, attach.ErrMalformed)
		}
	}
	return name, nil
}

// look notes where the marker and index.json stand, and counts the blobs.
func (a *archive) look(name string, s section) error {
	var one *section
	switch name {
	case markerFile:
		one = &a.marker
	case indexFile:
		one = &a.index
	default:
		if _, ok := blobAt(name); ok {
			a.count++
		}
		return nil
	}
	if one.at != 0 {
		return twice(name)
	}
	*one = s
	return nil
}

func twice(name string) error {
	return fmt.Errorf("it holds %q twice: %w", name, attach.ErrMalformed)
}

// blobAt returns the digest of the blob at the path.
func blobAt(path string) (sum, bool) {
	hex, ok := strings.CutPrefix(path, blobsDir+"/")
	if !ok {
		return sum{}, false
	}
	return sumOf(v1.Hash{Algorithm: "sha256", Hex: hex})
}

// sort sorts the blobs, of which no two may have one name.
func (a *archive) sort() error {
	slices.SortFunc(a.blobs, func(x, y blob) int { return x.sum.compare(y.sum) })
	for i := 1; i < len(a.blobs); i++ {
		if s := a.blobs[i].sum; s == a.blobs[i-1].sum {
			return twice(blobsDir + "/" + s.hash().Hex)
		}
	}
	return nil
}

// find returns where the file of that name stands.
func (a *archive) find(name string) (section, bool) {
	switch name {
	case markerFile:
		return a.marker, a.marker.at != 0
	case indexFile:
		return a.index, a.index.at != 0
	}
	digest, ok := blobAt(name)
	if !ok {
		return section{}, false
	}
	i, ok := slices.BinarySearchFunc(a.blobs, digest, func(b blob, s sum) int { return b.sum.compare(s) })
	if !ok {
		return section{}, false
	}
	return a.blobs[i].section, true
}

// open opens a file of the archive.
func (a *archive) open(name string) (io.ReadCloser, int64, error) {
	s, ok := a.find(name)
	if !ok {
		return nil, 0, fs.ErrNotExist
	}
	return io.NopCloser(io.NewSectionReader(a.file, s.at, s.size)), s.size, nil
}
