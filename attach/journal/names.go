package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// listJournal lists the journal of all subjects. A medium that does not let its
// tags be listed makes the writer blind, which is no error: what it wrote can be
// confirmed entry by entry.
func (w *writer) listJournal(ctx context.Context) error {
	err := w.journal(ctx)
	switch {
	case err == nil:
		w.blind = nil
	case errors.Is(err, attach.ErrDenied), errors.Is(err, attach.ErrNotFound),
		errors.Is(err, attach.ErrLimit), errors.Is(err, attach.ErrUnfinished):
		w.names, w.vague, w.gone, w.blind = nil, nil, make(map[v1.Hash]graveyard), err
	default:
		return fmt.Errorf("list the journal in %s: %w: %w", w.repo, err, attach.ErrUnconfirmed)
	}
	w.tellUnits()
	return nil
}

// tellUnits tells the units what was removed, as far as the list and this writer
// itself know.
func (w *writer) tellUnits() {
	for _, u := range w.units {
		digest := u.subject.Desc.Digest
		u.gone = make(graveyard)
		u.gone.add(w.gone[digest])
		u.gone.add(w.buried[digest])
		for _, name := range w.revived[digest] {
			delete(u.gone, name)
		}
	}
}

func (w *writer) journal(ctx context.Context) error {
	lists := make([]shelf, len(w.subjects))
	native := w.isNative()
	var all []string
	if many := len(w.subjects) > fewSubjects; many && !native {
		var err error
		if all, err = w.medium.Tags(ctx, "sha256-"); err != nil {
			return err
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
		return err
	}
	w.names = make(map[v1.Hash]map[string]string, len(lists))
	w.vague = make(map[v1.Hash][]v1.Descriptor)
	w.gone = make(map[v1.Hash]graveyard)
	for i, s := range w.subjects {
		w.names[s.Desc.Digest], w.vague[s.Desc.Digest], w.gone[s.Desc.Digest] = lists[i].names, lists[i].vague, lists[i].gone
	}
	return nil
}

// A shelf is what a list tells of the journal of one subject.
type shelf struct {
	names map[string]string // journal entries: name to reference
	gone  graveyard
	vague []v1.Descriptor // referrers whose names the list does not tell
}

func newShelf() shelf { return shelf{names: make(map[string]string), gone: make(graveyard)} }

func tagNames(subject v1.Hash, tags []string) shelf {
	s := newShelf()
	for _, tag := range tags {
		if name, ok := nameInTag(subject, tag, tagSuffix); ok {
			s.names[name] = tag
		}
		if name, ok := nameInTag(subject, tag, goneSuffix); ok {
			s.gone[name] = append(s.gone[name], tag)
		}
	}
	return s
}

// listed lists the referrers of the subject. The list from the start is still good,
// once, where all that this writer has to put was in it.
func (w *writer) listed(ctx context.Context, subject v1.Hash) ([]v1.Descriptor, error) {
	w.mu.Lock()
	list, ok := w.probed[subject]
	delete(w.probed, subject)
	w.mu.Unlock()
	for _, u := range w.units {
		ok = ok && len(u.records) == 0 && !slices.ContainsFunc(u.items, func(it *item) bool { return !it.early || !it.existed })
	}
	if ok {
		return list, nil
	}
	list, _, err := w.askReferrers(ctx, subject)
	return list, err
}

// nativeNames returns the names that the list of referrers tells, or that are
// known. The others are left for nameAll.
func (w *writer) nativeNames(ctx context.Context, subject v1.Hash) (shelf, error) {
	list, err := w.listed(ctx, subject)
	if err != nil {
		return shelf{}, err
	}
	s := newShelf()
	for _, d := range list {
		mark, known := w.nameToldBy(d)
		s.put(mark, d.Digest)
		if !ofJournal(d.ArtifactType) {
			s.names[single(whole, cosign.Entry{Desc: d}.ID())] = d.Digest.String()
		}
		if !known {
			s.vague = append(s.vague, d)
		}
	}
	return s, nil
}

// put notes what is known of a referrer.
func (s shelf) put(m mark, digest v1.Hash) {
	switch {
	case m.name == "":
	case m.gone:
		s.gone[m.name] = append(s.gone[m.name], digest.String())
	default:
		s.names[m.name] = digest.String()
	}
}

// nameAll finds the names of the referrers whose names the list did not tell,
// for the subjects of the units that need them.
func (w *writer) nameAll(ctx context.Context, needs func(*unit) bool) error {
	for _, u := range w.units {
		subject := u.subject.Desc.Digest
		vague := w.vague[subject]
		if len(vague) == 0 || !needs(u) {
			continue
		}
		marks, err := w.marksOf(ctx, subject, vague)
		if err != nil {
			return err
		}
		told := shelf{names: w.names[subject], gone: w.gone[subject]}
		for i, d := range vague {
			told.put(marks[i], d.Digest)
		}
		delete(w.vague, subject)
	}
	w.tellUnits()
	return nil
}

// silent reports whether there are referrers of which the list tells so little that
// they may be tombstones. Who puts what has no view must know.
func (w *writer) silent(u *unit) bool {
	return u.tag == "" && len(u.items) > 0 && slices.ContainsFunc(w.vague[u.subject.Desc.Digest], func(d v1.Descriptor) bool {
		return len(d.Annotations) == 0
	})
}

// A mark is what a referrer is to the journal: an entry or, when gone, the
// tombstone of one. The name is "" when it is neither.
type mark struct {
	name string
	gone bool
}

// marksOf returns what each of the referrers is. Of those of which the list does not
// tell it, several are asked at once.
func (w *writer) marksOf(ctx context.Context, subject v1.Hash, list []v1.Descriptor) ([]mark, error) {
	marks := make([]mark, len(list))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(w.limit)
	for i, d := range list {
		if is, known := w.nameToldBy(d); known {
			marks[i] = is
			continue
		}
		g.Go(func() (err error) {
			marks[i], err = w.nameOfReferrer(ctx, subject, d)
			return err
		})
	}
	return marks, g.Wait()
}

// nameOfReferrer returns what the referrer is. Not every registry lists the
// annotations of a manifest, or even its type, as it should: then the manifest is
// asked, once.
func (s *Store) nameOfReferrer(ctx context.Context, subject v1.Hash, d v1.Descriptor) (mark, error) {
	is, known := s.nameToldBy(d)
	if known {
		return is, nil
	}
	m, err := s.medium.Manifest(ctx, d.Digest.String())
	if err == nil {
		if name := goneIn(m.Raw, subject); name != "" {
			is = mark{name, true}
		} else if r, bad := readRecord(m, "", "", subject); bad == nil {
			is = mark{name: r.name}
		}
	}
	if err != nil && !attach.Judged(err) && !errors.Is(err, attach.ErrNotFound) {
		return mark{}, fmt.Errorf("read the referrer %s: %w", d.Digest, err)
	}
	s.remember(d.Digest, is)
	return is, nil
}

// nameToldBy returns what the descriptor tells, or what is known from earlier.
func (s *Store) nameToldBy(d v1.Descriptor) (is mark, known bool) {
	entry, gone := d.ArtifactType == EntryType, d.ArtifactType == GoneType
	if name := d.Annotations[nameAnnotation]; entry && validName(name) {
		return mark{name: name}, true
	}
	// A list that has the type of the config in place of the artifact type may tell
	// of the annotations all the same.
	if name := d.Annotations[goneAnnotation]; (gone || Vague(d.ArtifactType)) && validName(name) {
		return mark{name, true}, true
	}
	if !entry && !gone && !Vague(d.ArtifactType) {
		return mark{}, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	is, known = s.named[d.Digest]
	return is, known
}

// remember notes what the manifest with that digest is.
func (s *Store) remember(digest v1.Hash, is mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.named) >= attach.MaxReferrers {
		clear(s.named)
	}
	s.named[digest] = is
}
