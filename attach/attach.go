// Package attach is the door to everything that hangs from an image: signatures,
// attestations, SBOMs and other artifacts.
//
// A [Subject] is one manifest, named by its digest. An [Attachment] is one
// entry that hangs from it. A [Store] resolves references to subjects, lists
// and opens what is attached, and puts new attachments beside the subject.
// The package knows nothing of what the attachments mean: whether a signature
// is good is for package verify to say.
//
// Stores live in the rooms below this door: attach/registry keeps attachments
// in an OCI registry, attach/layout in an OCI layout directory. Both write
// image-format objects under cosign's tags, and both keep the promise that
// concurrent writers never lose each other's entries (attach/journal).
//
// # What a reader may believe
//
// Nothing here is a judgement. [Reader.List] tells what is stored and where it
// was found; every byte that [Reader.Open] hands out was checked against the
// digest and the size of its descriptor, so what arrives is what was named, but
// who named it is unknown until it is verified.
package attach

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// A Subject is the one manifest, named by digest, that attachments hang from.
type Subject struct {
	// Repo is the repository as a reader would type it: "registry/path" or
	// "oci:DIR". It never holds a tag or a digest.
	Repo string
	// Desc describes the manifest: media type, size in bytes and digest.
	Desc v1.Descriptor
}

// String returns the reference of the subject by digest.
func (s Subject) String() string { return s.Repo + "@" + s.Desc.Digest.String() }

// Kind says what an attachment is for. It decides the cosign tag it is kept under.
type Kind string

// The kinds of attachment.
const (
	Signature   Kind = "signature"   // simple signing payload, tag suffix .sig
	Attestation Kind = "attestation" // DSSE envelope, tag suffix .att
	SBOM        Kind = "sbom"        // a bare SBOM document, tag suffix .sbom
	Artifact    Kind = "artifact"    // anything else that refers to the subject
)

// Hidden, among the kinds that [Reader.List] is asked for, has it yield also the
// entries of the other kinds that a tombstone hides, with [Attachment.Removed] set.
// A tombstone is nobody's word: whoever can write to the repository can put one
// there. Who answers a question, rather than shows what is there, must be able to
// say that one changed the answer.
const Hidden Kind = "hidden"

// Kinds returns all kinds, in the order in which lists show them.
func Kinds() []Kind { return []Kind{Signature, Attestation, SBOM, Artifact} }

// Scheme says how an attachment was found, never whether it counts.
type Scheme string

// The schemes of discovery.
const (
	CosignTag   Scheme = "tag"      // the view: cosign's tag sha256-<hex>.<sig|att|sbom>
	Referrers   Scheme = "referrer" // the registry's referrers API (OCI 1.1)
	FallbackTag Scheme = "fallback" // the referrers tag schema, sha256-<hex>
	Journal     Scheme = "journal"  // an immutable journal entry of hallmark's own
)

// A Storage says under what an entry is kept: under cosign's tags, which every
// registry has and cosign 2 reads, or as a referrer of its own, which cosign 3 and
// OCI 1.1 tools read.
type Storage string

// The storages. The zero Storage is that of the tags.
const (
	InTags      Storage = "tags"
	InReferrers Storage = "referrers"
	InBoth      Storage = "both"
)

// Storages returns all storages, the default first.
func Storages() []Storage { return []Storage{InTags, InReferrers, InBoth} }

// Tags reports whether entries are kept under cosign's tags.
func (s Storage) Tags() bool { return s != InReferrers }

// Referrers reports whether entries are kept as referrers.
func (s Storage) Referrers() bool { return s == InReferrers || s == InBoth }

// A Place is one spot where an attachment was found.
type Place struct {
	Scheme Scheme
	// Manifest describes the manifest that holds the entry. Under Journal and
	// Referrers it never changes; under CosignTag it changes with every append.
	Manifest v1.Descriptor
	// Tag is the tag of that manifest, empty when it is only known by digest.
	Tag string
	// Layer describes the layer that holds the content as the one file of an
	// archive, where the entry is kept in strict image form; nil where the content is
	// the layer.
	Layer *v1.Descriptor
}

