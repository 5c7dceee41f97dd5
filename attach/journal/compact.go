package journal

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// A fold is one journal entry that takes the place of several.
type fold struct {
	entries []cosign.Entry
	refs    []string
}

// compact folds the journal entries of signatures and of attestations that are
// old enough. What is folded is written and confirmed before anything is deleted,
// and looked for afterwards: see [remover.remains].
func (r *mender) compact(ctx context.Context) error {
	for _, u := range r.units {
		if u.kind != attach.Signature && u.kind != attach.Attestation {
			continue
		}
		folds, err := r.folds(ctx, u)
		if err != nil {
			return fmt.Errorf("compact the journal: %w", err)
		}
		for _, f := range folds {
			r.out.Folded, r.out.Into = r.out.Folded+len(f.refs), r.out.Into+1
			if r.options.DryRun {
				continue
			}
			if err := r.fold(ctx, u, f); err != nil {
				return fmt.Errorf("compact the journal: %w", err)
			}
		}
	}
	return nil
}

// folds chooses what is folded together.
func (r *mender) folds(ctx context.Context, u *unit) ([]fold, error) {
	if err := r.list(ctx); err != nil {
		return nil, err
	}
	old, err := r.old(ctx, u)
	if err != nil {
		return nil, err
	}
	bare, err := r.bare(ctx, old)
	if err != nil {
		return nil, err
	}
	var folds []fold
	var f fold
	size := 0
	had := make(map[attach.ID]bool)
	flush := func() {
		if len(f.refs) > 1 {
			folds = append(folds, f)
		}
		f, size = fold{}, 0
	}
	for _, rec := range bare {
		n := 0
		for _, e := range rec.image.Entries {
			n += e.Size()
		}
		if size+n > viewRoom/2 || len(f.entries)+len(rec.image.Entries) > attach.MaxView {
			flush()
		}
		size += n
		ref := rec.place.Tag
		if ref == "" {
			ref = rec.place.Manifest.Digest.String()
		}
		f.refs = append(f.refs, ref)
		for _, e := range rec.image.Entries {
			if id := e.ID(); !had[id] && !u.gone.holds(u.kind, id) {
				had[id] = true
				f.entries = append(f.entries, e)
			}
		}
	}
	flush()
	for i := range folds {
		slices.SortFunc(folds[i].entries, func(a, b cosign.Entry) int { return compareIDs(a.ID(), b.ID()) })
	}
	return folds, nil
}

// old opens the journal entries of the kind and returns those that are old enough
// and read well, in the order of their names.
func (r *mender) old(ctx context.Context, u *unit) ([]record, error) {
	names := r.names[r.subject.Desc.Digest]
	var live []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if kindOf(name) == u.kind && u.gone[name] == nil {
			live = append(live, name)
		}
	}
	all := make([]record, len(live))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(r.limit)
	for i, name := range live {
		g.Go(func() (err error) {
			all[i], err = r.openRecord(gctx, u, name, names[name])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(rec record) bool {
		bad := slices.ContainsFunc(rec.image.Entries, func(e cosign.Entry) bool { return e.Err != nil })
		return bad || len(rec.image.Entries) == 0 || !r.isOld(rec)
	}), nil
}

// isOld reports whether the journal entry is older than was asked for. One whose
// age is not known is so only where all are.
func (r *mender) isOld(rec record) bool {
	if r.options.OlderThan <= 0 {
		return true
	}
	day, err := time.Parse(time.RFC3339, rec.image.Annotations[createdAnnotation])
	return err == nil && r.now().Sub(day.Add(24*time.Hour)) >= r.options.OlderThan
}

// bare returns those journal entries that nothing hangs from.
func (r *mender) bare(ctx context.Context, all []record) ([]record, error) {
	if len(all) < 2 {
		return nil, nil
	}
	tags, err := r.medium.Tags(ctx, "sha256-")
	if err != nil {
		return nil, err
	}
	hung := make(map[string]bool, len(tags))
	for _, t := range tags {
		hex, _, _ := strings.Cut(strings.TrimPrefix(t, "sha256-"), ".")
		hung[hex] = true
	}
	holds := make([]bool, len(all))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(r.limit)
	for i, rec := range all {
		if holds[i] = hung[rec.place.Manifest.Digest.Hex]; holds[i] || !r.isNative() {
			continue
		}
		g.Go(func() error {
			list, native, err := r.medium.Referrers(gctx, rec.place.Manifest.Digest)
			holds[i] = len(list) > 0 || !native || err != nil // what cannot be told may hang
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []record
	for i, rec := range all {
		if !holds[i] {
			out = append(out, rec)
		}
	}
	return out, nil
}

// fold writes the one journal entry, deletes those whose place it takes, and has
// the view tell of it.
func (r *mender) fold(ctx context.Context, u *unit, f fold) error {
	if len(f.entries) == 0 {
		return nil
	}
	ids := make([]attach.ID, len(f.entries))
	for i, e := range f.entries {
		ids[i] = e.ID()
	}
	name := nameOf(u.kind, ids)
	if refs := u.gone[name]; refs != nil { // it was there once, with one that was removed and put again
		if err := r.medium.Delete(ctx, refs...); err != nil {
			r.out.Notes = append(r.out.Notes, fmt.Sprintf("%d journal entries are not folded: %v", len(f.refs), err))
			return ctx.Err()
		}
		r.revived[r.subject.Desc.Digest] = append(r.revived[r.subject.Desc.Digest], name)
	}
	old := slices.DeleteFunc(slices.Clone(f.refs), func(ref string) bool { return ref == r.names[r.subject.Desc.Digest][name] })
	if err := r.putFold(ctx, u, f.entries); err != nil {
		return err
	}
	left, err := r.delete(ctx, old)
	if err != nil {
		return err
	}
	for ref, err := range left {
		r.out.Left = append(r.out.Left, attach.Left{Ref: ref, Err: err})
	}
	for range maxChecks {
		if err := r.list(ctx); err != nil {
			return err
		}
		if at := r.names[r.subject.Desc.Digest][name]; at != "" && u.gone[name] == nil {
			break
		}
		// A remover took it apart and may have counted on what was deleted here.
		r.tasks[u].others = f.entries
		if err := r.spare(ctx, u, r.tasks[u]); err != nil {
			return err
		}
		if len(u.records) == 0 {
			break
		}
	}
	if u.groups[name] = ids; len(ids) < 2 {
		delete(u.groups, name)
	}
	u.regroup = true
	r.begin()
	return r.settle(ctx)
}

// putFold writes the journal entry and confirms it where readers find it.
func (r *mender) putFold(ctx context.Context, u *unit, entries []cosign.Entry) error {
	u.records = nil
	if err := r.putRecord(ctx, u, entries); err != nil {
		return err
	}
	if err := r.list(ctx); err != nil {
		return err
	}
	return r.confirm(ctx, u)
}
