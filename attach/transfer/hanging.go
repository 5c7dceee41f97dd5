package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// sendAttachments stores what hangs from the images: what is nearer to the image
// first, since there are registries that collect what hangs from nothing. Of what
// is equally near, that which no other writer can displace comes first, then views.
// Lists of referrers are last.
func (c *copier) sendAttachments(ctx context.Context) error {
	parts := make([]*object, 0)
	fixed, views := make(map[int][]*object), make(map[int][]*object)
	last := 0
	for _, o := range c.source.objects {
		switch {
		case o.image && len(o.hangs) == 0:
			continue
		case len(o.hangs) == 0:
			parts = append(parts, o)
		case o.view():
			views[o.level] = append(views[o.level], o)
		default:
			fixed[o.level] = append(fixed[o.level], o)
		}
		last = max(last, o.level)
	}
	if err := c.inOrder(ctx, parts, c.sendFixed); err != nil {
		return err
	}
	for level := range last + 1 {
		if err := c.inOrder(ctx, fixed[level], c.sendFixed); err != nil {
			return err
		}
		if err := c.inOrder(ctx, views[level], c.sendView); err != nil {
			return err
		}
	}
	if err := c.settleGuess(ctx); err != nil {
		return err
	}
	return c.sendLists(ctx)
}

// sendFixed stores an object that never changes: a journal entry, a referrer, or
// a manifest that one of them lists. An error is the end of the context; what
// cannot be stored is a problem.
func (c *copier) sendFixed(ctx context.Context, o *object) error {
	if len(o.hangs) == 0 {
		if err := c.sendWhole(ctx, o, ""); err != nil && ctx.Err() == nil {
			c.problem(fmt.Sprintf("the object %s", o.desc.Digest), err)
		}
		return context.Cause(ctx)
	}
	for _, h := range o.hangs {
		state, err := c.sendHang(ctx, o, h)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && o.broken == nil { // what is broken was said to be when it was read
			c.problem(fmt.Sprintf("the %s %s of %s", h.kind, o.desc.Digest, h.subject), err)
		}
		c.note(Object{Kind: string(h.kind), Desc: o.desc, Subject: h.subject, Tag: h.tag, State: state})
	}
	return nil
}

// removed reports whether the destination removed the object, or all that it
// holds: what was removed there is not brought back by a copy.
func (c *copier) removed(o *object, h hang) bool {
	gone := c.gone[h.subject]
	if h.role == journal.List {
		return gone.HoldEntry(attach.Artifact, cosign.Entry{Desc: o.desc})
	}
	if gone.HoldTag(h.subject, o.record) {
		return true
	}
	entries := o.entries[h.subject]
	return len(entries) > 0 && !slices.ContainsFunc(entries, func(e cosign.Entry) bool { return !gone.HoldEntry(h.kind, e) })
}

// sendWhole stores the object with its blobs.
func (c *copier) sendWhole(ctx context.Context, o *object, ref string) error {
	if o.broken != nil {
		return o.broken
	}
	if err := c.sendBlobs(ctx, o, c.attachments); err != nil {
		return err
	}
	return c.putManifest(ctx, o, c.attachments, ref)
}

// sendHang stores the object so that it is found from the subject, unless it is.
func (c *copier) sendHang(ctx context.Context, o *object, h hang) (state string, err error) {
	if c.removed(o, h) {
		return Removed, nil
	}
	tag := h.tag
	if tag == "" && o.record != "" && !c.native {
		tag = o.record
	}
	if tag == "" {
		if c.listed[h.subject][o.desc.Digest] {
			return c.there(o, nil)
		}
		return c.sent(o, c.sendWhole(ctx, o, o.desc.Digest.String()))
	}
	if c.tags == nil || c.tags[tag] || h.role == journal.Foreign && !c.unlisted(ctx, tag) { // a list of yesterday must not make us write over another's
		if there, err := c.has(ctx, o, h, tag); err != nil || there {
			return c.there(nil, err)
		}
	}
	err = c.sendWhole(ctx, o, tag)
	if errors.Is(err, attach.ErrImmutable) { // somebody was quicker
		if there, again := c.has(ctx, o, h, tag); again != nil || there {
			return c.there(nil, again)
		}
	}
	return c.sent(o, err)
}

