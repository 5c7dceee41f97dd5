package transfer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// A hang is one way in which an object hangs from a subject.
type hang struct {
	subject v1.Hash
	kind    attach.Kind
	role    journal.Role // List for what a list of referrers names
	tag     string       // "" where it was found in a list of referrers
	// What that list tells of its type and its annotations.
	artifactType string
	annotations  notes
}

// An object is one manifest that was found.
type object struct {
	desc    v1.Descriptor
	raw     []byte // nil where it is read again when it is needed
	from    journal.Medium
	level   int  // how many manifests away from the image it was found
	image   bool // the image itself, or one that its index lists
	hangs   []hang
	parts   parts
	broken  error                      // why the parts cannot be told
	entries map[v1.Hash][]cosign.Entry // of a view or a journal entry, by subject
	record  string                     // the tag that a journal entry has where there are no referrers
}

// view reports whether the object is a view.
func (o *object) view() bool {
	return slices.ContainsFunc(o.hangs, func(h hang) bool { return h.role == journal.View })
}

// A tree is what a walk found.
type tree struct {
	root     *object
	objects  []*object // in the order in which they were found: what names before what is named
	by       map[v1.Hash]*object
	lists    map[v1.Hash]attach.Manifest // the lists that stand for the referrers API, by subject
	graves   map[v1.Hash]*journal.Graves // what was removed, by subject
	native   bool                        // a list of referrers showed a journal entry
	noAPI    bool                        // it was said plainly that referrers are not listed
	problems []Problem
}

// A walker finds everything that an image consists of and that hangs from it.
type walker struct {
	repo        string
	images      journal.Medium
	attachments journal.Medium
	kinds       []attach.Kind
	// wants says which of the attachments are read; nil means all of them. With
	// refers it says for which subjects it is asked who refers to them.
	wants  func(subject v1.Hash, tag string, digest v1.Hash) bool
	refers func(subject v1.Hash) bool
	// known is where the manifests of images are taken from, when it is set.
	known *tree
	// taken returns the object that this copy put, or found to be the same, under
	// the tag or by the digest; nil means none. Where a list that is read names it
	// too, it is not read itself.
	taken func(tag string, digest v1.Hash) *object
	// allTags are the tags to look at, where they need not be listed.
	allTags []string
	// answers are lists of referrers that were just asked for.
	answers map[v1.Hash][]v1.Descriptor
	// noLists leaves alone the lists that stand for the referrers API.
	noLists bool

	slots chan struct{} // one for each request under way

	mu     sync.Mutex
	tree   *tree
	tags   map[string][]string        // by what they begin with; nil where they cannot be listed at once
	seek   bool                       // list the tags of each subject
	noAPI  bool                       // no referrers API is there
	kept   int                        // bytes of manifests that were read
	held   int                        // about how many bytes are held beside them
	told   int                        // about how many bytes the problems take
	stop   context.CancelCauseFunc    // ends the walk that holds too much
	words  map[string]string          // types of manifests that many have
	failed map[[sha256.Size]byte]bool // what was said already, as a hash
	asked  map[v1.Hash]bool           // what an index lists, and whether one of images did
}

func newWalker(repo string, images, attachments journal.Medium, kinds []attach.Kind) *walker {
	return &walker{
		repo: repo, images: images, attachments: attachments, kinds: kinds,
		tree:   &tree{by: make(map[v1.Hash]*object), lists: make(map[v1.Hash]attach.Manifest), graves: make(map[v1.Hash]*journal.Graves)},
		slots:  make(chan struct{}, requests),
		words:  make(map[string]string),
		failed: make(map[[sha256.Size]byte]bool),
		asked:  make(map[v1.Hash]bool),
		stop:   func(error) {},
	}
}

// walk returns everything from the root on. An error says that the image itself
// could not be read.
func (w *walker) walk(ctx context.Context, root attach.Manifest) (*tree, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	w.stop = stop
	if len(w.kinds) > 0 {
		w.listTags(ctx)
	}
	level, err := w.add(ctx, 0, []*found{w.found(root, w.images, true, nil)})
	if err != nil {
		return nil, err
	}
	w.tree.root = level[0]
	for n := 1; len(level) > 0; n++ {
		if n == maxLevels {
			return nil, fmt.Errorf("manifests refer to each other over more than %d levels: %w", maxLevels, attach.ErrLimit)
		}
		all, err := each(level, func(o *object) ([]*found, error) { return w.expand(ctx, o) })
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		if err != nil {
			return nil, err
		}
		if level, err = w.add(ctx, n, all); err != nil {
			return nil, err
		}
	}
	return w.tree, context.Cause(ctx)
}

