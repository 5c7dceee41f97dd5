// Package journal is the lossless way to attach: the one protocol by which
// hallmark writes signatures, attestations and SBOMs beside an image, whatever
// the medium that holds them.
//
// # The trouble
//
// Cosign keeps all signatures of an image in one manifest under one tag. To add
// one, a writer reads the manifest, appends a layer and writes it back. Of two
// writers that do so at the same time, one loses its signature and is never
// told. Registries have no compare-and-swap that would help.
//
// # The protocol
//
// (For an artifact that is a whole manifest the journal holds the manifest itself,
// and the view is the list of referrers: the one that the medium keeps or, where it
// keeps none, the index under the referrers tag, which has the same trouble.)
//
// Each entry is first written where no other writer can displace it: into the
// journal. A journal entry is an image manifest of its own that never changes,
// kept under a tag that is named after its content, or by digest as a referrer
// of the subject where the medium serves the referrers API. Only then is the
// entry merged into the view, the manifest under cosign's tag, which is all
// that cosign reads. Afterwards the writer lists the journal and reads the
// view. Where it finds the view as it wrote it, it answers for the view: where an
// entry of the journal is missing there, it merges what is missing and writes the
// view again, after a random pause. Where it finds that another has written the
// view since, that other answers for it: the writer is done once the view shows
// all that it knows, which are its own entries and all that it ever saw there.
// Until then it looks at the view now and then, and when nothing has happened
// for long, since the other may be dead or foreign, it completes the view itself.
//
// Why that suffices: let P be the last write of the view, by writer W. After P,
// W listed the journal and read the view. What it read was P, since no write
// follows, so W could not leave the view to another. Had anything in that list
// been missing, W would have written again, so P holds all that was journaled
// before the list. A writer X that journaled after the list writes the view after
// it journaled, hence after P, so P was not the last. That W takes P for its own
// by the digest is safe: of two who write the same bytes, both answer for them.
//
// So opening the entries of others is the work of one. In a crowd of a hundred
// writers each costs little more than a writer who is alone, as the others wait
// longer the more entries the view lacks. Times and chance decide only how many
// requests are made.
//
// A writer that dies between its two writes, or before it completed the view that
// it answers for, leaves a view that lags; the journal still has all entries,
// readers look there too, and the next writer completes the view.
//
// A foreign writer such as cosign follows no protocol: it can drop entries from
// the view, which the next writer that answers for the view puts back from the
// journal, and its own entries have no journal. What this package saw in a view
// it never drops.
//
// # Removing
//
// What is removed would come back with the next merge, since others saw it. So a
// remover first writes a tombstone, beside the journal and named after the entry:
// a list of the journal tells of it without anything being opened. Only then does
// it write the view without the entry, as a writer that answers for the view, and
// at last it deletes the journal entries, as far as the medium does that. What
// shares a journal entry with what goes gets one of its own before. Who lists the
// journal after a tombstone was written neither merges the entry nor leaves it in a
// view that it writes; the argument above holds for "shows nothing that has a
// tombstone" as it does for "shows all that was journaled".
//
// Of two who delete, one may count on a journal entry that the other takes away. So
// each looks once more after its last deletion, and writes what is missing again.
//
// To put an entry again is to delete its tombstone first. A tombstone hides nothing
// but what it names, and who can write tombstones can delete as well. It revokes
// nothing: a reader who has the entry from elsewhere, or from a view that a foreign
// tool wrote, may still be shown it.
package journal

import (
	"context"
	"errors"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// ErrOddReferrers says that what answers for the referrers API is neither a list
// nor a plain no: a proxy that forbids it, a redirect to nowhere, a web page. A
// writer takes it for a no and keeps its journal under tags, which is safe
// wherever tags are. A reader that finds nothing elsewhere cannot tell whether
// there is something.
var ErrOddReferrers = errors.New("odd answer of the referrers API")

// A Medium is what the protocol needs of the thing that stores: a repository of
// a registry, or an OCI layout directory. Each method is one atomic step that
// others see whole or not at all.
type Medium interface {
	// Manifest returns the manifest that ref names: a tag, or a digest
	// "sha256:...". An error that wraps [attach.ErrNotFound] is authoritative.
	// At most [attach.MaxManifest] bytes are read, and the digest is recomputed.
	Manifest(ctx context.Context, ref string) (attach.Manifest, error)
	// PutManifest stores a manifest under a tag or by its digest, so that all
	// who read afterwards see it. It returns an error that wraps
	// [attach.ErrImmutable] when the tag exists and may not be overwritten, and
	// one that wraps [attach.ErrMalformed] when the medium refuses the manifest
	// for what it says.
	PutManifest(ctx context.Context, ref string, mediaType string, raw []byte) error
	// PutBlob stores a blob. A blob that is there already is no error.
	PutBlob(ctx context.Context, b attach.Body) error
	// OpenBlob opens a blob. Its bytes are unchecked: the caller wraps them in
	// [attach.Check].
	OpenBlob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error)
	// Tags returns all tags that begin with prefix. It is complete, or an error.
	// A repository that does not exist has no tags.
	Tags(ctx context.Context, prefix string) ([]string, error)
	// Referrers lists the manifests whose subject is the digest, in a list that the
	// caller may use up. A medium that
	// has no referrers API answers native == false and no error, or, where it
	// answers in a way that no registry without that API should, an error that
	// wraps [ErrOddReferrers]. Malformed entries of the list come as an error of
	// type [attach.Spoiled] beside the others. A list beyond the limits comes as
	// far as it was read, with an error that wraps [attach.ErrUnfinished].
	Referrers(ctx context.Context, digest v1.Hash) (list []v1.Descriptor, native bool, err error)
	// Delete removes what the references name: tags, or manifests by digest. What
	// is gone already is no error. Where a tag is removed, its manifest may stay
	// behind; it never goes while another tag names it, nor is a manifest deleted
	// by digest that a tag names which is not among the references, nor one that an
	// index lists which such a tag names. An error that
	// wraps [attach.ErrUndeletable] says that the medium does not delete this, or
	// nothing at all; one that wraps [attach.ErrDenied], that this account may not.
	// Of several references each is tried, and what is left is told of by errors
	// of type [attach.Left], joined.
	Delete(ctx context.Context, refs ...string) error
	// Lock excludes other writers for the length of one Put. A medium that
	// cannot lock, such as a registry, returns a function that does nothing.
	Lock(ctx context.Context) (unlock func(), err error)
}
