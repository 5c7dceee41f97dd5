package transfer

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// tagged returns what is kept under a tag that begins with the digest of the subject.
func (w *walker) tagged(ctx context.Context, subject v1.Hash, tag string, guessed bool, gone *journal.Graves) []*found {
	role, kind := journal.RoleOf(subject, tag)
	switch {
	case role == journal.NoRole, role == journal.Tombstone, role == journal.List && w.noLists,
		role != journal.List && !w.chosen(kind), gone.HoldTag(subject, tag),
		(role == journal.Entry || role == journal.Foreign) && !w.wanted(subject, tag, v1.Hash{}):
		return nil
	}
	var m attach.Manifest
	var err error
	if role == journal.Entry && !guessed {
		m, err = w.named(ctx, tag, v1.Hash{})
	} else {
		m, err = w.read(ctx, w.attachments, tag)
	}
	switch {
	case errors.Is(err, attach.ErrNotFound) && guessed:
		return nil
	case err != nil:
		w.problem("what is tagged "+tag, err)
		return nil
	case role == journal.List && m.Desc.Digest == subject:
		return nil // there are registries that take the tag for the digest
	case role == journal.List:
		return w.fallback(ctx, subject, tag, m, gone)
	}
	return []*found{w.found(m, w.attachments, false, &hang{subject: subject, kind: kind, role: role, tag: tag})}
}

// fallback returns what the list of referrers under a tag names.
func (w *walker) fallback(ctx context.Context, subject v1.Hash, tag string, m attach.Manifest, gone *journal.Graves) []*found {
	list, err := attach.ParseReferrers(m.Raw, attach.MaxReferrers)
	if err != nil {
		w.problem("the list of referrers "+tag, err)
	}
	w.mu.Lock()
	w.tree.lists[subject] = m
	w.mu.Unlock()
	w.hold(len(m.Raw))
	return w.listed(ctx, v1.Descriptor{Digest: subject}, list, gone, nil)
}

// shownBy returns what the views among the manifests show.
func shownBy(tagged []*found) journal.Shown {
	shown := make(journal.Shown)
	for _, f := range tagged {
		if f.hang.role == journal.View {
			shown.Add(f.hang.kind, f.entries)
		}
	}
	return shown
}

// referring returns what the referrers API lists for the object.
func (w *walker) referring(ctx context.Context, o *object) []v1.Descriptor {
	subject := o.desc.Digest
	if list, ok := w.answers[subject]; ok {
		return list
	}
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
		w.noAPI, w.tree.noAPI = true, err == nil
		w.mu.Unlock()
	}
	return list
}

// listed reads the manifests of a list of referrers. A journal entry whose digest is
// that of what a view shows, written as a journal entry, need not be read. The list is
// used up: there may be many, and a descriptor takes much more than what it says.
func (w *walker) listed(ctx context.Context, on v1.Descriptor, list []v1.Descriptor, gone *journal.Graves, shown journal.Shown) []*found {
	short := make([]listing, len(list))
	for i, d := range list {
		short[i] = listing{plain(d), w.wordOf(d.ArtifactType), newNotes(d.Annotations)}
		list[i] = v1.Descriptor{}
	}
	all, _ := each(short, func(l listing) ([]*found, error) { return w.listedOne(ctx, on, l.desc(), gone, shown), nil })
	return all // nothing but the end of the context stops it, and expand tells that
}

// listedOne reads one of them, unless nobody wants it.
func (w *walker) listedOne(ctx context.Context, on, d v1.Descriptor, gone *journal.Graves, shown journal.Shown) []*found {
	subject := on.Digest
	kind, isRecord := journal.RecordKind(d)
	if !isRecord {
		kind = attach.Artifact
	}
	vague := kind == "" || !isRecord && journal.Vague(d.ArtifactType)
	tombstone, _ := new(journal.Graves).DigListed(d)
	if ctx.Err() != nil || tombstone || !vague && !w.chosen(kind) || !w.wanted(subject, "", d.Digest) {
		return nil
	}
	m, known := shown.Record(d, on)
	var err error
	if !known {
		m, err = w.named(ctx, "", d.Digest)
	}
	if err != nil {
		w.problem(fmt.Sprintf("the referrer %s of %s", d.Digest, subject), err)
		return nil
	}
	if h := w.referrer(subject, d, m, gone); h != nil && w.chosen(h.kind) {
		w.mu.Lock()
		w.tree.native = w.tree.native || h.role == journal.Entry
		w.mu.Unlock()
		return []*found{w.found(m, w.attachments, false, h)}
	}
	return nil
}

// referrer returns how a manifest of a list of referrers hangs from the subject,
// nil when it was removed or is a tombstone.
func (w *walker) referrer(subject v1.Hash, d v1.Descriptor, m attach.Manifest, gone *journal.Graves) *hang {
	if new(journal.Graves).DigRead(m, subject) {
		return nil
	}
	h := &hang{subject: subject, kind: attach.Artifact, role: journal.List, artifactType: d.ArtifactType, annotations: newNotes(d.Annotations)}
	if r, err := journal.ReadRecord(m, "", subject); err == nil {
		h.kind, h.role = r.Kind, journal.Entry
		if gone.Hold(r) {
			return nil
		}
	} else if gone.HoldEntry(attach.Artifact, cosign.Entry{Desc: m.Desc}) {
		return nil
	}
	return h
}
