package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// maxChecks is how often a remover looks whether all that is to stay did.
const maxChecks = 4

var _ attach.Keeper = (*Store)(nil)

// A remover is one Remove under way: a writer whose units have entries to remove
// in place of such to add.
type remover struct {
	*writer
	subject attach.Subject
	tasks   map[*unit]*task
	beside  shelf // journal tags, where the journal is one of referrers
}

// A task is what is to be removed of one kind.
type task struct {
	ids    map[attach.ID]bool
	doomed []doom         // journal entries that hold one of them
	others []cosign.Entry // what else those hold
	inTag  bool           // it stands in the index under the referrers tag
}

// A doom is a journal entry that goes.
type doom struct {
	name, ref string
	ids       []attach.ID // what of it is to be removed
	beside    bool        // it stands under a tag, where the journal is one of referrers
}

// Remove implements [attach.Keeper], as the package comment tells. Tombstones come
// first: from then on no writer brings the entries back. Then the view is written
// without them, and at last the journal entries are deleted, as far as the medium
// does that.
func (s *Store) Remove(ctx context.Context, subject attach.Subject, as ...attach.Attachment) ([]attach.Removal, error) {
	if len(as) == 0 {
		return nil, nil
	}
	r := s.newRemover(subject)
	units := make([]*unit, len(as))
	for i, a := range as {
		if !slices.Contains(attach.Kinds(), a.Kind) {
			return nil, fmt.Errorf("remove from %s: kind %q is none of %q: %w", subject, a.Kind, attach.Kinds(), attach.ErrMalformed)
		}
		if slices.Contains(append(manifestsOf(a), a.Desc.Digest.String()), subject.Desc.Digest.String()) {
			return nil, fmt.Errorf("remove from %s: it is the subject itself: %w", subject, attach.ErrMalformed)
		}
		units[i] = r.unit(keptAs(a))
		t := r.tasks[units[i]]
		for _, id := range storedAs(a) {
			t.ids[id] = true
		}
		_, inTag := a.Found(attach.FallbackTag)
		t.inTag = t.inTag || inTag
	}
	unlock, err := s.medium.Lock(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", s.repo, err)
	}
	defer unlock()
	if err := r.run(ctx); err != nil {
		return nil, fmt.Errorf("remove from %s: %w", subject, err)
	}
	left, err := r.remains(ctx, as)
	if err != nil {
		return nil, fmt.Errorf("remove from %s: %w", subject, err)
	}
	out := make([]attach.Removal, len(as))
	for i, a := range as {
		out[i] = attach.Removal{Attachment: a, Left: r.leftOf(units[i], a, left)}
		for _, id := range storedAs(a) {
			out[i].Shown = cmp.Or(out[i].Shown, units[i].shows(id))
		}
	}
	return out, nil
}

func (s *Store) newRemover(subject attach.Subject) *remover {
	return &remover{writer: s.newWriter(), subject: subject, tasks: make(map[*unit]*task)}
}