// add notes manifests and returns those that are new.
func (w *walker) add(ctx context.Context, level int, all []*found) ([]*object, error) {
	var fresh []*object
	for _, f := range all {
		o := w.tree.by[f.desc.Digest]
		if o == nil {
			if len(w.tree.objects) == MaxObjects {
				return nil, fmt.Errorf("more than %d manifests belong to it: %w", MaxObjects, attach.ErrLimit)
			}
			o = &object{
				desc: f.desc, raw: f.raw, from: f.from, level: level,
				parts: f.parts, broken: f.broken,
			}
			if o.broken != nil && f.image {
				return nil, fmt.Errorf("manifest %s: %w", o.desc.Digest, o.broken)
			}
			w.tree.by[o.desc.Digest] = o
			w.tree.objects = append(w.tree.objects, o)
			fresh = append(fresh, o)
		}
		o.image = o.image || f.image
		if f.hang != nil {
			w.open(o, f)
		}
	}
	return fresh, context.Cause(ctx)
}

// open notes how the object hangs, and what entries it holds.
func (w *walker) open(o *object, f *found) {
	h := *f.hang
	o.hangs = append(o.hangs, h)
	entries, err := f.entries, f.bad
	if f.record != "" {
		o.record = f.record
	}
	o.tellConfig(entries)
	what := fmt.Sprintf("the %s %s of %s", h.kind, o.desc.Digest, h.subject)
	if err == nil && o.broken != nil && h.role != journal.View {
		err = o.broken
	}
	if err != nil {
		w.problem(what, err)
		o.broken = err
	}
	for _, e := range entries {
		if e.Err != nil {
			w.problem("an entry of "+what, e.Err)
			continue
		}
		if o.entries == nil {
			o.entries = make(map[v1.Hash][]cosign.Entry)
		}
		o.entries[h.subject] = append(o.entries[h.subject], e)
	}
}

// tellConfig saves reading the config of an object that holds entries, where it
// is the one that follows from them.
func (o *object) tellConfig(entries []cosign.Entry) {
	if len(entries) == 0 || len(o.parts.blobs) == 0 {
		return
	}
	_, config, err := cosign.Image{Entries: entries}.Encode()
	if err == nil && attach.DigestOf(config) == o.parts.blobs[0].desc().Digest {
		o.parts.blobs[0].data = config
	}
}

// problem notes what could not be read, once.
func (w *walker) problem(what string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := Problem{What: what + " in " + w.repo, Err: err}
	text := p.String()
	if sum := sha256.Sum256([]byte(text)); !w.failed[sum] {
		w.failed[sum] = true
		w.tree.problems = append(w.tree.problems, p)
		if w.told += len(text) + weightOf; w.told > maxTold {
			w.stop(fmt.Errorf("what cannot be read of it takes more than %d bytes to tell: %w", maxTold, attach.ErrLimit))
		}
	}
}

// listTags lists the tags of all that hangs from anything, at once: what hangs
// from an image has more hanging from it, and is not known yet.
func (w *walker) listTags(ctx context.Context) {
	if w.allTags != nil {
		w.taken = byDigestAlone(w.taken) // no list names the tags
		w.sortTags(w.allTags)
		return
	}
	all, err := w.attachments.Tags(ctx, "sha256-")
	switch {
	case errors.Is(err, attach.ErrUnfinished), errors.Is(err, attach.ErrLimit):
		w.seek = true
	case err != nil:
		w.problem("the tags", err)
	default:
		w.sortTags(all)
	}
}

// sortTags sorts the tags by what they begin with.
func (w *walker) sortTags(all []string) {
	w.tags = make(map[string][]string)
	for _, t := range all {
		key := t[:min(len(t), len("sha256-")+64)]
		w.tags[key] = append(w.tags[key], t)
	}
}

// tagsOf returns the tags of what hangs from the subject. Where tags cannot be
// listed, or the list shows nothing that hangs from an image, which a list of
// yesterday may, it returns those that can be guessed: not all of them exist.
func (w *walker) tagsOf(ctx context.Context, o *object) (tags []string, guessed bool) {
	subject := o.desc.Digest
	prefix := attach.FallbackTagOf(subject)
	if w.tags != nil {
		tags = w.tags[prefix]
	} else if w.seek {
		var err error
		if tags, err = w.attachments.Tags(ctx, prefix); err != nil {
			w.problem("the tags of what hangs from "+subject.String(), err)
		}
	}
	if len(tags) > 0 || !o.image && w.tags != nil {
		return tags, false
	}
	tags = []string{prefix}
	for _, k := range attach.Kinds() {
		if t := attach.CosignTagOf(subject, k); t != "" {
			tags = append(tags, t)
		}
	}
	return tags, true
}

