package report

import (
	"time"

	"github.com/hallmark-oci/hallmark/verify/tuf"
)

// Trust describes a trusted root that was fetched.
type Trust struct {
	Mirror  string `json:"mirror"`
	File    string `json:"file"`
	Fetched string `json:"fetched"` // times are in the form of RFC 3339, in UTC
	// Expires is when the first of the metadata ends, and the trusted root with it.
	Expires       string      `json:"expires"`
	Metadata      []TrustRole `json:"metadata"`
	SigningConfig bool        `json:"signingConfig"`
}

// TrustRole is one metadata file that vouches for the trusted root.
type TrustRole struct {
	Role    string `json:"role"`
	Version int64  `json:"version"`
	Expires string `json:"expires"`
}

// NewTrust describes material that is kept in the file.
func NewTrust(m *tuf.Material, file string) Trust {
	t := Trust{
		Mirror: m.Mirror, File: file, Fetched: utc(m.Fetched), Expires: utc(m.Expires().Expires), SigningConfig: m.SigningConfig != nil,
	}
	for _, r := range m.Roles {
		t.Metadata = append(t.Metadata, TrustRole{Role: r.Name, Version: r.Version, Expires: utc(r.Expires)})
	}
	return t
}

func utc(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (Trust) kind() string { return "trust" }

func (t Trust) text(p *printer) {
	p.linef("trusted root of %s", t.Mirror)
	p.linef("  kept in %s", t.File)
	p.linef("  fetched %s", t.Fetched)
	p.linef("  holds until %s", t.Expires)
	for _, r := range t.Metadata {
		p.linef("  %s version %d, until %s", r.Role, r.Version, r.Expires)
	}
	if !t.SigningConfig {
		p.linef("  without a signing configuration")
	}
}
