package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// Vague reports whether the artifact type in a list of referrers tells nothing:
// where it is missing, and where the list has the media type of a config in its
// place that says no more than that there is one. What the referrer is must then be
// asked of its manifest: see [Describe].
func Vague(t string) bool {
	switch t {
	case "", "application/vnd.oci.empty.v1+json", string(types.OCIConfigJSON), string(types.DockerConfigJSON):
		return true
	}
	return false
}

// lister is one List under way.
type lister struct {
	*Store
	ctx     context.Context
	subject attach.Subject
	kinds   []attach.Kind
	yield   func(attach.Attachment, error) bool
	gone    graveyard // what was removed, as far as it was listed
	hidden  bool      // yield that too
	prefix  string    // of the tags of the views
}

// List implements [attach.Reader]. It reads the views first: one request for
// each kind. Only when the caller goes on does it look for referrers, and then
// for journal tags; each of their entries is a request.
func (s *Store) List(ctx context.Context, subject attach.Subject, kinds ...attach.Kind) iter.Seq2[attach.Attachment, error] {
	if len(kinds) == 0 {
		kinds = attach.Kinds()
	}
	return func(yield func(attach.Attachment, error) bool) {
		l := &lister{Store: s, ctx: ctx, subject: subject, kinds: kinds, yield: yield, gone: make(graveyard)}
		l.hidden = slices.Contains(kinds, attach.Hidden)
		_ = l.views() && l.referrers() && l.tags()
	}
}

// ListUnder yields what cosign shows under tags with the prefix before the digest, as
// it does when it is asked for one: PREFIXsha256-<hex>.sig. Nothing else is looked for:
// who keeps entries under a prefix may do so to tell them from those without. Stores
// write nothing there.
func (s *Store) ListUnder(ctx context.Context, prefix string, subject attach.Subject, kinds ...attach.Kind) iter.Seq2[attach.Attachment, error] {
	if len(kinds) == 0 {
		kinds = attach.Kinds()
	}
	return func(yield func(attach.Attachment, error) bool) {
		l := &lister{Store: s, ctx: ctx, subject: subject, kinds: kinds, yield: yield, prefix: prefix}
		_ = l.views()
	}
}

// fail yields an error about one place. It returns false when the caller has
// had enough.
func (l *lister) fail(err error) bool {
	return l.yield(attach.Attachment{}, err)
}

// failed yields the error, if any; of a list with malformed entries the error of
// each.
func (l *lister) failed(what string, err error) bool {
	errs := []error{err}
	var bad attach.Spoiled
	if errors.As(err, &bad) {
		errs = bad
	}
	for _, err := range errs {
		if err != nil && !l.fail(fmt.Errorf("%s %s: %w", what, l.subject, err)) {
			return false
		}
	}
	return true
}

// entries yields the entries of one manifest.
func (l *lister) entries(k attach.Kind, img cosign.Image, p attach.Place, removed func(attach.ID) string) bool {
	for _, e := range img.Entries {
		if e.Err != nil {
			if !l.fail(fmt.Errorf("%s of %s in %s: %w", public(k), l.subject, p.Manifest.Digest, e.Err)) {
				return false
			}
			continue
		}
		a := attachment(k, e, p)
		a.Removed = removed(e.ID())
		if a.Removed != "" && !l.hidden {
			continue
		}
		if !l.yield(a, nil) {
			return false
		}
	}
	return true
}

// shown is for what no tombstone hides: a view shows what it shows.
func shown(attach.ID) string { return "" }

func (l *lister) views() bool {
	for _, k := range l.kinds {
		tag := attach.CosignTagOf(l.subject.Desc.Digest, k)
		if tag == "" {
			continue
		}
		tag = l.prefix + tag
		m, err := l.medium.Manifest(l.ctx, tag)
		if errors.Is(err, attach.ErrNotFound) {
			continue
		}
		var img cosign.Image
		if err == nil {
			img, err = cosign.Parse(m.Raw)
		}
		if err != nil {
			if !l.fail(fmt.Errorf("read %s:%s: %w", l.repo, tag, err)) {
				return false
			}
			continue
		}
		if !l.entries(k, img, attach.Place{Scheme: attach.CosignTag, Manifest: m.Desc, Tag: tag}, shown) {
			return false
		}
	}
	return true
}

