package osv

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/verify/advisory"
	"github.com/hallmark-oci/hallmark/verify/version"
)

// ErrMalformed says that a document is no OSV record.
var ErrMalformed = errors.New("not an OSV record")

// Notes are what a record says that is not understood. Each entry is one
// occurrence.
type Notes struct{ Ecosystems, RangeTypes, Events []string }

// Parse reads one record. Fields that the schema does not have are passed over;
// values in its own fields that are not understood are noted. The error wraps
// [ErrMalformed].
func Parse(data []byte) (advisory.Advisory, Notes, error) {
	var n Notes
	digest := sha256.Sum256(data)
	if len(data) > MaxRecord {
		return advisory.Advisory{}, n, malformed("%d bytes, the limit is %d", len(data), MaxRecord)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if err := sbom.CheckJSON(data); err != nil {
		return advisory.Advisory{}, n, malformed("%v", err)
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return advisory.Advisory{}, n, malformed("%v", err)
	}
	a, err := r.advisory(&n)
	if err != nil {
		return advisory.Advisory{}, Notes{}, err
	}
	a.Digest = digest
	return a, n, nil
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrMalformed)
}

// record is the part of the schema that is used.
type record struct {
	ID         string
	Aliases    []string
	Upstream   []string
	Summary    string
	Published  string
	Modified   string
	Withdrawn  string
	Severity   []severity
	Affected   []affected
	References []reference
	Database   specific `json:"database_specific"`
}

type severity struct{ Type, Score string }

type reference struct{ Type, URL string }

type affected struct {
	Package *struct{ Ecosystem, Name string }
	Ranges  []struct {
		Type   string
		Events []map[string]string
	}
	Versions  []string
	Severity  []severity
	Database  specific `json:"database_specific"`
	Ecosystem specific `json:"ecosystem_specific"`
}

// specific is what a database adds. The schema leaves its shape open, so that
// nothing in it makes a record bad.
type specific struct{ severity, lastKnown string }

// UnmarshalJSON implements json.Unmarshaler.
func (s *specific) UnmarshalJSON(data []byte) error {
	var v struct {
		Severity  any
		LastKnown any `json:"last_known_affected_version_range"`
	}
	if json.Unmarshal(data, &v) == nil {
		s.severity, _ = v.Severity.(string)
		s.lastKnown, _ = v.LastKnown.(string)
	}
	return nil
}

// level is the word that the database has for the severity.
func (s specific) level() advisory.Level {
	level, err := advisory.ParseLevel(s.severity)
	if err != nil {
		return advisory.Unknown
	}
	return level
}

func (r *record) advisory(n *Notes) (advisory.Advisory, error) {
	a := advisory.Advisory{
		ID: r.ID, Aliases: r.Aliases, Upstream: r.Upstream, Summary: r.Summary, URL: r.page(),
		Severity: severities(r.Severity), Level: r.Database.level(),
	}
	if err := checkName("id", r.ID); err != nil {
		return a, err
	}
	for _, t := range []struct {
		name, text string
		into       *time.Time
	}{
		{"published", r.Published, &a.Published}, {"modified", r.Modified, &a.Modified}, {"withdrawn", r.Withdrawn, &a.Withdrawn},
	} {
		if t.text == "" {
			continue
		}
		var err error
		if *t.into, err = time.Parse(time.RFC3339, t.text); err != nil {
			return a, malformed("%s %.40q is no date and time of RFC 3339", t.name, t.text)
		}
	}
	for i := range r.Affected {
		of, err := r.Affected[i].advisory(n)
		if err != nil {
			return a, fmt.Errorf("affected entry %d: %w", i, err)
		}
		a.Affected = append(a.Affected, of)
	}
	return a, nil
}

// page chooses the reference that people want to read.
func (r *record) page() string {
	for _, kind := range []string{"ADVISORY", "WEB", "REPORT"} {
		for _, ref := range r.References {
			if ref.Type == kind && (strings.HasPrefix(ref.URL, "https://") || strings.HasPrefix(ref.URL, "http://")) {
				return ref.URL
			}
		}
	}
	return ""
}

func (f *affected) advisory(n *Notes) (advisory.Affected, error) {
	of := advisory.Affected{
		Versions: f.Versions, Severity: severities(f.Severity), LastKnown: f.Database.lastKnown,
		Level: max(f.Database.level(), f.Ecosystem.level()),
	}
	if f.Package != nil {
		of.Package = advisory.Package{Ecosystem: f.Package.Ecosystem, Name: f.Package.Name}
		if err := checkName("name of the package", of.Package.Name); err != nil {
			return of, err
		}
		if err := checkName("ecosystem of the package", of.Package.Ecosystem); err != nil {
			return of, err
		}
		if !version.Known(of.Package.Ecosystem) {
			n.Ecosystems = append(n.Ecosystems, of.Package.Ecosystem)
		}
	}
	for i, g := range f.Ranges {
		r, err := rangeOf(advisory.RangeType(g.Type), g.Events, n)
		if err != nil {
			return of, fmt.Errorf("range %d: %w", i, err)
		}
		if r.Type != "" {
			of.Ranges = append(of.Ranges, r)
		}
	}
	return of, nil
}

// rangeOf reads a range. One of a type that is not known is noted and left out.
func rangeOf(kind advisory.RangeType, events []map[string]string, n *Notes) (advisory.Range, error) {
	r := advisory.Range{Type: kind}
	switch kind {
	case advisory.SemVerRange, advisory.EcosystemRange, advisory.GitRange:
	default:
		n.RangeTypes = append(n.RangeTypes, string(kind))
		return advisory.Range{}, nil
	}
	introduced := false
	for i, e := range events {
		known := 0
		for name, v := range e {
			switch k := advisory.EventKind(name); k {
			case advisory.Introduced, advisory.Fixed, advisory.LastAffected, advisory.Limit:
				if v == "" {
					return r, malformed("event %d: %s has no version", i, name)
				}
				introduced = introduced || k == advisory.Introduced
				r.Events = append(r.Events, advisory.Event{Kind: k, Version: v})
				known++
			default:
				n.Events = append(n.Events, name)
			}
		}
		if known > 1 {
			return r, malformed("event %d is %d events at once", i, known)
		}
	}
	if !introduced {
		return r, malformed("no event says where the range begins")
	}
	return r, nil
}

func severities(list []severity) []advisory.Severity {
	var out []advisory.Severity
	for _, s := range list {
		out = append(out, advisory.Severity{Type: s.Type, Score: s.Score})
	}
	return out
}

// checkName refuses names that are empty, overlong or not printable.
func checkName(what, s string) error {
	switch {
	case s == "":
		return malformed("there is no %s", what)
	case len(s) > MaxID:
		return malformed("the %s has %d bytes, the limit is %d", what, len(s), MaxID)
	case strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return malformed("the %s %.40q has control characters", what, s)
	}
	return nil
}
