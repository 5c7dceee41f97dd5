package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// listTries is how often a list of referrers is written until it is found to
// hold what it should: others may write it at the same time, and no registry
// helps against that.
const listTries = 6

// sendLists completes the lists that stand for the referrers API where the
// destination has none (distribution specification 1.1, "Referrers Tag Schema").
func (c *copier) sendLists(ctx context.Context) error {
	if c.native && !c.empty {
		return nil
	}
	refer := make(map[v1.Hash][]v1.Descriptor)
	for _, o := range c.source.objects {
		for _, h := range o.hangs {
			if h.tag != "" || h.role != journal.List || o.broken != nil || c.removed(o, h) {
				continue
			}
			d, err := c.describe(ctx, o, h)
			if err != nil {
				return err
			}
			refer[h.subject] = append(refer[h.subject], d)
		}
	}
	for subject, list := range refer {
		tag := attach.FallbackTagOf(subject)
		d, state, err := c.sendList(ctx, subject, list)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			c.problem(fmt.Sprintf("the list of referrers %s", tag), err)
			state = Failed
		}
		c.note(Object{Kind: "referrers", Desc: d, Subject: subject, Tag: tag, State: state})
	}
	return nil
}

// describe returns the descriptor of a referrer for a list: with the type and the
// annotations of its manifest, which readers choose by.
func (c *copier) describe(ctx context.Context, o *object, h hang) (v1.Descriptor, error) {
	d := v1.Descriptor{
		MediaType: o.desc.MediaType, Size: o.desc.Size, Digest: o.desc.Digest,
		ArtifactType: h.artifactType, Annotations: h.annotations.all(),
	}
	if !journal.Vague(d.ArtifactType) {
		return d, nil
	}
	raw, err := c.load(ctx, o)
	if err != nil {
		return d, err
	}
	stated, err := journal.Describe(attach.Manifest{Desc: o.desc, Raw: raw})
	if err != nil {
		return d, fmt.Errorf("manifest %s: %w", o.desc.Digest, err)
	}
	d.ArtifactType = stated.ArtifactType
	if d.Annotations == nil {
		d.Annotations = stated.Annotations
	}
	return d, nil
}

// sendList writes the list until it is found to name all of the referrers.
func (c *copier) sendList(ctx context.Context, subject v1.Hash, list []v1.Descriptor) (v1.Descriptor, string, error) {
	tag, state := attach.FallbackTagOf(subject), There
	for try := range listTries {
		there, err := c.attachments.Manifest(ctx, tag)
		switch {
		case errors.Is(err, attach.ErrNotFound), err == nil && there.Desc.Digest == subject:
			there = attach.Manifest{}
		case err != nil:
			return v1.Descriptor{}, Failed, err
		}
		raw, changed, err := journal.MergeList(there, subject, list)
		if err != nil {
			return there.Desc, Failed, fmt.Errorf("under the tag: %w", err)
		}
		if !changed {
			return there.Desc, state, nil
		}
		if from, ok := c.source.lists[subject]; ok && there.Raw == nil {
			if _, lacks, err := journal.MergeList(from, subject, list); err == nil && !lacks {
				raw = from.Raw
			}
		}
		if err := c.attachments.PutManifest(ctx, tag, string(types.OCIImageIndex), raw); err != nil {
			return there.Desc, Failed, err
		}
		state = Merged
		if there.Raw == nil {
			state = Sent
		}
		if try > 0 {
			if err := c.options.Sleep(ctx, time.Duration(try)*100*time.Millisecond); err != nil {
				return there.Desc, Failed, err
			}
		}
	}
	return v1.Descriptor{}, Failed, fmt.Errorf("others write it all the time: %w", attach.ErrUnconfirmed)
}
