package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
)

// notRevoked is what whoever removes something is told.
const notRevoked = "removed is not revoked: whoever has a copy can attach it again; take the key out of trust and policy"

// Cleaned is the answer of clean.
type Cleaned struct {
	Image  string `json:"image"`
	Digest string `json:"digest"`
	// DryRun says that nothing was removed: the entries are those that would be.
	DryRun  bool      `json:"dryRun"`
	Removed []Removed `json:"removed"`
	// Kept is how many attachments stay, Ageless how many of them since it is not
	// known how old they are.
	Kept    int      `json:"kept"`
	Ageless int      `json:"ageless,omitempty"`
	Errors  []string `json:"errors,omitempty"`
}

// Removed is one attachment that was removed, or would be.
type Removed struct {
	Entry
	// Shown is why every reader is shown it still.
	Shown string `json:"shown,omitempty"`
	Left  []Left `json:"left,omitempty"`
}

// Left is something that could not be deleted.
type Left struct {
	Ref    string `json:"ref"`
	Reason string `json:"reason"`
}

// NewRemoved translates a removal.
func NewRemoved(r attach.Removal) Removed {
	return Removed{Entry: NewEntry(r.Attachment), Shown: Clean(r.Shown), Left: NewLeft(r.Left)}
}

// NewLeft translates what could not be deleted, sorted by reference.
func NewLeft(list []attach.Left) []Left {
	var out []Left
	for _, l := range list {
		out = append(out, Left{Ref: l.Ref, Reason: Clean(l.Err.Error())})
	}
	slices.SortFunc(out, func(a, b Left) int { return strings.Compare(a.Ref, b.Ref) })
	return out
}

// Sort puts what was removed in the order of listings.
func (c *Cleaned) Sort() {
	slices.SortFunc(c.Removed, func(a, b Removed) int { return compareEntries(a.Entry, b.Entry) })
	slices.Sort(c.Errors)
}

func (Cleaned) kind() string { return "cleaned" }

func (c Cleaned) text(p *printer) {
	p.linef("%s", c.Image)
	p.linef("  digest %s", c.Digest)
	verb := "removed"
	if c.DryRun {
		verb = "would remove"
	}
	for _, r := range c.Removed {
		p.linef("  %s: %s %s %s (%s)", verb, r.Kind, r.Type, short(r.Digest), size(r.Size))
		if r.Shown != "" {
			p.linef("    still shown: %s", r.Shown)
		}
		leftText(p, "    ", r.Left)
	}
	if len(c.Removed) == 0 {
		p.linef("  nothing to remove")
	}
	p.linef("  kept: %d", c.Kept)
	if c.Ageless > 0 {
		p.linef("  %d of them, since it is not known how old they are", c.Ageless)
	}
	for _, e := range c.Errors {
		p.linef("could not tell: %s", e)
	}
	if len(c.Removed) > 0 && !c.DryRun {
		p.linef("%s", notRevoked)
	}
}

func leftText(p *printer, indent string, list []Left) {
	for _, l := range list {
		p.linef("%snot deleted, marked as removed: %s: %s", indent, l.Ref, l.Reason)
	}
}

// Repairs is the answer of repair.
type Repairs struct {
	DryRun bool       `json:"dryRun"`
	Images []Repaired `json:"images"`
}

// Repaired tells what was found and mended at one image.
type Repaired struct {
	Image    string   `json:"image"`
	Digest   string   `json:"digest,omitempty"`
	Missing  []Entry  `json:"missing,omitempty"`
	Adopted  []Entry  `json:"adopted,omitempty"`
	Returned []Entry  `json:"returned,omitempty"`
	Lost     []string `json:"lost,omitempty"`
	Folded   int      `json:"folded,omitempty"`
	Into     int      `json:"into,omitempty"`
	Left     []Left   `json:"left,omitempty"`
	Notes    []string `json:"notes,omitempty"`
	// Error is why nothing can be said of the image, or no more than this.
	Error string `json:"error,omitempty"`
}

