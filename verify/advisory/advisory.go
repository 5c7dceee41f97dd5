// Package advisory is the door to security advisories: what is known to be
// wrong with which versions of which package.
//
// An [Advisory] is free of any file format. Its model is that of the OSV schema
// (https://ossf.github.io/osv-schema/, version 1.7), because OSV says what a
// matcher needs in terms of packages and versions; the rooms below translate
// (verify/advisory/osv). A [Set] is what was loaded, with an account of all that
// could not be: an advisory that is dropped without a word is a vulnerability
// that is denied.
//
// Whether a package is affected is for package verify/match to say.
package advisory

import (
	"crypto/sha256"
	"time"
)

// An Advisory describes one vulnerability and the packages that have it.
type Advisory struct {
	// ID is the name that the database gave, such as "GO-2024-2687".
	ID string
	// Aliases are names of the same vulnerability in other databases.
	Aliases []string
	// Upstream are names of vulnerabilities that this advisory was made from,
	// such as the CVEs behind an advisory of a distribution. They are not the same thing.
	Upstream []string
	Summary  string
	// URL is a page about the advisory, empty when the record names none.
	URL string
	// Published, Modified and Withdrawn are zero where the record has none.
	Published, Modified, Withdrawn time.Time
	// Severity are the scores that the database gives, Level its own word.
	Severity []Severity
	Level    Level
	Affected []Affected
	// Path is where the record was read, for people.
	Path string
	// Digest is the SHA-256 digest of the record as it was read.
	Digest [sha256.Size]byte
}

// IsWithdrawn reports whether the database took the advisory back.
func (a *Advisory) IsWithdrawn() bool { return !a.Withdrawn.IsZero() }

// A Package names a package as the OSV schema does. The ecosystem may have a
// release behind a colon: "Debian:12".
type Package struct{ Ecosystem, Name string }

// Affected says which versions of one package are affected: those that are
// listed and those in any of the ranges.
type Affected struct {
	Package  Package
	Versions []string
	Ranges   []Range
	// Severity stands in place of the advisory's, where it is given.
	Severity []Severity
	Level    Level
	// LastKnown is an upper bound such as "<= 29.0" that some databases state
	// beside ranges without an end.
	LastKnown string
}

// RangeType says how the versions of a range are ordered.
type RangeType string

// The types of range. Commits in a Git repository cannot be compared with
// versions; such ranges are kept in mind but never decide.
const (
	SemVerRange    RangeType = "SEMVER"
	EcosystemRange RangeType = "ECOSYSTEM"
	GitRange       RangeType = "GIT"
)

// A Range is a list of events on a line of versions.
type Range struct {
	Type   RangeType
	Events []Event
}

// EventKind says what happens at a version.
type EventKind string

// The kinds of event.
const (
	Introduced   EventKind = "introduced"    // from this version on affected
	Fixed        EventKind = "fixed"         // from this version on not
	LastAffected EventKind = "last_affected" // behind this version not
	Limit        EventKind = "limit"         // the range ends before this version
)

// An Event is what happens at a version of a range.
type Event struct {
	Kind    EventKind
	Version string
}
