package policy

import (
	"regexp"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// fields is the table of a mapping's members.
type fields = map[string]func(doc.Value) error

// cluster reads a ClusterImagePolicy document.
func (p *parser) cluster(d doc.Value) ([]*entry, error) {
	e := &entry{where: d.Where()}
	err := d.Fields(fields{
		"apiVersion": ignore,
		"kind":       ignore,
		"status":     ignore, // the controller's report, no part of the policy
		"metadata": func(v doc.Value) error {
			return v.Each(func(name string, v doc.Value) (err error) {
				if name == "name" {
					e.name, err = p.name(v, "ClusterImagePolicy")
				}
				return err
			})
		},
		"spec": func(v doc.Value) error { return p.clusterSpec(v, e) },
	}, "metadata", "spec")
	if err != nil {
		return nil, err
	}
	if e.name == "" {
		return nil, d.Errorf("metadata.name is missing")
	}
	e.hash = fingerprint(d, 0, e)
	return []*entry{e}, nil
}

func (p *parser) clusterSpec(v doc.Value, e *entry) error {
	var m string
	err := v.Fields(fields{
		"mode":        doc.Into(&m, mode),
		"images":      doc.Into(&e.images, list(image)),
		"match":       doc.Into(&e.match, list(readResource)),
		"authorities": func(v doc.Value) error { return p.authorities(v, e) },
		"policy": func(v doc.Value) error {
			e.open = append(e.open, open("policy", verify.PolicyUnsupported, "the policy has a part in CUE or Rego"))
			return program(v, true)
		},
	}, "images", "authorities")
	e.warn = m == "warn"
	for _, g := range e.images {
		p.set.pins = p.set.pins || strings.Contains(g.text, "@")
	}
	return err
}

func image(v doc.Value) (g glob, err error) {
	return g, v.Fields(fields{"glob": doc.Into(&g, references)}, "glob")
}

func (p *parser) authorities(v doc.Value, e *entry) error {
	elements, err := v.List(maxList)
	if err != nil {
		return err
	}
	names := make(map[string]bool)
	for i, v := range elements {
		a, err := p.clusterAuthority(v, i)
		if err != nil {
			return err
		}
		if names[a.name] {
			return v.Errorf("another authority has the name %q", a.name)
		}
		names[a.name] = true
		e.any = append(e.any, a)
	}
	return nil
}

// demands is an authority as it is written.
type demands struct {
	authority
	attestations []verify.Rule
	elsewhere    bool // nothing of it can be verified here
}

// lack notes a part of the authority that is understood and not verified.
func (d *demands) lack(detail string) {
	d.open = append(d.open, open("authority", verify.AuthorityUnsupported, detail))
}

func (p *parser) clusterAuthority(v doc.Value, i int) (authority, error) {
	d := &demands{authority: authority{name: defaultName(i)}}
	err := v.Fields(fields{
		"name":    doc.Into(&d.name, text),
		"key":     func(v doc.Value) error { return d.key(v) },
		"keyless": func(v doc.Value) error { return d.keyless(v) },
		"static":  func(v doc.Value) error { return d.static(v) },
		"source": func(v doc.Value) error {
			d.elsewhere = true
			d.lack("source: signatures kept in another place are not looked for")
			_, err := list(source)(v)
			return err
		},
		"ctlog": func(v doc.Value) error {
			d.lack("ctlog: entries of a transparency log are not verified")
			return v.Fields(fields{"url": doc.Into(new(string), text), "trustRootRef": doc.Into(new(string), text)})
		},
		"rfc3161timestamp": func(v doc.Value) error {
			d.lack("rfc3161timestamp: timestamps are not verified")
			return v.Fields(fields{"trustRootRef": doc.Into(new(string), text)})
		},
		"signatureFormat": func(v doc.Value) error { _, err := v.OneOf("legacy", "bundle"); return err },
		"attestations": func(v doc.Value) (err error) {
			d.attestations, err = list(d.attestation)(v)
			return err
		},
	})
	if err != nil {
		return authority{}, err
	}
	if err := exactlyOne(v, "key", "keyless", "static"); err != nil {
		return authority{}, err
	}
	if d.decided != "" {
		for _, f := range []string{"attestations", "source", "ctlog", "rfc3161timestamp"} {
			if v.Has(f) {
				return authority{}, v.Errorf("an authority has either static or %s", f)
			}
		}
		return d.authority, nil
	}
	if d.elsewhere {
		return d.authority, nil
	}
	if d.verifier, err = d.rules(p); err != nil {
		return authority{}, v.Errorf("%w", err)
	}
	return d.authority, nil
}

// rules returns what can be verified of an authority with a key. One with
// attestations asks for these and for no signature.
func (d *demands) rules(p *parser) (*verify.Verifier, error) {
	rules := d.attestations
	if len(rules) == 0 {
		rules = []verify.Rule{{Name: "signature", Kind: attach.Signature, Threshold: 1}}
	}
	d.trust, d.authority.rules = p.trust(d.keys), rules
	return verify.New(d.trust, verify.Policy{Rules: rules})
}

// exactlyOne checks that the mapping has one of the members.
func exactlyOne(v doc.Value, names ...string) error {
	n := 0
	for _, name := range names {
		if v.Has(name) {
			n++
		}
	}
	if n != 1 {
		return v.Errorf("exactly one of %s is wanted", strings.Join(names, ", "))
	}
	return nil
}

func (d *demands) static(v doc.Value) error {
	var action, message string
	err := v.Fields(fields{
		"action":  doc.Into(&action, func(v doc.Value) (string, error) { return v.OneOf("pass", "fail") }),
		"message": doc.Into(&message, doc.Value.String),
	}, "action")
	d.authority = newStatic(d.name, action, message)
	return err
}

// key reads the key of an authority. A key in a secret or a KMS is not fetched.
func (d *demands) key(v doc.Value) error {
	k, lack, err := keyRef(v)
	if err != nil {
		return err
	}
	if lack != "" {
		d.elsewhere = true
		d.lack("key." + lack)
		return nil
	}
	d.keys = []*key.Public{k}
	return nil
}

// keyRef reads a reference to a key: the key itself, or the name of what there
// is instead.
func keyRef(v doc.Value) (k *key.Public, lack string, err error) {
	err = v.Fields(fields{
		"data": doc.Into(&k, public),
		"secretRef": func(v doc.Value) error {
			lack = "secretRef: keys in secrets are not fetched"
			return v.Fields(fields{"name": doc.Into(new(string), text), "namespace": doc.Into(new(string), text)})
		},
		"kms": func(v doc.Value) error {
			lack = "kms: keys in a KMS are not fetched"
			_, err := text(v)
			return err
		},
		"hashAlgorithm": func(v doc.Value) error {
			s, err := v.OneOf("sha224", "sha256", "sha384", "sha512")
			if err == nil && s != "sha256" && lack == "" {
				lack = "hashAlgorithm: signatures over " + s + " are not verified"
			}
			return err
		},
	})
	if err == nil {
		err = exactlyOne(v, "data", "secretRef", "kms")
	}
	return k, lack, err
}

// keyless checks the form of an authority with identities.
func (d *demands) keyless(v doc.Value) error {
	d.elsewhere = true
	d.lack("keyless: certificates and identities are not verified")
	err := v.Fields(fields{
		"url":        doc.Into(new(string), text),
		"identities": func(v doc.Value) error { _, err := list(identity)(v); return err },
		"ca-cert": func(v doc.Value) error {
			return v.Fields(fields{
				"data": doc.Into(new(string), doc.Value.String), "kms": doc.Into(new(string), text),
				"hashAlgorithm": doc.Into(new(string), text),
				"secretRef": func(v doc.Value) error {
					return v.Fields(fields{"name": doc.Into(new(string), text), "namespace": doc.Into(new(string), text)})
				},
			})
		},
		"trustRootRef":      doc.Into(new(string), text),
		"insecureIgnoreSCT": doc.Into(new(bool), doc.Value.Bool),
	}, "identities")
	if err == nil && v.Has("url") && v.Has("ca-cert") {
		err = v.Errorf("either url or ca-cert is wanted")
	}
	return err
}

func identity(v doc.Value) (struct{}, error) {
	expression := func(v doc.Value) error {
		s, err := v.String()
		if err != nil {
			return err
		}
		if _, err := regexp.Compile(s); err != nil {
			return v.Errorf("%w", err)
		}
		return nil
	}
	err := v.Fields(fields{
		"issuer": doc.Into(new(string), text), "issuerRegExp": expression,
		"subject": doc.Into(new(string), text), "subjectRegExp": expression,
	})
	if err == nil {
		err = exactlyOne(v, "issuer", "issuerRegExp")
	}
	if err == nil {
		err = exactlyOne(v, "subject", "subjectRegExp")
	}
	return struct{}{}, err
}

func source(v doc.Value) (struct{}, error) {
	return struct{}{}, v.Fields(fields{
		"oci": doc.Into(new(string), text), "tagPrefix": doc.Into(new(string), text),
		"signaturePullSecrets": func(v doc.Value) error {
			_, err := list(func(v doc.Value) (string, error) {
				var s string
				return s, v.Fields(fields{"name": doc.Into(&s, text)}, "name")
			})(v)
			return err
		},
	})
}

// attestation reads one attestation that an authority must have made.
func (d *demands) attestation(v doc.Value) (verify.Rule, error) {
	var name, typ string
	err := v.Fields(fields{
		"name": doc.Into(&name, text),
		"predicateType": doc.Into(&typ, func(v doc.Value) (string, error) {
			s, err := text(v)
			if uri, terr := payload.TypeURI(s); terr == nil {
				s = uri
			}
			return s, err
		}),
		"policy": func(v doc.Value) error {
			d.open = append(d.open, open("attestation policy", verify.PolicyUnsupported, "the attestation is judged by a part in CUE or Rego"))
			return program(v, false)
		},
	}, "name", "predicateType")
	return verify.Rule{Name: "attestation " + name, Kind: attach.Attestation, PredicateTypes: []string{typ}, Threshold: 1}, err
}

// program checks the form of a part in another language. Only that of a whole
// policy can ask for more to be shown to it.
func program(v doc.Value, whole bool) error {
	known := fields{
		"type": func(v doc.Value) error { _, err := v.OneOf("cue", "rego"); return err },
		"data": doc.Into(new(string), doc.Value.String),
		"configMapRef": func(v doc.Value) error {
			return v.Fields(fields{"name": doc.Into(new(string), text), "namespace": doc.Into(new(string), text), "key": doc.Into(new(string), text)})
		},
		"remote": func(v doc.Value) error {
			return v.Fields(fields{"url": doc.Into(new(string), text), "sha256sum": doc.Into(new(string), text)})
		},
	}
	if whole {
		for _, f := range []string{"fetchConfigFile", "includeSpec", "includeObjectMeta", "includeTypeMeta"} {
			known[f] = doc.Into(new(bool), doc.Value.Bool)
		}
	}
	if err := v.Fields(known, "type"); err != nil {
		return err
	}
	return exactlyOne(v, "data", "configMapRef", "remote")
}
