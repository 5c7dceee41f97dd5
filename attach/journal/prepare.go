package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// slowUpload is the size from which an upload takes long enough that a view
// read before it is read again after it.
const slowUpload = 1 << 20

// prepare brings a unit to the point where its entries are in the journal and
// the view was written once.
func (w *writer) prepare(ctx context.Context, u *unit) error {
	if slices.ContainsFunc(u.items, func(it *item) bool { return it.content.Same != nil }) {
		if err := w.firstLook(ctx, u); err != nil {
			return err
		}
		if err := w.findExisting(ctx, u); err != nil {
			return err
		}
	}
	slow, err := w.upload(ctx, u)
	if err != nil {
		return err
	}
	if !u.read || slow {
		if err := w.firstLook(ctx, u); err != nil {
			return err
		}
	}
	u.findEqual()
	for _, entries := range u.news() {
		if err := w.putRecord(ctx, u, entries); err != nil {
			return err
		}
	}
	return w.write(ctx, u)
}

// firstLook reads the view, unless the list of tags says that there is none.
func (w *writer) firstLook(ctx context.Context, u *unit) error {
	if w.tags != nil && u.tag != "" && !w.tags[u.tag] {
		u.read = true
		return nil
	}
	return w.look(ctx, u)
}

// findEqual marks the items whose very entry the view shows.
func (u *unit) findEqual() {
	for _, it := range u.items {
		e, ok := u.seen[it.entry.ID()]
		if bare, strict := it.bare(); strict && (!ok || !u.view.ids[e.ID()]) {
			e, ok = u.seen[bare] // which whoever reads the image form reads too
		}
		if ok && !it.existed && u.view.ids[e.ID()] {
			it.existed, it.entry = true, e
			if p := u.placeInView(e); p.Scheme == attach.Referrers {
				it.place = p
			}
		}
	}
}

// findExisting marks the items for which an entry of the view, or of the
// journal as far as it is known without further requests, stands already.
func (w *writer) findExisting(ctx context.Context, u *unit) error {
	u.findEqual()
	for _, e := range u.view.image.Entries {
		if e.Err == nil {
			u.ask(ctx, w.Store, e, u.placeInView(e))
		}
	}
	if u.kind == whole || u.settled() {
		return nil
	}
	told, err := w.namesIn(ctx, u)
	if err != nil {
		return err
	}
	covered := coveredBy(u.kind, u.view.image)
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(told.names)), func(name string) bool {
		return kindOf(name) != u.kind || covered[name] || told.gone[name] != nil
	})
	type opened struct {
		record
		err error
	}
	open := func(name string) func(context.Context) opened {
		return func(ctx context.Context) opened {
			r, err := w.openRecord(ctx, u, name, told.names[name])
			return opened{r, err}
		}
	}
	for _, o := range attach.Ahead(ctx, w.limit, slices.Values(names), open) {
		if o.err != nil {
			return o.err
		}
		for _, e := range o.image.Entries {
			if e.Err == nil && !told.gone.holds(u.kind, e.ID()) {
				u.ask(ctx, w.Store, e, o.place)
			}
		}
		if u.settled() {
			return nil
		}
	}
	return nil
}

// settled reports whether all items were found to stand already.
func (u *unit) settled() bool {
	return !slices.ContainsFunc(u.items, func(it *item) bool { return !it.existed })
}

// namesIn returns the names of the journal entries that are referrers of the subject.
func (w *writer) namesIn(ctx context.Context, u *unit) (shelf, error) {
	told := newShelf()
	list, err := w.referrersOf(ctx, u.subject.Desc.Digest)
	if err != nil {
		return told, err
	}
	marks, err := w.marksOf(ctx, u.subject.Desc.Digest, list)
	if err != nil {
		return told, err
	}
	for i, d := range list {
		told.put(marks[i], d.Digest)
	}
	return told, nil
}

// referrersOf lists the referrers of the subject where the medium serves them.
func (w *writer) referrersOf(ctx context.Context, subject v1.Hash) ([]v1.Descriptor, error) {
	if list, ok := w.probed[subject]; ok || !w.isNative() {
		return list, nil
	}
	list, _, err := w.askReferrers(ctx, subject)
	return list, err
}

// bare returns the identity that the entry of an item in strict image form has in
// cosign's form.
func (it *item) bare() (attach.ID, bool) {
	_, strict := it.entry.Inner()
	return it.entry.Attachment(it.content.Kind, attach.Place{}).ID(), strict
}

// standsFor reports whether what exists, the entry e as the attachment a, stands for
// the item. What is kept in strict image form stands for nothing that is to be read
// by cosign, nor for anything while it cannot be read: what its layer says of the
// content is only a claim.
func (it *item) standsFor(ctx context.Context, r attach.Reader, e cosign.Entry, a attach.Attachment) bool {
	if e.ID() == it.entry.ID() {
		return true
	}
	bare, strict := it.bare()
	if _, kept := e.Inner(); kept {
		if !strict || !readable(ctx, r, a) {
			return false
		}
	}
	return strict && a.ID() == bare || it.content.Same != nil && it.content.Same(ctx, r, a)
}

// readable reports whether the content of the attachment is what it is said to be.
func readable(ctx context.Context, r attach.Reader, a attach.Attachment) bool {
	rc, err := r.Open(ctx, attach.Subject{}, a)
	if err != nil {
		return false
	}
	defer rc.Close()
	_, err = io.Copy(io.Discard, rc)
	return err == nil
}

