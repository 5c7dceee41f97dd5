package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
)

// checkContent reads every blob that the subject names, through all manifests
// of an index, and recomputes digests and sizes.
func checkContent(ctx context.Context, r attach.Reader, s attach.Subject, m attach.Manifest) Check {
	c := &content{Reader: r, subject: s, seen: make(map[v1.Hash]bool)}
	check := Check{Rule: "content"}
	blobs, err := c.manifest(ctx, m, 0)
	if err == nil {
		err = c.read(ctx, blobs)
	}
	switch {
	case err == nil:
		check.Outcome, check.Reason = Accept, Accepted
		check.Detail = fmt.Sprintf("%d blobs, %d bytes: every digest and size is right", len(blobs), c.bytes.Load())
	case errors.Is(err, attach.ErrNotFound):
		check.Outcome, check.Reason, check.Detail = Reject, BlobMissing, err.Error()
	case errors.Is(err, attach.ErrLimit):
		check.Outcome, check.Reason, check.Detail = Reject, ContentLimit, err.Error()
	case attach.Judged(err):
		check.Outcome, check.Reason, check.Detail = Reject, BlobDigest, err.Error()
	default:
		check.Outcome, check.Reason, check.Detail = Undetermined, unobtainable(err), err.Error()
	}
	return check
}

type content struct {
	attach.Reader
	subject attach.Subject
	seen    map[v1.Hash]bool
	bytes   atomic.Int64
}

// manifest returns the blobs that the manifest names, and those of the
// manifests that it names, each once.
func (c *content) manifest(ctx context.Context, m attach.Manifest, depth int) ([]v1.Descriptor, error) {
	if depth > maxIndexDepth {
		return nil, fmt.Errorf("manifests nested more than %d deep: %w", maxIndexDepth, attach.ErrLimit)
	}
	if m.Desc.MediaType.IsIndex() {
		return c.index(ctx, m, depth)
	}
	parsed, err := v1.ParseManifest(bytes.NewReader(m.Raw))
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %v: %w", m.Desc.Digest, err, attach.ErrMalformed)
	}
	var blobs []v1.Descriptor
	for _, d := range append([]v1.Descriptor{parsed.Config}, parsed.Layers...) {
		if len(c.seen) >= maxBlobs {
			return nil, fmt.Errorf("more than %d blobs: %w", maxBlobs, attach.ErrLimit)
		}
		if !c.seen[d.Digest] {
			c.seen[d.Digest] = true
			blobs = append(blobs, d)
		}
	}
	return blobs, nil
}

func (c *content) index(ctx context.Context, m attach.Manifest, depth int) ([]v1.Descriptor, error) {
	parsed, err := v1.ParseIndexManifest(bytes.NewReader(m.Raw))
	if err != nil {
		return nil, fmt.Errorf("index %s: %v: %w", m.Desc.Digest, err, attach.ErrMalformed)
	}
	var blobs []v1.Descriptor
	for _, d := range parsed.Manifests {
		if len(c.seen) >= maxBlobs {
			return nil, fmt.Errorf("more than %d manifests and blobs: %w", maxBlobs, attach.ErrLimit)
		}
		if c.seen[d.Digest] {
			continue
		}
		c.seen[d.Digest] = true
		child, err := c.Manifest(ctx, c.subject, d.Digest)
		if err != nil {
			return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
		}
		more, err := c.manifest(ctx, child, depth+1)
		if err != nil {
			return nil, err
		}
		blobs = append(blobs, more...)
	}
	return blobs, nil
}

// read reads the blobs to their ends, a few at a time.
func (c *content) read(ctx context.Context, blobs []v1.Descriptor) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelBlobs)
	for _, d := range blobs {
		g.Go(func() error {
			rc, err := c.Blob(ctx, c.subject, d)
			if err != nil {
				return fmt.Errorf("blob %s: %w", d.Digest, err)
			}
			defer rc.Close()
			n, err := io.Copy(io.Discard, rc)
			c.bytes.Add(n)
			if err != nil {
				return fmt.Errorf("blob %s: %w", d.Digest, err)
			}
			return nil
		})
	}
	return g.Wait()
}
