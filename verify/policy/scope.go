package policy

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// scopes reads a Policy document.
func (p *parser) scopes(d doc.Value) ([]*entry, error) {
	var name string
	var scopes []doc.Value
	var root doc.Value
	p.root, p.evidence, p.counted = nil, evidence{}, counted{}
	var spec doc.Value
	var exceptions []*exception
	err := d.Fields(map[string]func(doc.Value) error{
		"apiVersion": ignore,
		"kind":       ignore,
		"metadata": func(v doc.Value) error {
			return v.Fields(map[string]func(doc.Value) error{
				"name": doc.Into(&name, func(v doc.Value) (string, error) { return p.name(v, "Policy") }),
			}, "name")
		},
		"spec": func(v doc.Value) error {
			spec = v
			err := v.Fields(p.evidence.fields(fields{
				"trustedRoot": func(v doc.Value) error {
					root = v
					return doc.Into(&p.root, p.trustedRoot)(v)
				},
				"scopes":     doc.Into(&scopes, func(v doc.Value) ([]doc.Value, error) { return v.List(maxList) }),
				"revoked":    ignore, // read before, see revocations
				"exceptions": doc.Into(&exceptions, p.exceptions),
			}))
			if err == nil && !v.Has("scopes") && !v.Has("revoked") {
				err = v.Errorf("field scopes is missing")
			}
			return err
		},
	}, "metadata", "spec")
	if err != nil {
		return nil, err
	}
	entries := make([]*entry, len(scopes))
	for i, v := range scopes {
		if entries[i], err = p.scope(v, name); err != nil {
			return nil, err
		}
		entries[i].hash = fingerprint(d, i, entries[i])
	}
	if err := assign(spec, name, entries, exceptions); err != nil {
		return nil, err
	}
	rooted := func(e *entry) bool { return e.any[0].root != nil }
	if p.root != nil && !slices.ContainsFunc(entries, rooted) {
		return nil, root.Errorf("no scope of the document names an identity that counts, and of keys nothing is asked that it could tell; name identities, ask with keyEvidence, or leave it away")
	}
	return entries, p.counted.check(spec)
}

// fingerprint is the hash of everything that an entry depends on: the text it
// stands in, which one of that text it is and where, and the keys, roots and parts,
// which may lie elsewhere or not be at hand.
func fingerprint(d doc.Value, i int, e *entry) [32]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %d\n", d.Text(), d.Path(), i)
	for _, a := range e.any {
		for _, k := range a.keys {
			fmt.Fprintf(h, "%s\n", k.PEM())
		}
		if a.root != nil {
			fmt.Fprintf(h, "root %x\n", a.root.Hash())
		}
		for _, as := range a.attested {
			if as.part != nil {
				fmt.Fprintf(h, "part %q\n", as.part.Text)
			}
		}
		fmt.Fprintf(h, "%q\n", details(a.open))
	}
	if e.part != nil {
		fmt.Fprintf(h, "part %q\n", e.part.Text)
	}
	fmt.Fprintf(h, "%q\n", details(e.open))
	var sum [32]byte
	h.Sum(sum[:0])
	return sum
}

// A scope as it is written.
type scope struct {
	name, mode, static, message string
	images                      []glob
	demand                      demand
	signature                   *demand
	sbom                        *demand
	attestations, checked       []demand
	counter                     *verify.Counter
	reference                   bool
	evidence                    evidence
	counted                     counted
}

