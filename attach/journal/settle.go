package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// settle lists the journal, confirms what was written, and repeats "read the
// view, complete it" until each view was found to be complete, or to be for
// another writer to complete.
func (w *writer) settle(ctx context.Context) error {
	step := firstWait
	for try := 0; ; try++ {
		if try == 0 || slices.ContainsFunc(w.units, func(u *unit) bool { return u.wrote || u.turn }) {
			begin := w.now()
			if err := w.listJournal(ctx); err != nil {
				return err
			}
			step = min(max(w.now().Sub(begin), firstWait), longWait)
		}
		if try == 0 {
			native := w.isNative()
			if err := w.revive(ctx); err != nil {
				return err
			}
			if err := w.confirmAll(ctx); err != nil {
				return err
			}
			if w.isNative() != native { // the journal is elsewhere: list it there
				if err := w.listJournal(ctx); err != nil {
					return err
				}
			}
		}
		if err := w.improve(ctx); err != nil {
			return fmt.Errorf("%w: %w", err, attach.ErrUnconfirmed)
		}
		open, wait := false, time.Duration(-1)
		for _, u := range w.units {
			u.open = !u.wrote && w.wanting(u)
			open = open || u.open || u.wrote
			if u.open {
				if d := w.schedule(u, step); wait < 0 || d < wait {
					wait = d
				}
			}
		}
		if !open || try == maxTries {
			return nil
		}
		if err := w.pause(ctx, wait); err != nil {
			return err
		}
	}
}

// pause waits, and notes the time for the units that wait with it.
func (w *writer) pause(ctx context.Context, d time.Duration) error {
	if d < 0 {
		return nil
	}
	for _, u := range w.units {
		if u.open {
			u.quiet += d
		}
	}
	if err := w.sleep(ctx, d); err != nil {
		return fmt.Errorf("wait for the views of %s to come to rest: %w: %w", w.repo, err, attach.ErrUnconfirmed)
	}
	return nil
}

// schedule decides what a unit does whose view was found wanting, and returns how
// long it waits before that. Who answers for the view lets others finish and
// then completes it. All others look now and then whether that was done, and do
// it themselves when nothing has happened for long: the one with the smallest
// name that the view does not cover first. Nothing but the number of requests
// depends on the times.
func (w *writer) schedule(u *unit, step time.Duration) time.Duration {
	if now := u.view.desc.Digest; u.was != now {
		u.was, u.quiet = now, 0
	}
	missing, before := w.behind(u)
	crowd := missing / w.limit
	if missing > attach.MaxView { // no crowd writes more than it shows
		crowd = 0
	}
	random := func(d time.Duration) time.Duration { return time.Duration(w.random() * float64(d)) }
	patience := time.Duration((1+min(before, longestQueue))*(patientFor+2*crowd)) * step
	if u.turn = w.answers(u) || u.quiet >= min(patience, longPatience); u.turn {
		return min(time.Duration(1+crowd)*step+random(2*step), longWait)
	}
	wait := min(time.Duration(2+crowd)*step<<min(u.looks, 10), longWait)
	u.looks++
	return wait/2 + random(wait)
}

// answers reports whether this writer answers for the view: because the view is
// as it wrote it, or because it wrote none and nobody is known who did.
func (w *writer) answers(u *unit) bool {
	return len(u.wrotes) == 0 || u.wrotes[u.view.desc.Digest]
}

// behind returns how many journal entries the view does not cover, save those that
// were looked at in vain, and how many of them have names smaller than those of this
// writer.
func (w *writer) behind(u *unit) (missing, before int) {
	mine := ""
	for _, r := range u.records {
		if mine == "" || r.name < mine {
			mine = r.name
		}
	}
	covered := u.view.names
	for name := range w.names[u.subject.Desc.Digest] {
		if n, looked := u.fetched[name]; looked && n == 0 {
			continue
		}
		if kindOf(name) == u.kind && !covered[name] && u.gone[name] == nil {
			missing++
			if name < mine {
				before++
			}
		}
	}
	return missing, before
}

