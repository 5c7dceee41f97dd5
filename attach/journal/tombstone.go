package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// GoneType is the artifact type of tombstones that are referrers.
const GoneType = "application/vnd.hallmark.gone.v1+json"

// ofJournal reports whether referrers of the type are the journal's own and no
// attachments themselves.
func ofJournal(artifactType string) bool {
	return artifactType == EntryType || artifactType == GoneType
}

// goneSuffix ends the tags of tombstones. See [tagSuffix] for what it must not contain.
const goneSuffix = ".gone"

// goneAnnotation, on a tombstone, is the name of the journal entry that it
// stands for.
const goneAnnotation = "dev.hallmark.gone"

// createdAnnotation is the day on which a journal entry was written, in UTC
// (image specification 1.1, annotations). It is no more exact, so that a command
// that is run again on that day writes the same bytes.
const createdAnnotation = attach.CreatedAnnotation

// today returns the value of createdAnnotation.
func (s *Store) today() string {
	return s.now().UTC().Truncate(24 * time.Hour).Format(time.RFC3339)
}

// goneTagOf returns the tag of the tombstone for the name.
func goneTagOf(subject v1.Hash, name string) string {
	return tagPrefix(subject) + name + goneSuffix
}

// nothing is the archive without files (two blocks of zeros): the one layer of a
// tombstone, since there are registries that want one, and some take only those of
// images.
func nothing() attach.Body { return attach.Bytes(make([]byte, 1024)) }

// newTombstone returns the manifest of a tombstone. That it is there says all.
func (s *Store) newTombstone(subject v1.Descriptor, name string, native bool) cosign.Image {
	img := cosign.Image{
		Annotations: map[string]string{
			goneAnnotation:    name,
			subjectAnnotation: subject.Digest.String(),
			createdAnnotation: s.today(),
		},
		Entries: []cosign.Entry{{Desc: v1.Descriptor{
			MediaType: types.OCIUncompressedLayer, Size: nothing().Size, Digest: nothing().Digest,
		}}},
	}
	if native {
		img.ArtifactType = GoneType
		img.Subject = &v1.Descriptor{MediaType: subject.MediaType, Size: subject.Size, Digest: subject.Digest}
	}
	return img
}

// goneIn returns the name that a manifest is the tombstone of, "" when it is none
// of the subject.
func goneIn(raw []byte, subject v1.Hash) string {
	img, err := cosign.Parse(raw)
	if err != nil || img.ArtifactType != GoneType || img.Annotations[subjectAnnotation] != subject.String() {
		return ""
	}
	if name := img.Annotations[goneAnnotation]; validName(name) {
		return name
	}
	return ""
}

// single returns the name of the journal entry that holds the one entry.
func single(k attach.Kind, id attach.ID) string { return nameOf(k, []attach.ID{id}) }

// A graveyard tells of names that have tombstones: what the tombstones are
// known by.
type graveyard map[string][]string

// holds reports whether the entry was removed: whether the name that it has when
// it stands alone has a tombstone, whatever else it stands in.
func (g graveyard) holds(k attach.Kind, id attach.ID) bool {
	return len(g) > 0 && g[single(k, id)] != nil
}

// of returns what a tombstone of the name is known by, "" when it has none.
func (g graveyard) of(name string) string {
	if refs := g[name]; len(refs) > 0 {
		return refs[0]
	}
	return ""
}

// add adds what another graveyard tells.
func (g graveyard) add(other graveyard) {
	for name, refs := range other {
		for _, ref := range refs {
			if !slices.Contains(g[name], ref) {
				g[name] = append(g[name], ref)
			}
		}
	}
}

// bury writes tombstones for the names: as referrers where the journal is kept
// so, else under tags. It returns what they are known by.
func (s *Store) bury(ctx context.Context, subject attach.Subject, names []string, native bool) (graveyard, error) {
	if err := s.putBlob(ctx, nothing()); err != nil {
		return nil, err
	}
	g := make(graveyard)
	for _, name := range names {
		tag := ""
		if !native {
			tag = goneTagOf(subject.Desc.Digest, name)
		}
		m, err := s.putImage(ctx, tag, s.newTombstone(subject.Desc, name, native))
		if tag != "" && errors.Is(err, attach.ErrImmutable) {
			err = nil // it stands there already
		}
		if err != nil {
			return nil, fmt.Errorf("write the tombstone of the journal entry %s: %w", name, err)
		}
		if native {
			tag = m.Desc.Digest.String()
			s.remember(m.Desc.Digest, mark{name, true})
		}
		g[name] = []string{tag}
	}
	return g, nil
}
