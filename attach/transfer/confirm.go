package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// keyOf names an entry that hangs from a subject.
func keyOf(h hang, e cosign.Entry) string {
	return h.subject.String() + " " + string(h.kind) + " " + e.ID().String()
}

// keys returns the names of what hangs from a subject in the object: of each
// entry, or of the object itself, which lists may show with other annotations.
func (o *object) keys() map[string]hang {
	keys := make(map[string]hang)
	for _, h := range o.hangs {
		switch h.role {
		case journal.View, journal.Entry:
			for _, e := range o.entries[h.subject] {
				keys[keyOf(h, e)] = h
			}
		default:
			keys[keyOf(h, cosign.Entry{Desc: o.desc})] = h
		}
	}
	return keys
}

// keys returns the names of all that hangs from anything in the tree.
func (t *tree) keys() map[string]*object {
	all := make(map[string]*object)
	for _, o := range t.objects {
		for k := range o.keys() {
			all[k] = o
		}
	}
	return all
}

// confirm reads back what was sent, and looks for everything that hangs at the
// source. Whatever is missing is a problem by name. An error says that the image
// is not there.
func (c *copier) confirm(ctx context.Context) error {
	if err := c.readBack(ctx); err != nil {
		return err
	}
	want := c.wanted()
	c.result.Attachments = len(want)
	if len(want) == 0 || c.skipAll {
		return context.Cause(ctx)
	}
	there, err := c.settled(ctx, want)
	if err != nil {
		return err
	}
	if err := c.catchUp(ctx, there); err != nil {
		return err
	}
	for _, v := range c.unshown(there) {
		if err := c.readBackView(ctx, v); err != nil {
			c.problem(fmt.Sprintf("the view %s", v.hang.tag), err)
		}
	}
	for o, what := range c.missing(want, there) {
		c.problem(fmt.Sprintf("%s, in the object %s", what, o.desc.Digest),
			fmt.Errorf("the destination does not list it: %w", attach.ErrUnconfirmed))
	}
	c.result.Problems = append(c.result.Problems, there.problems...)
	slices.SortFunc(c.result.Problems, func(a, b Problem) int { return strings.Compare(a.String(), b.String()) })
	return context.Cause(ctx)
}

// missing returns the objects of which something was not found at the destination,
// and what: an entry, or the manifest that was written.
func (c *copier) missing(want map[string]*object, there *tree) map[*object]string {
	all := make(map[*object]string)
	for o := range c.expected {
		if there.by[o.desc.Digest] == nil {
			all[o] = "the manifest"
		}
	}
	have := there.keys()
	for k, o := range want {
		if have[k] == nil {
			all[o] = k
		}
	}
	return all
}

// settling is how long it is waited between two looks at the destination.
func settling() []time.Duration {
	return []time.Duration{200 * time.Millisecond, 600 * time.Millisecond, 1800 * time.Millisecond, 5400 * time.Millisecond}
}

// settled walks through the destination until all that is wanted is found, or for
// some time: there are registries that show what was written a little later.
func (c *copier) settled(ctx context.Context, want map[string]*object) (*tree, error) {
	for try := 0; ; try++ {
		there, err := c.arrived(ctx)
		if err != nil {
			return nil, err
		}
		late := slices.ContainsFunc(there.problems, func(p Problem) bool { return errors.Is(p.Err, attach.ErrNotFound) })
		if len(c.missing(want, there)) == 0 && len(c.unshown(there)) == 0 && !late || try == len(settling()) {
			return there, nil
		}
		again, err := c.save(ctx, want, there)
		if err != nil {
			return nil, err
		}
		if again && try == 0 {
			continue
		}
		if err := c.options.Sleep(ctx, settling()[try]); err != nil {
			return nil, err
		}
	}
}

