package policy

import (
	"fmt"
	"strings"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// evidence is how many logs and clocks must vouch for signatures, as a document says it
// for all of its scopes and a scope for itself.
type evidence struct{ identities, keys keyless.Quorum }

// or takes what a scope does not say from the document.
func (e evidence) or(o evidence) evidence {
	return evidence{e.identities.Or(o.identities), e.keys.Or(o.keys)}
}

// fields are the members in which it stands.
func (e *evidence) fields(more fields) fields {
	more["evidence"] = doc.Into(&e.identities, quorum("certificateLogs", "logs", "clocks", "timestamps"))
	more["keyEvidence"] = doc.Into(&e.keys, quorum("logs", "clocks", "timestamps"))
	return more
}

// quorum reads numbers, of which 0 asks for nobody. What is not there is as by default.
func quorum(names ...string) func(doc.Value) (keyless.Quorum, error) {
	return func(v doc.Value) (q keyless.Quorum, err error) {
		all := map[string]*keyless.Number{"certificateLogs": &q.CertificateLogs, "logs": &q.Logs, "clocks": &q.Clocks, "timestamps": &q.Timestamps}
		known := make(fields)
		for _, name := range names {
			known[name] = doc.Into(all[name], func(v doc.Value) (keyless.Number, error) {
				n, err := v.Int(0, maxQuorum)
				return keyless.Exactly(n), err
			})
		}
		if err = v.Fields(known); err == nil && q == (keyless.Quorum{}) {
			err = v.Errorf("it says nothing: leave it away to ask for the default")
		}
		return q, err
	}
}

// counted tells who counts in the scopes of a document.
type counted struct{ identities, keys bool }

// check refuses a number that is asked of nobody.
func (c counted) check(v doc.Value) error {
	switch {
	case v.Has("evidence") && !c.identities:
		return v.Errorf("evidence is asked of identities, and none counts here; of keys keyEvidence asks")
	case v.Has("keyEvidence") && !c.keys:
		return v.Errorf("keyEvidence is asked of keys, and none counts here; of identities evidence asks")
	}
	return nil
}

// trusting returns whom the scope trusts by itself, under what the document says.
func (s *scope) trusting(p *parser) verify.Trust {
	t := p.trust(s.demand.keys)
	e := s.evidence.or(p.evidence)
	t.Identities, t.Root, t.Validity = s.demand.identities, p.root, s.demand.validity
	t.Quorum, t.KeyQuorum = e.identities, e.keys
	return t
}

// rooted notes who counts under the rules, and returns the root where that is asked
// anything.
func (s *scope) rooted(p *parser, t verify.Trust, rules []verify.Rule) *keyless.Root {
	var c counted
	limited := false
	for _, r := range rules {
		keys, identities, validity := r.Keys, r.Identities, r.Validity
		if len(keys)+len(identities) == 0 {
			keys, identities, validity = t.Keys, t.Identities, t.Validity
		}
		c.keys, c.identities = c.keys || len(keys) > 0, c.identities || len(identities) > 0
		limited = limited || len(validity) > 0
	}
	s.counted = c
	p.counted.keys, p.counted.identities = p.counted.keys || c.keys, p.counted.identities || c.identities
	if c.identities || c.keys && t.KeyQuorum.AsksOfKeys() || limited {
		return t.Root
	}
	return nil
}

// vouching says in words what is asked beside signatures, where that is not the default.
func (a *authority) vouching(r verify.Rule, keys []*key.Public, identities []keyless.Identity) []string {
	var out []string
	if q := r.Quorum.Or(a.trust.Quorum); len(identities) > 0 && q != (keyless.Quorum{}) {
		out = append(out, "identities are vouched for by "+q.String())
		if waived := q.Waived(); len(waived) > 0 {
			out = append(out, "not asked for: "+strings.Join(waived, ", "))
		}
	}
	if q := r.KeyQuorum.Or(a.trust.KeyQuorum); len(keys) > 0 && q.AsksOfKeys() {
		out = append(out, "keys are vouched for by "+q.String())
	}
	validity := r.Validity
	if len(r.Keys)+len(r.Identities) == 0 {
		validity = a.trust.Validity
	}
	for _, k := range keys {
		if v, limited := validity[k.Fingerprint()]; limited {
			out = append(out, fmt.Sprintf("key %s counts %s", k.Fingerprint().Digest(), v))
		}
	}
	return out
}
