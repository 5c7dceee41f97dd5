package journal

import (
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// A Role is what a tag beside a subject is for.
type Role int

// The roles of tags.
const (
	NoRole    Role = iota // another subject's, or none at all
	View                  // cosign's tag
	Entry                 // a journal entry
	Tombstone             // of a journal entry that was removed
	List                  // the list of referrers
	Foreign               // what another tool keeps under a tag that begins with the digest
)

// RoleOf returns what a tag is to the subject, and of what kind of attachment,
// which is [attach.Artifact] for foreign ones and lists.
func RoleOf(subject v1.Hash, tag string) (Role, attach.Kind) {
	if tag == attach.FallbackTagOf(subject) {
		return List, attach.Artifact
	}
	if !strings.HasPrefix(tag, tagPrefix(subject)) {
		return NoRole, ""
	}
	for _, k := range attach.Kinds() {
		if attach.CosignTagOf(subject, k) == tag {
			return View, k
		}
	}
	if name, ok := nameInTag(subject, tag, tagSuffix); ok {
		return Entry, public(kindOf(name))
	}
	if name, ok := nameInTag(subject, tag, goneSuffix); ok {
		return Tombstone, public(kindOf(name))
	}
	return Foreign, attach.Artifact
}

// A Record is a journal entry as it was read.
type Record struct {
	Kind attach.Kind
	// Tag is the tag that the entry has where the journal is kept by tags.
	Tag string
	// Entries are what it holds, bad ones included.
	Entries []cosign.Entry
	name    string
	kind    attach.Kind
}

// ReadRecord reads a manifest as a journal entry of the subject, which the tag
// names, or a list of referrers when the tag is "". It returns an error that wraps
// [attach.ErrMalformed] when it is none.
func ReadRecord(m attach.Manifest, tag string, subject v1.Hash) (Record, error) {
	name, _ := nameInTag(subject, tag, tagSuffix)
	r, err := readEntry(m, tag, name, subject)
	if err != nil {
		return Record{}, err
	}
	return Record{Kind: public(r.kind), Tag: tagOf(subject, r.name), Entries: r.image.Entries, name: r.name, kind: r.kind}, nil
}

// Shown holds the entries that views of one subject show, by the name of the journal
// entry that has each alone.
type Shown map[string]cosign.Entry

// Add adds the entries of a view; bad ones are left out.
func (s Shown) Add(k attach.Kind, entries []cosign.Entry) {
	for _, e := range entries {
		if e.Err == nil {
			s[nameOf(k, []attach.ID{e.ID()})] = e
		}
	}
}

// Record returns the manifest of the journal entry that a list of referrers shows,
// where it follows from what the views show: written anew it has that very digest.
func (s Shown) Record(d, subject v1.Descriptor) (attach.Manifest, bool) {
	name := d.Annotations[nameAnnotation]
	e, ok := s[name]
	if !ok || !validName(name) {
		return attach.Manifest{}, false
	}
	_, img := newRecord(subject, kindOf(name), []cosign.Entry{e}, true, d.Annotations[createdAnnotation])
	raw, _, err := img.Encode()
	if err != nil || attach.DigestOf(raw) != d.Digest {
		return attach.Manifest{}, false
	}
	return attach.Manifest{Desc: v1.Descriptor{MediaType: cosign.ManifestType, Size: int64(len(raw)), Digest: d.Digest}, Raw: raw}, true
}

// Graves tell what was removed from one subject. The zero value tells of nothing.
type Graves struct{ yard graveyard }

// Dig notes the tombstone that a tag names. Other tags are left alone.
func (g *Graves) Dig(subject v1.Hash, tag string) {
	if name, ok := nameInTag(subject, tag, goneSuffix); ok {
		g.add(name, tag)
	}
}

// DigListed notes the tombstone that a list of referrers shows, and reports
// whether it is one. Where the list does not tell its name, it has to be read.
func (g *Graves) DigListed(d v1.Descriptor) (tombstone, told bool) {
	if d.ArtifactType != GoneType {
		return false, false
	}
	name := d.Annotations[goneAnnotation]
	if !validName(name) {
		return true, false
	}
	g.add(name, d.Digest.String())
	return true, true
}

// DigRead notes the tombstone that a manifest is, and reports whether it is one.
func (g *Graves) DigRead(m attach.Manifest, subject v1.Hash) bool {
	name := goneIn(m.Raw, subject)
	if name != "" {
		g.add(name, m.Desc.Digest.String())
	}
	return name != ""
}

func (g *Graves) add(name, ref string) {
	if g.yard == nil {
		g.yard = make(graveyard)
	}
	g.yard[name] = append(g.yard[name], ref)
}

// Hold reports whether the record was removed as a whole.
func (g *Graves) Hold(r Record) bool { return g != nil && g.yard[r.name] != nil }

// HoldTag reports whether the record under the tag was removed.
func (g *Graves) HoldTag(subject v1.Hash, tag string) bool {
	name, ok := nameInTag(subject, tag, tagSuffix)
	return g != nil && ok && g.yard[name] != nil
}

// HoldEntry reports whether the entry was removed, whatever it stands in.
func (g *Graves) HoldEntry(k attach.Kind, e cosign.Entry) bool {
	if g == nil {
		return false
	}
	if k == attach.Artifact && attach.IsManifest(e.Desc.MediaType) {
		k = whole
	}
	return g.yard.holds(k, e.ID())
}

// RecordKind returns the kind that a list of referrers tells of a journal entry.
// isRecord is false for other manifests, and kind is "" where the list does not
// tell it.
func RecordKind(d v1.Descriptor) (kind attach.Kind, isRecord bool) {
	if d.ArtifactType != EntryType {
		return "", false
	}
	if name := d.Annotations[nameAnnotation]; validName(name) {
		return public(kindOf(name)), true
	}
	return "", true
}
