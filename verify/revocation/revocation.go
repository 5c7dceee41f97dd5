// Package revocation reads and makes signed lists of what no longer counts: keys,
// certificates, identities and digests.
//
// To delete a signature revokes nothing, for whoever kept a copy can put it back. What
// is revoked therefore stands in a list of its own, which its owner signs and whoever
// verifies must have. A registry, a mirror or a proxy that hands the list out cannot
// change it, but could withhold the latest one. Against that a list is bound in time
// and numbered: it holds until a date, a verifier may ask for a greater age limit and
// for a least number, and a list that is too old answers nothing. Whether a later one
// was seen is never asked, since nothing is kept between runs.
//
// # The document
//
// A list is a JSON object:
//
//	{
//	  "name": "release",                  which list it is: one key may sign several
//	  "sequence": 7,                      its number, one more with each issue
//	  "issued": "2026-11-30T12:00:00Z",   RFC 3339
//	  "expires": "2026-12-30T12:00:00Z",  at most 400 days later
//	  "keys": [{"fingerprint": "sha256:<hex of the SubjectPublicKeyInfo>", ...}],
//	  "certificates": [{"sha256": "<hex>", "authority": "CN=...", "serial": "<hex>", ...}],
//	  "identities": [{"subject": "<in the certificate>", "issuer": "<URL>", ...}],
//	  "digests": [{"digest": "sha256:<hex>", ...}]
//	}
//
// Each entry has a "reason", one of [Reasons], a "date" and maybe a "note". They are for
// people: what is revoked counts nowhere, whenever it was signed, for who holds a lost
// key writes whatever date suits. A certificate is named by its SHA-256, or by the
// distinguished name of its authority (RFC 2253) and its serial number, or by both, of
// which either is enough. Members that are not known are refused: a later version may
// revoke by them.
//
// The list is the payload, of type [Type], of a DSSE envelope in a Sigstore bundle: what
// signs and verifies other things here signs and verifies it too.
package revocation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
)

// Type is the payload type of a list.
const Type = "application/vnd.hallmark.revocations.v1+json"

// A List is one issue of a list.
type List struct {
	Name            string
	Sequence        int64
	Issued, Expires time.Time
	Keys            []Key
	Certificates    []Certificate
	Identities      []Identity
	Digests         []Digest
}

// Why tells people why and since when something is revoked.
type Why struct {
	Reason string // one of Reasons
	Date   time.Time
	Note   string
}

// Reasons are the words for why something is revoked: those of RFC 5280, section
// 5.3.1, that make sense here, and two for content.
func Reasons() []string {
	return []string{
		"unspecified", "key-compromise", "affiliation-changed", "superseded", "cessation-of-operation", "privilege-withdrawn",
		"malicious", "vulnerable",
	}
}

// A Key is a revoked key.
type Key struct {
	Fingerprint key.Fingerprint
	Why
}

// A Certificate is a revoked certificate.
type Certificate struct {
	SHA256 [32]byte // zero where the serial number alone is known
	verify.Serial
	Why
}

// An Identity is one whose certificates count no longer, the later ones included.
type Identity struct {
	verify.Name
	Why
}

// A Digest is that of a revoked image, file or attested document.
type Digest struct {
	Digest v1.Hash
	Why
}

// Len returns the number of entries.
func (l List) Len() int {
	return len(l.Keys) + len(l.Certificates) + len(l.Identities) + len(l.Digests)
}

// Check returns an error that wraps [ErrMalformed] where the list is none.
func (l List) Check() error {
	switch {
	case !text(l.Name):
		return refuse("name %.100q is empty, long, or has control characters", l.Name)
	case l.Sequence < 1:
		return refuse("sequence %d is below 1", l.Sequence)
	case l.Issued.IsZero() || !l.Expires.After(l.Issued):
		return refuse("it expires at %s, before it is issued", stamp(l.Expires))
	case l.Expires.Sub(l.Issued) > MaxValid:
		return refuse("it holds for %s, at most %s are possible", l.Expires.Sub(l.Issued), MaxValid)
	case l.Len() > MaxEntries:
		return refuse("%d entries, at most %d are possible", l.Len(), MaxEntries)
	}
	for i, c := range l.Certificates {
		if (c.Authority() == "") != (c.Number == "") || c.SHA256 == [32]byte{} && c.Number == "" {
			return refuse("certificate %d is named neither by its SHA-256 nor by authority and serial number", i)
		}
	}
	for i, id := range l.Identities {
		if !text(id.Subject) || !text(id.Name.Issuer) {
			return refuse("identity %d lacks subject or issuer", i)
		}
	}
	for i, why := range l.whys() {
		if !slices.Contains(Reasons(), why.Reason) || why.Date.IsZero() || why.Note != "" && !text(why.Note) {
			return refuse("entry %d: reason %.100q, date %s or the note cannot stand", i, why.Reason, stamp(why.Date))
		}
	}
	return nil
}

// Authority is the distinguished name of the certificate's issuer.
func (c Certificate) Authority() string { return c.Serial.Issuer }

func (l List) whys() []Why {
	var all []Why
	for _, e := range l.Keys {
		all = append(all, e.Why)
	}
	for _, e := range l.Certificates {
		all = append(all, e.Why)
	}
	for _, e := range l.Identities {
		all = append(all, e.Why)
	}
	for _, e := range l.Digests {
		all = append(all, e.Why)
	}
	return all
}

// text reports whether s can stand in a list.
func text(s string) bool {
	return s != "" && len(s) <= MaxText && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' })
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Add returns the list with what the other one revokes beside; what is there already
// stays as it is.
func (l List) Add(o List) List {
	add(&l.Keys, o.Keys, func(a, b Key) bool { return a.Fingerprint == b.Fingerprint })
	add(&l.Certificates, o.Certificates, func(a, b Certificate) bool { return a.SHA256 == b.SHA256 && a.Serial == b.Serial })
	add(&l.Identities, o.Identities, func(a, b Identity) bool { return a.Name == b.Name })
	add(&l.Digests, o.Digests, func(a, b Digest) bool { return a.Digest == b.Digest })
	return l
}

func add[T any](to *[]T, more []T, same func(a, b T) bool) {
	*to = slices.Clone(*to)
	for _, m := range more {
		if !slices.ContainsFunc(*to, func(o T) bool { return same(o, m) }) {
			*to = append(*to, m)
		}
	}
}

// void returns what the list revokes, until then.
func (l List) void(until time.Time, now func() time.Time) verify.Void {
	v := verify.Void{Fresh: verify.Freshness{List: fmt.Sprintf("%s (number %d)", l.Name, l.Sequence), Until: until, Now: now}}
	for _, k := range l.Keys {
		v.Keys = append(v.Keys, k.Fingerprint)
	}
	for _, c := range l.Certificates {
		if c.SHA256 != [32]byte{} {
			v.Certificates = append(v.Certificates, c.SHA256)
		}
		if c.Number != "" {
			v.Serials = append(v.Serials, c.Serial)
		}
	}
	for _, id := range l.Identities {
		v.Identities = append(v.Identities, id.Name)
	}
	for _, d := range l.Digests {
		v.Digests = append(v.Digests, d.Digest)
	}
	return v
}