func (l *lister) referrers() bool {
	list, native, err := l.medium.Referrers(l.ctx, l.subject.Desc.Digest)
	if !l.failed("list the referrers of", err) {
		return false
	}
	scheme := attach.Referrers
	if !native || len(list) == 0 { // there are registries whose list is empty come what may
		scheme = attach.FallbackTag
		if list, err = l.fallback(); !l.failed("list by the referrers tag the referrers of", err) {
			return false
		}
	}
	if len(list) > attach.MaxReferrers {
		if !l.fail(fmt.Errorf("%s has %d referrers, the limit is %d: %w", l.subject, len(list), attach.MaxReferrers, attach.ErrUnfinished)) {
			return false
		}
		list = list[:attach.MaxReferrers]
	}
	l.tombstones(list)
	early := func(d v1.Descriptor) func(context.Context) *opening {
		if name := d.Annotations[nameAnnotation]; d.ArtifactType == EntryType && l.wants(name) || Vague(d.ArtifactType) {
			return l.readEarly(d.Digest.String())
		}
		return nil
	}
	for d, o := range attach.Ahead(l.ctx, l.ahead, slices.Values(list), early) {
		if !l.referrer(d, scheme, o) {
			return false
		}
	}
	return true
}

// tombstones learns from the referrers what was removed. Those of which the list
// does not tell what they are have to be read; what cannot be read here is told
// of when its turn comes.
func (l *lister) tombstones(list []v1.Descriptor) {
	marks := make([]mark, len(list))
	var g errgroup.Group
	g.SetLimit(l.ahead)
	for i, d := range list {
		if is, known := l.nameToldBy(d); known {
			marks[i] = is
			continue
		}
		g.Go(func() error {
			if is, err := l.nameOfReferrer(l.ctx, l.subject.Desc.Digest, d); err == nil {
				marks[i] = is
			}
			return nil
		})
	}
	_ = g.Wait() // none fails
	for i, is := range marks {
		if is.gone {
			l.gone[is.name] = append(l.gone[is.name], list[i].Digest.String())
		}
	}
}

// An opening is a manifest that was read before its turn.
type opening struct {
	m   attach.Manifest
	err error
}

// maxEarly is the size of the largest manifest that is kept until its turn, in
// bytes. A larger one is read again then.
const maxEarly = 256 << 10

// readEarly returns the task to read a manifest before its turn, of several at once.
func (s *Store) readEarly(ref string) func(context.Context) *opening {
	return func(ctx context.Context) *opening {
		m, err := s.medium.Manifest(ctx, ref)
		if len(m.Raw) > maxEarly && s.ahead > 1 {
			return nil
		}
		return &opening{m, err}
	}
}

// opened returns what was read early, or reads it now.
func (s *Store) opened(ctx context.Context, ref string, o *opening) (attach.Manifest, error) {
	if o != nil {
		return o.m, o.err
	}
	return s.medium.Manifest(ctx, ref)
}

// wants reports whether a journal entry of that name may hold what is asked for:
// it is of a kind that is, and no tombstone hides it.
func (l *lister) wants(name string) bool {
	return !validName(name) || slices.Contains(l.kinds, public(kindOf(name))) && (l.hidden || l.gone[name] == nil)
}

