package sbom

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom/purl"
)

// PURL returns the package URL of the image, of type oci. It is zero when the
// subject has no digest.
func (s Subject) PURL() purl.PURL {
	if s.Digest == "" {
		return purl.PURL{}
	}
	local, isLayout := strings.CutPrefix(s.Name, "oci:")
	p := purl.PURL{Type: "oci", Name: cmp.Or(strings.Trim(path.Base(local), "./"), "image"), Version: s.Digest}
	q := make(map[string]string)
	if !isLayout && strings.Contains(s.Name, "/") {
		q["repository_url"] = s.Name
	}
	if _, arch, ok := strings.Cut(s.Platform, "/"); ok {
		q["arch"], _, _ = strings.Cut(arch, "/")
	}
	p.Qualifiers = q
	return p.Canonical()
}

// ImageDigests returns those of the strings that are digests of an image: a
// digest itself, or the version of a package URL of type oci or docker. The
// answer is sorted, with none twice.
func ImageDigests(candidates ...string) []string {
	var digests []string
	for _, s := range candidates {
		if p, err := purl.Parse(s); err == nil && (p.Type == "oci" || p.Type == "docker") {
			s = p.Version
		}
		if s = strings.ToLower(s); ValidDigest(s) {
			digests = append(digests, s)
		}
	}
	slices.Sort(digests)
	return slices.Compact(digests)
}

// String writes the unknown on one line: the path in quotes and the reason.
func (u Unknown) String() string { return strconv.Quote(u.Path) + ": " + u.Reason }

// ParseUnknown reads what [Unknown.String] writes.
func ParseUnknown(s string) (Unknown, bool) {
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		return Unknown{}, false
	}
	reason, ok := strings.CutPrefix(s[len(quoted):], ": ")
	p, err := strconv.Unquote(quoted)
	return Unknown{Path: p, Reason: reason}, ok && err == nil
}

// SplitContact takes the address off a supplier of the form "Name <mail@host>".
// Where there is none, all of s is the name.
func SplitContact(s string) (name, mail string) {
	s = strings.TrimSpace(s)
	if i := strings.LastIndexByte(s, '<'); i > 0 && strings.HasSuffix(s, ">") {
		m := s[i+1 : len(s)-1]
		user, host, ok := strings.Cut(m, "@")
		if n := strings.TrimSpace(s[:i]); ok && n != "" && user != "" && host != "" && !strings.ContainsAny(m, " \t\r\n()<>\"") {
			return n, m
		}
	}
	return s, ""
}

// JoinContact is the inverse of [SplitContact].
func JoinContact(name, mail string) string {
	if mail == "" {
		return name
	}
	return name + " <" + mail + ">"
}
