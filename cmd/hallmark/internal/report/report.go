// Package report holds every document that hallmark prints, as text for people
// and as JSON for programs.
//
// JSON documents carry their kind and the version of their schema. Fields are
// added without notice, never renamed or removed under one version. Everything
// is sorted, so that the same answer is the same bytes.
package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/hallmark-oci/hallmark/attach"
)

// A Document is something that can be printed.
type Document interface {
	// kind is the name of the JSON schema, such as "verdicts".
	kind() string
	// text prints the document for people.
	text(p *printer)
}

// schemaVersion is the version of the JSON documents.
const schemaVersion = 1

// Write prints the document as "text" or "json".
func Write(w io.Writer, format string, doc Document) error {
	switch format {
	case "text":
		p := &printer{w: w}
		doc.text(p)
		return p.err
	case "json":
		return writeJSON(w, doc)
	}
	return fmt.Errorf("%s cannot be printed as %q", doc.kind(), format)
}

// documentJSON returns the document with its kind and version in front.
func documentJSON(doc Document) (string, error) {
	body, err := json.Marshal(doc)
	if err != nil {
		return "", err
	}
	head := fmt.Sprintf(`{"kind":"hallmark.%s","version":%d`, doc.kind(), schemaVersion)
	if string(body) != "{}" {
		head += ","
	}
	return head + string(body[1:]), nil
}

// writeJSON prints the document with its kind and version in front.
func writeJSON(w io.Writer, doc Document) error {
	text, err := documentJSON(doc)
	if err != nil {
		return err
	}
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(json.RawMessage(text)); err != nil {
		return err
	}
	_, err = io.WriteString(w, escape(out.String()))
	return err
}

// escape writes what would steer a terminal as JSON escapes: encoding/json
// leaves the controls above ASCII, and marks that turn the direction of text, as
// they are. They stand in strings only, where an escape means the same.
func escape(s string) string {
	if strings.IndexFunc(s, steers) < 0 {
		return s
	}
	var out strings.Builder
	for _, r := range s {
		if steers(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

// steers reports whether the character is one that escape escapes.
func steers(r rune) bool {
	return r >= 0x7f && r <= 0x9f || r == 0x061c || r >= 0x200e && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// A printer writes lines and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

// linef prints one line. Text from outside cannot break it: see [Clean].
func (p *printer) linef(format string, args ...any) {
	if p.err != nil {
		return
	}
	_, p.err = io.WriteString(p.w, Clean(fmt.Sprintf(format, args...))+"\n")
}

// Clean replaces what could move the cursor, colour the screen, turn the
// direction of text or fake a line of ours: everything that Unicode does not
// count as printable (control and format characters, bytes that are no UTF-8,
// all white space but the plain space) becomes a question mark.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// short abbreviates a digest for people.
func short(digest string) string {
	alg, hex, ok := strings.Cut(digest, ":")
	if !ok || len(hex) <= 12 {
		return digest
	}
	return alg + ":" + hex[:12]
}

// size prints a number of bytes for people.
func size(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d B", n)
	case n < 10_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// Place is where an entry was found, or was put.
type Place struct {
	Scheme string `json:"scheme"`
	Digest string `json:"digest"`
	Tag    string `json:"tag,omitempty"`
	// Form is "image" where the entry is kept in strict image form, which cosign
	// does not read.
	Form string `json:"form,omitempty"`
}

// places translates places and sorts them, cosign's tag first.
func places(list []attach.Place) []Place {
	out := make([]Place, 0, len(list))
	for _, p := range list {
		place := Place{Scheme: string(p.Scheme), Digest: p.Manifest.Digest.String(), Tag: p.Tag}
		if p.Layer != nil {
			place.Form = "image"
		}
		out = append(out, place)
	}
	slices.SortFunc(out, func(a, b Place) int {
		return cmp.Or(
			cmp.Compare(schemeRank(a.Scheme), schemeRank(b.Scheme)), strings.Compare(a.Scheme, b.Scheme),
			strings.Compare(a.Tag, b.Tag), strings.Compare(a.Digest, b.Digest),
		)
	})
	return out
}

// schemeRank orders schemes as readers look for them.
func schemeRank(scheme string) int {
	order := []attach.Scheme{attach.CosignTag, attach.Referrers, attach.FallbackTag, attach.Journal}
	if i := slices.Index(order, attach.Scheme(scheme)); i >= 0 {
		return i
	}
	return len(order)
}

// Version is what hallmark knows of its own build.
type Version struct {
	Version  string `json:"hallmark"`
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go,omitempty"`
	// PolicyProgram is the SHA-256 of the only hallmark-policy that is started, in hex; ""
	// where any that lies beside is.
	PolicyProgram string `json:"policyProgram,omitempty"`
}

func (Version) kind() string { return "version" }

func (v Version) text(p *printer) {
	p.linef("hallmark %s", v.Version)
	if v.Commit != "" {
		dirty := ""
		if v.Modified {
			dirty = " (modified)"
		}
		p.linef("commit %s%s of %s", v.Commit, dirty, v.Time)
	}
	p.linef("built with %s", v.Go)
	if v.PolicyProgram != "" {
		p.linef("starts hallmark-policy sha256:%s", v.PolicyProgram)
	} else {
		p.linef("starts any hallmark-policy beside it: this build names no digest")
	}
}