// expand returns what the object lists and what hangs from it.
func (w *walker) expand(ctx context.Context, o *object) ([]*found, error) {
	all, err := each(o.parts.manifests, func(p part) ([]*found, error) {
		d := p.desc()
		if w.askedFor(d.Digest, o.image) {
			return nil, nil
		}
		m, err := w.child(ctx, o, d)
		switch {
		case err != nil && (o.image || ctx.Err() != nil):
			return nil, fmt.Errorf("manifest %s of the index %s: %w", d.Digest, o.desc.Digest, err)
		case err != nil:
			w.problem(fmt.Sprintf("the manifest %s of the index %s", d.Digest, o.desc.Digest), err)
			return nil, nil
		}
		return []*found{w.found(m, o.from, o.image, nil)}, nil
	})
	if err != nil || len(w.kinds) == 0 {
		return all, err
	}
	subject := o.desc.Digest
	tags, guessed := w.tagsOf(ctx, o)
	list := w.referring(ctx, o)
	gone := w.graves(ctx, subject, tags, list)
	tagged, err := each(tags, func(tag string) ([]*found, error) {
		return w.tagged(ctx, subject, tag, guessed, gone), context.Cause(ctx)
	})
	if err != nil {
		return nil, err
	}
	return slices.Concat(all, tagged, w.listed(ctx, o.desc, list, gone, shownBy(tagged))), context.Cause(ctx)
}

// graves learns what was removed from the subject, before anything that hangs from
// it is read.
func (w *walker) graves(ctx context.Context, subject v1.Hash, tags []string, list []v1.Descriptor) *journal.Graves {
	gone := new(journal.Graves)
	for _, t := range tags {
		gone.Dig(subject, t)
	}
	for _, d := range list {
		if tombstone, told := gone.DigListed(d); !tombstone || told {
			continue
		}
		if m, err := w.read(ctx, w.attachments, d.Digest.String()); err != nil {
			w.problem("the referrer "+d.Digest.String(), err)
		} else {
			gone.DigRead(m, subject)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tree.graves[subject] = gone
	return gone
}

// each calls f for every element, several at a time, and puts together what it
// returns, in their order.
func each[T, R any](list []T, f func(T) ([]R, error)) ([]R, error) {
	results := make([][]R, len(list))
	var g errgroup.Group
	g.SetLimit(requests)
	for i, e := range list {
		g.Go(func() (err error) {
			results[i], err = f(e)
			return err
		})
	}
	err := g.Wait()
	return slices.Concat(results...), err
}

func (w *walker) chosen(k attach.Kind) bool { return slices.Contains(w.kinds, k) }

func (w *walker) wanted(subject v1.Hash, tag string, digest v1.Hash) bool {
	return w.wants == nil || w.wants(subject, tag, digest)
}

// named returns a manifest that a list names, by the tag or by digest where that is
// "". One that this copy put there is not read back a second time.
func (w *walker) named(ctx context.Context, tag string, digest v1.Hash) (attach.Manifest, error) {
	if w.taken != nil {
		if o := w.taken(tag, digest); o != nil && o.raw != nil {
			return attach.Manifest{Desc: o.desc, Raw: o.raw}, nil
		}
	}
	if tag == "" {
		tag = digest.String()
	}
	return w.read(ctx, w.attachments, tag)
}

// byDigestAlone returns f for what lists name by digest.
func byDigestAlone(f func(string, v1.Hash) *object) func(string, v1.Hash) *object {
	return func(tag string, digest v1.Hash) *object {
		if f == nil || tag != "" {
			return nil
		}
		return f(tag, digest)
	}
}

// read reads a manifest by tag or digest.
func (w *walker) read(ctx context.Context, from journal.Medium, ref string) (attach.Manifest, error) {
	w.slots <- struct{}{}
	defer func() { <-w.slots }()
	m, err := from.Manifest(ctx, ref)
	if err == nil && strings.HasPrefix(ref, "sha256:") && m.Desc.Digest.String() != ref {
		err = fmt.Errorf("it has digest %s: %w", m.Desc.Digest, attach.ErrDigest)
	}
	return m, err
}
