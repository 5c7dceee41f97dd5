package journal

import (
	"context"
	"errors"
	"fmt"

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
		w.names, w.vague, w.blind = nil, nil, err
	default:
		return fmt.Errorf("list the journal in %s: %w: %w", w.repo, err, attach.ErrUnconfirmed)
	}
	return nil
}

func (w *writer) journal(ctx context.Context) error {
	lists := make([]map[string]string, len(w.subjects))
	vague := make([][]v1.Descriptor, len(w.subjects))
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
				lists[i], vague[i], err = w.nativeNames(ctx, s.Desc.Digest)
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
	for i, s := range w.subjects {
		w.names[s.Desc.Digest], w.vague[s.Desc.Digest] = lists[i], vague[i]
	}
	return nil
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

// nativeNames returns the names that the list of referrers tells, or that are
// known. The others are left for nameAll.
func (w *writer) nativeNames(ctx context.Context, subject v1.Hash) (names map[string]string, vague []v1.Descriptor, err error) {
	list, _, err := w.askReferrers(ctx, subject)
	if err != nil {
		return nil, nil, err
	}
	names = make(map[string]string)
	for _, d := range list {
		name, known := w.nameToldBy(d)
		if name != "" {
			names[name] = d.Digest.String()
		}
		if d.ArtifactType != EntryType {
			names[nameOf(whole, []attach.ID{cosign.Entry{Desc: d}.ID()})] = d.Digest.String()
		}
		if !known {
			vague = append(vague, d)
		}
	}
	return names, vague, nil
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
		names := make([]string, len(vague))
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(w.limit)
		for i, d := range vague {
			g.Go(func() (err error) {
				names[i], err = w.nameOfReferrer(ctx, subject, d)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		for i, d := range vague {
			if names[i] != "" {
				w.names[subject][names[i]] = d.Digest.String()
			}
		}
		delete(w.vague, subject)
	}
	return nil
}

// nameOfReferrer returns the name of the journal entry that the referrer is, ""
// when it is none. Not every registry lists the annotations of a manifest, or
// even its type, as it should: then the manifest is asked, once.
func (s *Store) nameOfReferrer(ctx context.Context, subject v1.Hash, d v1.Descriptor) (string, error) {
	name, known := s.nameToldBy(d)
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

// nameToldBy returns what the descriptor tells of the name, or what is known of
// it from earlier.
func (s *Store) nameToldBy(d v1.Descriptor) (name string, known bool) {
	if name := d.Annotations[nameAnnotation]; d.ArtifactType == EntryType && validName(name) {
		return name, true
	}
	if d.ArtifactType != EntryType && !vagueType(d.ArtifactType) {
		return "", true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name, known = s.named[d.Digest]
	return name, known
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