// fallback reads the index that stands for the referrers API where there is
// none (distribution specification 1.1, "Referrers Tag Schema"). There are
// registries that take the tag for the digest and answer with the subject
// itself, which is no such index.
func (l *lister) fallback() ([]v1.Descriptor, error) {
	digest := l.subject.Desc.Digest
	m, err := l.medium.Manifest(l.ctx, attach.FallbackTagOf(digest))
	switch {
	case errors.Is(err, attach.ErrNotFound), err == nil && m.Desc.Digest == digest:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return attach.ParseReferrers(m.Raw, attach.MaxReferrers)
}

// referrer yields what one referrer holds: the entries of a journal entry, or
// the artifact itself.
func (l *lister) referrer(d v1.Descriptor, scheme attach.Scheme, o *opening) bool {
	if d.ArtifactType == EntryType {
		if !l.wants(d.Annotations[nameAnnotation]) {
			return true
		}
		return l.record(d.Digest.String(), "", "", o)
	}
	if is, known := l.nameToldBy(d); known && is.gone {
		return true
	}
	a := attach.Attachment{
		Kind:        attach.Artifact,
		Desc:        plain(d),
		Type:        d.ArtifactType,
		Annotations: d.Annotations,
		Places:      []attach.Place{{Scheme: scheme, Manifest: plain(d)}},
	}
	if Vague(a.Type) {
		m, err := l.opened(l.ctx, d.Digest.String(), o)
		if err == nil && m.Desc.Digest != d.Digest {
			err = fmt.Errorf("it has digest %s: %w", m.Desc.Digest, attach.ErrDigest)
		}
		var t string
		if err == nil {
			t, err = artifactType(m.Raw)
		}
		if err != nil {
			return l.fail(fmt.Errorf("read the referrer %s of %s: %w", d.Digest, l.subject, err))
		}
		if t == EntryType {
			return l.unfold(m, d.Digest.String(), "", "")
		}
		a.Type = t
	}
	a.Removed = l.gone.of(single(whole, a.ID()))
	if a.Type == GoneType || !slices.Contains(l.kinds, attach.Artifact) || a.Removed != "" && !l.hidden {
		return true
	}
	return l.yield(a, nil)
}

// plain returns the descriptor without what others may say of the manifest.
func plain(d v1.Descriptor) v1.Descriptor {
	return v1.Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest}
}

// record reads a journal entry and yields what it holds.
func (l *lister) record(ref, tag, name string, o *opening) bool {
	m, err := l.opened(l.ctx, ref, o)
	if errors.Is(err, attach.ErrNotFound) && l.gone[name] != nil {
		return true // it was deleted, as its tombstone says, and a list of yesterday names it
	}
	if err != nil {
		return l.fail(fmt.Errorf("read the journal entry %s of %s: %w", ref, l.subject, err))
	}
	return l.unfold(m, ref, tag, name)
}

// unfold yields the entries of a journal entry that was read.
func (l *lister) unfold(m attach.Manifest, ref, tag, name string) bool {
	r, err := readEntry(m, tag, name, l.subject.Desc.Digest)
	if err != nil {
		return l.fail(fmt.Errorf("read the journal entry %s of %s: %w", ref, l.subject, err))
	}
	if !slices.Contains(l.kinds, public(r.kind)) || l.gone[r.name] != nil && !l.hidden {
		return true
	}
	return l.entries(r.kind, r.image, r.place, func(id attach.ID) string {
		return cmp.Or(l.gone.of(r.name), l.gone.of(single(r.kind, id)))
	})
}

// removed returns 1 for the tag of a journal entry that has a tombstone, else 0.
func (l *lister) removed(tag string) int {
	if name, _ := nameInTag(l.subject.Desc.Digest, tag, tagSuffix); l.gone[name] != nil {
		return 1
	}
	return 0
}

// tags yields the entries of the journal tags.
func (l *lister) tags() bool {
	digest := l.subject.Desc.Digest
	tags, err := l.medium.Tags(l.ctx, tagPrefix(digest))
	if err != nil {
		return l.fail(fmt.Errorf("list the journal of %s: %w", l.subject, err))
	}
	l.gone.add(tagNames(digest, tags).gone)
	tags = slices.DeleteFunc(tags, func(tag string) bool {
		name, ok := nameInTag(digest, tag, tagSuffix)
		return !ok || !l.wants(name)
	})
	// What was removed comes last: it takes no place of what stands.
	slices.SortStableFunc(tags, func(a, b string) int { return cmp.Compare(l.removed(a), l.removed(b)) })
	read := 0
	for tag, o := range attach.Ahead(l.ctx, l.ahead, slices.Values(tags[:min(len(tags), attach.MaxReferrers)]), l.readEarly) {
		read++
		name, _ := nameInTag(digest, tag, tagSuffix)
		if !l.record(tag, tag, name, o) {
			return false
		}
	}
	if read < len(tags) {
		return l.fail(fmt.Errorf("%s has more than %d journal entries: %w", l.subject, attach.MaxReferrers, attach.ErrUnfinished))
	}
	return true
}