// An Attachment is one entry that hangs from a subject.
type Attachment struct {
	Kind Kind
	// Desc describes the content: media type, digest and size, and the content
	// itself in Data where the descriptor carries it. Desc.Annotations is nil:
	// the annotations stand in Annotations.
	Desc v1.Descriptor
	// Type says what the content is: the predicate type of an attestation (as
	// its annotation claims), else the media or artifact type.
	Type string
	// Annotations are those of the descriptor. A signature lives here.
	Annotations map[string]string
	// Places are all the places where the entry was found.
	Places []Place
	// Removed names the tombstone that hides the entry: a tag or a digest. It is
	// empty for all that a list shows without being asked for [Hidden].
	Removed string
}

// An ID is the identity of an attachment: SHA-256 over media type, content
// digest and all annotations. Data does not count, nor does the place. Two
// signatures over one payload are two entries, and a damaged twin of a good
// entry is an entry of its own that cannot hide it.
//
// An attachment that is a whole manifest is its media type and digest alone: the
// annotations stand inside of it, and the lists that name it tell all of them,
// some, or none.
type ID [sha256.Size]byte

// String returns the identity in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ID returns the identity of the attachment.
func (a Attachment) ID() ID {
	return identity(string(a.Desc.MediaType), a.Desc.Digest, a.Annotations)
}

// IsManifest reports whether content of the media type is a manifest: that of an
// image or of an index.
func IsManifest(mediaType types.MediaType) bool { return mediaType.IsImage() || mediaType.IsIndex() }

