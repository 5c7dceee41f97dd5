package layout

import (
	"context"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
)

// maxNesting is how deep indexes may nest that are put.
const maxNesting = 4

// PutImage puts an image with all its blobs into the layout and gives it the
// tag, or none where that is empty. It returns the image as a subject.
func (s *Store) PutImage(ctx context.Context, tag string, img v1.Image) (attach.Subject, error) {
	var put attach.Subject
	err := s.medium.lock.under(ctx, func() error {
		if err := s.imageBlobs(ctx, img); err != nil {
			return err
		}
		var err error
		put, err = s.nameImage(ctx, tag, img)
		return err
	})
	if err != nil {
		return attach.Subject{}, fmt.Errorf("put image into %s: %w", s, err)
	}
	return put, nil
}

// PutIndex puts an index with all the images and indexes in it into the
// layout and gives it the tag, or none where that is empty. The index names
// what is in it; only the index itself stands in index.json.
func (s *Store) PutIndex(ctx context.Context, tag string, idx v1.ImageIndex) (attach.Subject, error) {
	var put attach.Subject
	err := s.medium.lock.under(ctx, func() error {
		if err := s.indexBlobs(ctx, idx, maxNesting); err != nil {
			return err
		}
		var err error
		put, err = s.nameImage(ctx, tag, idx)
		return err
	})
	if err != nil {
		return attach.Subject{}, fmt.Errorf("put index into %s: %w", s, err)
	}
	return put, nil
}

// nameImage stores the manifest of the image or index, whose blobs are there,
// and makes index.json name it.
func (s *Store) nameImage(ctx context.Context, tag string, x described) (attach.Subject, error) {
	raw, err := x.RawManifest()
	if err != nil {
		return attach.Subject{}, err
	}
	mt, err := x.MediaType()
	if err != nil {
		return attach.Subject{}, err
	}
	d := v1.Descriptor{MediaType: mt, Size: int64(len(raw)), Digest: attach.DigestOf(raw)}
	if tag == "" {
		tag = d.Digest.String()
	}
	return attach.Subject{Repo: s.String(), Desc: d}, s.medium.putManifest(ctx, tag, mt, raw)
}

// described is what images and indexes have in common.
type described interface {
	MediaType() (types.MediaType, error)
	RawManifest() ([]byte, error)
}

// imageBlobs stores layers and config of the image.
func (s *Store) imageBlobs(ctx context.Context, img v1.Image) error {
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		b, err := layerBody(l)
		if err != nil {
			return err
		}
		if err := s.medium.writeBlob(ctx, b); err != nil {
			return err
		}
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	return s.medium.writeBlob(ctx, attach.Bytes(config))
}

func (s *Store) manifestBlob(ctx context.Context, x described) error {
	raw, err := x.RawManifest()
	if err != nil {
		return err
	}
	if len(raw) > attach.MaxManifest {
		return fmt.Errorf("manifest of %d bytes, the limit is %d: %w", len(raw), attach.MaxManifest, attach.ErrLimit)
	}
	return s.medium.writeBlob(ctx, attach.Bytes(raw))
}

func layerBody(l v1.Layer) (attach.Body, error) {
	digest, err := l.Digest()
	if err != nil {
		return attach.Body{}, err
	}
	size, err := l.Size()
	if err != nil {
		return attach.Body{}, err
	}
	return attach.Body{
		Digest: digest,
		Size:   size,
		Open:   func() (io.ReadCloser, error) { return l.Compressed() },
	}, nil
}

// indexBlobs stores everything in the index, but not its own manifest.
func (s *Store) indexBlobs(ctx context.Context, idx v1.ImageIndex, depth int) error {
	if depth == 0 {
		return fmt.Errorf("indexes nest deeper than %d: %w", maxNesting, attach.ErrLimit)
	}
	m, err := idx.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range m.Manifests {
		switch {
		case d.MediaType.IsIndex():
			child, err := idx.ImageIndex(d.Digest)
			if err != nil {
				return err
			}
			if err := s.indexBlobs(ctx, child, depth-1); err != nil {
				return err
			}
			if err := s.manifestBlob(ctx, child); err != nil {
				return err
			}
		case d.MediaType.IsImage():
			child, err := idx.Image(d.Digest)
			if err != nil {
				return err
			}
			if err := s.imageBlobs(ctx, child); err != nil {
				return err
			}
			if err := s.manifestBlob(ctx, child); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s in the index is a %q, neither image nor index: %w", d.Digest, d.MediaType, attach.ErrMalformed)
		}
	}
	return nil
}
