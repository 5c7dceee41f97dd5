package purl

import (
	"fmt"
	"strings"
)

// MaxLength is the length of the longest package URL that [Parse] reads, in bytes.
const MaxLength = 8 << 10

// Parse reads a package URL and returns its parts in canonical form. It follows
// the "How to parse" section of the specification and the definitions of the
// types: a part that a type does not tell cases apart in comes back in lower
// case, and a part that a type forbids or requires is enforced where leaving
// that out would name another package. A namespace that deb, apk and others
// call for may be missing, since many documents leave it out.
func Parse(s string) (PURL, error) {
	if len(s) > MaxLength {
		return PURL{}, fmt.Errorf("package URL has %d bytes, the limit is %d", len(s), MaxLength)
	}
	p, err := split(s)
	if err != nil {
		return PURL{}, fmt.Errorf("package URL %q: %w", s, err)
	}
	if err := p.Check(); err != nil {
		return PURL{}, fmt.Errorf("%q: %w", s, err)
	}
	return p.Canonical(), nil
}

// split takes the parts off from right to left, as the specification lays down.
func split(s string) (p PURL, err error) {
	rest, subpath, _ := cutLast(s, '#')
	if p.Subpath, err = decodeSegments(subpath, true); err != nil {
		return p, err
	}
	rest, qualifiers, _ := cutLast(rest, '?')
	if p.Qualifiers, err = decodeQualifiers(qualifiers); err != nil {
		return p, err
	}
	scheme, rest, ok := strings.Cut(rest, ":")
	if !ok || !strings.EqualFold(scheme, "pkg") {
		return p, fmt.Errorf("the scheme is not %q", "pkg")
	}
	var path string
	p.Type, path, ok = strings.Cut(strings.Trim(rest, "/"), "/")
	if !ok {
		return p, fmt.Errorf("has no name behind a type")
	}
	path, version := cutVersion(path)
	if p.Version, err = unescape(version); err != nil {
		return p, err
	}
	namespace, name, ok := cutLast(path, '/')
	if !ok {
		namespace, name = "", path
	}
	if p.Name, err = unescape(name); err != nil {
		return p, err
	}
	p.Namespace, err = decodeSegments(namespace, false)
	return p, err
}

// cutLast cuts s around the last sep. Without one, all of s stands before it.
func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// cutVersion cuts the path at the last '@', unless that is the bare '@' of an
// npm scope: at the start of a segment that is not the last one.
func cutVersion(path string) (before, version string) {
	i := strings.LastIndexByte(path, '@')
	if i < 0 {
		return path, ""
	}
	if (i == 0 || path[i-1] == '/') && strings.IndexByte(path[i:], '/') >= 0 {
		return path, ""
	}
	return path[:i], path[i+1:]
}

func decodeSegments(path string, dots bool) (string, error) {
	if path == "" {
		return "", nil
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		s, err := unescape(part)
		if err != nil {
			return "", err
		}
		if strings.IndexByte(s, '/') >= 0 {
			return "", fmt.Errorf("the segment %q holds an encoded slash", part)
		}
		parts[i] = s
	}
	return segments(strings.Join(parts, "/"), dots), nil
}

func decodeQualifiers(s string) (map[string]string, error) {
	if s == "" {
		return nil, nil
	}
	q := make(map[string]string)
	for pair := range strings.SplitSeq(s, "&") {
		key, raw, _ := strings.Cut(pair, "=")
		key = strings.ToLower(key)
		if key == "" && raw == "" {
			continue
		}
		if !validKey(key) {
			return nil, fmt.Errorf("qualifier key %q is malformed", key)
		}
		value, err := unescape(raw)
		if err != nil {
			return nil, err
		}
		if value == "" {
			continue
		}
		if _, twice := q[key]; twice {
			return nil, fmt.Errorf("qualifier %s is given twice", key)
		}
		q[key] = value
	}
	if len(q) == 0 {
		return nil, nil
	}
	return q, nil
}
