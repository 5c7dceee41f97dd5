package artifact

import (
	"bytes"
	"context"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// Options say how an artifact is unpacked.
type Options struct {
	// Dir is the directory that the files are put into. It is made where it does
	// not exist.
	Dir string
	// Force lets files that exist be replaced. Without it one that exists ends
	// the job before anything is put into the directory.
	Force bool
	// MaxBytes is how many bytes the files may have together, [MaxBytes] when zero.
	MaxBytes int64
}

// A File is one that was unpacked.
type File struct {
	Name   string // below the directory, with slashes
	Size   int64
	Digest v1.Hash // of the content of the file
}

// Unpack puts the files of the artifact with that digest, in the repository of
// the subject, into a directory. Every form is read: archives of the image form,
// titled files and directories as oras writes them, Helm charts; a layer without
// a name gets one that is made of its digest.
//
// All content goes under temporary names first, in a directory of its own below
// Dir, and only when every byte arrived and has the digest that it should are
// the files put where they belong. No name leads out of Dir, through links that
// are there neither; links, devices and names that are no plain relative paths
// are refused with [attach.ErrMalformed], more than the limits allow with
// [attach.ErrLimit], and a file that exists with an error that wraps fs.ErrExist.
func Unpack(ctx context.Context, r attach.Reader, s attach.Subject, digest v1.Hash, o Options) (files []File, err error) {
	fail := func(err error) ([]File, error) {
		return nil, fmt.Errorf("unpack %s@%s: %w", s.Repo, digest, err)
	}
	m, err := r.Manifest(ctx, s, digest)
	if err != nil {
		return fail(err)
	}
	p, err := parseParts(m.Raw)
	if err != nil {
		return fail(err)
	}
	st, err := openStage(ctx, o)
	if err != nil {
		return fail(err)
	}
	defer func() {
		if cerr := st.close(); err == nil && cerr != nil {
			files, err = fail(cerr)
		}
	}()
	open := func(d v1.Descriptor) (io.ReadCloser, error) {
		if d.Data != nil {
			return attach.Check(io.NopCloser(bytes.NewReader(d.Data)), d)
		}
		return r.Blob(ctx, s, d)
	}
	if err := p.nameAll(open); err != nil {
		return fail(err)
	}
	for i, l := range p.layers {
		if err := st.layer(l, open); err != nil {
			return fail(fmt.Errorf("layer %d of %d (%s): %w", i+1, len(p.layers), l.desc.Digest, err))
		}
	}
	if err := st.place(); err != nil {
		return fail(err)
	}
	return st.list, nil
}

// layer unpacks one layer into the stage.
func (st *stage) layer(l part, open func(v1.Descriptor) (io.ReadCloser, error)) error {
	if !l.unpack {
		if err := st.room(l.name, l.desc.Size); err != nil {
			return err
		}
	}
	rc, err := open(l.desc)
	if err != nil {
		return err
	}
	defer rc.Close()
	if l.unpack {
		return st.untar(rc)
	}
	return st.file(l.name, false, rc)
}
