package report

import (
	"github.com/hallmark-oci/hallmark/attach"
)

// Migrated is the answer of migrate.
type Migrated struct {
	Image   string         `json:"image"`
	Subject string         `json:"subject"`
	Digest  string         `json:"digest"`
	To      string         `json:"to"`
	Entries []MigratedOnce `json:"entries"`
	// Complete is false when an entry stays because it is bad or cannot be read as
	// one; Errors name those that are not among the entries.
	Complete bool     `json:"complete"`
	Errors   []string `json:"errors,omitempty"`
}

// MigratedOnce tells what became of one attachment.
type MigratedOnce struct {
	From Entry `json:"from"`
	// Became is what stands in the other storage, absent where nothing does.
	Became *Receipt `json:"became,omitempty"`
	// Stays says why the attachment stays as it is.
	Stays string `json:"stays,omitempty"`
	// Removed says that the attachment itself is gone; StillShown says why it is
	// shown all the same.
	Removed    bool   `json:"removed"`
	StillShown string `json:"stillShown,omitempty"`
}

// NewMigrated returns the answer with no entry yet. bad are the entries that are none
// that can be read.
func NewMigrated(image string, s attach.Subject, to string, bad []error) Migrated {
	return Migrated{
		Image: image, Subject: s.Repo, Digest: s.Desc.Digest.String(), To: to,
		Entries: []MigratedOnce{}, Complete: len(bad) == 0, Errors: errorTexts(bad),
	}
}

// NewMigratedOnce translates what became of an attachment.
func NewMigratedOnce(from attach.Attachment, became *attach.Receipt, stays string, removal *attach.Removal) MigratedOnce {
	out := MigratedOnce{From: NewEntry(from), Stays: Clean(stays)}
	if became != nil {
		r := NewReceipt(*became)
		out.Became = &r
	}
	if removal != nil {
		out.Removed, out.StillShown = removal.Shown == "", Clean(removal.Shown)
	}
	return out
}

func (Migrated) kind() string { return "migrated" }

func (m Migrated) text(p *printer) {
	p.linef("%s", m.Image)
	p.linef("  digest %s", m.Digest)
	if len(m.Entries) == 0 && len(m.Errors) == 0 {
		p.linef("  nothing is attached that could be moved to %s", m.To)
	}
	for _, e := range m.Entries {
		p.linef("  %s %s %s (%s)", e.From.Kind, e.From.Type, short(e.From.Digest), size(e.From.Size))
		if e.Became != nil {
			e.Became.text(p)
		}
		switch {
		case e.Stays != "":
			p.linef("    stays: %s", e.Stays)
		case e.StillShown != "":
			p.linef("    still shown: %s", e.StillShown)
		case e.Removed:
			p.linef("    removed")
		}
	}
	for _, e := range m.Errors {
		p.linef("  bad, stays: %s", e)
	}
}
