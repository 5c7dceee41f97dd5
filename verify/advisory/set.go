package advisory

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"
)

// A Set is the advisories that were loaded, sorted by ID, none twice, with an
// account of the loading.
type Set struct {
	Advisories []Advisory
	Load       Load
}

// A Load is the account of what was read.
type Load struct {
	// Records is how many documents were looked at; Withdrawn how many of the
	// loaded ones were taken back by their database; Duplicates how many were
	// dropped because another record has the same ID.
	Records, Withdrawn, Duplicates int
	// NoPackage counts records that name no package and can match nothing.
	NoPackage int
	// Ignored counts files that are no advisories by their name.
	Ignored int
	// Bad are the records that could not be read.
	Bad []Bad
	// Ecosystems counts affected packages of ecosystems whose versions cannot
	// be compared, RangeTypes and Events what the schema has no meaning for.
	Ecosystems, RangeTypes, Events map[string]int
}

// Bad is a record that could not be read, and why.
type Bad struct{ Path, Reason string }

// NewSet makes a set. Of records with the same ID the one that was modified last
// counts; of equally old ones the one that is not withdrawn, then the first.
func NewSet(advisories []Advisory, load Load) Set {
	list := slices.Clone(advisories)
	slices.SortStableFunc(list, func(a, b Advisory) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), b.Modified.Compare(a.Modified), order(a.IsWithdrawn(), b.IsWithdrawn()))
	})
	before := len(list)
	list = slices.CompactFunc(list, func(a, b Advisory) bool { return a.ID == b.ID })
	load.Duplicates += before - len(list)
	load.Withdrawn, load.NoPackage = 0, 0
	for i := range list {
		if list[i].IsWithdrawn() {
			load.Withdrawn++
		}
		if !slices.ContainsFunc(list[i].Affected, func(a Affected) bool { return a.Package.Name != "" }) {
			load.NoPackage++
		}
	}
	return Set{Advisories: slices.Clip(list), Load: load}
}

// order puts false before true.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Newest returns when the newest of the records was modified; zero where none tells.
func (s Set) Newest() time.Time {
	var newest time.Time
	for i := range s.Advisories {
		if m := s.Advisories[i].Modified; m.After(newest) {
			newest = m
		}
	}
	return newest
}

// Digest identifies the set: SHA-256 over the IDs and digests of its records.
// The same records give the same digest, however they were packed.
func (s Set) Digest() string {
	h := sha256.New()
	for i := range s.Advisories {
		a := &s.Advisories[i]
		fmt.Fprintf(h, "%d:%s,%x,", len(a.ID), a.ID, a.Digest)
	}
	return fmt.Sprintf("sha256:%x", h.Sum(nil))
}
