package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/sbom"
)

// InventoryInfo sums an inventory up.
type InventoryInfo struct {
	Format     string         `json:"format,omitempty"`
	Digest     string         `json:"digest,omitempty"`
	Subject    string         `json:"subject,omitempty"`
	Distro     string         `json:"distro,omitempty"`
	Components int            `json:"components"`
	Relations  int            `json:"relations"`
	Ecosystems map[string]int `json:"ecosystems"`
	Quality    Quality        `json:"quality"`
	Unknowns   []Unknown      `json:"unknowns,omitempty"`
}

// Quality is what a policy may ask of an SBOM, by the words of its field quality (see
// [sbom.Quality]). Shares are in percent of the packages, rounded down.
type Quality struct {
	Packages  int `json:"packages"` // components that are neither operating system nor file
	Versions  int `json:"versions"`
	PURLs     int `json:"purls"`
	Licenses  int `json:"licenses"`
	Suppliers int `json:"suppliers"`
	// Author is the tool that made the document, and Created when, in RFC 3339; empty
	// where it does not say so.
	Author  string `json:"author,omitempty"`
	Created string `json:"created,omitempty"`
}

func newQuality(inv sbom.Inventory) Quality {
	s := inv.Stats()
	q := Quality{
		Packages: s.Packages, Versions: s.Share(s.Versioned), PURLs: s.Share(s.Identified),
		Licenses: s.Share(s.Licensed), Suppliers: s.Share(s.Supplied),
		Author: strings.TrimSpace(inv.Tool.Name + " " + inv.Tool.Version),
	}
	if !inv.Created.IsZero() {
		q.Created = inv.Created.UTC().Format(time.RFC3339)
	}
	return q
}

func (q Quality) text(p *printer) {
	p.linef("made by %s at %s", cmp.Or(q.Author, "a tool that it does not name"), cmp.Or(q.Created, "a time that it does not tell"))
	p.linef("%d packages: %d %% with a version, %d %% with a package URL, %d %% with a licence, %d %% with a supplier",
		q.Packages, q.Versions, q.PURLs, q.Licenses, q.Suppliers)
}

// Unknown is something that was seen but not understood.
type Unknown struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// NewInventoryInfo sums the inventory up.
func NewInventoryInfo(inv sbom.Inventory) *InventoryInfo {
	info := &InventoryInfo{
		Subject: inv.Subject.Digest, Distro: inv.Distro.PrettyName,
		Components: len(inv.Components), Relations: len(inv.Relations),
		Ecosystems: make(map[string]int), Quality: newQuality(inv),
	}
	for _, c := range inv.Components {
		info.Ecosystems[c.Ecosystem]++
	}
	for _, u := range inv.Unknowns {
		info.Unknowns = append(info.Unknowns, Unknown{Path: u.Path, Reason: u.Reason})
	}
	slices.SortFunc(info.Unknowns, func(a, b Unknown) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Reason, b.Reason))
	})
	return info
}

func (i *InventoryInfo) line() string {
	var parts []string
	for _, eco := range slices.Sorted(maps.Keys(i.Ecosystems)) {
		name := eco
		if name == "" {
			name = "other"
		}
		parts = append(parts, fmt.Sprintf("%d %s", i.Ecosystems[eco], name))
	}
	s := fmt.Sprintf("%d components", i.Components)
	if len(parts) > 0 {
		s += " (" + strings.Join(parts, ", ") + ")"
	}
	if n := len(i.Unknowns); n > 0 {
		s += fmt.Sprintf(", %d not understood", n)
	}
	return s
}

func (*InventoryInfo) kind() string { return "inventory" }

func (i *InventoryInfo) text(p *printer) {
	if i.Format != "" {
		p.linef("format %s", i.Format)
	}
	if i.Subject != "" {
		p.linef("subject %s", i.Subject)
	}
	if i.Distro != "" {
		p.linef("distribution %s", i.Distro)
	}
	p.linef("%s, %d relations", i.line(), i.Relations)
	i.Quality.text(p)
	for _, u := range i.Unknowns {
		p.linef("not understood: %s: %s", u.Path, u.Reason)
	}
}

// Validation is the answer of sbom validate.
type Validation struct {
	Valid bool            `json:"valid"` // all of them
	Files []ValidatedFile `json:"files"`
}

// ValidatedFile tells whether one file is an SBOM that follows its format.
type ValidatedFile struct {
	File   string `json:"file"`
	Valid  bool   `json:"valid"`
	Format string `json:"format,omitempty"`
	Error  string `json:"error,omitempty"`
	// Unread says that the file could not be read: nothing is known of it.
	Unread bool `json:"unread,omitempty"`
}

func (Validation) kind() string { return "validation" }

func (v Validation) text(p *printer) {
	for _, f := range v.Files {
		switch {
		case f.Valid:
			p.linef("valid: %s is %s", f.File, f.Format)
		case f.Unread:
			p.linef("not read: %s", f.Error)
		default:
			p.linef("invalid: %s", f.Error)
		}
	}
}

// KeyInfo describes a key.
type KeyInfo struct {
	Name        string   `json:"name"`
	Algorithm   string   `json:"algorithm"`
	Fingerprint string   `json:"fingerprint"`
	Private     bool     `json:"private"`
	Files       []string `json:"files,omitempty"`
}

func (KeyInfo) kind() string { return "key" }

func (k KeyInfo) text(p *printer) {
	what := "public key"
	if k.Private {
		what = "private key"
	}
	p.linef("%s %s", what, k.Name)
	p.linef("  algorithm %s", k.Algorithm)
	p.linef("  fingerprint %s", k.Fingerprint)
	for _, f := range k.Files {
		p.linef("  wrote %s", f)
	}
}
