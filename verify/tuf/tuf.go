// Package tuf fetches what is to be trusted in a Sigstore instance, its trusted
// root, from a TUF repository and keeps it in one file, so that verifying needs no
// network.
//
// A TUF repository (theupdateframework.github.io/specification) is a web server
// that need not be trusted. Its root metadata names keys; the other metadata are
// signed by them, expire, and only ever count upwards, so that neither other
// content nor an old state can be passed off as the present one. Who holds one
// root, of any age, can follow to the newest.
//
// Nothing here happens by itself: [Init] asks the mirror, [Load] opens no socket.
package tuf

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// Material is what a TUF repository says is to be trusted.
type Material struct {
	// Mirror is where the repository was read.
	Mirror string
	// TrustedRoot is a trusted_root.json: certificate authorities and keys of logs.
	TrustedRoot []byte
	// SigningConfig names the services to sign with. It is nil where the repository
	// has none.
	SigningConfig []byte
	// Fetched is when the mirror was asked last.
	Fetched time.Time
	// Roles are the metadata that vouch for it: root, timestamp, snapshot, targets.
	Roles []Role
}

// Role is one metadata file: its version and until when it holds.
type Role struct {
	Name    string
	Version int64
	Expires time.Time
}

// Expires returns which role ends first and when. From then on the material does
// not count any more.
func (m *Material) Expires() Role {
	var first Role
	for i, r := range m.Roles {
		if i == 0 || r.Expires.Before(first.Expires) {
			first = r
		}
	}
	return first
}

// A Reason is a stable, machine-readable code that says why there is no material.
type Reason string

// The reasons.
const (
	None        Reason = "trust-none"        // Init was never called
	Misused     Reason = "trust-usage"       // no name of a mirror, or a mirror without a root to begin with
	Unreachable Reason = "trust-unreachable" // the mirror did not answer, or not with what was asked for
	Unreadable  Reason = "trust-unreadable"  // a file of this machine cannot be read or written
	Malformed   Reason = "trust-malformed"   // metadata or targets that cannot be read
	Oversized   Reason = "trust-limit"       // more bytes, or more root versions, than are read
	Expired     Reason = "trust-expired"     // metadata that do not hold any more
	Rollback    Reason = "trust-rollback"    // an older state than one that was seen, or a version left out
	Unsigned    Reason = "trust-signature"   // metadata that too few of the named keys signed
	Mismatch    Reason = "trust-digest"      // a file that is not the one its metadata name
	Absent      Reason = "trust-absent"      // the repository has no trusted_root.json, or an archive lacks a file
)

// An Error says why there is no material: what was tried, and what is wrong.
type Error struct {
	Reason Reason
	what   string // what was tried, on what
	err    error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.what, e.err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

// ReasonOf returns the reason of an error of this package, empty for others.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func failed(r Reason, err error, format string, args ...any) error {
	return &Error{Reason: r, what: fmt.Sprintf(format, args...), err: err}
}

// File returns the path of the one file that Init writes and Load reads below a
// folder.
func File(dir string) string { return filepath.Join(dir, "trust.json") }