// storedAs returns the identities that entries of the attachment have as they are
// stored: its own, and those of the layers in strict image form that hold it.
func storedAs(a attach.Attachment) []attach.ID {
	ids := []attach.ID{a.ID()}
	for _, p := range a.Places {
		if p.Layer == nil {
			continue
		}
		if id := (cosign.Entry{Desc: *p.Layer}).ID(); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// unit returns the unit of the kind.
func (r *remover) unit(k attach.Kind) *unit {
	for _, u := range r.units {
		if u.kind == k {
			return u
		}
	}
	u := r.addUnit(r.subject, k)
	r.tasks[u] = &task{ids: make(map[attach.ID]bool)}
	return u
}

// run does everything but delete.
func (r *remover) run(ctx context.Context) error {
	if err := r.probe(ctx); err != nil {
		return err
	}
	r.placeViews()
	if err := r.list(ctx); err != nil {
		return err
	}
	r.showWhole()
	for _, u := range r.units {
		if err := r.look(ctx, u); err != nil {
			return err
		}
		if err := r.find(ctx, u, r.tasks[u]); err != nil {
			return err
		}
		if err := r.spare(ctx, u, r.tasks[u]); err != nil {
			return err
		}
		if err := r.buryAll(ctx, u, r.tasks[u]); err != nil {
			return err
		}
	}
	r.begin()
	return r.settle(ctx)
}

// showWhole says where the view of whole manifests stands: under the referrers
// tag where the medium lists no referrers, or lists them otherwise.
func (r *remover) showWhole() {
	for _, u := range r.units {
		if u.kind == whole && (!r.isNative() || r.tasks[u].inTag) {
			u.tag = attach.FallbackTagOf(r.subject.Desc.Digest)
		}
	}
}

// begin has settle look at all views and complete them.
func (w *writer) begin() {
	for _, u := range w.units {
		u.open, u.turn, u.was = true, true, u.view.desc.Digest
	}
}

// list lists the whole journal. Unlike a Put, a remover must see all of it.
func (r *remover) list(ctx context.Context) error {
	if err := r.listJournal(ctx); err != nil {
		return err
	}
	if r.blind != nil {
		return fmt.Errorf("list the journal in %s: %w", r.repo, r.blind)
	}
	if err := r.nameAll(ctx, func(*unit) bool { return true }); err != nil {
		return err
	}
	r.beside = newShelf()
	if !r.isNative() {
		return nil
	}
	tags, err := r.medium.Tags(ctx, tagPrefix(r.subject.Desc.Digest))
	if err != nil {
		return fmt.Errorf("list the journal in %s: %w", r.repo, err)
	}
	r.beside = tagNames(r.subject.Desc.Digest, tags)
	return nil
}

// find looks for the journal entries that hold what is to be removed.
func (r *remover) find(ctx context.Context, u *unit, t *task) error {
	singles := make(map[string]attach.ID)
	for id := range t.ids {
		singles[single(u.kind, id)] = id
	}
	alone := make(map[string]bool) // names of what the view shows, each for itself
	for id := range u.view.ids {
		alone[single(u.kind, id)] = true
	}
	for i, names := range []map[string]string{r.names[r.subject.Desc.Digest], r.beside.names} {
		for _, name := range slices.Sorted(maps.Keys(names)) {
			d := doom{name: name, ref: names[name], beside: i == 1}
			id, own := singles[name]
			switch {
			case own:
				d.ids = []attach.ID{id}
				t.doomed = append(t.doomed, d)
				continue
			case kindOf(name) != u.kind, alone[name], u.kind == whole:
				continue
			}
			rec, err := r.openRecord(ctx, u, name, d.ref)
			if err != nil {
				return err
			}
			for id := range t.ids {
				if rec.holds(id) {
					d.ids = append(d.ids, id)
				}
			}
			if len(d.ids) == 0 {
				continue
			}
			t.doomed = append(t.doomed, d)
			for _, e := range rec.image.Entries {
				if e.Err == nil && !t.ids[e.ID()] && !u.gone.holds(u.kind, e.ID()) {
					t.others = append(t.others, e)
				}
			}
		}
	}
	return nil
}

// spare sees that what shares a journal entry with what is removed has one of its
// own, and that it is confirmed.
func (r *remover) spare(ctx context.Context, u *unit, t *task) error {
	var err error
	for range maxChecks {
		listed := r.names[r.subject.Desc.Digest]
		u.records = nil
		had := make(map[attach.ID]bool)
		for _, e := range t.others {
			name := single(u.kind, e.ID())
			if had[e.ID()] || listed[name] != "" || u.gone[name] != nil {
				continue
			}
			had[e.ID()] = true
			if err := r.putRecord(ctx, u, []cosign.Entry{e}); err != nil {
				return err
			}
		}
		if len(u.records) == 0 {
			return nil
		}
		if err := r.list(ctx); err != nil {
			return err
		}
		u.records = slices.DeleteFunc(u.records, func(w *written) bool { return u.gone[w.name] != nil })
		// One that is gone already, another has folded or removed.
		if err = r.confirm(ctx, u); !errors.Is(err, attach.ErrNotFound) {
			return err
		}
	}
	return err
}

// buryAll writes the tombstones and sees that they are found: one for each entry,
// also where no journal entry holds it, and one for each journal entry that goes.
func (r *remover) buryAll(ctx context.Context, u *unit, t *task) error {
	names, beside := make(map[string]bool), make(map[string]bool)
	for id := range t.ids {
		names[single(u.kind, id)] = true
	}
	for _, d := range t.doomed {
		names[d.name] = true
		if d.beside {
			beside[d.name] = true
			for _, id := range d.ids {
				beside[single(u.kind, id)] = true
			}
		}
	}
	native := r.isNative()
	fresh := func(name string) bool { return r.gone[r.subject.Desc.Digest][name] != nil }
	if err := r.buryNames(ctx, u, slices.DeleteFunc(slices.Sorted(maps.Keys(names)), fresh), native); err != nil {
		return err
	}
	there := func(name string) bool { return r.beside.gone[name] != nil }
	if err := r.buryNames(ctx, u, slices.DeleteFunc(slices.Sorted(maps.Keys(beside)), there), false); err != nil {
		return err
	}
	if err := r.list(ctx); err != nil {
		return err
	}
	for name := range names {
		if r.gone[r.subject.Desc.Digest][name] != nil {
			continue
		}
		for _, ref := range r.buried[r.subject.Desc.Digest][name] {
			if _, err := r.medium.Manifest(ctx, ref); err != nil {
				return fmt.Errorf("confirm the tombstone %s: %w: %w", ref, err, attach.ErrUnconfirmed)
			}
		}
		if native { // it is kept, and not listed: readers would not find it
			r.setNative(false)
			if err := r.buryNames(ctx, u, []string{name}, false); err != nil {
				return err
			}
		}
	}
	r.tellUnits()
	return nil
}

func (r *remover) buryNames(ctx context.Context, u *unit, names []string, native bool) error {
	g, err := r.bury(ctx, u.subject, names, native)
	if err != nil {
		return fmt.Errorf("%w: %w", err, attach.ErrUnconfirmed)
	}
	digest := u.subject.Desc.Digest
	if r.buried[digest] == nil {
		r.buried[digest] = make(graveyard)
	}
	r.buried[digest].add(g)
	return nil
}

// shows says why the view still shows the entry, "" when it does not.
func (u *unit) shows(id attach.ID) string {
	switch {
	case !u.view.ids[id], u.tag == "": // what the medium lists it lists until it is deleted
		return ""
	case u.frozen != "":
		return u.frozen
	}
	return fmt.Sprintf("the tag %s did not come to rest", u.tag)
}