// improve reads the views that may have changed, and completes those whose turn
// it is, unless somebody wrote them during the last pause.
func (w *writer) improve(ctx context.Context) error {
	err := w.each(ctx, func(ctx context.Context, u *unit) error {
		if !u.wrote && !u.open {
			return nil
		}
		if err := w.look(ctx, u); err != nil {
			return err
		}
		u.turn = u.turn && u.was == u.view.desc.Digest
		return nil
	})
	if err != nil {
		return err
	}
	if err := w.nameAll(ctx, func(u *unit) bool { return u.tag != "" && (u.turn || w.answers(u)) || w.silent(u) }); err != nil {
		return err
	}
	if err := w.revive(ctx); err != nil { // names that the list did not tell are known now
		return err
	}
	return w.each(ctx, func(ctx context.Context, u *unit) error {
		repairs := u.turn && w.wanting(u)
		if u.turn = false; !repairs {
			return nil
		}
		opened, err := w.fetch(ctx, u)
		if err == nil && opened > 1 { // that took a while
			err = w.look(ctx, u)
		}
		if err != nil {
			return err
		}
		return w.write(ctx, u)
	})
}

// wanting reports whether the view lacks an entry that there is room for: one
// that this writer knows or, where it answers for the view, any.
func (w *writer) wanting(u *unit) bool {
	if u.tag == "" || u.frozen != "" {
		return false
	}
	if _, changed := u.merge(); changed > 0 {
		return true
	}
	if !w.answers(u) {
		return false
	}
	unknown := len(w.uncovered(u))
	if len(u.view.image.Entries) < attach.MaxView && u.left == 0 {
		return unknown > 0
	}
	u.unknown = unknown
	return false
}

// uncovered returns the names of the journal entries that the view does not
// show and that were not looked at, in order.
func (w *writer) uncovered(u *unit) []string {
	covered := u.view.names
	var names []string
	for name := range w.names[u.subject.Desc.Digest] {
		if _, looked := u.fetched[name]; !looked && kindOf(name) == u.kind && !covered[name] && u.gone[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), attach.MaxReferrers)]
}

// fetch opens the journal entries that the view does not show, until there are more
// than it has room for, and returns how many those were.
func (w *writer) fetch(ctx context.Context, u *unit) (int, error) {
	opened := 0
	for names := range slices.Chunk(w.uncovered(u), attach.MaxView) {
		if err := w.openAll(ctx, u, names); err != nil {
			return opened, err
		}
		opened += len(names)
		if img, _ := u.merge(); u.left > 0 || len(img.Entries) >= attach.MaxView {
			break
		}
	}
	return opened, nil
}

// openAll opens the journal entries of those names.
func (w *writer) openAll(ctx context.Context, u *unit, names []string) error {
	good := make([][]cosign.Entry, len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(w.limit)
	for i, name := range names {
		ref := w.names[u.subject.Desc.Digest][name]
		g.Go(func() error {
			r, err := w.openRecord(ctx, u, name, ref)
			if err != nil {
				return err
			}
			good[i], err = w.showable(ctx, u.subject, r)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, name := range names {
		u.learn(name, good[i])
	}
	return nil
}

// openRecord reads a journal entry. One that is malformed, or gone, is returned
// empty: it does not concern the others.
func (w *writer) openRecord(ctx context.Context, u *unit, name, ref string) (record, error) {
	m, err := w.medium.Manifest(ctx, ref)
	var r record
	if err == nil {
		tag := ref
		if ref == m.Desc.Digest.String() {
			tag = ""
		}
		r, err = readEntry(m, tag, name, u.subject.Desc.Digest)
	}
	switch {
	case err == nil:
		return r, nil
	case attach.Judged(err) || errors.Is(err, attach.ErrNotFound):
		return record{name: name, kind: u.kind}, nil
	}
	return record{}, fmt.Errorf("read the journal entry %s of %s: %w", ref, u.subject, err)
}
