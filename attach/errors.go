package attach

import "errors"

// The reasons why a store says no. Test for them with errors.Is.
var (
	// ErrNotFound says that the store answered, with authority, that there is
	// no such manifest, blob or tag.
	ErrNotFound = errors.New("not found")
	// ErrDigest says that content arrived whole but is not what its descriptor
	// or digest names.
	ErrDigest = errors.New("digest mismatch")
	// ErrMalformed says that content arrived whole but breaks its format.
	ErrMalformed = errors.New("malformed")
	// ErrLimit says that content is larger, longer or more numerous than is read.
	ErrLimit = errors.New("over the limit")
	// ErrUnfinished says that a listing has no end within the limits, so that
	// what it does not show may still be there.
	ErrUnfinished = errors.New("listing not finished")
	// ErrUnconfirmed says that a write may or may not have happened, or that
	// it could not be shown that readers will see it. Running the command
	// again completes it.
	ErrUnconfirmed = errors.New("write not confirmed")
	// ErrDenied says that the store refused the credentials, or that none were found.
	ErrDenied = errors.New("access denied")
	// ErrForm says that the store refused a manifest, and may take what it holds in
	// strict image form.
	ErrForm = errors.New("this form is refused")
	// ErrImmutable says that the store does not let a tag be written a second time.
	ErrImmutable = errors.New("tag is immutable")
	// ErrRemoved says that an entry was removed earlier and cannot be put again,
	// since the mark of that is not to be deleted. An entry of another identity can.
	ErrRemoved = errors.New("removed earlier")
	// ErrUndeletable says that the store does not delete: not this, or nothing at
	// all. What was to be deleted is still there.
	ErrUndeletable = errors.New("not deletable")
)

// Judged reports whether the error speaks of content that arrived and is bad,
// as opposed to content that could not be obtained. Bad content rejects the one
// entry that it is; content that could not be obtained leaves the question open.
func Judged(err error) bool {
	return errors.Is(err, ErrDigest) || errors.Is(err, ErrMalformed) || errors.Is(err, ErrLimit)
}
