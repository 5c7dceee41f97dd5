// Package transfer moves an image and everything that hangs from it: from one
// registry or layout to another, or into an archive that can be carried.
//
// What hangs from an image is more than what cosign's tags name: the journal,
// referrers and what refers to those, the list that stands for the referrers
// API, signatures over the objects that hold SBOMs, and all that for each image
// of an index. [Copy] finds it in two walks that share their code: one through
// the source, to learn what there is, and one through the destination, to see
// that it arrived. What the second walk does not find is reported by name.
//
// # Nothing is lost at the destination
//
// Manifests move byte for byte, so that what was signed by digest stays good.
// A journal entry never changes and its name says what is in it, so it can only
// be written as it is. A view, the manifest under cosign's tag, is moved as it is
// where the destination has none. Where it has one, the view is completed by the
// protocol of package journal, as if the entries had been attached there. A list
// of referrers is merged. A tag of another tool that names something else at the
// destination is left alone, and said to be so.
//
// # Order
//
// Blobs come before the manifests that name them, the images of an index before
// the index, the journal before the views, and the tag of the image last of all.
// Whoever stops the transfer leaves objects that nobody sees; the next run sends
// what is missing.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// ErrExists says that the tag at the destination names another image, which was
// not to be overwritten.
var ErrExists = errors.New("the tag names another image")

// A Place is one end of a transfer: a store, and what holds its images and its
// attachments.
type Place interface {
	attach.Store
	attach.Keeper
	// Media returns the medium of images and that of attachments, mostly one.
	Media() (images, attachments journal.Medium)
}

// A Carrier is a medium that a transfer can end in.
type Carrier interface {
	journal.Medium
	// CopyBlob stores a blob that the other medium holds, which need not be of
	// the same sort. mounted tells that this moved no content, and that nothing but
	// the word of the medium tells that it is there.
	CopyBlob(ctx context.Context, b attach.Body, from journal.Medium) (mounted bool, err error)
	// SendBlob stores a blob without asking whether it is there.
	SendBlob(ctx context.Context, b attach.Body) error
	// PutChild stores a manifest that is kept by its digest alone.
	PutChild(ctx context.Context, mediaType string, raw []byte) error
	// FirstTags returns what one request tells of the tags, and whether they are all
	// that there are. None and whole is said only of a repository that does not
	// exist, or that lists no tag.
	FirstTags(ctx context.Context) (tags []string, whole bool, err error)
	// Same reports whether the other medium is the same repository or layout.
	Same(other journal.Medium) bool
	// Beside reports whether one server answers for both.
	Beside(other journal.Medium) bool
}

// Options say what is moved. The zero value moves everything.
type Options struct {
	// Images leaves attachments out unless Kinds names some; Kinds alone leaves
	// images out. Neither moves everything. What hangs from an attachment that is
	// left out is left out too.
	Images bool
	Kinds  []attach.Kind
	// NoClobber refuses with [ErrExists] to move a tag that names another image.
	NoClobber bool
	// Deep reads back every blob, too, and compares its digest. Otherwise manifests
	// are read back, a few of the blobs that were not sent, since the destination said
	// to have them, are asked for, and of the others its word is taken.
	Deep bool
	// Planned is called once it is known how many manifests there are to send,
	// and Step for each of them that is done. Both may be nil.
	Planned func(manifests int)
	Step    func()
	// Sleep waits between two looks at what was written, until the context ends;
	// nil is [journal.Sleep].
	Sleep func(ctx context.Context, d time.Duration) error
}

// image reports whether images are moved.
func (o Options) image() bool { return o.Images || len(o.Kinds) == 0 }

// kinds returns the kinds of attachments that are moved.
func (o Options) kinds() []attach.Kind {
	if !o.Images && len(o.Kinds) == 0 {
		return attach.Kinds()
	}
	return o.Kinds
}

// The states of an object after a transfer.
const (
	Sent    = "sent"          // it was written
	There   = "was there"     // the destination had it
	Merged  = "merged"        // its entries were added to what the destination has
	Failed  = "failed"        // see the problems
	Removed = "stays removed" // the destination has a tombstone of it
)

// An Object is one manifest of a transfer.
type Object struct {
	// Kind is the kind of attachment, "image", or "referrers" for a list of them.
	Kind string
	Desc v1.Descriptor
	// Subject is what the object hangs from; zero for images.
	Subject v1.Hash
	// Tag is the tag at the destination, empty where it is known by digest alone.
	Tag   string
	State string
}

// A Problem is something that did not arrive, or of which it could not be told
// whether there is more.
type Problem struct {
	What string
	Err  error
}

// String returns what is missing and why.
func (p Problem) String() string { return fmt.Sprintf("%s: %v", p.What, p.Err) }

// A Result tells what became of a transfer.
type Result struct {
	Source, Destination attach.Subject
	// Tag is the tag of the image at the destination, empty for none.
	Tag string
	// Moved is the digest that the tag named before, zero when none or the same.
	Moved   v1.Hash
	Objects []Object
	// Blobs counts those that were stored, Mounted those among them whose content
	// did not move. Bytes is the size of the others.
	Blobs, Mounted int
	Bytes          int64
	// Attachments is how many entries were found at the source.
	Attachments int
	// Problems is empty when everything arrived and was read back.
	Problems []Problem
	Notes    []string
}

