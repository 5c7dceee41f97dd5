package transfer

import (
	"cmp"
	"context"
	"fmt"
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
	complete  bool                        // the tag names the image already
	fresh     bool                        // the destination has no such tag
	void      bool                        // it has no tags at all: nothing there can be written over
	late      sync.Once                   // asks once more before the first tag that others may write
	lateTags  map[string]bool             // what was listed then; nil when it is not known
	tags      map[string]bool             // the tags of attachments at the destination; nil when not known
	native    bool                        // the destination serves referrers
	empty     bool                        // it does, and does not list them
	asked     bool                        // whether it does is known
	guessed   bool                        // it is taken to, until it was asked
	answer    map[v1.Hash][]v1.Descriptor // what it then listed, for the first look at what arrived
	gone      map[v1.Hash]*journal.Graves // what was removed there, by subject
	expected  map[*object]bool            // what must be found at the destination by digest
	stood     map[*object]bool            // views that it had as they are
	listed    map[v1.Hash]map[v1.Hash]bool
	taken     map[string]*object // what was put or found to be there by this copy, by tag or digest
	saved     bool               // something was put under tags since it is not listed as a referrer
	merges    []merge
	written   []written        // views that this copy wrote as they are
	viewed    map[v1.Hash]bool // subjects a view of which this copy wrote as it is
	slots     chan struct{}
	mu        sync.Mutex
	blobs     map[blobKey]*upload
	result    Result
	skipImage bool // the images are there, since both ends are one repository
	skipAll   bool // so are the attachments
}

func newCopier(src, dst Place, o Options) (*copier, error) {
	if o.Sleep == nil {
		o.Sleep = journal.Sleep
	}
	c := &copier{
		options: o, dst: dst,
		listed:   make(map[v1.Hash]map[v1.Hash]bool),
		viewed:   make(map[v1.Hash]bool),
		gone:     make(map[v1.Hash]*journal.Graves),
		expected: make(map[*object]bool),
		stood:    make(map[*object]bool),
		taken:    make(map[string]*object),
		blobs:    make(map[blobKey]*upload),
		slots:    make(chan struct{}, requests),
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
	if !hanging || c.skipAll || c.tags != nil {
		return nil
	}
	if tags, err := c.attachments.Tags(ctx, "sha256-"); err == nil {
		c.noteTags(tags)
	}
	return context.Cause(ctx)
}

func (c *copier) noteTags(tags []string) {
	c.tags = make(map[string]bool, len(tags))
	for _, t := range tags {
		c.tags[t] = true
	}
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
			if o != c.source.root || hangs || c.result.Tag == "" { // else its tag is all that names it
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
		for _, p := range o.parts.manifests {
			if err := visit(c.source.by[p.desc().Digest]); err != nil {
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
	return context.Cause(ctx)
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