// ask asks all items that are still new whether the entry stands for them.
func (u *unit) ask(ctx context.Context, r attach.Reader, e cosign.Entry, p attach.Place) {
	for _, it := range u.items {
		if it.existed {
			continue
		}
		if !it.standsFor(ctx, r, e, attachment(u.kind, e, p)) {
			continue
		}
		it.existed, it.entry = true, e
		u.seen[e.ID()] = e
		if p.Scheme == attach.Journal || p.Scheme == attach.Referrers {
			it.place = p
		}
	}
}

// news returns the entries that are to be journaled, in the groups in which
// they share a journal entry, each in the order of identities.
func (u *unit) news() [][]cosign.Entry {
	var all []cosign.Entry
	had := make(map[attach.ID]bool)
	for _, it := range u.items {
		if id := it.entry.ID(); !it.existed && !had[id] {
			had[id] = true
			all = append(all, it.entry)
		}
	}
	slices.SortFunc(all, func(a, b cosign.Entry) int { return compareIDs(a.ID(), b.ID()) })
	if u.kind != attach.SBOM && u.kind != whole {
		if len(all) == 0 {
			return nil
		}
		return [][]cosign.Entry{all}
	}
	groups := make([][]cosign.Entry, len(all))
	for i := range all {
		groups[i] = all[i : i+1]
	}
	return groups
}

// upload puts the contents that are new and the configs of their journal
// entries. It tells whether that may have taken long.
func (w *writer) upload(ctx context.Context, u *unit) (slow bool, err error) {
	var bodies []attach.Body
	for _, it := range u.items {
		switch {
		case it.existed:
		case u.kind == whole:
			bodies = append(bodies, it.content.Parts...)
		default:
			bodies = append(bodies, it.content.Body)
		}
	}
	slow = slices.ContainsFunc(bodies, func(b attach.Body) bool { return b.Size >= slowUpload })
	for _, entries := range u.news() {
		if u.kind == whole {
			break
		}
		_, img := newRecord(u.subject.Desc, u.kind, entries, false, "")
		_, config, err := img.Encode()
		if err != nil {
			return false, err
		}
		bodies = append(bodies, attach.Bytes(config))
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(w.limit)
	for _, b := range bodies {
		g.Go(func() error { return w.putBlob(ctx, b) })
	}
	return slow, g.Wait()
}

// putRecord writes a journal entry.
func (w *writer) putRecord(ctx context.Context, u *unit, entries []cosign.Entry) error {
	native := w.isNative()
	name, img := newRecord(u.subject.Desc, u.kind, entries, native, w.today())
	tag := ""
	if !native {
		tag = tagOf(u.subject.Desc.Digest, name)
	}
	m, stands := w.standing(ctx, u, tag, name, entries)
	var err error
	switch {
	case stands:
	case u.kind == whole:
		m, err = w.putWhole(ctx, u, entries[0], tag)
	default:
		m, err = w.putImage(ctx, tag, img)
	}
	if tag != "" && (errors.Is(err, attach.ErrImmutable) || errors.Is(err, attach.ErrDenied)) {
		// An earlier run may have written it: the name says what is in it.
		if there, again := w.medium.Manifest(ctx, tag); again == nil {
			m = there
			_, err = readEntry(there, tag, name, u.subject.Desc.Digest)
		}
	}
	if _, strict := entries[0].Inner(); err != nil && !strict {
		return asForm(err)
	}
	if err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	rec := &written{
		name:    name,
		entries: entries,
		place:   attach.Place{Scheme: attach.Journal, Manifest: m.Desc, Tag: tag},
	}
	if u.kind == whole && native {
		rec.place.Scheme = attach.Referrers
	}
	u.records = append(u.records, rec)
	w.remember(m.Desc.Digest, mark{name: name})
	u.learn(name, entries)
	for _, it := range u.items {
		if slices.ContainsFunc(entries, func(e cosign.Entry) bool { return e.ID() == it.entry.ID() }) {
			it.place = rec.place
		}
	}
	return nil
}

// asForm returns why the journal could not be written in a form that some registries
// refuse.
func asForm(err error) error {
	if errors.Is(err, attach.ErrMalformed) {
		err = fmt.Errorf("%w: %w", err, attach.ErrForm)
	}
	return fmt.Errorf("write the journal: %w", err)
}

// standing looks whether the journal entry stands under its tag already, where
// the view would not tell: where it is full, left alone or not listed, or where a
// foreign tool wrote it last. Written again on another day the entry would be
// another manifest, and what hangs from the first one would hang from nothing.
func (w *writer) standing(ctx context.Context, u *unit, tag, name string, entries []cosign.Entry) (attach.Manifest, bool) {
	silent := u.hidden
	if u.kind != whole {
		foreign := len(u.view.ids) > 0 && u.view.image.Annotations[subjectAnnotation] == ""
		silent = foreign || len(u.view.ids) >= attach.MaxView
	}
	if tag == "" || u.frozen == "" && !silent {
		return attach.Manifest{}, false
	}
	m, err := w.medium.Manifest(ctx, tag)
	if err != nil {
		return attach.Manifest{}, false
	}
	rec := &written{name: name, entries: entries, place: attach.Place{Tag: tag}}
	if w.same(m, u, rec) != nil {
		return attach.Manifest{}, false
	}
	for _, it := range u.items {
		it.existed = it.existed || u.kind == whole && it.entry.ID() == entries[0].ID()
	}
	return m, true
}

// learn remembers the entries of a journal entry for the view.
func (u *unit) learn(name string, entries []cosign.Entry) {
	u.fetched[name] = len(entries)
	ids := make([]attach.ID, len(entries))
	for i, e := range entries {
		ids[i] = e.ID()
		u.seen[ids[i]] = e
	}
	if len(ids) > 1 {
		u.groups[name] = ids
	}
}
