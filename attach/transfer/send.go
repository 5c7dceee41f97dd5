package transfer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// A copier is one Copy under way.
type copier struct {
	options        Options
	dst            Place
	srcImages      journal.Medium
	srcAttachments journal.Medium
	images         Carrier
	attachments    Carrier

	source    *tree
	complete  bool            // the tag names the image already
	fresh     bool            // the destination has no such tag
	unsent    *object         // the image, where its tag is all that names it
	tags      map[string]bool // the tags of attachments at the destination; nil when not known
	native    bool            // the destination serves referrers
	listed    map[v1.Hash]map[v1.Hash]bool
	merges    []merge
	viewed    map[v1.Hash]bool // subjects a view of which this copy wrote as it is
	slots     chan struct{}
	mu        sync.Mutex
	blobs     map[blobKey]*upload
	result    Result
	skipImage bool // the images are there, since both ends are one repository
	skipAll   bool // so are the attachments
}

// A blobKey names a blob at the destination.
type blobKey struct {
	to     Carrier
	digest v1.Hash
}

// An upload is a blob that was sent or is being sent.
type upload struct {
	done    chan struct{}
	mounted bool
	err     error
}

func newCopier(src, dst Place, o Options) (*copier, error) {
	c := &copier{
		options: o, dst: dst,
		listed: make(map[v1.Hash]map[v1.Hash]bool),
		viewed: make(map[v1.Hash]bool),
		blobs:  make(map[blobKey]*upload),
		slots:  make(chan struct{}, requests),
	}
	c.srcImages, c.srcAttachments = src.Media()
	images, attachments := dst.Media()
	var ok, both bool
	c.images, ok = images.(Carrier)
	c.attachments, both = attachments.(Carrier)
	if !ok || !both {
		return nil, fmt.Errorf("the destination cannot be copied to: %w", attach.ErrDenied)
	}
	c.skipImage = c.images.Same(c.srcImages)
	c.skipAll = c.attachments.Same(c.srcAttachments)
	return c, nil
}

// send stores all objects at the destination, save the tag of the image.
func (c *copier) send(ctx context.Context) error {
	if err := c.before(ctx); err != nil {
		return err
	}
	if err := c.under(ctx, c.images, c.sendImages); err != nil {
		return err
	}
	if c.skipAll {
		return nil
	}
	if err := c.referrers(ctx); err != nil {
		return err
	}
	if err := c.under(ctx, c.attachments, c.sendAttachments); err != nil {
		return err
	}
	return c.mergeAll(ctx)
}

// under holds the lock of the destination, if it has one, while f runs.
func (c *copier) under(ctx context.Context, to Carrier, f func(context.Context) error) error {
	unlock, err := to.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return f(ctx)
}

// before looks what hangs from the images at the destination.
func (c *copier) before(ctx context.Context) error {
	hanging := false
	for _, o := range c.source.objects {
		hanging = hanging || len(o.hangs) > 0
	}
	if !hanging || c.skipAll {
		return nil
	}
	prefix := "sha256-"
	if c.fresh { // there may be no such repository: that is told sooner without a seek, which a short prefix is not worth
		prefix = "s"
	}
	tags, err := c.attachments.Tags(ctx, prefix)
	if err == nil {
		c.tags = make(map[string]bool, len(tags))
		for _, t := range tags {
			c.tags[t] = true
		}
	}
	return ctx.Err()
}

