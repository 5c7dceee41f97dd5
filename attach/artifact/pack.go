package artifact

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// The annotations of layers. All tools that keep files in registries know the
// title; the other two are those by which oras marks a directory.
const (
	// TitleAnnotation holds the name of the file in a layer.
	TitleAnnotation = "org.opencontainers.image.title"
	// UnpackAnnotation is "true" on a layer that is a directory in a tar archive.
	UnpackAnnotation = "io.deis.oras.content.unpack"
	// ContentAnnotation holds the digest of that archive before compression.
	ContentAnnotation = "io.deis.oras.content.digest"
)

// DefaultType is the media type of a file whose type nobody named.
const DefaultType = "application/octet-stream"

// A Source is a file or a directory that is to be packed.
type Source struct {
	Path string // where it is
	Name string // what it is called in the artifact, see [NameOf]
	// MediaType of the layer that holds the file in the artifact form;
	// [DefaultType] when empty. A directory is an archive whatever this says.
	MediaType string
}

// PackArchives packs each source into a layer of the image form: a compressed
// tar archive as the layers of any container image are, which every registry
// takes. The archive of a directory is marked as oras marks it. The bytes depend on names, contents and on whether files may be
// executed, on nothing else: no time, no owner, no order of a directory.
//
// Sources are read twice or more and never held in memory. A file that changes
// meanwhile shows as an error at the store. Links and devices are refused.
func PackArchives(ctx context.Context, sources []Source) ([]Layer, error) {
	return pack(ctx, sources, func(s Source, a archive) (Layer, error) { return a.layer(ctx, s) })
}

// PackFiles packs each source into a layer of the artifact form: a file as it
// is, under its media type and its name as title, a directory as an archive
// that is marked to be unpacked, both as oras does.
func PackFiles(ctx context.Context, sources []Source) ([]Layer, error) {
	return pack(ctx, sources, func(s Source, a archive) (Layer, error) {
		if a[0].dir {
			return a.layer(ctx, s)
		}
		body, err := attach.File(s.Path)
		if err != nil {
			return Layer{}, err
		}
		return Layer{
			MediaType:   cmp.Or(s.MediaType, DefaultType),
			Annotations: map[string]string{TitleAnnotation: s.Name},
			Body:        body,
		}, nil
	})
}

// pack makes a layer of each source. Names must be good and different.
func pack(ctx context.Context, sources []Source, layer func(Source, archive) (Layer, error)) ([]Layer, error) {
	if len(sources) > attach.MaxEntries {
		return nil, fmt.Errorf("%d files, an artifact has at most %d layers; put them into a directory: %w", len(sources), attach.MaxEntries, attach.ErrLimit)
	}
	taken := newNames()
	var layers []Layer
	for _, s := range sources {
		a, err := collect(ctx, s, taken)
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", s.Path, err)
		}
		l, err := layer(s, a)
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", s.Path, err)
		}
		layers = append(layers, l)
	}
	return layers, nil
}

// An archive is what one tar archive will hold, sorted by name.
type archive []member

// A member is a file or a directory of an archive.
type member struct {
	name string // in the archive
	path string // on disk
	dir  bool
	exec bool
	size int64
}

// collect lists what a source consists of: itself, and all that is below it.
func collect(ctx context.Context, s Source, taken *names) (archive, error) {
	root, err := filepath.EvalSymlinks(s.Path) // who names a link means what it leads to
	if err != nil {
		return nil, err
	}
	var a archive
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		m := member{name: path.Join(s.Name, filepath.ToSlash(below)), path: p, dir: d.IsDir()}
		if !m.dir && !info.Mode().IsRegular() {
			return fmt.Errorf("%s is neither a file nor a directory but %s: %w", p, info.Mode().Type(), attach.ErrMalformed)
		}
		if !m.dir {
			m.size, m.exec = info.Size(), info.Mode()&0o111 != 0
		}
		a = append(a, m)
		return taken.add(m.name, m.dir)
	})
	return a, err
}

// layer describes the archive. It is written once to learn its digests.
func (a archive) layer(ctx context.Context, s Source) (Layer, error) {
	inside, outside := sha256.New(), sha256.New()
	var size counter
	if err := a.write(ctx, io.MultiWriter(outside, &size), inside); err != nil {
		return Layer{}, err
	}
	l := Layer{
		MediaType: string(LayerType),
		Body:      attach.Body{Digest: hashOf(outside), Size: int64(size), Open: a.open},
		DiffID:    hashOf(inside),
	}
	if a[0].dir { // oras takes the title of an archive of one file for the name of the archive
		l.Annotations = map[string]string{
			TitleAnnotation: s.Name, UnpackAnnotation: "true", ContentAnnotation: l.DiffID.String(),
		}
	}
	return l, nil
}

func hashOf(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// open returns the compressed archive, written while it is read.
func (a archive) open() (io.ReadCloser, error) {
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(a.write(context.Background(), pw, io.Discard)) }()
	return pr, nil // closing it ends the writer
}

// write writes the compressed archive to w and, before compression, to inner.
func (a archive) write(ctx context.Context, w, inner io.Writer) error {
	zw := gzip.NewWriter(w)
	tw := tar.NewWriter(io.MultiWriter(zw, inner))
	for _, m := range a {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.write(tw); err != nil {
			return err
		}
	}
	return errors.Join(tw.Close(), zw.Close())
}

func (m member) write(tw *tar.Writer) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: m.name, Size: m.size, Mode: 0o644, ModTime: time.Unix(0, 0)}
	if m.exec {
		h.Mode = 0o755
	}
	if m.dir {
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, m.name+"/", 0o755
	}
	if err := tw.WriteHeader(h); err != nil || m.dir {
		return err
	}
	f, err := os.Open(m.path)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.Copy(tw, f)
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && n != m.size {
		return fmt.Errorf("%s changed while it was read", m.path)
	}
	return err
}

// A counter counts the bytes that are written to it.
type counter int64

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
