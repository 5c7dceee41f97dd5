package attach

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// CreatedAnnotation is the annotation that tells when something was made
// (image specification 1.1, annotations).
const CreatedAnnotation = "org.opencontainers.image.created"

// A Keeper removes what is attached, and mends what other tools broke.
type Keeper interface {
	// Remove takes the attachments away from the subject, wherever they stand:
	// from the views, the journal and the lists of referrers. Nothing else goes:
	// what shared a manifest with them stays, and no manifest goes that a tag
	// names which is not the attachment's own. It returns a receipt for each, in
	// their order. What is not attached is removed all the same: nobody who writes
	// later brings it back, until it is put again.
	//
	// Removing is not revoking: whoever has a copy can attach it again, and a
	// reader who kept it may still accept it. What must not count any more is to
	// be named in trust and policy.
	Remove(ctx context.Context, s Subject, as ...Attachment) ([]Removal, error)
	// Repair makes the views of the subject show what the journal holds, and the
	// journal hold what the views show, and tells what was not so.
	Repair(ctx context.Context, s Subject, o RepairOptions) (Repaired, error)
	// Orphans yields what hangs from subjects that the repository no longer has,
	// in the order of subjects and references. An error that is yielded says of
	// what it could not be told; the others follow. Things that this package does
	// not know by their tags are none.
	Orphans(ctx context.Context) iter.Seq2[Orphan, error]
	// Sweep deletes orphans, each after another look for its subject: one whose
	// subject is there by now stays. It returns what could not be deleted.
	Sweep(ctx context.Context, orphans ...Orphan) ([]Left, error)
}

// An Orphan is something that hangs from a subject that is not there.
type Orphan struct {
	Subject v1.Hash
	What    Remnant
	Ref     string // tag, or the digest of a referrer
}

// A Remnant says what an orphan is.
type Remnant string

// What orphans are.
const (
	OrphanView     Remnant = "view"            // under cosign's tag
	OrphanEntry    Remnant = "journal entry"   // under a tag of the journal
	OrphanGone     Remnant = "tombstone"       // the mark of something that was removed
	OrphanIndex    Remnant = "referrers index" // under the referrers tag
	OrphanReferrer Remnant = "referrer"        // in the registry's list of referrers
)

// A Removal tells what became of an attachment that was removed.
type Removal struct {
	Attachment Attachment
	// Shown is why a view shows it still, and every reader with it: the store does
	// not let the tag be written, for instance. It is empty when the attachment is
	// removed.
	Shown string
	// Left are the places in which it still stands since the store does not
	// delete them. Readers of this package know by its tombstone that it is
	// removed; who reads such a place directly still finds it.
	Left []Left
}

// A Left is something that was to be deleted and is still there.
type Left struct {
	Ref string // tag or digest
	Err error  // why
}

// Error implements error.
func (l Left) Error() string { return fmt.Sprintf("delete %s: %v", l.Ref, l.Err) }

// Unwrap returns why it is still there.
func (l Left) Unwrap() error { return l.Err }

// Leftover returns all that an error, which may be joined of several, says is
// still there. It returns nothing where the error says something else too.
func Leftover(err error) (all []Left, ok bool) {
	switch e := err.(type) {
	case nil:
		return nil, true
	case Left:
		return []Left{e}, true
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			more, ok := Leftover(err)
			if !ok {
				return nil, false
			}
			all = append(all, more...)
		}
		return all, true
	}
	return nil, false
}

// RepairOptions say how a subject is repaired. The zero value mends and folds nothing.
type RepairOptions struct {
	// DryRun reports and writes nothing.
	DryRun bool
	// Compact folds journal entries of one kind that are older than OlderThan into
	// one journal entry each. Journal entries whose age is not known count as young
	// unless OlderThan is zero; those that something hangs from, such as a
	// signature over the signature, stay as they are, as do SBOMs and artifacts.
	Compact   bool
	OlderThan time.Duration
}

// Repaired tells what was found and mended.
type Repaired struct {
	// Missing are entries of the journal that a view lacked. Those that it still
	// lacks are told of in Notes.
	Missing []Attachment
	// Adopted are entries that stood in a view alone and are in the journal now.
	Adopted []Attachment
	// Returned are entries that had been removed and that a view showed again.
	Returned []Attachment
	// Lost are entries that something tells of and that are nowhere: "a tag of the
	// journal whose manifest is gone", for instance.
	Lost []string
	// Folded is how many journal entries were folded, into how many.
	Folded, Into int
	// Left are journal entries that were folded and could not be deleted.
	Left []Left
	// Notes are remarks for the user.
	Notes []string
}

// Whole reports whether nothing had to be mended.
func (r Repaired) Whole() bool {
	return len(r.Missing)+len(r.Adopted)+len(r.Returned)+len(r.Lost)+len(r.Notes) == 0
}

// Created returns when a manifest says that it was made. What it says is nobody's
// word but the writer's.
func Created(raw []byte) (time.Time, bool) {
	m, err := Members(raw)
	if err != nil {
		return time.Time{}, false
	}
	var annotations map[string]json.RawMessage
	var text string
	if Member(m, "annotations", &annotations) != nil || Member(annotations, CreatedAnnotation, &text) != nil {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, text)
	return t, err == nil
}
