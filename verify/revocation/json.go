package revocation

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
)

// document is a list as it is written.
type document struct {
	Name         string  `json:"name"`
	Sequence     int64   `json:"sequence"`
	Issued       string  `json:"issued"`
	Expires      string  `json:"expires"`
	Keys         []entry `json:"keys,omitempty"`
	Certificates []entry `json:"certificates,omitempty"`
	Identities   []entry `json:"identities,omitempty"`
	Digests      []entry `json:"digests,omitempty"`
}

// entry is an entry of any kind as it is written.
type entry struct {
	Fingerprint string `json:"fingerprint,omitempty"`
	SHA256      string `json:"sha256,omitempty"`
	Authority   string `json:"authority,omitempty"`
	Serial      string `json:"serial,omitempty"`
	Subject     string `json:"subject,omitempty"`
	Issuer      string `json:"issuer,omitempty"`
	Digest      string `json:"digest,omitempty"`
	Reason      string `json:"reason"`
	Date        string `json:"date"`
	Note        string `json:"note,omitempty"`
}

// Encode returns the list as JSON, where it is one that [Parse] reads.
func (l List) Encode() ([]byte, error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	d := document{Name: l.Name, Sequence: l.Sequence, Issued: stamp(l.Issued), Expires: stamp(l.Expires)}
	why := func(e entry, w Why) entry {
		e.Reason, e.Date, e.Note = w.Reason, stamp(w.Date), w.Note
		return e
	}
	for _, k := range l.Keys {
		d.Keys = append(d.Keys, why(entry{Fingerprint: k.Fingerprint.Digest()}, k.Why))
	}
	for _, c := range l.Certificates {
		e := entry{Authority: c.Authority(), Serial: c.Number}
		if c.SHA256 != [32]byte{} {
			e.SHA256 = hex.EncodeToString(c.SHA256[:])
		}
		d.Certificates = append(d.Certificates, why(e, c.Why))
	}
	for _, id := range l.Identities {
		d.Identities = append(d.Identities, why(entry{Subject: id.Subject, Issuer: id.Issuer}, id.Why))
	}
	for _, g := range l.Digests {
		d.Digests = append(d.Digests, why(entry{Digest: g.Digest.String()}, g.Why))
	}
	out, err := json.MarshalIndent(d, "", "  ")
	if err == nil && len(out) > MaxList {
		err = refuse("more than %d bytes", MaxList)
	}
	return out, err
}

// Parse reads a list. The error wraps [ErrMalformed].
func Parse(text []byte) (List, error) {
	if len(text) > MaxList {
		return List{}, refuse("more than %d bytes", MaxList)
	}
	p := parser{Scanner: jsonscan.New(bytes.NewReader(text))}
	err := p.Object(p.member)
	if err == nil {
		err = p.End()
	}
	if err != nil {
		return List{}, refuse("%v", err)
	}
	return p.list, p.list.Check()
}

// parser reads a list.
type parser struct {
	*jsonscan.Scanner
	list List
}

func (p *parser) member(name string) (err error) {
	l := &p.list
	switch name {
	case "name":
		l.Name, err = p.String(MaxText)
	case "sequence":
		l.Sequence, err = p.number()
	case "issued":
		l.Issued, err = p.time()
	case "expires":
		l.Expires, err = p.time()
	case "keys":
		return p.entries(func(m map[string]string, w Why) error {
			f, err := key.ParseFingerprint(m["fingerprint"])
			if err != nil {
				err = refuse("%v", err)
			}
			l.Keys = append(l.Keys, Key{Fingerprint: f, Why: w})
			return err
		}, "fingerprint")
	case "certificates":
		return p.entries(func(m map[string]string, w Why) error {
			c, err := certificateOf(m, w)
			l.Certificates = append(l.Certificates, c)
			return err
		}, "sha256", "authority", "serial")
	case "identities":
		return p.entries(func(m map[string]string, w Why) error {
			l.Identities = append(l.Identities, Identity{verify.Name{Subject: m["subject"], Issuer: m["issuer"]}, w})
			return nil
		}, "subject", "issuer")
	case "digests":
		return p.entries(func(m map[string]string, w Why) error {
			h, err := digestOf(m["digest"])
			l.Digests = append(l.Digests, Digest{h, w})
			return err
		}, "digest")
	default:
		return refuse("member %.100q is not known: a later hallmark may know what it revokes", name)
	}
	return err
}

// entries reads a list of entries that have the members, all of them texts, and
// those of a Why.
func (p *parser) entries(visit func(map[string]string, Why) error, members ...string) error {
	return p.Array(func(int) error {
		if p.list.Len() >= MaxEntries {
			return refuse("more than %d entries", MaxEntries)
		}
		m := make(map[string]string)
		err := p.Object(func(name string) (err error) {
			if name != "reason" && name != "date" && name != "note" && !slices.Contains(members, name) {
				return refuse("member %.100q of an entry is not known", name)
			}
			m[name], err = p.String(MaxText)
			return err
		})
		if err != nil {
			return err
		}
		date, err := moment(m["date"])
		if err != nil {
			return err
		}
		return visit(m, Why{Reason: m["reason"], Date: date, Note: m["note"]})
	})
}

func (p *parser) number() (int64, error) {
	v, err := p.Value(20)
	if err != nil {
		return 0, err
	}
	n, ok := v.(json.Number)
	if !ok {
		return 0, refuse("%.40v is no number", v)
	}
	return n.Int64()
}

func (p *parser) time() (time.Time, error) {
	s, err := p.String(MaxText)
	if err != nil {
		return time.Time{}, err
	}
	return moment(s)
}

func moment(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, refuse("%.40q is no time of RFC 3339", s)
	}
	return t, nil
}

func digestOf(s string) (v1.Hash, error) {
	h, err := v1.NewHash(s)
	if err != nil || h.Algorithm != "sha256" || h.Hex != strings.ToLower(h.Hex) {
		return h, refuse("%.100q is no SHA-256, sha256: and 64 hexadecimal digits", s)
	}
	return h, nil
}

func certificateOf(m map[string]string, w Why) (Certificate, error) {
	c := Certificate{Serial: verify.Serial{Issuer: m["authority"], Number: m["serial"]}, Why: w}
	if sum := m["sha256"]; sum != "" {
		h, err := digestOf("sha256:" + sum)
		if err != nil {
			return c, err
		}
		if _, err := hex.Decode(c.SHA256[:], []byte(h.Hex)); err != nil {
			return c, refuse("%v", err)
		}
	}
	if n := c.Number; n != "" && (strings.Trim(n, "0123456789abcdef") != "" || len(n) > 1 && n[0] == '0') {
		return c, refuse("serial number %.100q: want lower-case hexadecimal without leading zeros", n)
	}
	return c, nil
}
