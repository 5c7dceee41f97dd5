package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// settle lists the journal, confirms what was written, and repeats "read the
// view, complete it" until each view shows the whole journal.
func (w *writer) settle(ctx context.Context) error {
	confirmed := false
	for try := 0; ; try++ {
		begin := w.now()
		if err := w.listJournal(ctx); err != nil {
			return err
		}
		step := min(max(w.now().Sub(begin), firstWait), longWait)
		if !confirmed {
			confirmed = true
			native := w.isNative()
			if err := w.each(ctx, w.confirm); err != nil {
				return err
			}
			if w.isNative() != native {
				continue // the journal is elsewhere: list it there
			}
		}
		if err := w.each(ctx, w.improve); err != nil {
			return err
		}
		open, pause, lead := false, false, false
		for _, u := range w.units {
			wanting := u.wrote || w.wanting(u)
			open = open || wanting
			u.waited = wanting && !u.wrote
			pause = pause || u.waited
			lead = lead || u.waited && w.leads(u)
		}
		if !open || try == maxTries {
			return nil
		}
		if pause {
			wait := time.Duration(w.random() * float64(min(step<<min(try, 10), longWait)))
			if !lead {
				wait += min(followers*step, longWait)
			}
			if err := w.sleep(ctx, wait); err != nil {
				return fmt.Errorf("wait for the views of %s to come to rest: %w: %w", w.repo, err, attach.ErrUnconfirmed)
			}
		}
	}
}

// leads reports whether this writer is the one to complete the view before
// others: that of the smallest name which the view does not cover. The others
// wait longer and most of the time find it done. Nothing depends on it but the
// number of requests.
func (w *writer) leads(u *unit) bool {
	covered := coveredBy(u.kind, u.view.image)
	first := ""
	for name := range w.names[u.subject.Desc.Digest] {
		if kindOf(name) == u.kind && !covered[name] && (first == "" || name < first) {
			first = name
		}
	}
	return slices.ContainsFunc(u.records, func(r *written) bool { return r.name == first })
}

// improve reads the view of a unit, and completes it when it was found wanting
// before the last pause. Most of the time somebody else has done so meanwhile.
func (w *writer) improve(ctx context.Context, u *unit) error {
	if u.wrote || u.waited {
		if err := w.look(ctx, u); err != nil {
			return fmt.Errorf("%w: %w", err, attach.ErrUnconfirmed)
		}
	}
	if !u.waited || !w.wanting(u) {
		return nil
	}
	if err := w.fetch(ctx, u); err != nil {
		return fmt.Errorf("%w: %w", err, attach.ErrUnconfirmed)
	}
	return w.write(ctx, u)
}

// wanting reports whether the view lacks an entry that there is room for.
func (w *writer) wanting(u *unit) bool {
	if u.tag == "" || u.frozen != "" {
		return false
	}
	if _, added := u.merge(); added > 0 {
		return true
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
	covered := coveredBy(u.kind, u.view.image)
	var names []string
	for name := range w.names[u.subject.Desc.Digest] {
		if kindOf(name) == u.kind && !covered[name] && !u.fetched[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), attach.MaxReferrers)]
}

// fetch opens the journal entries that the view does not show.
func (w *writer) fetch(ctx context.Context, u *unit) error {
	names := w.uncovered(u)
	names = names[:min(len(names), attach.MaxView)]
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
		r, err = readRecord(m, tag, name, u.subject.Desc.Digest)
	}
	switch {
	case err == nil:
		return r, nil
	case attach.Judged(err) || errors.Is(err, attach.ErrNotFound):
		return record{name: name, kind: u.kind}, nil
	}
	return record{}, fmt.Errorf("read the journal entry %s of %s: %w", ref, u.subject, err)
}

// listJournal lists the journal of all subjects. A medium that does not let its
// tags be listed makes the writer blind, which is no error: what it wrote can be
// confirmed entry by entry.
func (w *writer) listJournal(ctx context.Context) error {
	names, err := w.journal(ctx)
	switch {
	case err == nil:
		w.names, w.blind = names, nil
	case errors.Is(err, attach.ErrDenied), errors.Is(err, attach.ErrNotFound), errors.Is(err, attach.ErrLimit):
		w.names, w.blind = nil, err
	default:
		return fmt.Errorf("list the journal in %s: %w: %w", w.repo, err, attach.ErrUnconfirmed)
	}
	return nil
}

func (w *writer) journal(ctx context.Context) (map[v1.Hash]map[string]string, error) {
	lists := make([]map[string]string, len(w.subjects))
	native := w.isNative()
	var all []string
	if many := len(w.subjects) > fewSubjects; many && !native {
		var err error
		if all, err = w.medium.Tags(ctx, "sha256-"); err != nil {
			return nil, err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(w.limit)
	for i, s := range w.subjects {
		g.Go(func() error {
			var err error
			switch {
			case native:
				lists[i], err = w.nativeNames(ctx, s.Desc.Digest)
			case all != nil:
				lists[i] = tagNames(s.Desc.Digest, all)
			default:
				var tags []string
				tags, err = w.medium.Tags(ctx, tagPrefix(s.Desc.Digest))
				lists[i] = tagNames(s.Desc.Digest, tags)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	names := make(map[v1.Hash]map[string]string, len(lists))
	for i, s := range w.subjects {
		names[s.Desc.Digest] = lists[i]
	}
	return names, nil
}

func tagNames(subject v1.Hash, tags []string) map[string]string {
	names := make(map[string]string)
	for _, tag := range tags {
		if name, ok := nameInTag(subject, tag); ok {
			names[name] = tag
		}
	}
	return names
}

func (w *writer) nativeNames(ctx context.Context, subject v1.Hash) (map[string]string, error) {
	list, native, err := w.askReferrers(ctx, subject)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string)
	if !native {
		return names, nil
	}
	for _, d := range list {
		name, err := w.nameOfReferrer(ctx, subject, d)
		if err != nil {
			return nil, err
		}
		if name != "" {
			names[name] = d.Digest.String()
		}
	}
	return names, nil
}

// nameOfReferrer returns the name of the journal entry that the referrer is, ""
// when it is none. Not every registry lists the annotations of a manifest, or
// even its type, as it should: then the manifest is asked, once.
func (s *Store) nameOfReferrer(ctx context.Context, subject v1.Hash, d v1.Descriptor) (string, error) {
	if name := d.Annotations[nameAnnotation]; d.ArtifactType == EntryType && validName(name) {
		return name, nil
	}
	if d.ArtifactType != EntryType && !vagueType(d.ArtifactType) {
		return "", nil
	}
	s.mu.Lock()
	name, known := s.named[d.Digest]
	s.mu.Unlock()
	if known {
		return name, nil
	}
	m, err := s.medium.Manifest(ctx, d.Digest.String())
	if err == nil {
		var r record
		if r, err = readRecord(m, "", "", subject); err == nil {
			name = r.name
		}
	}
	if err != nil && !attach.Judged(err) && !errors.Is(err, attach.ErrNotFound) {
		return "", fmt.Errorf("read the referrer %s: %w", d.Digest, err)
	}
	s.remember(d.Digest, name)
	return name, nil
}

// remember notes the name of the journal entry with that digest.
func (s *Store) remember(digest v1.Hash, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.named) >= attach.MaxReferrers {
		clear(s.named)
	}
	s.named[digest] = name
}
