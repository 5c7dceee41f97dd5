package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// A mender is one Repair under way.
type mender struct {
	*remover
	options attach.RepairOptions
	out     attach.Repaired
	missing map[*unit][]attach.Attachment
	adopt   map[*unit][]cosign.Entry
}

// Repair implements [attach.Keeper]. It is a Put that puts nothing: it reads the
// whole journal and all views, journals what only a view shows, and completes the
// views as every writer does that answers for them.
func (s *Store) Repair(ctx context.Context, subject attach.Subject, o attach.RepairOptions) (attach.Repaired, error) {
	r := &mender{
		remover: s.newRemover(subject), options: o,
		missing: make(map[*unit][]attach.Attachment),
		adopt:   make(map[*unit][]cosign.Entry),
	}
	for _, k := range append(attach.Kinds(), whole) {
		r.unit(k)
	}
	if !o.DryRun {
		unlock, err := s.medium.Lock(ctx)
		if err != nil {
			return r.out, fmt.Errorf("lock %s: %w", s.repo, err)
		}
		defer unlock()
	}
	if err := r.mend(ctx); err != nil {
		return r.out, fmt.Errorf("repair %s: %w", subject, err)
	}
	return r.out, nil
}

func (r *mender) mend(ctx context.Context) error {
	if err := r.probe(ctx); err != nil {
		return err
	}
	if err := r.list(ctx); err != nil {
		return err
	}
	if r.isNative() && len(r.names[r.subject.Desc.Digest]) == 0 && len(r.beside.names) > 0 {
		r.setNative(false) // it lists no referrers, come what may: the journal is one of tags
		if err := r.list(ctx); err != nil {
			return err
		}
	}
	r.showWhole()
	for _, u := range r.units {
		if err := r.look(ctx, u); err != nil {
			return err
		}
		if err := r.examine(ctx, u); err != nil {
			return err
		}
	}
	if !r.options.DryRun {
		if err := r.complete(ctx); err != nil {
			return err
		}
	}
	if r.options.Compact {
		return r.compact(ctx)
	}
	return nil
}

// examine finds out what is wrong with the journal and the view of a kind.
func (r *mender) examine(ctx context.Context, u *unit) error {
	held := make(map[attach.ID]bool)
	for _, names := range []map[string]string{r.names[r.subject.Desc.Digest], r.beside.names} {
		if err := r.openAbsent(ctx, u, names, held); err != nil {
			return err
		}
	}
	if u.tag == "" { // the medium keeps the list, or there is no view
		return nil
	}
	for _, e := range u.view.image.Entries {
		switch {
		case e.Err != nil:
		case u.gone.holds(u.kind, e.ID()):
			r.out.Returned = append(r.out.Returned, attachment(u.kind, e, u.placeInView(e)))
		case !held[e.ID()]:
			held[e.ID()] = true
			if err := r.alone(ctx, u, e); err != nil {
				return err
			}
		}
	}
	if told := untold(u.view.image); told > len(r.missing[u]) {
		r.out.Lost = append(r.out.Lost, fmt.Sprintf("the tag %s tells of %d entries more than it and the journal hold: another tool dropped them", u.tag, told-len(r.missing[u])))
	}
	return nil
}

// alone notes an entry that only the view shows. A whole manifest is adopted where
// its descriptor in the index says what the manifest does, as one of hallmark's
// would: others, which other tools wrote without annotations, stay as they are.
func (r *mender) alone(ctx context.Context, u *unit, e cosign.Entry) error {
	if u.kind == whole {
		m, err := r.Manifest(ctx, u.subject, e.Desc.Digest)
		var same cosign.Entry
		if err == nil {
			same, err = wholeEntry(m, u.subject.Desc.Digest)
		}
		switch {
		case errors.Is(err, attach.ErrNotFound):
			r.out.Lost = append(r.out.Lost, fmt.Sprintf("the manifest %s, which the tag %s lists, is gone", e.Desc.Digest, u.tag))
			return nil
		case attach.Judged(err), err == nil && same.ID() != e.ID():
			return nil
		case err != nil:
			return err
		}
	}
	r.adopt[u] = append(r.adopt[u], e)
	r.out.Adopted = append(r.out.Adopted, attachment(u.kind, e, u.placeInView(e)))
	return nil
}

// openAbsent reads the journal entries that the view does not show whole, several at a
// time, and notes what the others hold.
func (r *mender) openAbsent(ctx context.Context, u *unit, names map[string]string, held map[attach.ID]bool) error {
	var absent []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		switch {
		case kindOf(name) != u.kind || u.gone[name] != nil || r.beside.gone[name] != nil:
		case !u.view.names[name]:
			absent = append(absent, name)
		default:
			for id := range u.view.ids {
				if single(u.kind, id) == name || slices.Contains(u.groups[name], id) {
					held[id] = true
				}
			}
		}
	}
	read := func(name string) func(context.Context) *opening { return r.readEarly(names[name]) }
	for name, o := range attach.Ahead(ctx, r.ahead, slices.Values(absent), read) {
		if err := r.take(ctx, u, name, names[name], o, held); err != nil {
			return err
		}
	}
	return nil
}

