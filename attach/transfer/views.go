package transfer

import (
	"context"
	"fmt"
	"slices"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// A written view is one that this copy put under its tag as it is.
type written struct {
	object *object
	hang   hang
}

// unshown returns the written views that were not found to show what they did: a
// registry that keeps the journal may have lost them, or another wrote over them.
func (c *copier) unshown(there *tree) []written {
	shown := make(map[string]bool)
	for _, o := range there.objects {
		for _, h := range o.hangs {
			for _, e := range o.entries[h.subject] {
				shown[keyOf(h, e)] = shown[keyOf(h, e)] || h.role == journal.View
			}
		}
	}
	var all []written
	for _, v := range c.written {
		if slices.ContainsFunc(v.object.entries[v.hang.subject], func(e cosign.Entry) bool { return !shown[keyOf(v.hang, e)] }) {
			all = append(all, v)
		}
	}
	return all
}

// readBackView reads a view by its tag, after it was completed where that was due.
func (c *copier) readBackView(ctx context.Context, v written) error {
	m, err := c.attachments.Manifest(ctx, v.hang.tag)
	if err != nil {
		return fmt.Errorf("read it back: %w: %w", err, attach.ErrUnconfirmed)
	}
	img, err := cosign.Parse(m.Raw)
	if err != nil {
		return fmt.Errorf("it is %s now: %w: %w", m.Desc.Digest, err, attach.ErrUnconfirmed)
	}
	has := make(map[attach.ID]bool)
	for _, e := range img.Entries {
		has[e.ID()] = true
	}
	for _, e := range v.object.entries[v.hang.subject] {
		if e.Err == nil && !has[e.ID()] {
			return fmt.Errorf("it is %s now, which lacks the entry %s: %w", m.Desc.Digest, e.ID(), attach.ErrUnconfirmed)
		}
	}
	return nil
}

// unlisted reports whether the destination had nothing when the copy began, and the tag
// is not there now: others may have written it while the image was on its way. It asks
// once, before the first tag that is not the copy's own.
func (c *copier) unlisted(ctx context.Context, tag string) bool {
	if !c.void {
		return false
	}
	c.late.Do(func() {
		tags, whole, err := c.attachments.FirstTags(ctx)
		if err != nil || !whole {
			return
		}
		c.lateTags = make(map[string]bool, len(tags))
		for _, t := range tags {
			c.lateTags[t] = true
		}
	})
	return c.lateTags != nil && !c.lateTags[tag]
}
