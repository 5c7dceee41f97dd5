package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// referrers looks which of what is to be sent the destination lists as referrers,
// whether it lists them at all, and what was removed there. The images are there by
// now: there are registries that say of an unknown repository that they know no
// referrers. Where the image was not there before, nothing can have been removed
// from what hangs from it.
//
// Where the destination has nothing, what was a referrer is sent as one, and it is
// asked afterwards ([copier.settleGuess]): one answer tells then whether referrers are
// listed and whether these arrived.
//
// Nor is it asked where it has nothing and the same server just said of the source
// that it lists no referrers: then the journal goes under tags, as it is there. Should
// it list those of this repository all the same, readers find both.
func (c *copier) referrers(ctx context.Context) error {
	c.asked = c.void && c.source.noAPI && c.attachments.Beside(c.srcAttachments)
	if c.void && c.source.native {
		// Tombstones have no tags: only the list of referrers tells of them.
		root := c.source.root.desc.Digest
		if err := c.askReferrers(ctx, root); err != nil {
			return err
		}
		if c.native && len(c.listed[root]) == 0 {
			c.guessed = true
			return nil
		}
	}
	subjects := []v1.Hash{c.source.root.desc.Digest}
	for _, o := range c.source.objects {
		for _, h := range o.hangs {
			if on := c.source.by[h.subject]; h.tag == "" || !c.fresh || on != nil && on.image {
				subjects = append(subjects, h.subject)
			}
		}
	}
	for _, s := range subjects {
		if c.listed[s] != nil {
			continue
		}
		if err := c.askReferrers(ctx, s); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// askReferrers notes which referrers of the subject the destination lists.
func (c *copier) askReferrers(ctx context.Context, subject v1.Hash) error {
	c.listed[subject], c.gone[subject] = make(map[v1.Hash]bool), new(journal.Graves)
	for t := range c.tags {
		c.gone[subject].Dig(subject, t)
	}
	var list []v1.Descriptor
	if c.native || !c.asked {
		var native bool
		var err error
		list, native, err = c.attachments.Referrers(ctx, subject)
		if unanswered(err) {
			return fmt.Errorf("ask %s for referrers: %w", c.result.Destination.Repo, err)
		}
		c.native = native || c.native
		c.asked = true
	}
	if tag := attach.FallbackTagOf(subject); !c.native && (c.tags == nil || c.tags[tag]) {
		var err error
		if list, err = c.listUnder(ctx, subject, tag); err != nil {
			return err
		}
	}
	for _, d := range list {
		c.listed[subject][d.Digest] = true
		if tombstone, told := c.gone[subject].DigListed(d); tombstone && !told {
			if m, err := c.attachments.Manifest(ctx, d.Digest.String()); err == nil {
				c.gone[subject].DigRead(m, subject)
			}
		}
	}
	return nil
}

// unanswered reports whether the error leaves open which referrers there are, as
// lists do not that are odd, too long, or bad in part.
func unanswered(err error) bool {
	var bad attach.Spoiled
	return err != nil && !errors.Is(err, journal.ErrOddReferrers) && !errors.As(err, &bad) && !errors.Is(err, attach.ErrUnfinished)
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

// settleGuess asks whether the destination lists referrers, after some were sent to
// it. Where it does not, journal entries are put once more, under their tags.
func (c *copier) settleGuess(ctx context.Context) error {
	if !c.guessed {
		return nil
	}
	root := c.source.root.desc.Digest
	list, native, err := c.attachments.Referrers(ctx, root)
	if unanswered(err) {
		return fmt.Errorf("ask %s for referrers: %w", c.result.Destination.Repo, err)
	}
	c.guessed, c.asked, c.native = false, true, native
	if native {
		c.answer = map[v1.Hash][]v1.Descriptor{root: list}
		return nil
	}
	for _, o := range c.source.objects {
		if o.record == "" || o.broken != nil || !slices.ContainsFunc(o.hangs, func(h hang) bool { return h.tag == "" }) {
			continue
		}
		if err := c.putManifest(ctx, o, c.attachments, o.record); err != nil {
			c.problem("the journal entry "+o.record, err)
		}
	}
	return context.Cause(ctx)
}
