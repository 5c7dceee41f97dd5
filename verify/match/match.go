// Package match finds out which components of an inventory an advisory affects.
//
// An [Index] is made of a set of advisories, once; [Index.Match] holds an
// inventory against it. The evaluation is that of the OSV schema
// (https://ossf.github.io/osv-schema/, "Evaluation"): a version is affected when
// it is listed or lies in one of the ranges, and ranges over commits decide
// nothing.
//
// Three things may be wrong without anybody being to blame: the inventory does
// not say which release of a distribution it is of, a component has no version
// that can be compared, or it is of a kind that no advisory speaks about. None of
// them is silently "not affected": the first two are findings of a class of
// their own, and the third is counted in the [Coverage].
package match

import (
	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/verify/advisory"
)

// Class says what a finding claims.
type Class string

// The classes of finding.
const (
	// Affected: the version is one of those that the advisory names.
	Affected Class = "affected"
	// UnknownDistro: affected in some release of the distribution, and the
	// inventory does not say which release it is of.
	UnknownDistro Class = "unknown-distro"
	// UnknownVersion: the advisory names the package, and the component has no
	// version that could be compared with those of the advisory.
	UnknownVersion Class = "unknown-version"
)

// Confidence says how much the finding rests on.
type Confidence string

// The degrees of confidence.
const (
	High   Confidence = "high"   // package, release and version are all exact
	Medium Confidence = "medium" // the name agrees but for upper and lower case
	Low    Confidence = "low"    // release or version is not known, or the range has no real end
)

// A Finding is one vulnerability in one component, under all the names that
// the advisories have for it.
type Finding struct {
	// ID is the best known name, IDs all names, the best known one first.
	ID  string
	IDs []string
	// Upstream are the vulnerabilities behind the advisory of a distribution.
	Upstream []string
	Summary  string
	URL      string
	Severity advisory.Level
	// Scores are the ratings as the databases give them.
	Scores     []advisory.Severity
	Class      Class
	Confidence Confidence
	// Component is the component as the inventory has it. Where several
	// components are the same package, it is the first, with the locations of
	// all, and Count says how many they are.
	Component sbom.Component
	Count     int
	// Fixed are the versions, in rising order, that end the affected range the
	// component is in. It is empty when there is no fix.
	Fixed []string
	// Records are the advisories that say so.
	Records []Record
}

// Kind says by which part of the advisory a record matched.
type Kind string

// The kinds of match.
const (
	ByRange     Kind = "range"      // the version lies in a range
	ByList      Kind = "list"       // the version is listed
	ByLastKnown Kind = "last-known" // in a range without an end, below the last version known to be affected
	ByName      Kind = "name"       // only the name could be compared
)

// A Record is one advisory behind a finding, and why it counts.
type Record struct {
	ID   string
	Path string
	// Package and Version are what was looked up, in the terms of the advisory:
	// for a Debian package the source package and its version.
	Package advisory.Package
	Version string
	// Via says where that name and version come from, empty where they are the
	// component's own.
	Via string
	// Kind, Introduced, Fixed and LastAffected tell the part of the advisory
	// that matched. Introduced is "0" for "from the beginning".
	Kind                            Kind
	Introduced, Fixed, LastAffected string
	// Problem is what kept the versions from being compared.
	Problem string
}

// A Coverage says how much of an inventory was held against how many advisories.
type Coverage struct {
	// Components are the packages of the inventory. NotPackages counts its other
	// components: files, the operating system.
	Components, NotPackages int
	// Mapped have an ecosystem that advisories speak of. Checked are those of
	// them for whose ecosystem and release advisories are loaded.
	Mapped, Checked int
	// Unmapped counts the other components by reason.
	Unmapped map[string]int
	// Unchecked counts mapped components by the ecosystem that no advisory is
	// loaded for.
	Unchecked map[string]int
	// Unknowns is how many files the inventory itself could not read.
	Unknowns int
	// Advisories and Withdrawn count what is loaded, Ecosystems the advisories
	// in force by ecosystem and release.
	Advisories, Withdrawn int
	Ecosystems            map[string]int
	// Load is the account of the loading, with the records that are bad.
	Load advisory.Load
}

// A Result is what a match gives: findings, the worst first, and coverage.
type Result struct {
	Findings []Finding
	Coverage Coverage
}
