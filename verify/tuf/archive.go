package tuf

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
)

// An Archive is a TUF repository that somebody packed into one file.
type Archive struct {
	// Name is what messages call it.
	Name string
	// Root is a root.json of the repository that was had from elsewhere, of any age.
	Root []byte
	// Files is the repository: a tar file that gzip compressed, with the metadata at
	// its top or in a folder "repository".
	Files []byte
	// Targets is the folder of the documents; empty means "targets".
	Targets string
	// TrustedRoot is the name of the document with the trusted root; empty means
	// "trusted_root.json".
	TrustedRoot string
	// Now is the time at which the metadata must hold.
	Now time.Time
}

// Unpack verifies an archive as [Init] verifies a mirror, and returns what it says is
// to be trusted. It asks nobody and keeps nothing, so that an archive that is older
// than one of before cannot be told from it: only its expiry bounds its age. There is
// no signing configuration in it, which is for those who sign.
func Unpack(a Archive) (*Material, error) {
	if len(a.Root) > MaxRoot {
		return nil, failed(Oversized, fmt.Errorf("it has more than %d bytes", MaxRoot), "read the first root of %s", a.Name)
	}
	files, err := unpack(a)
	if err != nil {
		return nil, err
	}
	t, err := guarded(func() (*trustedmetadata.TrustedMetadata, error) { return trustedmetadata.New(a.Root) })
	if err != nil {
		return nil, failed(reasonOf(err), err, "read the first root of %s", a.Name)
	}
	t.RefTime = a.Now.UTC()
	u := &update{
		files: files, trusted: t, old: &kept{}, now: &kept{Mirror: a.Name, Root: a.Root, Fetched: a.Now.UTC()},
		folder: a.Targets, document: a.TrustedRoot, rootAlone: true,
	}
	if err := u.run(context.Background()); err != nil {
		return nil, err
	}
	return u.now.material(t), nil
}

// archive holds the files of an archive, by path.
type archive struct {
	name  string
	files map[string][]byte
}

// get returns a file of at most limit bytes.
func (a *archive) get(_ context.Context, limit int64, parts ...string) ([]byte, error) {
	at := path.Join(parts...)
	raw, ok := a.files[at]
	switch {
	case !ok:
		return nil, failed(Absent, errAbsent, "read %s of %s", at, a.name)
	case int64(len(raw)) > limit:
		return nil, failed(Oversized, fmt.Errorf("more than %d bytes", limit), "read %s of %s", at, a.name)
	}
	return raw, nil
}

// unpack reads the files. What they unpack to is bounded before it is read: all
// together, each, and how many there are.
func unpack(a Archive) (*archive, error) {
	fail := func(r Reason, err error) (*archive, error) {
		return nil, failed(r, err, "unpack %s", a.Name)
	}
	if len(a.Files) > maxFile {
		return fail(Oversized, fmt.Errorf("it has more than %d bytes", maxFile))
	}
	zip, err := gzip.NewReader(bytes.NewReader(a.Files))
	if err != nil {
		return fail(Malformed, err)
	}
	left := &io.LimitedReader{R: zip, N: maxUnpacked + 1}
	in, out := tar.NewReader(left), &archive{name: a.Name, files: make(map[string][]byte)}
	held := 0 // bytes: of a file with holes more than what was unpacked
	for n := 0; ; n++ {
		h, err := in.Next()
		switch {
		case errors.Is(err, io.EOF) && left.N > 0:
			return out, nil
		case left.N <= 0:
			return fail(Oversized, fmt.Errorf("it unpacks to more than %d bytes", maxUnpacked))
		case err != nil:
			return fail(Malformed, err)
		case n >= maxFiles:
			return fail(Oversized, fmt.Errorf("it holds more than %d files", maxFiles))
		case h.Typeflag != tar.TypeReg:
			continue
		case h.Size > maxTargets:
			return fail(Oversized, fmt.Errorf("%q has %d bytes, %d are read at most", h.Name, h.Size, maxTargets))
		}
		raw, err := io.ReadAll(io.LimitReader(in, int64(maxUnpacked-held)+1))
		if err != nil && left.N > 0 {
			return fail(Malformed, err)
		}
		if held += len(raw); held > maxUnpacked {
			return fail(Oversized, fmt.Errorf("its files have more than %d bytes", maxUnpacked))
		}
		name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		name = strings.TrimPrefix(name, "repository/")
		if _, twice := out.files[name]; twice {
			return fail(Malformed, fmt.Errorf("%q stands there twice", name))
		}
		out.files[name] = raw
	}
}
