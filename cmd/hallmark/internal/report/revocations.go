package report

import (
	"fmt"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify/revocation"
)

// Revocations describe a signed list of what counts no longer. Times are in the form
// of RFC 3339, in UTC.
type Revocations struct {
	File     string `json:"file"`
	List     string `json:"list"`
	Sequence int64  `json:"sequence"`
	Issued   string `json:"issued"`
	Expires  string `json:"expires"`
	Holds    bool   `json:"holds"`  // it has not expired
	Signer   string `json:"signer"` // fingerprint of the key
	Revoked  []Void `json:"revoked"`
}

// Void is one entry of a list.
type Void struct {
	Kind   string `json:"kind"` // key, certificate, identity or digest
	Name   string `json:"name"`
	Reason string `json:"reason"`
	Date   string `json:"date"`
	Note   string `json:"note,omitempty"`
}

// NewRevocations describes the list in the file, which the key signed.
func NewRevocations(file string, l revocation.List, signer key.Fingerprint, holds bool) Revocations {
	out := Revocations{
		File: file, List: l.Name, Sequence: l.Sequence, Issued: utc(l.Issued), Expires: utc(l.Expires), Holds: holds,
		Signer: signer.Digest(), Revoked: []Void{},
	}
	add := func(kind, name string, w revocation.Why) {
		out.Revoked = append(out.Revoked, Void{Kind: kind, Name: name, Reason: w.Reason, Date: utc(w.Date), Note: w.Note})
	}
	for _, k := range l.Keys {
		add("key", k.Fingerprint.Digest(), k.Why)
	}
	for _, c := range l.Certificates {
		name := fmt.Sprintf("sha256:%x", c.SHA256)
		if c.SHA256 == [32]byte{} {
			name = fmt.Sprintf("%s of %s", c.Number, c.Authority())
		}
		add("certificate", name, c.Why)
	}
	for _, id := range l.Identities {
		add("identity", fmt.Sprintf("%s of %s", id.Subject, id.Name.Issuer), id.Why)
	}
	for _, d := range l.Digests {
		add("digest", d.Digest.String(), d.Why)
	}
	return out
}

func (Revocations) kind() string { return "revocations" }

func (r Revocations) text(p *printer) {
	p.linef("%s: list %s, number %d", r.File, r.List, r.Sequence)
	p.linef("  signed by key %s", short(r.Signer))
	if r.Holds {
		p.linef("  issued %s, holds until %s", r.Issued, r.Expires)
	} else {
		p.linef("  issued %s, expired %s", r.Issued, r.Expires)
	}
	for _, v := range r.Revoked {
		p.linef("  %s %s: %s since %s", v.Kind, v.Name, v.Reason, v.Date)
		if v.Note != "" {
			p.linef("    %s", v.Note)
		}
	}
	if len(r.Revoked) == 0 {
		p.linef("  revokes nothing")
	}
}
