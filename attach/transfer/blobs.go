package transfer

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
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// A blobKey names a blob on its way. Of two objects that name one digest, one may
// tell a wrong size, or be where the blob is not: that fails for it alone.
type blobKey struct {
	from   journal.Medium
	to     Carrier
	digest v1.Hash
	size   int64
}

// An upload is a blob that was sent or is being sent.
type upload struct {
	done    chan struct{}
	mounted bool
	stopped bool // its context ended first
	err     error
}

// sendBlobs stores the blobs that the object names. One that cannot be stored stops
// no other: another object may need those. After the first that failed no more are
// begun for this one. The error names the blob.
func (c *copier) sendBlobs(ctx context.Context, o *object, to Carrier) error {
	var g errgroup.Group
	g.SetLimit(requests)
	var failed atomic.Bool
	for _, p := range o.parts.blobs {
		d := p.desc()
		if failed.Load() {
			break
		}
		g.Go(func() error {
			err := c.sendBlob(ctx, d, o.from, to)
			if err != nil {
				failed.Store(true)
			}
			return err
		})
	}
	return g.Wait()
}

// sendBlob stores a blob, once. What came of it is remembered, unless it is the end
// of the context of who sent it, which says nothing of the blob.
func (c *copier) sendBlob(ctx context.Context, d v1.Descriptor, from journal.Medium, to Carrier) error {
	key := blobKey{from, to, d.Digest, d.Size}
	c.mu.Lock()
	u, begun := c.blobs[key]
	if !begun {
		u = &upload{done: make(chan struct{})}
		c.blobs[key] = u
	}
	c.mu.Unlock()
	if begun {
		select {
		case <-u.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if u.stopped && ctx.Err() == nil { // who sent it was told to stop, and we were not
			return c.sendBlob(ctx, d, from, to)
		}
		return u.err
	}
	defer close(u.done)
	u.mounted, u.err = c.copyBlob(ctx, d, from, to)
	c.mu.Lock()
	defer c.mu.Unlock()
	if u.err != nil {
		if u.stopped = ctx.Err() != nil; u.stopped {
			delete(c.blobs, key)
		}
		return u.err
	}
	c.result.Blobs++
	if u.mounted {
		c.result.Mounted++
	} else {
		c.result.Bytes += d.Size
	}
	return nil
}

// copyBlob stores a blob as soon as few enough others are under way.
func (c *copier) copyBlob(ctx context.Context, d v1.Descriptor, from journal.Medium, to Carrier) (mounted bool, err error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	if mounted, err = to.CopyBlob(ctx, body(ctx, d, from), from); err != nil {
		return false, fmt.Errorf("copy the blob %s of %d bytes: %w", d.Digest, d.Size, err)
	}
	return mounted, nil
}

// body returns the blob as it comes out of the medium, checked while it is read.
func body(ctx context.Context, d v1.Descriptor, from journal.Medium) attach.Body {
	return attach.Body{Digest: d.Digest, Size: d.Size, Open: func() (io.ReadCloser, error) {
		if d.Data != nil {
			return io.NopCloser(bytes.NewReader(d.Data)), nil
		}
		rc, err := from.OpenBlob(ctx, d)
		if err != nil {
			return nil, fmt.Errorf("read the blob %s: %w", d.Digest, err)
		}
		if rc, err = attach.Check(rc, d); err != nil {
			return nil, err
		}
		return &careful{rc: rc, size: int(min(heldBack, d.Size+1))}, nil
	}}
}

// careful hands out what it reads one piece late: the last piece only when all is
// known to be what it should be. Thus no upload of other content can end well, even
// at a registry that does not look.
type careful struct {
	rc     io.ReadCloser
	size   int    // of a piece: a small blob and its end are one
	held   []byte // what may be handed out
	next   []byte // what was read behind it
	pieces [2][]byte
	turn   int // of the pieces
	err    error
}

// heldBack is the size of a piece at most, in bytes.
const heldBack = 32 << 10

// Read implements io.Reader.
func (c *careful) Read(p []byte) (int, error) {
	for len(c.held) == 0 && c.err == nil {
		c.turn = 1 - c.turn
		if c.pieces[c.turn] == nil {
			c.pieces[c.turn] = make([]byte, c.size)
		}
		piece := c.pieces[c.turn]
		var n int
		n, c.err = io.ReadFull(c.rc, piece)
		if c.err == io.ErrUnexpectedEOF { // the last piece; a connection that broke says more than that
			c.err = io.EOF
		}
		c.held, c.next = c.next, piece[:n]
		switch c.err {
		case nil:
		case io.EOF:
			c.held, c.next = append(c.held, c.next...), nil
		default: // what was read last is not known to be right
			c.held = nil
		}
	}
	if len(c.held) == 0 {
		return 0, c.err
	}
	n := copy(p, c.held)
	c.held = c.held[n:]
	return n, nil
}

// Close implements io.Closer.
func (c *careful) Close() error { return c.rc.Close() }

// load returns the bytes of the object, read again where they were not kept.
func (c *copier) load(ctx context.Context, o *object) ([]byte, error) {
	if o.raw != nil {
		return o.raw, nil
	}
	m, err := o.from.Manifest(ctx, o.desc.Digest.String())
	if err == nil && m.Desc.Digest != o.desc.Digest {
		err = fmt.Errorf("it has digest %s: %w", m.Desc.Digest, attach.ErrDigest)
	}
	if err != nil {
		return nil, fmt.Errorf("read the manifest %s: %w", o.desc.Digest, err)
	}
	return m.Raw, nil
}

// putManifest stores the manifest under the ref, or by its digest alone where
// that is empty. There are registries that say that they mounted a blob and then
// refuse the manifest that names it: then the blobs are sent, and it is put again.
func (c *copier) putManifest(ctx context.Context, o *object, to Carrier, ref string) error {
	raw, err := c.load(ctx, o)
	if err != nil {
		return err
	}
	put := func() error {
		c.slots <- struct{}{}
		defer func() { <-c.slots }()
		if ref == "" {
			return to.PutChild(ctx, string(o.desc.MediaType), raw)
		}
		return to.PutManifest(ctx, ref, string(o.desc.MediaType), raw)
	}
	err = put()
	if err != nil && ctx.Err() == nil && !errors.Is(err, attach.ErrImmutable) && c.mountedFor(o, to) {
		if again := c.sendMounted(ctx, o, to); again != nil {
			return fmt.Errorf("put the manifest %s: %w; send what was mounted for it: %w", o.desc.Digest, err, again)
		}
		err = put()
	}
	if err != nil {
		return fmt.Errorf("put the manifest %s into %s: %w", o.desc.Digest, c.result.Destination.Repo, err)
	}
	if to == c.attachments && ref != "" {
		c.take(ref, o)
	}
	return nil
}

// mountedFor reports whether a blob of the object is said to have been mounted.
func (c *copier) mountedFor(o *object, to Carrier) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range o.parts.blobs {
		d := p.desc()
		if u := c.blobs[blobKey{o.from, to, d.Digest, d.Size}]; u != nil && u.mounted {
			return true
		}
	}
	return false
}

// sendMounted sends the blobs of the object that are said to have been mounted.
func (c *copier) sendMounted(ctx context.Context, o *object, to Carrier) error {
	for _, p := range o.parts.blobs {
		d := p.desc()
		if err := to.SendBlob(ctx, body(ctx, d, o.from)); err != nil {
			return fmt.Errorf("blob %s: %w", d.Digest, err)
		}
	}
	return nil
}