// readBack reads the images from the destination, save the one that gets its tag
// last, which is read by that.
func (c *copier) readBack(ctx context.Context) error {
	if !c.options.image() || c.skipImage {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(requests)
	for _, o := range c.source.objects {
		if o.image && (o != c.source.root || c.result.Tag == "" || c.complete) {
			g.Go(func() error { return c.readBackOne(ctx, o) })
		}
	}
	return g.Wait()
}

func (c *copier) readBackOne(ctx context.Context, o *object) error {
	m, err := c.images.Manifest(ctx, o.desc.Digest.String())
	if err == nil && m.Desc.Digest != o.desc.Digest {
		err = fmt.Errorf("it has digest %s: %w", m.Desc.Digest, attach.ErrDigest)
	}
	if err != nil {
		return fmt.Errorf("read %s@%s back: %w: %w", c.result.Destination.Repo, o.desc.Digest, err, attach.ErrUnconfirmed)
	}
	return nil
}

// readBackTag reads the image by its tag, now and then, since there are registries
// that answer for a while with what the tag named before. That the tag names
// something else is a problem: another may have written it. An error says that the
// image is not there by its digest either.
func (c *copier) readBackTag(ctx context.Context, tag string) error {
	for try := 0; ; try++ {
		m, err := c.images.Manifest(ctx, tag)
		if err == nil && m.Desc.Digest == c.source.root.desc.Digest {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("it names %s", m.Desc.Digest)
		} else if !errors.Is(err, attach.ErrNotFound) {
			return fmt.Errorf("read %s:%s back: %w: %w", c.result.Destination.Repo, tag, err, attach.ErrUnconfirmed)
		}
		if try == len(settling()) {
			c.problem(fmt.Sprintf("the tag %s, which was put to name %s", tag, c.source.root.desc.Digest), fmt.Errorf("%w: %w", err, attach.ErrUnconfirmed))
			return c.readBackOne(ctx, c.source.root)
		}
		if err := c.options.Sleep(ctx, settling()[try]); err != nil {
			return err
		}
	}
}

// arrived walks through the destination: through what the source has, and where
// this copy wrote a view as it was, also through what others wrote meanwhile.
func (c *copier) arrived(ctx context.Context) (*tree, error) {
	wanted := make(map[string]bool)
	refers := make(map[v1.Hash]bool)
	for _, o := range c.source.objects {
		for _, h := range o.hangs {
			wanted[h.subject.String()+" "+o.desc.Digest.String()] = true
			wanted[h.subject.String()+" "+h.tag] = true
			wanted[h.subject.String()+" "+o.record] = true
			refers[h.subject] = refers[h.subject] || h.tag == ""
		}
	}
	w := newWalker(c.result.Destination.Repo, c.images, c.attachments, c.options.kinds())
	w.known = c.source
	w.taken = c.tookIt
	w.answers, c.answer = c.answer, nil
	w.allTags = c.knownTags()
	w.noAPI, w.noLists = !c.native, c.native && !c.empty
	w.refers = func(subject v1.Hash) bool { return refers[subject] }
	w.wants = func(subject v1.Hash, tag string, digest v1.Hash) bool {
		name := tag
		if tag == "" {
			name = digest.String()
		}
		return c.viewed[subject] || wanted[subject.String()+" "+name]
	}
	raw, err := c.load(ctx, c.source.root)
	if err != nil {
		return nil, err
	}
	t, err := w.walk(ctx, attach.Manifest{Desc: c.source.root.desc, Raw: raw})
	if err != nil {
		return nil, fmt.Errorf("read %s back: %w", c.result.Destination.Repo, err)
	}
	return t, nil
}

// tookIt returns the object that the destination took, or was asked for, under the
// tag or by the digest. To find it named in a list of the destination's confirms it,
// as it does when something is attached: a registry that takes a manifest by its
// digest has compared that, its answer to one under a tag tells the digest, and the
// tag of a journal entry says what is in it. Images, views and what other tools
// tagged are read back whole: the first are what it is all about, and the others may
// be written by anybody in between.
func (c *copier) tookIt(tag string, digest v1.Hash) *object {
	ref := tag
	if ref == "" {
		ref = digest.String()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken[ref]
}

// knownTags returns the tags of attachments at the destination, nil where they are
// to be listed. After a view was written the journal has to be listed, so that what
// others attached meanwhile is found. Where the journal is one of referrers, it is
// their list that tells; each tag is read then, so it need not be listed too.
func (c *copier) knownTags() []string {
	if !c.native || c.empty || c.saved || c.tags == nil || len(c.merges) > 0 {
		return nil
	}
	all := make([]string, 0, len(c.tags)+len(c.taken))
	for t := range c.tags {
		all = append(all, t)
	}
	for ref := range c.taken {
		if strings.HasPrefix(ref, "sha256-") && !c.tags[ref] {
			all = append(all, ref)
		}
	}
	return all
}

// wanted returns the names of all that hangs at the source and was not removed at
// the destination.
func (c *copier) wanted() map[string]*object {
	all := make(map[string]*object)
	removed := 0
	for _, o := range c.source.objects {
		for _, h := range o.hangs {
			entries := o.entries[h.subject]
			if h.role == journal.List || h.role == journal.Foreign {
				entries = []cosign.Entry{{Desc: o.desc}}
			}
			for _, e := range entries {
				if c.gone[h.subject].HoldEntry(h.kind, e) || c.gone[h.subject].HoldTag(h.subject, o.record) {
					removed++
					continue
				}
				all[keyOf(h, e)] = o
			}
		}
	}
	if removed > 0 {
		c.result.Notes = append(c.result.Notes, "what was removed at the destination stays removed: attach it there to have it again")
	}
	return all
}

// save puts what the destination does not list to where readers look next: journal
// entries under their tags, and others into the list that stands for the referrers
// API. There are registries that take referrers and never list them.
func (c *copier) save(ctx context.Context, want map[string]*object, there *tree) (bool, error) {
	saved := 0
	for o := range c.missing(want, there) {
		if !c.native || o.broken != nil {
			continue
		}
		if o.record == "" {
			c.empty = true
			continue
		}
		saved++
		c.saved = true
		if err := c.putManifest(ctx, o, c.attachments, o.record); err != nil {
			c.problem(fmt.Sprintf("the journal entry %s", o.record), err)
		}
	}
	if !c.empty {
		return saved > 0, context.Cause(ctx)
	}
	return true, c.under(ctx, c.attachments, c.sendLists)
}

// catchUp completes views that this copy wrote and that lack what the journal of
// the destination has: somebody may have attached it since.
func (c *copier) catchUp(ctx context.Context, there *tree) error {
	shown := make(map[string]bool)
	for _, o := range there.objects {
		for _, h := range o.hangs {
			for _, e := range o.entries[h.subject] {
				shown[keyOf(h, e)] = shown[keyOf(h, e)] || h.role == journal.View
			}
		}
	}
	behind := make(map[v1.Hash]bool)
	var parcels []attach.Parcel
	for _, o := range there.objects {
		for _, h := range o.hangs {
			if h.role != journal.Entry || !c.viewed[h.subject] || h.kind == attach.Artifact {
				continue
			}
			for _, e := range o.entries[h.subject] {
				switch {
				case shown[keyOf(h, e)]:
				case c.native && h.tag != "":
					parcels = append(parcels, c.parcel(ctx, c.attachments, h, e))
				default:
					behind[h.subject] = true
				}
			}
		}
	}
	if err := c.put(ctx, parcels); err != nil {
		return err
	}
	return c.repair(ctx, behind)
}
