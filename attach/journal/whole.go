package journal

import (
	"context"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// isWhole reports whether the content is a manifest that is attached as it is.
func isWhole(c attach.Content) bool {
	return c.Kind == attach.Artifact && attach.IsManifest(types.MediaType(c.MediaType))
}

// keptAs returns the kind that the attachment has in here.
func keptAs(a attach.Attachment) attach.Kind {
	if a.Kind == attach.Artifact && attach.IsManifest(a.Desc.MediaType) {
		return whole
	}
	return a.Kind
}

// placeViews sets where the views of whole manifests are, once it is known whether
// the medium lists referrers.
func (w *writer) placeViews() {
	for _, u := range w.units {
		if u.kind == whole && !w.isNative() {
			u.tag = attach.FallbackTagOf(u.subject.Desc.Digest)
		}
	}
}

// readContent reads the manifest that the content is, and returns it with the
// entry that lists show for it.
func readContent(c attach.Content, subject v1.Hash) (cosign.Entry, []byte, error) {
	if types.MediaType(c.MediaType) != cosign.ManifestType {
		return cosign.Entry{}, nil, fmt.Errorf("a manifest of type %q cannot be attached, only one of type %q: %w", c.MediaType, cosign.ManifestType, attach.ErrMalformed)
	}
	if len(c.Annotations) > 0 {
		return cosign.Entry{}, nil, fmt.Errorf("annotations beside a manifest, which has its own: %w", attach.ErrMalformed)
	}
	d := v1.Descriptor{MediaType: cosign.ManifestType, Size: c.Body.Size, Digest: c.Body.Digest}
	rc, err := c.Body.Open()
	if err != nil {
		return cosign.Entry{}, nil, fmt.Errorf("open the manifest %s: %w", d.Digest, err)
	}
	if rc, err = attach.Check(rc, d); err != nil {
		return cosign.Entry{}, nil, err
	}
	raw, err := attach.ReadAll(rc, d, attach.MaxManifest)
	if err != nil {
		return cosign.Entry{}, nil, fmt.Errorf("read the manifest %s: %w", d.Digest, err)
	}
	e, err := wholeEntry(attach.Manifest{Desc: d, Raw: raw}, subject)
	if err != nil {
		return cosign.Entry{}, nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	return e, raw, nil
}

// wholeEntry returns the entry that lists show for a manifest: its descriptor with
// its artifact type and annotations. The subject of the manifest must be the one
// that is given.
func wholeEntry(m attach.Manifest, subject v1.Hash) (cosign.Entry, error) {
	img, err := cosign.Parse(m.Raw)
	var stated types.MediaType
	if err == nil {
		stated, err = attach.ManifestType(m.Raw)
	}
	switch {
	case err != nil:
		return cosign.Entry{}, err
	case stated != m.Desc.MediaType:
		return cosign.Entry{}, fmt.Errorf("it says that it is of type %q: %w", stated, attach.ErrMalformed)
	case img.Subject == nil || img.Subject.Digest != subject:
		return cosign.Entry{}, fmt.Errorf("its subject is not %s: %w", subject, attach.ErrMalformed)
	}
	d, err := Describe(m)
	if err != nil {
		return cosign.Entry{}, err
	}
	return cosign.Entry{Desc: d}, nil
}

// readWhole reads a journal entry that is a whole manifest, and checks it against
// its name.
func readWhole(m attach.Manifest, tag, name string, subject v1.Hash) (record, error) {
	e, err := wholeEntry(m, subject)
	if err != nil {
		return record{}, err
	}
	r := record{
		name:  nameOf(whole, []attach.ID{e.ID()}),
		kind:  whole,
		place: attach.Place{Scheme: attach.Journal, Manifest: plain(m.Desc), Tag: tag},
		image: cosign.Image{Entries: []cosign.Entry{e}},
	}
	if name != "" && name != r.name {
		return record{}, fmt.Errorf("it is entry %q, not %q: %w", r.name, name, attach.ErrMalformed)
	}
	return r, nil
}

// attachment returns the entry of the kind as an attachment that was found at the
// place.
func attachment(k attach.Kind, e cosign.Entry, p attach.Place) attach.Attachment {
	if k != whole {
		return e.Attachment(k, p)
	}
	return attach.Attachment{
		Kind:        attach.Artifact,
		Desc:        plain(e.Desc),
		Type:        e.Desc.ArtifactType,
		Annotations: e.Desc.Annotations,
		Places:      []attach.Place{p},
	}
}

// putEarly puts whole manifests that are no others for being put at another time by
// digest, where that may be all that is to be done: the list of referrers shows them
// then. Where it does not, all goes on as if somebody else had put them.
func (w *writer) putEarly(ctx context.Context, u *unit) error {
	w.mu.Lock()
	useless := !w.early || w.native != nil && !*w.native
	w.mu.Unlock()
	if useless || u.kind != whole || slices.ContainsFunc(u.items, func(it *item) bool { return it.content.Same != nil }) {
		return nil
	}
	if _, err := w.upload(ctx, u); err != nil {
		return err
	}
	for _, it := range u.items {
		m, err := w.putWhole(ctx, u, it.entry, "")
		if err != nil {
			return asForm(err)
		}
		w.remember(m.Desc.Digest, mark{name: single(whole, it.entry.ID())})
		it.early = true
	}
	return nil
}

// putWhole writes a manifest into the journal: by digest where the medium lists
// referrers, else under a tag.
func (w *writer) putWhole(ctx context.Context, u *unit, e cosign.Entry, tag string) (attach.Manifest, error) {
	m := attach.Manifest{Desc: plain(e.Desc), Raw: u.raws[e.ID()]}
	if m.Raw == nil { // one that another tool wrote, and that stands for ours
		theirs, err := w.Manifest(ctx, u.subject, e.Desc.Digest)
		if err != nil {
			return m, err
		}
		m.Raw = theirs.Raw
	}
	ref := tag
	if ref == "" {
		ref = m.Desc.Digest.String()
	}
	if err := w.medium.PutManifest(ctx, ref, string(m.Desc.MediaType), m.Raw); err != nil {
		return m, fmt.Errorf("put %s into %s: %w", ref, w.repo, err)
	}
	return m, nil
}

// putIndex writes the index under the referrers tag.
func (s *Store) putIndex(ctx context.Context, tag string, x index, entries []cosign.Entry) (attach.Manifest, error) {
	raw, err := x.encode(entries)
	if err != nil {
		return attach.Manifest{}, err
	}
	m := attach.Manifest{Raw: raw, Desc: v1.Descriptor{
		MediaType: types.OCIImageIndex, Size: int64(len(raw)), Digest: attach.DigestOf(raw),
	}}
	if err := s.medium.PutManifest(ctx, tag, string(m.Desc.MediaType), raw); err != nil {
		return m, fmt.Errorf("put %s into %s: %w", tag, s.repo, err)
	}
	return m, nil
}

// lookNative makes what the medium lists as referrers the view.
func (w *writer) lookNative(ctx context.Context, u *unit) error {
	list, err := w.referrersOf(ctx, u.subject.Desc.Digest)
	if err != nil {
		return err
	}
	entries := make([]cosign.Entry, 0, len(list))
	for _, d := range list {
		if !ofJournal(d.ArtifactType) {
			entries = append(entries, cosign.Entry{Desc: d})
		}
	}
	u.show(v1.Descriptor{}, cosign.Image{Entries: entries})
	return nil
}
