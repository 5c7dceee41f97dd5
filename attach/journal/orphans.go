package journal

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
)

// Subjects is what a [Medium] may have beside: a way to tell from what subjects
// its manifests hang. Where there is none, orphans are found by their tags.
type Subjects interface {
	Subjects(ctx context.Context) ([]v1.Hash, error)
}

// Orphans implements [attach.Keeper]. A registry does not tell of which subjects
// it has referrers, so that of those only the referrers of subjects are found that
// tags remind of.
func (s *Store) Orphans(ctx context.Context) iter.Seq2[attach.Orphan, error] {
	return func(yield func(attach.Orphan, error) bool) {
		found, err := s.remnants(ctx)
		if err != nil {
			yield(attach.Orphan{}, fmt.Errorf("look for orphans in %s: %w", s.repo, err))
			return
		}
		subjects := slices.SortedFunc(maps.Keys(found), func(a, b v1.Hash) int { return strings.Compare(a.Hex, b.Hex) })
		for part := range slices.Chunk(subjects, 64*s.limit) {
			orphans, errs := s.judge(ctx, part, found)
			for i := range part {
				if errs[i] != nil && !yield(attach.Orphan{}, errs[i]) {
					return
				}
				for _, o := range orphans[i] {
					if !yield(o, nil) {
						return
					}
				}
			}
		}
	}
}

// judge looks for the subjects and returns, for each that is not there, what
// hangs from it. Of one that cannot be looked for nothing is said but that.
func (s *Store) judge(ctx context.Context, subjects []v1.Hash, found map[v1.Hash][]attach.Orphan) ([][]attach.Orphan, []error) {
	orphans, errs := make([][]attach.Orphan, len(subjects)), make([]error, len(subjects))
	var g errgroup.Group
	g.SetLimit(s.limit)
	for i, subject := range subjects {
		g.Go(func() error {
			there, err := s.exists(ctx, subject)
			if err != nil {
				errs[i] = fmt.Errorf("whether %s has the subject %s: %w", s.repo, subject, err)
				return nil
			}
			if there {
				return nil
			}
			more, err := s.deserted(ctx, subject)
			if err != nil {
				errs[i] = fmt.Errorf("what refers to %s in %s: %w", subject, s.repo, err)
			}
			orphans[i] = slices.Concat(found[subject], more)
			return nil
		})
	}
	_ = g.Wait() // it has no errors of its own
	return orphans, errs
}

// remnants returns what the tags tell of, by subject, in the order of tags, and
// the subjects that the medium tells of.
func (s *Store) remnants(ctx context.Context) (map[v1.Hash][]attach.Orphan, error) {
	tags, err := s.medium.Tags(ctx, "sha256-")
	if err != nil {
		return nil, err
	}
	found := make(map[v1.Hash][]attach.Orphan)
	slices.Sort(tags)
	for _, tag := range tags {
		if o, ok := remnant(tag); ok {
			found[o.Subject] = append(found[o.Subject], o)
		}
	}
	if m, ok := s.medium.(Subjects); ok {
		list, err := m.Subjects(ctx)
		if err != nil {
			return nil, err
		}
		for _, h := range list {
			found[h] = append([]attach.Orphan(nil), found[h]...)
		}
	}
	return found, nil
}

// remnant returns what a tag is, if it is one of what hangs from a subject.
func remnant(tag string) (attach.Orphan, bool) {
	hex, suffix, _ := strings.Cut(strings.TrimPrefix(tag, "sha256-"), ".")
	subject := v1.Hash{Algorithm: "sha256", Hex: hex}
	if len(hex) != 64 || strings.Trim(hex, "0123456789abcdef") != "" || !strings.HasPrefix(tag, "sha256-") {
		return attach.Orphan{}, false
	}
	o := attach.Orphan{Subject: subject, Ref: tag}
	_, entry := nameInTag(subject, tag, tagSuffix)
	_, gone := nameInTag(subject, tag, goneSuffix)
	view := slices.ContainsFunc(attach.Kinds(), func(k attach.Kind) bool { return attach.CosignTagOf(subject, k) == tag })
	switch {
	case entry:
		o.What = attach.OrphanEntry
	case gone:
		o.What = attach.OrphanGone
	case view:
		o.What = attach.OrphanView
	case tag == "sha256-"+hex && suffix == "":
		o.What = attach.OrphanIndex
	default:
		return attach.Orphan{}, false
	}
	return o, true
}

// deserted returns the referrers of a subject that is not there.
func (s *Store) deserted(ctx context.Context, subject v1.Hash) ([]attach.Orphan, error) {
	list, native, err := s.askReferrers(ctx, subject)
	if err != nil || !native {
		return nil, err
	}
	var out []attach.Orphan
	for _, d := range list {
		o := attach.Orphan{Subject: subject, Ref: d.Digest.String(), What: attach.OrphanReferrer}
		switch is, err := s.nameOfReferrer(ctx, subject, d); {
		case err != nil:
			return out, err
		case is.gone:
			o.What = attach.OrphanGone
		case is.name != "":
			o.What = attach.OrphanEntry
		}
		out = append(out, o)
	}
	return out, nil
}

// Sweep implements [attach.Keeper].
func (s *Store) Sweep(ctx context.Context, orphans ...attach.Orphan) ([]attach.Left, error) {
	unlock, err := s.medium.Lock(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", s.repo, err)
	}
	defer unlock()
	var tags, digests []string
	var left []attach.Left
	looked := make(map[v1.Hash]error)
	for _, o := range orphans {
		why, seen := looked[o.Subject]
		if !seen {
			there, err := s.exists(ctx, o.Subject)
			if err == nil && there {
				err = errors.New("its subject is there")
			}
			why, looked[o.Subject] = err, err
		}
		if why == nil && o.What == attach.OrphanIndex {
			why = s.isList(ctx, o)
		}
		switch {
		case why != nil:
			left = append(left, attach.Left{Ref: o.Ref, Err: why})
		case tagIn(o.Ref) != "":
			tags = append(tags, o.Ref)
		default:
			digests = append(digests, o.Ref)
		}
	}
	for _, refs := range [][]string{tags, digests} { // an index of referrers goes before them
		more, err := s.delete(ctx, refs)
		if err != nil {
			return left, fmt.Errorf("sweep %s: %w", s.repo, err)
		}
		for _, ref := range refs {
			if err := more[ref]; err != nil {
				left = append(left, attach.Left{Ref: ref, Err: err})
			}
		}
	}
	return left, nil
}

// isList checks that what stands under a referrers tag is a list of referrers. Any
// tag may have that form, and what it names may be an image.
func (s *Store) isList(ctx context.Context, o attach.Orphan) error {
	m, err := s.medium.Manifest(ctx, o.Ref)
	if errors.Is(err, attach.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("whether it is a list of referrers: %w", err)
	}
	list, err := attach.ParseReferrers(m.Raw, attach.MaxReferrers)
	var bad attach.Spoiled
	if err != nil && !errors.As(err, &bad) {
		return fmt.Errorf("it is no list of referrers: %w", err)
	}
	for _, d := range list {
		if d.Platform != nil {
			return fmt.Errorf("it lists the platforms of an image: %w", attach.ErrMalformed)
		}
	}
	return nil
}
