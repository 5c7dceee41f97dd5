package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// confirmAll confirms all units. The names of all journal entries are needed
// only to find those of items that existed.
func (w *writer) confirmAll(ctx context.Context) error {
	err := w.nameAll(ctx, func(u *unit) bool {
		return slices.ContainsFunc(u.items, func(it *item) bool { return it.place.Scheme == "" })
	})
	if err != nil {
		return err
	}
	return w.each(ctx, w.confirm)
}

// confirm makes sure that every item of the unit is in the journal: those just
// written by finding them there, those that existed by finding their journal
// entry, or, where a foreign writer made them, by journaling them now.
func (w *writer) confirm(ctx context.Context, u *unit) error {
	listed := w.names[u.subject.Desc.Digest]
	for _, rec := range u.records {
		if listed[rec.name] != "" {
			continue
		}
		if err := w.confirmAlone(ctx, u, rec); err != nil {
			return err
		}
	}
	for _, it := range u.items {
		if it.place.Scheme != "" {
			continue
		}
		found, err := w.locate(ctx, u, it)
		if err != nil {
			return err
		}
		if found {
			continue
		}
		if err := w.putRecord(ctx, u, []cosign.Entry{it.entry}); err != nil {
			return err
		}
	}
	return nil
}

// confirmAlone asks for a journal entry that the list does not show. Where the
// list is one of referrers, readers would not find the entry: it is written
// once more under a tag, and the medium is taken for one without referrers.
func (w *writer) confirmAlone(ctx context.Context, u *unit, rec *written) error {
	m, err := w.medium.Manifest(ctx, rec.ref())
	if rec.place.Tag == "" && errors.Is(err, attach.ErrNotFound) {
		return w.rewrite(ctx, u, rec) // it was taken, and not kept
	}
	if err == nil && m.Desc.Digest != rec.place.Manifest.Digest {
		// Another may have written it on another day. The name says what is in it.
		if err = w.same(m, u, rec); err == nil {
			for _, it := range u.items {
				if it.place.Tag == rec.place.Tag {
					it.place.Manifest = m.Desc
				}
			}
			rec.place.Manifest = m.Desc
		}
	}
	if err != nil {
		return fmt.Errorf("confirm the journal entry %s: %w: %w", rec.ref(), err, attach.ErrUnconfirmed)
	}
	// Nobody finds a whole manifest but by the list.
	if rec.place.Tag != "" || w.blind != nil && u.kind != whole {
		return nil
	}
	return w.rewrite(ctx, u, rec)
}

// rewrite writes under a tag what readers do not find among the referrers.
func (w *writer) rewrite(ctx context.Context, u *unit, rec *written) error {
	w.setNative(false)
	if u.kind == whole {
		u.hidden = true
		u.tag, u.view = attach.FallbackTagOf(u.subject.Desc.Digest), view{}
	}
	u.records = slices.DeleteFunc(slices.Clone(u.records), func(r *written) bool { return r == rec })
	return w.putRecord(ctx, u, rec.entries)
}

// same checks that the manifest is a journal entry of that name with the same
// entries in it.
func (w *writer) same(m attach.Manifest, u *unit, rec *written) error {
	r, err := readEntry(m, rec.place.Tag, rec.name, u.subject.Desc.Digest)
	for _, e := range rec.entries {
		if err == nil && !r.holds(e.ID()) {
			err = fmt.Errorf("it holds other entries: %w", attach.ErrMalformed)
		}
	}
	if err != nil {
		return fmt.Errorf("it now has digest %s: %w", m.Desc.Digest, err)
	}
	return nil
}

// locate looks for the journal entry of an item that the view showed.
func (w *writer) locate(ctx context.Context, u *unit, it *item) (bool, error) {
	id := it.entry.ID()
	digest := u.subject.Desc.Digest
	candidates := []string{nameOf(u.kind, []attach.ID{id})}
	for name, ids := range u.groups {
		if slices.Contains(ids, id) {
			candidates = append(candidates, name)
		}
	}
	slices.Sort(candidates[1:])
	for _, name := range candidates {
		ref := w.names[digest][name]
		if u.gone[name] != nil {
			continue
		}
		if ref == "" && w.blind != nil && !w.isNative() {
			ref = tagOf(digest, name)
		}
		if ref == "" {
			continue
		}
		r, err := w.openRecord(ctx, u, name, ref)
		if err != nil && !errors.Is(err, attach.ErrDenied) {
			return false, err
		}
		if r.holds(id) {
			it.place = r.place
			return true, nil
		}
	}
	return false, nil
}