// Copy moves the subject from src to dst, with everything that hangs from it, and
// gives it the tag there, or none where that is empty. An error says that the
// image itself could not be moved, or that it could not be told whether it was.
// The tag is then as it was, unless what failed was to write it, or to read it back
// after it was written, which the error says: it may name the image then.
// Attachments that could not be moved are the problems of the result.
//
// A destination that answers with an empty list of tags, which it says is all of
// it, is trusted in that: nothing is there that must be asked for before it is
// written. Should it have tags all the same, since its list is one of yesterday or
// a lie, a view or a tag of another tool of the same name is overwritten, and
// without NoClobber the tag of the image without saying what it named. What stood
// in such a view still stands in its journal, from where a repair brings it back;
// what another tool wrote without a journal does not. With NoClobber the tag of the
// image is always asked for.
func Copy(ctx context.Context, src Place, subject attach.Subject, dst Place, repo, tag string, o Options) (Result, error) {
	c, err := newCopier(src, dst, o)
	if err != nil {
		return Result{}, err
	}
	c.result.Source, c.result.Tag = subject, tag
	c.result.Destination = attach.Subject{Repo: repo, Desc: subject.Desc}
	if err := c.look(ctx, subject, tag); err != nil {
		return Result{}, err
	}
	if err := c.send(ctx); err != nil {
		return Result{}, err
	}
	if err := c.confirm(ctx); err != nil {
		return Result{}, err
	}
	if err := c.probe(ctx); err != nil {
		return Result{}, err
	}
	if err := c.readDeep(ctx); err != nil {
		return Result{}, err
	}
	if err := c.name(ctx, tag); err != nil {
		return Result{}, err
	}
	return c.finish(), nil
}

// look walks through the source, and sees what the destination has.
func (c *copier) look(ctx context.Context, subject attach.Subject, tag string) error {
	root, err := c.srcImages.Manifest(ctx, subject.Desc.Digest.String())
	if err == nil && root.Desc.Digest != subject.Desc.Digest {
		err = fmt.Errorf("it has digest %s: %w", root.Desc.Digest, attach.ErrDigest)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", subject, err)
	}
	c.glance(ctx)
	if err := c.clobbers(ctx, tag, root.Desc.Digest); err != nil {
		return err
	}
	w := newWalker(subject.Repo, c.srcImages, c.srcAttachments, c.options.kinds())
	if c.source, err = w.walk(ctx, root); err != nil {
		return fmt.Errorf("read %s: %w", subject, err)
	}
	c.result.Problems = append(c.result.Problems, c.source.problems...)
	if c.options.Planned != nil {
		c.options.Planned(len(c.source.objects))
	}
	return nil
}

// glance learns what one request tells of the tags at the destination. Where that is
// not all, or is refused, they are asked for again when they are needed.
func (c *copier) glance(ctx context.Context) {
	if len(c.options.kinds()) == 0 || c.skipAll {
		return
	}
	if tags, whole, err := c.attachments.FirstTags(ctx); err == nil && whole {
		c.noteTags(tags)
		c.void = len(tags) == 0
	}
}

// clobbers looks what the tag names at the destination.
func (c *copier) clobbers(ctx context.Context, tag string, digest v1.Hash) error {
	if tag == "" || !c.options.image() {
		return nil
	}
	if c.void && !c.options.NoClobber && c.images.Same(c.attachments) {
		c.fresh = true
		return nil
	}
	m, err := c.images.Manifest(ctx, tag)
	switch {
	case errors.Is(err, attach.ErrNotFound):
		c.fresh = true
		return nil
	case err != nil:
		return fmt.Errorf("see what %s:%s is now: %w", c.result.Destination.Repo, tag, err)
	case m.Desc.Digest == digest:
		c.complete = true
	case c.options.NoClobber:
		return fmt.Errorf("copy to %s:%s, which is %s: %w", c.result.Destination.Repo, tag, m.Desc.Digest, ErrExists)
	default:
		c.result.Moved = m.Desc.Digest
	}
	return nil
}

// name gives the image its tag: the last thing that is written.
func (c *copier) name(ctx context.Context, tag string) error {
	if tag == "" || c.complete || !c.options.image() {
		return nil
	}
	if c.options.NoClobber {
		if err := c.clobbers(ctx, tag, c.source.root.desc.Digest); err != nil {
			return err
		}
	}
	if err := c.putManifest(ctx, c.source.root, c.images, tag); err != nil {
		return fmt.Errorf("write the tag %s: %w", tag, err)
	}
	if err := c.readBackTag(ctx, tag); err != nil {
		return fmt.Errorf("the tag %s was written and not confirmed: %w", tag, err)
	}
	return nil
}

// finish returns the result, sorted.
func (c *copier) finish() Result {
	slices.SortFunc(c.result.Objects, compareObjects)
	slices.Sort(c.result.Notes)
	c.result.Notes = slices.Compact(c.result.Notes)
	return c.result
}
