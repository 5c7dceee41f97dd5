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

// fewSubjects is up to how many subjects are looked up one by one. For more,
// the tags of the whole repository are listed once.
const fewSubjects = 3

// A unit is what one Put has for one subject and kind: one view.
type unit struct {
	subject attach.Subject
	kind    attach.Kind
	tag     string // of the view, "" where the kind has none or the medium keeps it
	items   []*item
	records []*written

	view    view
	read    bool                       // the view was read at least once
	wrote   bool                       // the view was written and not read since
	wrotes  map[v1.Hash]bool           // the views that this Put wrote
	open    bool                       // the view was found wanting and not written since
	turn    bool                       // to complete the view after the pause
	was     v1.Hash                    // the view when it was last found wanting
	quiet   time.Duration              // how long the view was waited for since it last changed
	looks   int                        // how often it was waited for
	seen    map[attach.ID]cosign.Entry // all that the view should show: ours and what was ever seen
	groups  map[string][]attach.ID     // by name, entries that share a journal entry
	fetched map[string]int             // names of journal entries that were looked at, and how much is in them for the view
	left    int                        // entries that the view has no room for
	unknown int                        // journal entries that were not opened since the view is full
	gone    graveyard                  // what was removed
	dropped map[attach.ID]string       // what this Put took out of the view for a tombstone, and that
	regroup bool                       // the view is to tell of groups that it does not
	refused error                      // why entries of this Put that were removed earlier cannot be put again
	lost    int                        // how often in a row a write of the view was answered "not found"
	lostAt  v1.Hash                    // while the view was this
	frozen  string                     // why the view is left as it is, "" while it may be written
	hidden  bool                       // the medium keeps whole manifests and does not list them
	raws    map[attach.ID][]byte       // the whole manifests that are put
}

// An item is one parcel.
type item struct {
	content attach.Content
	entry   cosign.Entry
	existed bool
	early   bool         // it was put before it was asked what is there
	place   attach.Place // in the journal; the zero Place while not known
}

// A written is a journal entry that this Put wrote.
type written struct {
	name    string
	entries []cosign.Entry
	place   attach.Place
}

// ref returns what the medium knows the journal entry by.
func (w *written) ref() string {
	if w.place.Tag != "" {
		return w.place.Tag
	}
	return w.place.Manifest.Digest.String()
}

// writer is one Put under way.
type writer struct {
	*Store
	units    []*unit
	subjects []attach.Subject
	order    []*item // the items in the order of the parcels
	unitOf   map[*item]*unit
	tags     map[string]bool               // all tags at the start; nil when not listed
	probed   map[v1.Hash][]v1.Descriptor   // referrers listed at the start
	names    map[v1.Hash]map[string]string // the journal as last listed: name to reference, by subject
	vague    map[v1.Hash][]v1.Descriptor   // the listed whose names are not known yet, by subject
	gone     map[v1.Hash]graveyard         // what was removed, as last listed, by subject
	buried   map[v1.Hash]graveyard         // what this writer removed
	revived  map[v1.Hash][]string          // names whose tombstones this writer deleted
	blind    error                         // why the journal cannot be listed
}

// Put implements [attach.Writer] as the package comment tells. Contents of one
// subject and kind share one journal entry, save SBOMs, which get one each, so
// that each can be named by digest.
func (s *Store) Put(ctx context.Context, parcels ...attach.Parcel) ([]attach.Receipt, error) {
	if len(parcels) == 0 {
		return nil, nil
	}
	w := s.newWriter()
	for i, p := range parcels {
		if err := w.plan(p); err != nil {
			return nil, fmt.Errorf("attach parcel %d to %s: %w", i+1, p.Subject, err)
		}
	}
	unlock, err := s.medium.Lock(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", s.repo, err)
	}
	defer unlock()
	if err := w.run(ctx); err != nil {
		return nil, err
	}
	receipts := make([]attach.Receipt, len(w.order))
	for i, it := range w.order {
		receipts[i] = w.receipt(w.unitOf[it], it)
	}
	return receipts, nil
}

func (s *Store) newWriter() *writer {
	return &writer{
		Store:   s,
		unitOf:  make(map[*item]*unit),
		probed:  make(map[v1.Hash][]v1.Descriptor),
		buried:  make(map[v1.Hash]graveyard),
		revived: make(map[v1.Hash][]string),
	}
}

func (w *writer) run(ctx context.Context) error {
	if err := w.each(ctx, w.putEarly); err != nil {
		return err
	}
	if err := w.probe(ctx); err != nil {
		return err
	}
	w.placeViews()
	if len(w.subjects) > fewSubjects {
		if tags, err := w.medium.Tags(ctx, "sha256-"); err == nil {
			w.tags = make(map[string]bool, len(tags))
			for _, t := range tags {
				w.tags[t] = true
			}
		}
	}
	if err := w.each(ctx, w.prepare); err != nil {
		return err
	}
	if err := w.settle(ctx); err != nil {
		return err
	}
	return w.refusals()
}