// identity hashes each part behind its length, so that no two different
// entries share an encoding.
func identity(mediaType string, digest v1.Hash, annotations map[string]string) ID {
	if IsManifest(types.MediaType(mediaType)) {
		annotations = nil
	}
	keys := make([]string, 0, len(annotations))
	for k := range annotations {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	text := make([]byte, 0, 1024)
	part := func(s string) {
		text = strconv.AppendInt(text, int64(len(s)), 10)
		text = append(append(append(text, ':'), s...), ',')
	}
	part(mediaType)
	part(digest.String())
	for _, k := range keys {
		part(k)
		part(annotations[k])
	}
	return sha256.Sum256(text)
}

// Found reports whether the attachment was found by the scheme, and where.
func (a Attachment) Found(s Scheme) (Place, bool) {
	i := slices.IndexFunc(a.Places, func(p Place) bool { return p.Scheme == s })
	if i < 0 {
		return Place{}, false
	}
	return a.Places[i], true
}

// Immutable returns the places whose manifest holds the entry for ever: those of
// the journal, and referrers that are the entry. The manifest of a view is none,
// as it changes with every append. What is to be signed by digest, so that it
// says something of this entry, is the manifest of such a place.
func (a Attachment) Immutable() []Place {
	var places []Place
	for _, p := range a.Places {
		if p.Scheme == Journal || p.Scheme != CosignTag && p.Manifest.Digest == a.Desc.Digest {
			places = append(places, p)
		}
	}
	return places
}

// Content is what a writer wants attached.
//
// An Artifact whose media type is that of an OCI image manifest is attached whole:
// Body is the manifest, whose subject must be the subject of the parcel, and Parts
// are its blobs. Other tools find it among the referrers of the subject. All other
// content is a layer of a manifest that the store makes.
type Content struct {
	Kind      Kind
	MediaType string
	// Annotations are those of the layer. A whole manifest has its own inside, and
	// none here.
	Annotations map[string]string
	Body        Body
	// Strict has the content kept in strict image form: as the one file in a layer of
	// the media type that layers of images have, for registries that take no other.
	// This package's stores read it like any other, cosign does not. A whole manifest
	// is kept as it is.
	Strict bool
	// Parts are blobs of a whole manifest: its config and its layers. Those that
	// the repository is known to hold may be left out. Other content has none.
	Parts []Body
	// Same, when set, is asked for each attachment of this kind that the store
	// comes across before it writes. When it answers true, that attachment
	// stands for the content and nothing is added. It is how signing twice
	// leaves one signature although the two differ in their random part.
	Same func(ctx context.Context, r Reader, a Attachment) bool
}

// ID returns the identity that the content will have once attached.
func (c Content) ID() ID { return identity(c.MediaType, c.Body.Digest, c.Annotations) }

// A Parcel is a content with the subject it is for.
type Parcel struct {
	Subject Subject
	Content Content
}

// A Receipt tells what became of a parcel.
type Receipt struct {
	Attachment Attachment
	// Existed says that nothing was added: the entry, or one that [Content.Same]
	// took for it, was there before.
	Existed bool
	// Unasked says that it was not asked whether the entry was there before. It has
	// the same bytes if it was, so that nothing was added then.
	Unasked bool
	// Viewed says that other tools see the entry: the cosign tag shows it or, of a
	// whole manifest, the list of referrers. Where it is false the entry is safe in
	// the journal but Note says why they do not see it.
	Viewed bool
	// Note is a remark for the user, empty when there is none.
	Note string
}

// A Resolver finds the subject that a reference names. A tag is resolved once,
// here; from then on everything goes by digest.
type Resolver interface {
	// Resolve returns the subject that ref names in this store: a tag, a digest,
	// or "" for the store's default. It fetches the manifest and recomputes its
	// digest. It returns an error that wraps [ErrNotFound] when there is no such
	// manifest.
	Resolve(ctx context.Context, ref string) (Subject, error)
}

// A Reader lists and opens attachments and other content.
type Reader interface {
	// List yields the attachments of the subject of the given kinds (all kinds
	// when none is named), first those of the cosign tags, then those of
	// referrers and journal. The latter are looked up only when the caller goes
	// on that far. An entry that stands in several places is yielded once for
	// each; [Collect] merges them. An error that is yielded concerns one place
	// or one entry; the listing goes on behind it. Use [Judged] to tell content
	// that arrived and is bad from a place that could not be read.
	List(ctx context.Context, s Subject, kinds ...Kind) iter.Seq2[Attachment, error]
	// Open returns the content of the attachment. The reader yields an error
	// that wraps [ErrDigest] instead of io.EOF when the bytes are not those of
	// the descriptor. The descriptor's size bounds what is read.
	Open(ctx context.Context, s Subject, a Attachment) (io.ReadCloser, error)
	// Manifest returns the bytes of a manifest of the subject's repository by
	// digest, recomputed and bounded by [MaxManifest].
	Manifest(ctx context.Context, s Subject, digest v1.Hash) (Manifest, error)
	// Blob returns any blob of the subject's repository, checked like Open.
	Blob(ctx context.Context, s Subject, d v1.Descriptor) (io.ReadCloser, error)
}

// A Writer puts attachments beside their subjects.
type Writer interface {
	// Put attaches the parcels and returns a receipt for each, in their order.
	// It returns only when every entry is confirmed: kept where no other writer
	// can displace it. On an error no receipt counts; a later Put of the same
	// parcels completes what was begun and adds nothing twice.
	Put(ctx context.Context, parcels ...Parcel) ([]Receipt, error)
}

// A Publisher stores manifests that stand for themselves, such as artifacts that
// are pushed, rather than beside a subject.
type Publisher interface {
	// Publish stores the parts, which are blobs of the manifest, then the manifest
	// under the tag, and returns it as a subject. A tag that names something else
	// is moved, unless the store does not let it be: [ErrImmutable]. Where tag is
	// "" the manifest is stored by its digest alone. A manifest that the store
	// refuses for what it says is an error that wraps [ErrMalformed]. Parts that
	// are there already are not sent again.
	Publish(ctx context.Context, tag string, m Manifest, parts ...Body) (Subject, error)
}

// A Store resolves, reads and writes.
type Store interface {
	Resolver
	Reader
	Writer
}

// A Manifest is a manifest as it was stored.
type Manifest struct {
	Desc v1.Descriptor
	Raw  []byte
}

// FallbackTagOf returns the tag of the index that lists the referrers of the digest
// where the registry does not: sha256-<hex> (distribution specification 1.1,
// "Referrers Tag Schema").
func FallbackTagOf(digest v1.Hash) string {
	return strings.Replace(digest.String(), ":", "-", 1)
}

// NamesImage reports whether the tag is one that people name images by: not one
// that is made of another manifest's digest, as those are of views, journals,
// lists of referrers and whatever else tools hang from an image
// ("sha256-<hex>", alone or before a dot).
func NamesImage(tag string) bool {
	rest, ok := strings.CutPrefix(tag, "sha256-")
	hex, _, _ := strings.Cut(rest, ".")
	return !ok || len(hex) != 2*sha256.Size || strings.Trim(hex, "0123456789abcdef") != ""
}

// CosignTagOf returns the cosign tag under which attachments of the kind are
// kept for the digest: sha256-<hex>.sig, .att or .sbom. It returns "" for a
// kind that cosign has no tag for.
func CosignTagOf(digest v1.Hash, k Kind) string {
	suffix := map[Kind]string{Signature: "sig", Attestation: "att", SBOM: "sbom"}[k]
	if suffix == "" {
		return ""
	}
	return FallbackTagOf(digest) + "." + suffix
}
