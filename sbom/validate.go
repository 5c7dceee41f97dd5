package sbom

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Validate reports what is wrong with the inventory: too many components,
// components without a name, of an unknown type or under an ID that is missing
// or taken, malformed package URLs and hashes, fields over [MaxField], paths
// that begin with a slash, relations to what is not there, and a subject digest
// that is none. It tells up to [MaxProblems] problems, joined.
func (v Inventory) Validate() error {
	if len(v.Components) > MaxComponents {
		return fmt.Errorf("inventory has %d components, the limit is %d", len(v.Components), MaxComponents)
	}
	if len(v.Relations) > MaxRelations {
		return fmt.Errorf("inventory has %d relations, the limit is %d", len(v.Relations), MaxRelations)
	}
	var problems []error
	note := func(err error) bool {
		if err != nil {
			problems = append(problems, err)
		}
		return len(problems) < MaxProblems
	}
	if v.Subject.Digest != "" && !ValidDigest(v.Subject.Digest) {
		note(fmt.Errorf("subject has digest %q, want sha256: and 64 lower-case hexadecimal digits", v.Subject.Digest))
	}
	ids := make(map[string]bool, len(v.Components))
	for i := range v.Components {
		c := &v.Components[i]
		var taken error
		if ids[c.ID] {
			taken = fmt.Errorf("component %d (%q): ID %q is taken by another component", i, c.Name, c.ID)
		}
		ids[c.ID] = true
		if !note(taken) || !note(c.validate(i)) {
			break
		}
	}
	for _, r := range v.Relations {
		if len(problems) >= MaxProblems || !note(r.validate(ids)) {
			break
		}
	}
	return errors.Join(problems...)
}

func (c *Component) validate(i int) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("component %d (%.80q): %s", i, c.Name, fmt.Sprintf(format, args...))
	}
	switch c.Type {
	case Library, Application, OS, File:
	default:
		return fail("unknown type %q", c.Type)
	}
	if c.ID == "" {
		return fail("it has no ID")
	}
	if !utf8.ValidString(c.ID) {
		return fail("its ID %.80q is not UTF-8", c.ID)
	}
	if strings.TrimSpace(c.Name) == "" {
		return fail("it has no name")
	}
	for field, s := range map[string]string{"ID": c.ID, "name": c.Name, "version": c.Version, "supplier": c.Supplier} {
		if len(s) > MaxField {
			return fail("its %s has %d bytes, the limit is %d", field, len(s), MaxField)
		}
	}
	if !c.PURL.IsZero() {
		if err := c.PURL.Check(); err != nil {
			return fail("%v", err)
		}
	}
	for _, h := range c.Hashes {
		if !h.Valid() {
			return fail("%s hash %.140q is malformed", h.Algorithm, h.Value)
		}
	}
	for _, l := range c.Locations {
		if l.Path == "" || l.Path[0] == '/' || len(l.Path) > MaxField {
			return fail("location %.80q: want a path of 1 to %d bytes with no leading slash", l.Path, MaxField)
		}
	}
	return nil
}

func (r Relation) validate(ids map[string]bool) error {
	switch {
	case r.Type != DependsOn && r.Type != Contains:
		return fmt.Errorf("relation from %q to %q: unknown type %q", r.From, r.To, r.Type)
	case !ids[r.From]:
		return fmt.Errorf("relation %s from %q to %q: there is no component %q", r.Type, r.From, r.To, r.From)
	case !ids[r.To]:
		return fmt.Errorf("relation %s from %q to %q: there is no component %q", r.Type, r.From, r.To, r.To)
	}
	return nil
}

// ValidDigest reports whether s is "sha256:" and 64 lower-case hexadecimal digits.
func ValidDigest(s string) bool {
	value, ok := strings.CutPrefix(s, "sha256:")
	return ok && Hash{Algorithm: "SHA-256", Value: value}.Valid()
}

// Valid reports whether the algorithm is one that [HashBits] knows and the
// value is as many lower-case hexadecimal digits as it makes.
func (h Hash) Valid() bool {
	bits := HashBits(h.Algorithm)
	if bits == 0 || len(h.Value) != bits/4 || h.Value != strings.ToLower(h.Value) {
		return false
	}
	_, err := hex.DecodeString(h.Value)
	return err == nil
}

// HashBits returns the number of bits that a hash algorithm makes, by the name
// that CycloneDX gives it, and 0 for an unknown one.
func HashBits(algorithm string) int {
	switch algorithm {
	case "MD5":
		return 128
	case "SHA-1":
		return 160
	case "SHA-256", "SHA3-256", "BLAKE2b-256", "BLAKE3":
		return 256
	case "SHA-384", "SHA3-384", "BLAKE2b-384":
		return 384
	case "SHA-512", "SHA3-512", "BLAKE2b-512":
		return 512
	}
	return 0
}
