package transfer

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// tagged returns what is kept under a tag that begins with the digest of the subject.
func (w *walker) tagged(ctx context.Context, subject v1.Hash, tag string) []found {
	kind, scheme, ok := journal.TagHolds(subject, tag)
	if !ok || kind == "" && w.noLists || kind != "" && (!w.chosen(kind) || scheme != attach.CosignTag && !w.wanted(subject, tag, v1.Hash{})) {
		return nil
	}
	m, err := w.read(ctx, w.attachments, tag)
	switch {
	case errors.Is(err, attach.ErrNotFound) && w.tags == nil && !w.seek:
		return nil
	case err != nil:
		w.problem("what is tagged "+tag, err)
		return nil
	case kind == "" && m.Desc.Digest == subject:
		return nil // there are registries that take the tag for the digest
	case kind == "":
		return w.fallback(ctx, subject, tag, m)
	}
	return []found{{manifest: m, from: w.attachments, hang: &hang{subject: subject, kind: kind, scheme: scheme, tag: tag}}}
}

// fallback returns what the list of referrers under a tag names.
func (w *walker) fallback(ctx context.Context, subject v1.Hash, tag string, m attach.Manifest) []found {
	list, err := attach.ParseReferrers(m.Raw, attach.MaxReferrers)
	if err != nil {
		w.problem("the list of referrers "+tag, err)
	}
	w.mu.Lock()
	w.tree.lists[subject] = m
	w.mu.Unlock()
	return w.listed(ctx, subject, list, attach.FallbackTag)
}

// referring returns what the referrers API lists for the subject.
func (w *walker) referring(ctx context.Context, subject v1.Hash) []found {
	w.mu.Lock()
	skip := w.noAPI
	w.mu.Unlock()
	if skip || w.refers != nil && !w.refers(subject) {
		return nil
	}
	list, native, err := w.attachments.Referrers(ctx, subject)
	if err != nil {
		w.problem("the referrers of "+subject.String(), err)
	}
	if !native && (err == nil || errors.Is(err, journal.ErrOddReferrers)) {
		w.mu.Lock()
		w.noAPI = true
		w.mu.Unlock()
	}
	return w.listed(ctx, subject, list, attach.Referrers)
}

// listed reads the manifests of a list of referrers.
func (w *walker) listed(ctx context.Context, subject v1.Hash, list []v1.Descriptor, scheme attach.Scheme) []found {
	all, _ := each(list, func(d v1.Descriptor) ([]found, error) {
		kind, isRecord := journal.RecordKind(d)
		if !isRecord {
			kind = attach.Artifact
		}
		vague := kind == "" || !isRecord && d.ArtifactType == ""
		if ctx.Err() != nil || !vague && !w.chosen(kind) || !w.wanted(subject, "", d.Digest) {
			return nil, nil
		}
		m, err := w.read(ctx, w.attachments, d.Digest.String())
		if err != nil {
			w.problem(fmt.Sprintf("the referrer %s of %s", d.Digest, subject), err)
			return nil, nil
		}
		h := &hang{subject: subject, kind: kind, scheme: scheme, listed: d}
		if r, err := journal.ReadRecord(m, subject); err == nil {
			h.kind, h.scheme = r.Kind, attach.Journal
		} else if kind == "" {
			h.kind = attach.Artifact
		}
		if !w.chosen(h.kind) {
			return nil, nil
		}
		return []found{{manifest: m, from: w.attachments, hang: h}}, nil
	})
	return all // nothing but the end of the context stops it, and expand tells that
}