// referrers looks which of what is to be sent by digest alone the destination
// lists, and whether it lists referrers at all. The images are there by now: there
// are registries that say of an unknown repository that they know no referrers.
func (c *copier) referrers(ctx context.Context) error {
	for _, o := range c.source.objects {
		for _, h := range o.hangs {
			if h.tag != "" || c.listed[h.subject] != nil {
				continue
			}
			if err := c.askReferrers(ctx, h.subject); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// askReferrers notes which referrers of the subject the destination lists.
func (c *copier) askReferrers(ctx context.Context, subject v1.Hash) error {
	c.listed[subject] = make(map[v1.Hash]bool)
	var list []v1.Descriptor
	var native bool
	var err error
	if len(c.listed) == 1 || c.native {
		list, native, err = c.attachments.Referrers(ctx, subject)
	}
	var bad attach.Spoiled
	if err != nil && !errors.Is(err, journal.ErrOddReferrers) && !errors.As(err, &bad) && !errors.Is(err, attach.ErrUnfinished) {
		return fmt.Errorf("ask %s for referrers: %w", c.result.Destination.Repo, err)
	}
	if c.native = c.native || native; !native && c.native {
		return nil
	}
	if tag := journal.TagPrefix(subject); !c.native && (c.tags == nil || c.tags[tag]) {
		if list, err = c.listUnder(ctx, subject, tag); err != nil {
			return err
		}
	}
	for _, d := range list {
		c.listed[subject][d.Digest] = true
	}
	return nil
}

// listUnder returns what the list of referrers under a tag names.
func (c *copier) listUnder(ctx context.Context, subject v1.Hash, tag string) ([]v1.Descriptor, error) {
	m, err := c.attachments.Manifest(ctx, tag)
	switch {
	case errors.Is(err, attach.ErrNotFound), err == nil && m.Desc.Digest == subject:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read %s at the destination: %w", tag, err)
	}
	// What is no list, or a bad one, names nothing that needs not be sent.
	list, _ := attach.ParseReferrers(m.Raw, attach.MaxReferrers)
	return list, nil
}

// sendImages stores the image, or all images of the index, by digest.
func (c *copier) sendImages(ctx context.Context) error {
	var images []*object
	for _, o := range c.source.objects {
		if o.image {
			images = append(images, o)
		}
	}
	if !c.options.image() {
		return nil
	}
	hangs := len(c.source.objects) > len(images)
	return c.inOrder(ctx, images, func(ctx context.Context, o *object) error {
		state := There
		if !c.skipImage && !c.thereByDigest(ctx, o, c.images) {
			state = Sent
			if err := c.sendBlobs(ctx, o, c.images); err != nil {
				return err
			}
			if o == c.source.root && !hangs && c.result.Tag != "" {
				c.unsent = o
			} else {
				if err := c.putManifest(ctx, o, c.images, c.byDigest(o)); err != nil {
					return err
				}
			}
		}
		c.note(Object{Kind: "image", Desc: o.desc, State: state, Tag: c.tagOf(o)})
		return nil
	})
}

// byDigest returns how an object that has no tag is put: "" for one that is kept
// by its digest alone. The image itself, where it gets no tag, must be found.
func (c *copier) byDigest(o *object) string {
	if o == c.source.root && c.result.Tag == "" {
		return o.desc.Digest.String()
	}
	return ""
}

func (c *copier) tagOf(o *object) string {
	if o == c.source.root {
		return c.result.Tag
	}
	return ""
}

// thereByDigest reports whether the destination has the image. Only where an
// earlier copy came to its end it is worth a question.
func (c *copier) thereByDigest(ctx context.Context, o *object, to Carrier) bool {
	if !c.complete {
		return false
	}
	m, err := to.Manifest(ctx, o.desc.Digest.String())
	return err == nil && m.Desc.Digest == o.desc.Digest
}

// inOrder calls f for all objects: first for those that name no manifests, several
// at a time, then for those that do, each after what it names.
func (c *copier) inOrder(ctx context.Context, objects []*object, f func(context.Context, *object) error) error {
	chosen := make(map[*object]bool, len(objects))
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(requests)
	for _, o := range objects {
		chosen[o] = true
		if len(o.parts.manifests) == 0 {
			g.Go(func() error { return f(inner, o) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	done := make(map[*object]bool)
	var visit func(o *object) error
	visit = func(o *object) error {
		if o == nil || done[o] || len(o.parts.manifests) == 0 {
			return nil
		}
		done[o] = true
		for _, d := range o.parts.manifests {
			if err := visit(c.source.by[d.Digest]); err != nil {
				return err
			}
		}
		if !chosen[o] {
			return nil
		}
		return f(ctx, o)
	}
	for _, o := range objects {
		if err := visit(o); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// sendBlobs stores the blobs that the object names.
func (c *copier) sendBlobs(ctx context.Context, o *object, to Carrier) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, d := range o.parts.blobs {
		g.Go(func() error { return c.sendBlob(ctx, d, o.from, to) })
	}
	return g.Wait()
}

// sendBlob stores a blob, once.
func (c *copier) sendBlob(ctx context.Context, d v1.Descriptor, from journal.Medium, to Carrier) error {
	key := blobKey{to, d.Digest}
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
			return u.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer close(u.done)
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		u.err = ctx.Err()
		return u.err
	}
	u.mounted, u.err = to.CopyBlob(ctx, body(ctx, d, from), from)
	if u.err != nil {
		u.err = fmt.Errorf("copy the blob %s of %d bytes: %w", d.Digest, d.Size, u.err)
		return u.err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Blobs++
	if u.mounted {
		c.result.Mounted++
	} else {
		c.result.Bytes += d.Size
	}
	return nil
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
		return attach.Check(rc, d)
	}}
}

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
	return nil
}

// mountedFor reports whether a blob of the object is said to have been mounted.
func (c *copier) mountedFor(o *object, to Carrier) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range o.parts.blobs {
		if u := c.blobs[blobKey{to, d.Digest}]; u != nil && u.mounted {
			return true
		}
	}
	return false
}

// sendMounted sends the blobs of the object that are said to have been mounted.
func (c *copier) sendMounted(ctx context.Context, o *object, to Carrier) error {
	for _, d := range o.parts.blobs {
		if err := to.PutBlob(ctx, body(ctx, d, o.from)); err != nil {
			return fmt.Errorf("blob %s: %w", d.Digest, err)
		}
	}
	return nil
}

// note adds what became of an object to the result.
func (c *copier) note(o Object) {
	c.mu.Lock()
	c.result.Objects = append(c.result.Objects, o)
	c.mu.Unlock()
	if c.options.Step != nil {
		c.options.Step()
	}
}

// problem adds a problem to the result.
func (c *copier) problem(what string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Problems = append(c.result.Problems, Problem{What: what, Err: err})
}

// compareObjects orders images first, then by subject, kind and tag.
func compareObjects(a, b Object) int {
	first := func(o Object) int {
		if o.Kind == "image" {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(first(a), first(b)), strings.Compare(a.Subject.String(), b.Subject.String()),
		strings.Compare(a.Kind, b.Kind), strings.Compare(a.Tag, b.Tag), strings.Compare(a.Desc.Digest.String(), b.Desc.Digest.String()),
	)
}