func (p *parser) scope(v doc.Value, policy string) (*entry, error) {
	var s scope
	err := v.Fields(s.evidence.fields(fields{
		"name": doc.Into(&s.name, func(v doc.Value) (string, error) { return p.name(v, "scope of "+policy) }),
		"mode": doc.Into(&s.mode, mode),
		"static": doc.Into(&s.static, func(v doc.Value) (string, error) {
			return v.OneOf("pass", "fail")
		}),
		"message":      doc.Into(&s.message, text),
		"images":       doc.Into(&s.images, list(repositories)),
		"keys":         doc.Into(&s.demand.keys, p.timedKeys(&s.demand.validity)),
		"identities":   doc.Into(&s.demand.identities, list(certified)),
		"threshold":    doc.Into(&s.demand.threshold, threshold),
		"signature":    doc.Into(&s.signature, p.signature),
		"sbom":         doc.Into(&s.sbom, p.sbom),
		"attestations": doc.Into(&s.attestations, list(p.attestation)),

		"checked":        doc.Into(&s.checked, list(p.checked)),
		"countersigned":  doc.Into(&s.counter, p.countersigned),
		"checkReference": doc.Into(&s.reference, doc.Value.Bool),
	}), "name", "images")
	if err != nil {
		return nil, err
	}
	e := &entry{name: policy + "/" + s.name, where: v.Where(), images: s.images, repos: true, warn: s.mode == "warn"}
	if s.static != "" {
		for _, f := range []string{"keys", "identities", "threshold", "signature", "sbom", "attestations", "checked", "countersigned", "checkReference", "evidence", "keyEvidence"} {
			if v.Has(f) {
				return nil, v.Errorf("a scope has either static or %s", f)
			}
		}
		e.any = []authority{newStatic("", s.static, s.message)}
		return e, nil
	}
	if s.message != "" {
		return nil, v.Errorf("a message is for static scopes")
	}
	a, err := s.authority(p)
	if err != nil {
		return nil, v.Errorf("%w", err)
	}
	e.any = []authority{a}
	return e, s.counted.check(v)
}

// authority turns the demands into rules.
func (s *scope) authority(p *parser) (authority, error) {
	policy := verify.Policy{Now: p.Now}
	if s.signature == nil {
		s.signature = &demand{}
	}
	if !s.signature.skip {
		policy.Rules = append(policy.Rules, s.rule("signature", attach.Signature, *s.signature))
	}
	if s.sbom != nil && !s.sbom.skip {
		rule := s.rule("sbom", attach.Attestation, *s.sbom, payload.SPDX, payload.CycloneDX)
		rule.OneDocument = true // two keys behind two SBOMs vouch for neither
		policy.Rules = append(policy.Rules, rule)
	}
	for _, d := range s.attestations {
		policy.Rules = append(policy.Rules, s.rule("attestation "+payload.NameOf(d.typ), attach.Attestation, d, d.typ))
	}
	for _, d := range s.checked {
		rule := s.rule("advisories "+d.typ, attach.Attestation, d, payload.Vuln)
		rule.Deny = true
		policy.Rules = append(policy.Rules, rule)
	}
	trust := s.trusting(p)
	v, err := verify.New(trust, policy)
	if err != nil {
		return authority{}, err
	}
	a := authority{verifier: v, trust: trust, rules: policy.Rules, keys: s.demand.keys, root: s.rooted(p, trust, policy.Rules)}
	for _, r := range policy.Rules {
		a.keys = append(a.keys, r.Keys...)
	}
	if s.counter != nil {
		a.keys = append(a.keys, s.counter.Keys...)
	}
	return a, nil
}

func (s *scope) rule(name string, kind attach.Kind, d demand, types ...string) verify.Rule {
	r := verify.Rule{
		Name: name, Kind: kind, PredicateTypes: types, Keys: d.keys, Identities: d.identities, Validity: d.validity,
		Threshold: 1, MaxAge: d.maxAge, Annotations: d.annotations, Counter: s.counter, Demands: d.demands,
		CheckReference: s.reference,
	}
	switch {
	case d.threshold > 0:
		r.Threshold = d.threshold
	case s.demand.threshold > 0 && len(d.keys)+len(d.identities) == 0:
		r.Threshold = s.demand.threshold
	}
	return r
}

func mode(v doc.Value) (string, error) { return v.OneOf("enforce", "warn") }

func threshold(v doc.Value) (int, error) { return v.Int(1, maxThreshold) }