// each calls f for all units, several at a time.
func (w *writer) each(ctx context.Context, f func(context.Context, *unit) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(w.limit)
	for _, u := range w.units {
		g.Go(func() error {
			if err := f(ctx, u); err != nil {
				return fmt.Errorf("attach the %s to %s: %w", u.kind, u.subject, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// plan adds a parcel to its unit.
func (w *writer) plan(p attach.Parcel) error {
	digest := p.Subject.Desc.Digest
	switch {
	case !slices.Contains(attach.Kinds(), p.Content.Kind):
		return fmt.Errorf("kind %q is none of %q: %w", p.Content.Kind, attach.Kinds(), attach.ErrMalformed)
	case digest.Algorithm != "sha256" || len(digest.Hex) != 64:
		return fmt.Errorf("digest %q is no sha256 digest: %w", digest, attach.ErrMalformed)
	case p.Content.Body.Open == nil || p.Content.MediaType == "":
		return fmt.Errorf("the content has no media type or no body: %w", attach.ErrMalformed)
	case len(p.Content.Parts) > 0 && !isWhole(p.Content):
		return fmt.Errorf("parts of content that is no manifest: %w", attach.ErrMalformed)
	}
	kind, content := p.Content.Kind, p.Content
	var entry cosign.Entry
	var raw []byte
	var err error
	switch {
	case isWhole(content):
		kind = whole
		entry, raw, err = readContent(content, digest)
	case content.Strict:
		if content, err = cosign.Strict(content); err != nil {
			return err
		}
		fallthrough
	default:
		entry, err = cosign.NewEntry(content)
	}
	if err != nil {
		return err
	}
	it := &item{content: content, entry: entry}
	i := slices.IndexFunc(w.units, func(u *unit) bool {
		return u.subject.Desc.Digest == digest && u.kind == kind
	})
	if i < 0 {
		i = len(w.units)
		w.addUnit(p.Subject, kind)
	}
	w.units[i].items = append(w.units[i].items, it)
	if raw != nil {
		w.units[i].raws[entry.ID()] = raw
	}
	w.order = append(w.order, it)
	w.unitOf[it] = w.units[i]
	return nil
}

// addUnit adds a unit with nothing in it.
func (w *writer) addUnit(subject attach.Subject, k attach.Kind) *unit {
	digest := subject.Desc.Digest
	u := &unit{
		subject: subject,
		kind:    k,
		tag:     attach.CosignTagOf(digest, k),
		raws:    make(map[attach.ID][]byte),
		seen:    make(map[attach.ID]cosign.Entry),
		groups:  make(map[string][]attach.ID),
		fetched: make(map[string]int),
		wrotes:  make(map[v1.Hash]bool),
	}
	w.units = append(w.units, u)
	if !slices.ContainsFunc(w.subjects, func(s attach.Subject) bool { return s.Desc.Digest == digest }) {
		w.subjects = append(w.subjects, subject)
	}
	return u
}

// probe learns, once in the life of the store, whether the medium serves
// referrers. To guess would be unsafe: writers that keep two journals do not
// see each other.
func (w *writer) probe(ctx context.Context) error {
	w.mu.Lock()
	known := w.native != nil
	w.mu.Unlock()
	if known {
		return nil
	}
	digest := w.subjects[0].Desc.Digest
	list, native, err := w.askReferrers(ctx, digest)
	if err != nil {
		return fmt.Errorf("ask %s for referrers: %w", w.repo, err)
	}
	w.setNative(native)
	if native {
		w.probed[digest] = list
	}
	return nil
}

// askReferrers lists referrers as a writer needs it: malformed ones are none of
// its own, and an odd answer is a no. Of a list without end what was read must
// do; an entry of the writer's own that it does not show is kept by tag.
func (s *Store) askReferrers(ctx context.Context, digest v1.Hash) ([]v1.Descriptor, bool, error) {
	list, native, err := s.medium.Referrers(ctx, digest)
	var bad attach.Spoiled
	switch {
	case errors.Is(err, ErrOddReferrers):
		return nil, false, nil
	case errors.As(err, &bad), native && errors.Is(err, attach.ErrUnfinished):
		return list, native, nil
	}
	return list, native, err
}

func (s *Store) setNative(native bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.native = &native
}

func (s *Store) isNative() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.native != nil && *s.native
}

// putImage writes an image: its config and its manifest, under the tag, or by
// digest when the tag is "". Where the medium refuses the manifest, it is tried
// once more without content in descriptors.
func (s *Store) putImage(ctx context.Context, tag string, img cosign.Image) (attach.Manifest, error) {
	s.mu.Lock()
	bare := s.noData
	s.mu.Unlock()
	if bare {
		img = withoutData(img)
	}
	m, err := s.tryImage(ctx, tag, img)
	carries := slices.ContainsFunc(img.Entries, func(e cosign.Entry) bool { return e.Desc.Data != nil })
	if !errors.Is(err, attach.ErrMalformed) || !carries {
		return m, err
	}
	m, again := s.tryImage(ctx, tag, withoutData(img))
	if again != nil {
		return m, err // the data was not to blame
	}
	s.mu.Lock()
	s.noData = true
	s.mu.Unlock()
	return m, nil
}

func withoutData(img cosign.Image) cosign.Image {
	entries := make([]cosign.Entry, len(img.Entries))
	for i, e := range img.Entries {
		if entries[i] = e; e.Desc.Data != nil {
			entries[i] = e.WithoutData()
		}
	}
	img.Entries = entries
	return img
}

func (s *Store) tryImage(ctx context.Context, tag string, img cosign.Image) (attach.Manifest, error) {
	raw, config, err := img.Encode()
	if err != nil {
		return attach.Manifest{}, err
	}
	if err := s.putBlob(ctx, attach.Bytes(config)); err != nil {
		return attach.Manifest{}, err
	}
	m := attach.Manifest{Raw: raw, Desc: v1.Descriptor{
		MediaType: cosign.ManifestType,
		Size:      int64(len(raw)),
		Digest:    attach.DigestOf(raw),
	}}
	ref := tag
	if ref == "" {
		ref = m.Desc.Digest.String()
	}
	if err := s.medium.PutManifest(ctx, ref, string(m.Desc.MediaType), raw); err != nil {
		return m, fmt.Errorf("put %s into %s: %w", ref, s.repo, err)
	}
	return m, nil
}