// NewRepaired translates what was found and mended. The error may be nil.
func NewRepaired(image, digest string, r attach.Repaired, err error) Repaired {
	out := Repaired{
		Image: image, Digest: digest, Folded: r.Folded, Into: r.Into, Left: NewLeft(r.Left),
		Missing: entriesOf(r.Missing), Adopted: entriesOf(r.Adopted), Returned: entriesOf(r.Returned),
		Lost: cleaned(r.Lost), Notes: cleaned(r.Notes),
	}
	if err != nil {
		out.Error = Clean(err.Error())
	}
	return out
}

func entriesOf(as []attach.Attachment) []Entry {
	var out []Entry
	for _, a := range as {
		out = append(out, NewEntry(a))
	}
	sortEntries(out)
	return out
}

func cleaned(texts []string) []string {
	var out []string
	for _, t := range texts {
		out = append(out, Clean(t))
	}
	slices.Sort(out)
	return out
}

// Whole reports whether there was nothing to mend.
func (r Repaired) Whole() bool {
	return len(r.Missing)+len(r.Adopted)+len(r.Returned)+len(r.Lost)+len(r.Notes) == 0 && r.Error == ""
}

func (Repairs) kind() string { return "repairs" }

func (r Repairs) text(p *printer) {
	for _, img := range r.Images {
		img.text(p, r.DryRun)
	}
}

func (r Repaired) text(p *printer, dry bool) {
	p.linef("%s", r.Image)
	if r.Digest != "" {
		p.linef("  digest %s", r.Digest)
	}
	done := func(did, would string) string {
		if dry {
			return would
		}
		return did
	}
	for _, part := range []struct {
		what    string
		entries []Entry
	}{
		{done("shown again", "missing in its view"), r.Missing},
		{done("adopted into the journal", "in its view alone"), r.Adopted},
		{done("taken out of its view again", "removed and shown again by its view"), r.Returned},
	} {
		for _, e := range part.entries {
			p.linef("  %s: %s %s %s (%s)", part.what, e.Kind, e.Type, short(e.Digest), size(e.Size))
		}
	}
	if r.Folded > 0 {
		p.linef("  %s: %d journal entries into %d", done("folded", "would fold"), r.Folded, r.Into)
	}
	for _, l := range r.Left {
		p.linef("    not deleted: %s: %s", l.Ref, l.Reason)
	}
	for _, l := range r.Lost {
		p.linef("  lost: %s", l)
	}
	for _, n := range r.Notes {
		p.linef("  note: %s", n)
	}
	switch {
	case r.Error != "":
		p.linef("  could not tell: %s", r.Error)
	case r.Whole():
		p.linef("  nothing to mend")
	}
}

// Orphans is the answer of list --orphans and of clean --orphans.
type Orphans struct {
	Repository string `json:"repository"`
	// Swept says that the orphans were deleted, save those that are left.
	Swept    bool     `json:"swept"`
	Complete bool     `json:"complete"`
	Orphans  []Orphan `json:"orphans"`
	Left     []Left   `json:"left,omitempty"`
	Errors   []string `json:"errors,omitempty"`
}

// Orphan is something whose subject is gone.
type Orphan struct {
	Subject string `json:"subject"`
	What    string `json:"what"`
	Ref     string `json:"ref"`
}

// NewOrphan translates an orphan.
func NewOrphan(o attach.Orphan) Orphan {
	return Orphan{Subject: o.Subject.String(), What: string(o.What), Ref: o.Ref}
}

func (Orphans) kind() string { return "orphans" }

func (o Orphans) text(p *printer) {
	p.linef("%s", o.Repository)
	subject := ""
	for _, x := range o.Orphans {
		if x.Subject != subject {
			subject = x.Subject
			p.linef("  gone: %s", subject)
		}
		p.linef("    %s %s", x.What, x.Ref)
	}
	switch {
	case len(o.Orphans) == 0 && o.Complete:
		p.linef("  no orphans")
	case o.Swept:
		p.linef("  deleted: %d of %d", len(o.Orphans)-len(o.Left), len(o.Orphans))
	}
	for _, l := range o.Left {
		p.linef("  not deleted: %s: %s", l.Ref, l.Reason)
	}
	for _, e := range o.Errors {
		p.linef("could not tell: %s", e)
	}
}

// Age prints an age for people, in days where it is whole days.
func Age(d time.Duration) string {
	if day := 24 * time.Hour; d > 0 && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}
