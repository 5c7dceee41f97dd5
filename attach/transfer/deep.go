package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// probes is how many of the blobs that the destination said to have are asked for.
// Who says so of one that is not there mostly says so of all.
const probes = 3

// probe asks for some of the blobs that were not sent, since the destination said to
// have them: the largest of those that images need. Where one is not there, none of
// its word is taken any more, and all of them are sent. What only an attachment says
// to need, of a size that may be false, keeps no image from being copied.
func (c *copier) probe(ctx context.Context) error {
	needed := c.toRead()
	image := func(k blobKey) bool { return needed[blobKey{to: k.to, digest: k.digest, size: k.size}] }
	var said []blobKey
	for key, u := range c.blobs {
		if u.mounted {
			said = append(said, key)
		}
	}
	slices.SortFunc(said, func(a, b blobKey) int {
		if image(a) != image(b) {
			return map[bool]int{true: -1, false: 1}[image(a)]
		}
		return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.digest.Hex, b.digest.Hex))
	})
	g, inner := errgroup.WithContext(ctx)
	lies := make([]bool, min(len(said), probes))
	for i := range lies {
		g.Go(func() error {
			err := c.isThere(inner, said[i])
			wrong := errors.Is(err, attach.ErrNotFound) || errors.Is(err, attach.ErrDigest) || errors.Is(err, io.EOF)
			if lies[i] = wrong && image(said[i]); lies[i] {
				return nil
			}
			if wrong {
				err = c.sendAfterAll(inner, said[i])
			}
			return c.blame(inner, said[i], image(said[i]), err)
		})
	}
	if err := g.Wait(); err != nil || !slices.Contains(lies, true) {
		return err
	}
	c.result.Notes = append(c.result.Notes, "the destination said to have blobs that it has not; they were sent")
	g, inner = errgroup.WithContext(ctx)
	g.SetLimit(requests)
	for _, key := range said {
		if !c.blobs[key].mounted {
			continue
		}
		g.Go(func() error { return c.blame(inner, key, image(key), c.sendAfterAll(inner, key)) })
	}
	return g.Wait()
}

// blame returns the error of a blob that an image needs; that of another is a problem of
// what needs it.
func (c *copier) blame(ctx context.Context, key blobKey, image bool, err error) error {
	if err == nil || image || ctx.Err() != nil {
		return err
	}
	c.problem(fmt.Sprintf("the blob %s", key.digest), err)
	return nil
}

// sendAfterAll sends a blob that the destination said to have.
func (c *copier) sendAfterAll(ctx context.Context, key blobKey) error {
	d := v1.Descriptor{Digest: key.digest, Size: key.size}
	err := key.to.SendBlob(ctx, body(ctx, d, key.from))
	if err == nil {
		err = c.isThere(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("send the blob %s, which the destination said to have and has not: %w", key.digest, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blobs[key].mounted = false
	c.result.Mounted--
	c.result.Bytes += key.size
	return nil
}

// probed is how many bytes of a blob are read to see that it is there. Of a smaller
// one the digest is compared.
const probed = 64 << 10

// isThere opens the blob at the destination, and reads the beginning: there are
// registries that answer who asks for the head of a blob that they do not have.
func (c *copier) isThere(ctx context.Context, key blobKey) error {
	d := v1.Descriptor{Digest: key.digest, Size: key.size}
	err := error(nil)
	if key.size <= probed {
		err = readBlob(ctx, key.to, d)
	} else {
		var rc io.ReadCloser
		if rc, err = key.to.OpenBlob(ctx, d); err == nil {
			_, err = io.CopyN(io.Discard, rc, probed)
			rc.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("read the blob %s of %s: %w: %w", key.digest, c.result.Destination.Repo, err, attach.ErrUnconfirmed)
	}
	return nil
}

// readDeep reads every blob back. One of the images that is not there as it should be
// is an error; one of an attachment is a problem.
func (c *copier) readDeep(ctx context.Context) error {
	if !c.options.Deep {
		return nil
	}
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(requests)
	for key, image := range c.toRead() {
		g.Go(func() error {
			err := readBlob(inner, key.to, v1.Descriptor{Digest: key.digest, Size: key.size})
			if err == nil || inner.Err() != nil {
				return context.Cause(inner)
			}
			err = fmt.Errorf("read it back from %s: %w: %w", c.result.Destination.Repo, err, attach.ErrUnconfirmed)
			if image {
				return fmt.Errorf("the blob %s of the image: %w", key.digest, err)
			}
			c.problem(fmt.Sprintf("the blob %s", key.digest), err)
			return nil
		})
	}
	return g.Wait()
}

// toRead returns the blobs that should be at the destination, those that were sent
// and those of objects that it had, and whether an image needs them.
func (c *copier) toRead() map[blobKey]bool {
	all := make(map[blobKey]bool)
	for key, u := range c.blobs {
		if u.err == nil {
			all[blobKey{to: key.to, digest: key.digest, size: key.size}] = false
		}
	}
	for _, o := range c.source.objects {
		to := c.attachments
		if o.image {
			to = c.images
		}
		if o.broken != nil || !o.image && !c.expected[o] && !c.stood[o] || o.image && !c.options.image() {
			continue
		}
		for _, p := range o.parts.blobs {
			d := p.desc()
			key := blobKey{to: to, digest: d.Digest, size: d.Size}
			all[key] = all[key] || o.image
		}
	}
	return all
}

// readBlob reads a blob to its end and compares it with its descriptor.
func readBlob(ctx context.Context, from journal.Medium, d v1.Descriptor) error {
	rc, err := from.OpenBlob(ctx, d)
	if err != nil {
		return err
	}
	if rc, err = attach.Check(rc, d); err != nil {
		return err
	}
	defer rc.Close()
	_, err = io.Copy(io.Discard, rc)
	return err
}
