package report

import "github.com/hallmark-oci/hallmark/verify"

// BlobVerdict is the answer of blob verify.
type BlobVerdict struct {
	File          string    `json:"file"`
	Outcome       string    `json:"outcome"`
	Reason        string    `json:"reason"`
	Detail        string    `json:"detail,omitempty"`
	Signers       []string  `json:"signers,omitempty"`
	Identity      *Identity `json:"identity,omitempty"`
	PredicateType string    `json:"predicateType,omitempty"`
	// NotAsked is as in [Check].
	NotAsked []string `json:"notAsked,omitempty"`
}

// NewBlobVerdict translates the check on a file. name is the file as the user typed it.
func NewBlobVerdict(name string, c verify.Check) BlobVerdict {
	out := BlobVerdict{File: name, Outcome: c.Outcome.String(), Reason: string(c.Reason), Detail: c.Detail, NotAsked: c.Waived}
	for _, e := range c.Evidence {
		out.Identity, out.PredicateType = newIdentity(e.Identity), e.PredicateType
		for _, id := range e.Signers {
			out.Signers = append(out.Signers, id.Digest())
		}
	}
	return out
}

func (BlobVerdict) kind() string { return "blob-verdict" }

func (v BlobVerdict) text(p *printer) {
	p.linef("%s: %s (%s): %s", v.File, v.Outcome, v.Reason, v.Detail)
	Check{NotAsked: v.NotAsked}.notAsked(p)
	for _, s := range v.Signers {
		p.linef("  signed by key %s", short(s))
	}
	v.Identity.text(p, "")
	if v.PredicateType != "" {
		p.linef("  statement of type %s", v.PredicateType)
	}
}

// BlobSigned is the answer of blob sign.
type BlobSigned struct {
	File   string `json:"file"`
	Digest string `json:"digest"`
	Bundle string `json:"bundle"`
	Signer string `json:"signer"`
}

func (BlobSigned) kind() string { return "blob-signed" }

func (s BlobSigned) text(p *printer) {
	p.linef("%s %s", s.File, s.Digest)
	p.linef("  signed by key %s, bundle in %s", short(s.Signer), s.Bundle)
}
