package tuf

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
)

// What go-tuf checks is called here only, because it follows pointers that
// metadata can leave out, signed ones too.

// guarded turns a panic of go-tuf into an error: metadata that it cannot read.
func guarded[T any](check func() (T, error)) (v T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("it lacks a part that it must have")
		}
	}()
	return check()
}

// errShape marks signed metadata that do not name what they must.
var errShape = errors.New("it names no")

func takeTimestamp(t *trustedmetadata.TrustedMetadata, raw []byte) error {
	_, err := guarded(func() (any, error) {
		m, err := metadata.Timestamp().FromBytes(raw)
		if err == nil && m.Signed.Meta[snapshotName] == nil {
			return nil, fmt.Errorf("%w %s", errShape, snapshotName)
		}
		return t.UpdateTimestamp(raw)
	})
	return err
}

func takeSnapshot(t *trustedmetadata.TrustedMetadata, raw []byte, known bool) error {
	_, err := guarded(func() (any, error) {
		m, err := metadata.Snapshot().FromBytes(raw)
		if err == nil && m.Signed.Meta[targetsName] == nil {
			return nil, fmt.Errorf("%w %s", errShape, targetsName)
		}
		return t.UpdateSnapshot(raw, known)
	})
	return err
}

func takeTargets(t *trustedmetadata.TrustedMetadata, raw []byte) error {
	_, err := guarded(func() (any, error) { return t.UpdateTargets(raw) })
	return err
}

// dated adds to an error about expiry when that was.
func dated(err error, t *trustedmetadata.TrustedMetadata) error {
	if !errors.Is(err, &metadata.ErrExpiredMetadata{}) {
		return err
	}
	ends := []time.Time{t.Root.Signed.Expires}
	if t.Timestamp != nil {
		ends = append(ends, t.Timestamp.Signed.Expires)
	}
	if t.Snapshot != nil {
		ends = append(ends, t.Snapshot.Signed.Expires)
	}
	first := slices.MinFunc(ends, time.Time.Compare)
	if first.After(t.RefTime) {
		return err
	}
	return fmt.Errorf("%w: it held until %s", err, first.Format(time.RFC3339))
}

// errNoTarget marks a document that the repository does not have.
var errNoTarget = errors.New("the repository has no such target")

// target returns what the metadata say about a document.
func target(t *trustedmetadata.TrustedMetadata, name string) (*metadata.TargetFiles, error) {
	f, ok := t.Targets[metadata.TARGETS].Signed.Targets[name]
	switch {
	case !ok || f == nil:
		return nil, errNoTarget
	case f.Hashes["sha256"] == nil && f.Hashes["sha512"] == nil:
		return nil, fmt.Errorf("%w sha256 or sha512 of the document", errShape)
	case f.Length < 1 || f.Length > maxTarget:
		return nil, fmt.Errorf("%w: it has %d bytes, %d are read at most", errLarge, f.Length, maxTarget)
	}
	return f, nil
}

var errLarge = errors.New("of no size that is read")

// reasonOf turns an error of go-tuf into a reason.
func reasonOf(err error) Reason {
	for _, x := range []struct {
		err    error
		reason Reason
	}{
		{errNoTarget, Absent}, {errLarge, Oversized},
		{&metadata.ErrExpiredMetadata{}, Expired}, {&metadata.ErrBadVersionNumber{}, Rollback},
		{&metadata.ErrEqualVersionNumber{}, Rollback}, {&metadata.ErrUnsignedMetadata{}, Unsigned},
		{&metadata.ErrLengthOrHashMismatch{}, Mismatch},
	} {
		if errors.Is(err, x.err) {
			return x.reason
		}
	}
	return Malformed
}