// sent tells that the object was written, unless it was not.
func (c *copier) sent(o *object, err error) (string, error) {
	if err != nil {
		return Failed, err
	}
	c.expect(o)
	return Sent, nil
}

// there tells that the object, or one of that name when it is nil, was there.
func (c *copier) there(o *object, err error) (string, error) {
	if err != nil {
		return Failed, err
	}
	if o != nil {
		c.expect(o)
	}
	return There, nil
}

// take notes that the destination has the object under the tag or by the digest: it
// took it just now, or was just asked for it.
func (c *copier) take(ref string, o *object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken[ref] = o
}

// expect notes that the object is to be found at the destination by its digest.
func (c *copier) expect(o *object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expected[o] = true
}

// has reports whether the destination has the object under the tag. The name of a
// journal entry says what is in it: another manifest of that name holds the same.
// A tag of another tool that names something else is left alone, which is an error.
func (c *copier) has(ctx context.Context, o *object, h hang, tag string) (bool, error) {
	m, err := c.attachments.Manifest(ctx, tag)
	switch {
	case errors.Is(err, attach.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case m.Desc.Digest == o.desc.Digest:
		c.take(tag, o)
		return true, nil
	case h.role == journal.Entry:
		if r, err := journal.ReadRecord(m, tag, h.subject); err == nil && r.Tag == tag {
			return true, nil
		}
	}
	return false, fmt.Errorf("the tag %s at the destination is another manifest, %s, and was left as it is", tag, m.Desc.Digest)
}

// A merge is a view whose entries are to be added to what the destination has.
type merge struct {
	object *object
	hang   hang
	has    map[attach.ID]bool // what the destination's view shows
}

// sendView stores a view as it is where the destination has none, or leaves it to
// be merged. One manifest may be the view of several subjects.
func (c *copier) sendView(ctx context.Context, o *object) error {
	for _, h := range o.hangs {
		var state string
		var err error
		if h.role == journal.View {
			state, err = c.sendViewOf(ctx, o, h)
		} else {
			state, err = c.sendHang(ctx, o, h)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			c.problem(fmt.Sprintf("the %s %s of %s", h.kind, o.desc.Digest, h.subject), err)
		}
		c.note(Object{Kind: string(h.kind), Desc: o.desc, Subject: h.subject, Tag: h.tag, State: state})
	}
	return nil
}

func (c *copier) sendViewOf(ctx context.Context, o *object, h hang) (state string, err error) {
	if !c.unlisted(ctx, h.tag) { // a tag that is not listed may be there all the same, and must not be written over
		m, err := c.attachments.Manifest(ctx, h.tag)
		switch {
		case err == nil && m.Desc.Digest == o.desc.Digest:
			c.mu.Lock()
			c.stood[o] = true
			c.mu.Unlock()
			return There, nil
		case err == nil:
			return c.mergeLater(ctx, o, h, m)
		case !errors.Is(err, attach.ErrNotFound):
			return Failed, err
		}
	}
	gone := c.gone[h.subject]
	if slices.ContainsFunc(o.entries[h.subject], func(e cosign.Entry) bool { return gone.HoldEntry(h.kind, e) }) {
		return c.mergeLater(ctx, o, h, attach.Manifest{})
	}
	err = c.sendWhole(ctx, o, h.tag)
	switch {
	case err == nil:
		c.mu.Lock()
		c.viewed[h.subject] = true
		c.written = append(c.written, written{o, h})
		c.mu.Unlock()
		return Sent, nil // not to be expected by its digest: others may add to it at once
	case errors.Is(err, attach.ErrImmutable): // somebody was quicker
		m, err := c.attachments.Manifest(ctx, h.tag)
		if err != nil {
			return Failed, err
		}
		return c.mergeLater(ctx, o, h, m)
	}
	// Some of it is bad, cannot be read, or is refused: what is good is put by itself.
	return c.mergeLater(ctx, o, h, attach.Manifest{})
}

// mergeLater notes a view that is merged into what the destination has. Its own
// manifest is kept by digest where something hangs from it.
func (c *copier) mergeLater(ctx context.Context, o *object, h hang, there attach.Manifest) (string, error) {
	has := make(map[attach.ID]bool)
	if img, err := cosign.Parse(there.Raw); err == nil {
		for _, e := range img.Entries {
			has[e.ID()] = true
		}
	}
	c.mu.Lock()
	c.merges = append(c.merges, merge{object: o, hang: h, has: has})
	c.mu.Unlock()
	if there.Raw != nil && o.broken == nil && c.isSubject(o.desc.Digest) {
		if err := c.sendWhole(ctx, o, ""); err != nil {
			return Failed, fmt.Errorf("keep the object, from which something hangs: %w", err)
		}
	}
	return Merged, nil
}

// isSubject reports whether something hangs from the manifest.
func (c *copier) isSubject(digest v1.Hash) bool {
	for _, o := range c.source.objects {
		for _, h := range o.hangs {
			if h.subject == digest {
				return true
			}
		}
	}
	return false
}

// mergeAll adds the entries of views to those of the destination, by the
// protocol of the journal.
func (c *copier) mergeAll(ctx context.Context) error {
	if len(c.merges) == 0 {
		return context.Cause(ctx)
	}
	recorded := c.recorded()
	var parcels []attach.Parcel
	behind := make(map[v1.Hash]bool)
	for _, m := range c.merges {
		for _, e := range m.object.entries[m.hang.subject] {
			switch {
			case m.has[e.ID()], c.gone[m.hang.subject].HoldEntry(m.hang.kind, e):
				continue
			case recorded[keyOf(m.hang, e)]:
				behind[m.hang.subject] = true
				continue
			}
			if err := c.sendBlob(ctx, e.Desc, m.object.from, c.attachments); err != nil {
				c.problem(fmt.Sprintf("the %s %s of %s", m.hang.kind, e.Desc.Digest, m.hang.subject), err)
				continue
			}
			parcels = append(parcels, c.parcel(ctx, m.object.from, m.hang, e))
		}
	}
	if err := c.put(ctx, parcels); err != nil {
		return err
	}
	return c.repair(ctx, behind)
}

// recorded returns the entries that stand in journal entries which were copied to
// where the destination keeps its journal. Where that is one of referrers, views
// are not completed from tags: what stands there is attached anew.
func (c *copier) recorded() map[string]bool {
	seen := make(map[string]bool)
	for _, o := range c.source.objects {
		for _, h := range o.hangs {
			if h.role != journal.Entry || c.native && h.tag != "" {
				continue
			}
			for _, e := range o.entries[h.subject] {
				seen[keyOf(h, e)] = true
			}
		}
	}
	return seen
}

// parcel returns the entry as something to attach at the destination.
func (c *copier) parcel(ctx context.Context, from journal.Medium, h hang, e cosign.Entry) attach.Parcel {
	return attach.Parcel{
		Subject: c.at(h.subject),
		Content: attach.Content{
			Kind: h.kind, MediaType: string(e.Desc.MediaType), Annotations: e.Desc.Annotations, Body: body(ctx, e.Desc, from),
		},
	}
}

// repair completes the views of the subjects from the journal of the destination.
func (c *copier) repair(ctx context.Context, subjects map[v1.Hash]bool) error {
	for s := range subjects {
		done, err := c.dst.Repair(ctx, c.at(s), attach.RepairOptions{})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			c.problem(fmt.Sprintf("the views of %s", s), err)
		}
		c.result.Notes = append(c.result.Notes, done.Notes...)
	}
	return context.Cause(ctx)
}

// at returns a subject of the source as one of the destination.
func (c *copier) at(digest v1.Hash) attach.Subject {
	d := v1.Descriptor{Digest: digest}
	if o := c.source.by[digest]; o != nil {
		d = o.desc
	}
	return attach.Subject{Repo: c.result.Destination.Repo, Desc: d}
}

// put attaches the parcels at the destination.
func (c *copier) put(ctx context.Context, parcels []attach.Parcel) error {
	if len(parcels) == 0 {
		return context.Cause(ctx)
	}
	receipts, err := c.dst.Put(ctx, parcels...)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		c.problem("the entries to be added to what the destination has", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range receipts {
		if r.Note != "" {
			c.result.Notes = append(c.result.Notes, r.Note)
		}
	}
	return nil
}
