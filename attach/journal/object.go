package journal

import (
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// TagPrefix begins the tags of all that hangs from the subject: the referrers
// tag, which is no longer than that, the views and the journal.
func TagPrefix(subject v1.Hash) string { return strings.TrimSuffix(tagPrefix(subject), ".") }

// TagHolds tells what is kept under a tag that begins with the [TagPrefix] of
// the subject: a view or a journal entry of a kind, or the list of referrers,
// whose kind is "". Other tags of that form, which other tools make, are told as
// artifacts by [attach.FallbackTag]. ok is false for a tag of another subject, and
// for a tombstone, which holds nothing.
func TagHolds(subject v1.Hash, tag string) (k attach.Kind, s attach.Scheme, ok bool) {
	if tag == TagPrefix(subject) {
		return "", attach.FallbackTag, true
	}
	if !strings.HasPrefix(tag, tagPrefix(subject)) {
		return "", "", false
	}
	for _, k := range attach.Kinds() {
		if t := attach.CosignTagOf(subject, k); t != "" && t == tag {
			return k, attach.CosignTag, true
		}
	}
	if name, ok := nameInTag(subject, tag, tagSuffix); ok {
		if kindOf(name) == whole { // the manifest under the tag is the artifact
			return attach.Artifact, attach.FallbackTag, true
		}
		return kindOf(name), attach.Journal, true
	}
	if _, ok := nameInTag(subject, tag, goneSuffix); ok {
		return "", "", false
	}
	return attach.Artifact, attach.FallbackTag, true
}

// A Record is a journal entry as it was read.
type Record struct {
	Kind attach.Kind
	// Tag is the tag that the entry has where the journal is kept by tags.
	Tag string
	// Place is where it was found.
	Place attach.Place
	// Entries are what it holds, bad ones included.
	Entries []cosign.Entry
}

// ReadRecord reads a manifest as a journal entry of the subject. It returns an
// error that wraps [attach.ErrMalformed] when it is none.
func ReadRecord(m attach.Manifest, subject v1.Hash) (Record, error) {
	r, err := readRecord(m, "", "", subject)
	if err != nil {
		return Record{}, err
	}
	return Record{Kind: r.kind, Tag: tagOf(subject, r.name), Place: r.place, Entries: r.image.Entries}, nil
}

// RecordKind returns the kind that a list of referrers tells of a journal entry.
// isRecord is false for other manifests, and kind is "" where the list does not
// tell it.
func RecordKind(d v1.Descriptor) (kind attach.Kind, isRecord bool) {
	if d.ArtifactType != EntryType {
		return "", false
	}
	if name := d.Annotations[nameAnnotation]; validName(name) {
		return kindOf(name), true
	}
	return "", true
}