// take takes over a journal entry that was read. One that is none is not looked at
// again when the view is completed.
func (r *mender) take(ctx context.Context, u *unit, name, ref string, o *opening, held map[attach.ID]bool) error {
	m, err := r.opened(ctx, ref, o)
	var rec record
	if err == nil {
		rec, err = readEntry(m, tagIn(ref), name, u.subject.Desc.Digest)
	}
	switch {
	case errors.Is(err, attach.ErrNotFound):
		r.out.Lost = append(r.out.Lost, fmt.Sprintf("the journal entry %s is listed and gone", ref))
		return nil
	case attach.Judged(err):
		u.fetched[name] = 0
		r.out.Notes = append(r.out.Notes, fmt.Sprintf("%s is no journal entry: %v", ref, err))
		return nil
	case err != nil:
		return fmt.Errorf("read the journal entry %s: %w", ref, err)
	}
	for _, e := range rec.image.Entries {
		if e.Err != nil || held[e.ID()] || u.gone.holds(u.kind, e.ID()) {
			continue
		}
		held[e.ID()] = true
		if u.tag == "" || u.view.ids[e.ID()] {
			continue
		}
		if err := r.lacks(ctx, u, rec, e); err != nil {
			return err
		}
	}
	return nil
}

// lacks notes an entry of the journal that the view does not show.
func (r *mender) lacks(ctx context.Context, u *unit, rec record, e cosign.Entry) error {
	var err error
	switch {
	case !rightType(rec.kind, string(e.Desc.MediaType)):
		err = fmt.Errorf("media type %q: %w", e.Desc.MediaType, attach.ErrMalformed)
	case rec.kind != whole: // whose subject was looked at
		err = r.speaksOf(ctx, u.subject, rec.kind, e)
	}
	switch {
	case err == nil:
		a := attachment(u.kind, e, rec.place)
		r.missing[u] = append(r.missing[u], a)
		r.out.Missing = append(r.out.Missing, a)
	case errors.Is(err, attach.ErrNotFound):
		r.out.Lost = append(r.out.Lost, fmt.Sprintf("the content %s of the journal entry %s is gone", e.Desc.Digest, rec.name))
	case attach.Judged(err):
		r.out.Notes = append(r.out.Notes, fmt.Sprintf("the journal entry %s holds what does not belong into the view: %v", rec.name, err))
	default:
		return err
	}
	return nil
}

// tagIn returns the reference where it is a tag, else "".
func tagIn(ref string) string {
	if strings.HasPrefix(ref, "sha256:") {
		return ""
	}
	return ref
}

// untold returns how many entries a view lacks of those that its groups number.
// Hallmark numbers what is there; a tool that drops entries and keeps annotations
// leaves numbers that name nothing.
func untold(view cosign.Image) int {
	most := len(view.Entries)
	for _, text := range strings.FieldsFunc(view.Annotations[groupsAnnotation], func(c rune) bool { return c == ',' || c == ';' }) {
		if n, err := strconv.Atoi(text); err == nil && n < attach.MaxEntries {
			most = max(most, n+1)
		}
	}
	return most - len(view.Entries)
}

// complete journals what is to be adopted and completes the views.
func (r *mender) complete(ctx context.Context) error {
	for _, u := range r.units {
		groups := [][]cosign.Entry{r.adopt[u]}
		if u.kind != attach.Signature && u.kind != attach.Attestation {
			groups = slices.Collect(slices.Chunk(r.adopt[u], 1))
		}
		for _, entries := range groups {
			if len(entries) == 0 {
				continue
			}
			if err := r.putRecord(ctx, u, entries); err != nil {
				return err
			}
		}
	}
	r.begin()
	if err := r.settle(ctx); err != nil {
		return err
	}
	for _, u := range r.units {
		still := 0
		for _, a := range r.missing[u] {
			still += bitOf(!u.view.ids[a.ID()] && !u.gone.holds(u.kind, a.ID()))
		}
		for id := range u.view.ids {
			still += bitOf(u.frozen != "" && u.gone.holds(u.kind, id))
		}
		switch {
		case u.frozen != "" && still > 0:
			r.out.Notes = append(r.out.Notes, u.frozen)
		case still > 0 && u.left > 0:
			r.out.Notes = append(r.out.Notes, fmt.Sprintf("the tag %s is full: %d entries stand in the journal alone", u.tag, still))
		case still > 0:
			r.out.Notes = append(r.out.Notes, fmt.Sprintf("the tag %s did not come to rest: %d entries stand in the journal alone", u.tag, still))
		}
	}
	return nil
}

func bitOf(b bool) int {
	if b {
		return 1
	}
	return 0
}
