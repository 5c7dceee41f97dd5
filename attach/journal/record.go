package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// EntryType is the artifact type of journal entries that are referrers.
const EntryType = "application/vnd.hallmark.entry.v1+json"

// The annotations of a journal entry. Views carry that of the subject only. Thus
// no journal entry is byte for byte a view, nor a view that of another subject:
// deleting one of them by its digest would delete both.
const (
	nameAnnotation    = "dev.hallmark.entry"
	kindAnnotation    = "dev.hallmark.kind"
	subjectAnnotation = "dev.hallmark.subject"
)

// maxEnvelope is the size of the largest attestation that is opened to see
// whether it names the subject before it is shown in a view. Of larger ones the
// subject that the journal entry states is believed, as it is of SBOMs.
const maxEnvelope = 8 << 20

// A record is a journal entry as it was read.
type record struct {
	name  string
	kind  attach.Kind
	place attach.Place
	image cosign.Image
}

// newRecord returns the manifest of a journal entry that was written on the day.
func newRecord(subject v1.Descriptor, k attach.Kind, entries []cosign.Entry, native bool, day string) (string, cosign.Image) {
	ids := make([]attach.ID, len(entries))
	for i, e := range entries {
		ids[i] = e.ID()
	}
	name := nameOf(k, ids)
	img := cosign.Image{
		Entries: entries,
		Annotations: map[string]string{
			nameAnnotation:    name,
			kindAnnotation:    string(k),
			subjectAnnotation: subject.Digest.String(),
		},
	}
	if day != "" {
		img.Annotations[createdAnnotation] = day
	}
	if native {
		img.ArtifactType = EntryType
		img.Subject = &v1.Descriptor{MediaType: subject.MediaType, Size: subject.Size, Digest: subject.Digest}
	}
	return name, img
}

// readRecord reads a journal entry and checks that it is one of the subject and
// of that name. An empty name stands for any.
func readRecord(m attach.Manifest, tag, name string, subject v1.Hash) (record, error) {
	img, err := cosign.Parse(m.Raw)
	if err != nil {
		return record{}, err
	}
	said := img.Annotations[nameAnnotation]
	r := record{
		name:  said,
		kind:  attach.Kind(img.Annotations[kindAnnotation]),
		place: attach.Place{Scheme: attach.Journal, Manifest: m.Desc, Tag: tag},
		image: img,
	}
	switch {
	case !validName(said) || kindOf(said) != r.kind || (name != "" && name != said):
		return r, fmt.Errorf("it says that it is entry %q of kind %q: %w", said, r.kind, attach.ErrMalformed)
	case img.Annotations[subjectAnnotation] != subject.String():
		return r, fmt.Errorf("it says that it is for %q: %w", img.Annotations[subjectAnnotation], attach.ErrMalformed)
	case img.Subject != nil && img.Subject.Digest != subject:
		return r, fmt.Errorf("its subject is %s: %w", img.Subject.Digest, attach.ErrMalformed)
	case r.kind == attach.SBOM && len(img.Entries) != 1:
		return r, fmt.Errorf("it holds %d SBOMs, not one: %w", len(img.Entries), attach.ErrMalformed)
	}
	return r, nil
}

// readEntry reads what stands in the journal under the name: a record or, as its
// name tells, a whole manifest.
func readEntry(m attach.Manifest, tag, name string, subject v1.Hash) (record, error) {
	if name != "" && kindOf(name) == whole {
		return readWhole(m, tag, name, subject)
	}
	return readRecord(m, tag, name, subject)
}

// holds reports whether the entry of that identity is in the record.
func (r record) holds(id attach.ID) bool {
	return slices.ContainsFunc(r.image.Entries, func(e cosign.Entry) bool { return e.Err == nil && e.ID() == id })
}

// showable returns those entries of a record that may be shown in the view:
// well-formed ones whose content speaks of the subject. An error is one of the
// medium; bad entries are left out.
func (s *Store) showable(ctx context.Context, subject attach.Subject, r record) ([]cosign.Entry, error) {
	var good []cosign.Entry
	for _, e := range r.image.Entries {
		if d, _ := e.Inner(); e.Err != nil || !rightType(r.kind, string(d.MediaType)) {
			continue
		}
		if r.kind == whole { // its subject was looked at
			good = append(good, e)
			continue
		}
		err := s.speaksOf(ctx, subject, r.kind, e)
		switch {
		case err == nil:
			good = append(good, e)
		case attach.Judged(err) || errors.Is(err, attach.ErrNotFound):
		default:
			return nil, err
		}
	}
	return good, nil
}

// rightType reports whether a layer of that media type belongs into the view.
func rightType(k attach.Kind, mediaType string) bool {
	switch k {
	case attach.Signature:
		return mediaType == cosign.SimpleSigning
	case attach.Attestation:
		return mediaType == cosign.DSSE
	}
	return k == attach.SBOM || k == whole
}

func (s *Store) speaksOf(ctx context.Context, subject attach.Subject, k attach.Kind, e cosign.Entry) error {
	limit := int64(cosign.MaxPayload)
	d, _ := e.Inner()
	switch {
	case k == attach.SBOM:
		return nil // names no subject of its own; the record's was checked
	case k == attach.Attestation && d.Size > maxEnvelope:
		return nil
	case k == attach.Attestation:
		limit = maxEnvelope
	}
	rc, err := s.Open(ctx, subject, e.Attachment(k, attach.Place{}))
	if err != nil {
		return err
	}
	content, err := attach.ReadAll(rc, d, limit)
	if err != nil {
		return err
	}
	return cosign.Names(k, content, subject.Desc.Digest)
}
