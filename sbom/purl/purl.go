// Package purl reads and writes package URLs, the names of packages across
// ecosystems (https://github.com/package-url/purl-spec, ECMA-427).
//
// A package URL reads
//
//	pkg:type/namespace/name@version?qualifiers#subpath
//
// for example pkg:deb/debian/curl@7.88.1-10?arch=amd64. [PURL] holds the parts,
// decoded. [Parse] takes any spelling that the specification accepts and
// [PURL.String] writes the one canonical spelling: lower-case where the type
// does not tell cases apart, qualifiers sorted, reserved characters escaped.
// Two package URLs name the same package when their canonical spellings are equal.
package purl

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A PURL is a package URL in its parts, decoded.
type PURL struct {
	Type, Namespace, Name, Version string
	Qualifiers                     map[string]string
	Subpath                        string
}

// IsZero reports whether p names nothing: it has neither a type nor a name.
func (p PURL) IsZero() bool { return p.Type == "" && p.Name == "" }

// String returns the canonical spelling, and "" when p is zero. It does not
// check the parts; [PURL.Check] does.
func (p PURL) String() string {
	if p.IsZero() {
		return ""
	}
	p = p.Canonical()
	var b strings.Builder
	b.Grow(len("pkg://@") + len(p.Type) + len(p.Namespace) + len(p.Name) + len(p.Version) + 48)
	b.WriteString("pkg:")
	b.WriteString(p.Type)
	b.WriteByte('/')
	if p.Namespace != "" {
		escapePath(&b, p.Namespace)
		b.WriteByte('/')
	}
	if typeRules(p.Type).pathName {
		escapePath(&b, p.Name)
	} else {
		escape(&b, p.Name)
	}
	if p.Version != "" {
		b.WriteByte('@')
		escape(&b, p.Version)
	}
	writeQualifiers(&b, p.Qualifiers)
	if p.Subpath != "" {
		b.WriteByte('#')
		escapePath(&b, p.Subpath)
	}
	return b.String()
}

func writeQualifiers(b *strings.Builder, qualifiers map[string]string) {
	if len(qualifiers) == 0 {
		return
	}
	mark := byte('?')
	for _, k := range slices.Sorted(maps.Keys(qualifiers)) {
		b.WriteByte(mark)
		b.WriteString(k)
		b.WriteByte('=')
		escape(b, qualifiers[k])
		mark = '&'
	}
}

// Canonical returns p with the normal form of each part: the type and the
// qualifier keys in lower case, empty qualifiers and empty path segments
// dropped, and the rules of the type applied (see [Parse]). It does not change p.
func (p PURL) Canonical() PURL {
	p.Type = strings.ToLower(p.Type)
	p.Namespace = segments(p.Namespace, false)
	p.Name = strings.Trim(p.Name, "/")
	p.Subpath = segments(p.Subpath, true)
	if !canonicalQualifiers(p.Qualifiers) {
		q := make(map[string]string, len(p.Qualifiers))
		for _, k := range slices.Sorted(maps.Keys(p.Qualifiers)) {
			if v := p.Qualifiers[k]; v != "" {
				q[strings.ToLower(k)] = v
			}
		}
		p.Qualifiers = q
	}
	if len(p.Qualifiers) == 0 {
		p.Qualifiers = nil
	}
	return typeRules(p.Type).apply(p)
}

func canonicalQualifiers(q map[string]string) bool {
	for k, v := range q {
		if v == "" || k != strings.ToLower(k) {
			return false
		}
	}
	return true
}

// segments drops the empty segments of a path and, when dots is set, those
// that are "." or "..".
func segments(path string, dots bool) string {
	if path == "" {
		return ""
	}
	parts := strings.Split(path, "/")
	parts = slices.DeleteFunc(parts, func(s string) bool {
		return s == "" || dots && (s == "." || s == "..")
	})
	return strings.Join(parts, "/")
}

// Check reports why p is no valid package URL: a missing or malformed type, a
// missing name, a malformed qualifier key, or a breach of a rule of its type.
func (p PURL) Check() error {
	if err := checkType(p.Type); err != nil {
		return err
	}
	if strings.Trim(p.Name, "/") == "" {
		return fmt.Errorf("package URL of type %s has no name", p.Type)
	}
	seen := make(map[string]bool, len(p.Qualifiers))
	for k := range p.Qualifiers {
		if !validKey(k) {
			return fmt.Errorf("package URL of type %s: qualifier key %q is malformed", p.Type, k)
		}
		if low := strings.ToLower(k); seen[low] {
			return fmt.Errorf("package URL of type %s: qualifier %s is given twice", p.Type, low)
		} else {
			seen[low] = true
		}
	}
	c := p.Canonical()
	return typeRules(c.Type).check(c)
}

func checkType(t string) error {
	if t == "" {
		return fmt.Errorf("package URL has no type")
	}
	for i, r := range []byte(t) {
		letter := r|0x20 >= 'a' && r|0x20 <= 'z'
		if !letter && (i == 0 || !(r >= '0' && r <= '9' || r == '.' || r == '-')) {
			return fmt.Errorf("package URL type %q is malformed: want letters, digits, '.' and '-', a letter first", t)
		}
	}
	return nil
}

func validKey(k string) bool {
	for i, r := range []byte(k) {
		letter := r|0x20 >= 'a' && r|0x20 <= 'z'
		if !letter && (i == 0 || !(r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')) {
			return false
		}
	}
	return k != ""
}
