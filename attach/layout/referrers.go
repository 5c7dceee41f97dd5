package layout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// Referrers implements journal.Medium. It lists the entries of index.json, and
// of the referrers tag where another tool left one, whose manifest has the
// subject. A manifest that is absent or broken has none.
func (m *medium) Referrers(ctx context.Context, digest v1.Hash) ([]v1.Descriptor, bool, error) {
	snap, err := m.snapshot()
	if err != nil {
		return nil, true, err
	}
	places := snap.subjects.candidates(len(snap.index.entries), digest)
	list := make([]v1.Descriptor, 0, min(len(places), attach.MaxReferrers))
	seen := map[v1.Hash]bool{digest: true}
	add := func(d v1.Descriptor) (told bool, subject v1.Hash, err error) {
		if err := ctx.Err(); err != nil {
			return false, v1.Hash{}, err
		}
		if !isManifest(d.MediaType) || seen[d.Digest] {
			return !isManifest(d.MediaType), v1.Hash{}, nil
		}
		r, subject, told, err := m.referrer(d)
		if err != nil || subject != digest {
			return told, subject, err
		}
		seen[d.Digest] = true
		if len(list) == attach.MaxReferrers {
			return true, subject, fmt.Errorf("%s: more than %d entries refer to %s: %w", m.dir.name, attach.MaxReferrers, digest, attach.ErrUnfinished)
		}
		list = append(list, r)
		return told, subject, nil
	}
	for _, i := range places {
		d, err := snap.index.desc(snap.index.entries[i])
		if err != nil {
			return list, true, err
		}
		told, subject, err := add(d)
		if err != nil {
			return list, true, err
		}
		if told {
			snap.subjects.learn(i, subject)
		}
	}
	listed, err := m.listed(snap.index, digest)
	if err != nil {
		return list, true, err
	}
	for _, d := range listed {
		if _, _, err := add(d); err != nil {
			return list, true, err
		}
	}
	return list, true, nil
}

// listed returns the descriptors in the list under the referrers tag. One that is
// absent or broken has none.
func (m *medium) listed(x *index, digest v1.Hash) ([]v1.Descriptor, error) {
	d, ok, err := x.find("sha256-" + digest.Hex)
	if !ok || err != nil {
		return nil, err
	}
	fallback, _, err := m.manifest(d)
	if errors.Is(err, attach.ErrNotFound) || attach.Judged(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list, err := attach.ParseReferrers(fallback.Raw, attach.MaxReferrers)
	var spoiled attach.Spoiled
	if err != nil && !errors.As(err, &spoiled) && !errors.Is(err, attach.ErrUnfinished) {
		return nil, nil
	}
	return list, nil
}

// referrer reads the manifest and returns the descriptor that a referrers API would
// show for it, and its subject, zero where it has none. It was told unless the
// manifest is absent or broken, which a file of a directory may be today and not
// tomorrow.
func (m *medium) referrer(d v1.Descriptor) (r v1.Descriptor, subject v1.Hash, told bool, err error) {
	mf, h, err := m.manifest(d)
	if errors.Is(err, attach.ErrNotFound) || attach.Judged(err) {
		return v1.Descriptor{}, v1.Hash{}, m.dir.archive != nil, nil
	}
	if err != nil {
		return v1.Descriptor{}, v1.Hash{}, false, err
	}
	if h.subject == nil {
		return v1.Descriptor{}, v1.Hash{}, true, nil
	}
	r = mf.Desc
	r.ArtifactType, r.Annotations = h.artifactType(), h.annotations
	return r, h.subject.Digest, true, nil
}

// subjects is what is known of the subjects of the manifests that index.json names,
// by their places in it. What a digest names never changes, so that a manifest is
// read once to know it, and not for each question.
type subjects struct {
	mu   sync.Mutex
	told []bool        // whether the manifest was read
	by   map[sum][]int // those that were read, by subject
}

// candidates returns the places, in order, of the manifests out of so many that may
// have the subject.
func (s *subjects) candidates(of int, subject v1.Hash) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told == nil {
		s.told, s.by = make([]bool, of), make(map[sum][]int)
	}
	key, _ := sumOf(subject)
	all := slices.Clone(s.by[key])
	for i, told := range s.told {
		if !told {
			all = append(all, i)
		}
	}
	slices.Sort(all)
	return all
}

// learn notes the subject of the manifest at a place, zero where it has none.
func (s *subjects) learn(at int, subject v1.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told[at] {
		return
	}
	s.told[at] = true
	if key, ok := sumOf(subject); ok {
		s.by[key] = append(s.by[key], at)
	}
}
