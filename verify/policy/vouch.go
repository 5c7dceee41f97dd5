package policy

import (
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// demands is an authority as it is written.
type demands struct {
	authority
	identities []keyless.Identity
	unseen     bool    // insecureIgnoreSCT
	issuers    *string // trustRootRef of keyless
	ca         *keyless.Root
	log, stamp *string // trustRootRef of ctlog and of rfc3161timestamp
	logURL     bool
	format     string // signatureFormat
	missing    bool   // nothing of it can be verified
}

// An attested is an attestation that an authority must have made.
type attested struct {
	name, typ string // as they are written
	uri       string
	part      *Part // that judges it; nil where none does
}

// lack notes a part of the authority that is understood and not at hand.
func (d *demands) lack(reason verify.Reason, detail string) {
	d.missing = true
	d.open = append(d.open, open("authority", reason, detail))
}

func (p *parser) clusterAuthority(v doc.Value, i int, e *entry) (authority, error) {
	d := &demands{authority: authority{name: defaultName(i)}}
	err := v.Fields(fields{
		"name":             doc.Into(&d.name, text),
		"key":              func(v doc.Value) error { return p.keyed(v, d) },
		"keyless":          func(v doc.Value) error { return p.keyless(v, d, e) },
		"static":           func(v doc.Value) error { return d.static(v) },
		"source":           func(v doc.Value) error { return d.sources(v) },
		"ctlog":            func(v doc.Value) error { return d.ctlog(v) },
		"rfc3161timestamp": func(v doc.Value) error { return d.timestamp(v) },
		// Signatures are looked for in both, whatever is said here; see build for a tagPrefix.
		"signatureFormat": doc.Into(&d.format, func(v doc.Value) (string, error) { return v.OneOf("legacy", "bundle") }),
		"attestations": func(v doc.Value) (err error) {
			d.attested, err = listOrNone(func(v doc.Value) (attested, error) { return p.attested(v, d) })(v)
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
	e.lintVouchers(v, d)
	if err := d.build(p); err != nil {
		return authority{}, v.Errorf("%w", err)
	}
	return d.authority, nil
}

// keyless reads the identities of an authority and who may vouch for them.
func (p *parser) keyless(v doc.Value, d *demands, e *entry) error {
	d.issuers = new(string)
	err := v.Fields(fields{
		"url": doc.Into(new(string), text), // where certificates are issued; nobody is asked there
		"identities": doc.Into(&d.identities, list(func(v doc.Value) (keyless.Identity, error) {
			return clusterIdentity(v, e)
		})),
		"ca-cert":           func(v doc.Value) error { return p.caCert(v, d) },
		"trustRootRef":      doc.Into(d.issuers, text),
		"insecureIgnoreSCT": doc.Into(&d.unseen, doc.Value.Bool),
	}, "identities")
	if err == nil && v.Has("url") && v.Has("ca-cert") {
		err = v.Errorf("either url or ca-cert is wanted")
	}
	if err == nil && d.ca != nil && !d.unseen {
		d.lack(verify.NoTrustedRoot, "ca-cert names who issues certificates and no log that sees them: add insecureIgnoreSCT, or name all of them in a TrustRoot")
	}
	return err
}

// clusterIdentity reads an identity as the policy-controller does: a pattern need only
// be found in the name.
func clusterIdentity(v doc.Value, e *entry) (keyless.Identity, error) {
	n := keyless.Names{Found: true}
	err := v.Fields(fields{
		"subject": doc.Into(&n.Subject, text), "subjectRegExp": doc.Into(&n.SubjectPattern, text),
		"issuer": doc.Into(&n.Issuer, text), "issuerRegExp": doc.Into(&n.IssuerPattern, text),
	})
	if err == nil {
		err = exactlyOne(v, "issuer", "issuerRegExp")
	}
	if err == nil {
		err = exactlyOne(v, "subject", "subjectRegExp")
	}
	if err != nil {
		return keyless.Identity{}, err
	}
	id, err := keyless.NewIdentity(n)
	if err != nil {
		return id, v.Errorf("%w", err)
	}
	e.lintIdentity(v, n)
	return id, nil
}

// caCert reads the certificates of those who may issue others. The policy-controller
// reads them too, and accepts no signature under them.
func (p *parser) caCert(v doc.Value, d *demands) error {
	var pem string
	lacking := false
	err := v.Fields(fields{
		"data": doc.Into(&pem, doc.Value.String),
		"secretRef": func(v doc.Value) error {
			raw, lack, err := p.secret(v)
			if pem = raw; lack != "" {
				lacking = true
				d.lack(verify.ReferenceMissing, "ca-cert."+lack)
			}
			return err
		},
		"kms": func(v doc.Value) error {
			_, err := text(v)
			lacking = true
			d.lack(verify.AuthorityUnsupported, "ca-cert.kms: a key in a key service is no certificate")
			return err
		},
		"hashAlgorithm": ignore, // certificates name their own
	})
	if err == nil {
		err = exactlyOne(v, "data", "secretRef", "kms")
	}
	switch {
	case err != nil || lacking:
		return err
	case pem == "": // which must not be as if ca-cert were not there
		return v.Errorf("there is no certificate in it")
	}
	if _, perr := key.ParsePublic([]byte(pem)); perr == nil && !strings.Contains(pem, "BEGIN CERTIFICATE") {
		d.lack(verify.AuthorityUnsupported, "ca-cert: a key that bears no name issues no certificate that could be told; write the certificate of the authority")
		return nil
	}
	d.ca, err = keyless.NewRoot(keyless.Authorities{Certificates: []keyless.Chain{{URI: "of ca-cert", PEM: []byte(pem)}}})
	if err != nil {
		return v.Errorf("%w", err)
	}
	return nil
}

func (d *demands) ctlog(v doc.Value) error {
	d.log = new(string)
	err := v.Fields(fields{"url": doc.Into(new(string), text), "trustRootRef": doc.Into(d.log, text)})
	d.logURL = v.Has("url")
	return err
}

func (d *demands) timestamp(v doc.Value) error {
	d.stamp = new(string)
	return v.Fields(fields{"trustRootRef": doc.Into(d.stamp, text)})
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

// sources reads where the evidence is kept, if not beside the image.
func (d *demands) sources(v doc.Value) error {
	elements, err := listOrNone(func(v doc.Value) (doc.Value, error) { return v, nil })(v)
	if err == nil && len(elements) > 1 {
		err = v.Errorf("%d elements, at most one is read", len(elements))
	}
	if err != nil {
		return err
	}
	for _, v := range elements {
		err = v.Fields(fields{
			"oci":       doc.Into(&d.source.Repo, repository),
			"tagPrefix": doc.Into(&d.source.TagPrefix, tagPrefix),
			// Credentials are those of whoever asks the registry.
			"signaturePullSecrets": func(v doc.Value) error {
				_, err := listOrNone(func(v doc.Value) (string, error) {
					var s string
					return s, v.Fields(fields{"name": doc.Into(&s, text)}, "name")
				})(v)
				return err
			},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tagPrefix reads what stands before the digest in tags.
func tagPrefix(v doc.Value) (string, error) {
	s, err := v.String()
	if err != nil || s == "" { // empty is none
		return "", err
	}
	if err := attach.CheckTagPrefix(s); err != nil {
		return "", v.Errorf("%w", err)
	}
	return s, nil
}

// repository reads the name of a repository.
func repository(v doc.Value) (string, error) {
	s, err := text(v)
	if err != nil {
		return "", err
	}
	repo, err := name.NewRepository(s)
	if err != nil {
		return "", v.Errorf("%w", err)
	}
	return repo.Name(), nil
}

// attested reads one attestation that an authority must have made.
func (p *parser) attested(v doc.Value, d *demands) (attested, error) {
	var a attested
	var program doc.Value
	err := v.Fields(fields{
		"name":          doc.Into(&a.name, text),
		"predicateType": doc.Into(&a.typ, text),
		"policy":        func(v doc.Value) error { program = v; return nil },
	}, "name", "predicateType")
	if err != nil {
		return a, err
	}
	a.uri = a.typ
	if uri, err := payload.TypeURI(a.typ); err == nil {
		a.uri = uri
	}
	if !v.Has("policy") {
		return a, nil
	}
	part, lack, err := p.part(program, "attestation "+a.name, nil)
	if a.part = part; lack != nil {
		d.open = append(d.open, *lack)
	}
	return a, err
}

// build makes the rules and finds the root. An authority with attestations asks for
// these and for no signature.
func (d *demands) build(p *parser) error {
	for _, a := range d.attested {
		d.rules = append(d.rules, verify.Rule{Name: "attestation " + a.name, Kind: attach.Attestation, PredicateTypes: []string{a.uri}, Threshold: 1})
	}
	if len(d.rules) == 0 {
		d.rules = []verify.Rule{{Name: "signature", Kind: attach.Signature, Threshold: 1}}
	}
	d.trust = p.trust(d.keys)
	d.trust.Now, d.trust.Identities = p.Now, d.identities
	d.vouchers(p)
	if d.format == "bundle" {
		d.source.TagPrefix = "" // bundles are referrers, which the policy-controller lists whatever the prefix
	}
	if d.missing {
		return nil
	}
	var err error
	d.verifier, err = verify.New(d.trust, verify.Policy{Rules: d.rules})
	return err
}

// vouchers says which logs and clocks must vouch, as the policy-controller does: a
// timestamp authority that is named takes the place of the log. For a key nobody
// must where nobody is named.
func (d *demands) vouchers(p *parser) {
	unrooted := false
	root := func(ref *string) *keyless.Root {
		if ref == nil {
			return nil
		}
		r, lack := p.rootOf(*ref)
		if lack != "" && !slices.ContainsFunc(d.open, func(c verify.Check) bool { return c.Detail == lack }) {
			d.open = append(d.open, open("authority", verify.NoTrustedRoot, lack))
		}
		unrooted = unrooted || lack != ""
		return r
	}
	q := keyless.Quorum{Logs: 1, Clocks: 1}
	logs, clocks := d.log, d.log
	if d.log == nil {
		logs, clocks = d.issuers, d.issuers
	}
	certificates := d.ca
	if d.issuers != nil && d.ca == nil {
		certificates = root(d.issuers)
	}
	switch {
	case d.stamp != nil:
		logs, clocks = nil, d.stamp
		q = keyless.Quorum{Logs: keyless.None, Clocks: 1, Timestamps: 1}
	case d.issuers == nil && d.log != nil:
		q.Clocks = keyless.None // a key counts at any time
	case d.issuers == nil:
		return
	}
	composed := keyless.Compose(certificates, root(logs), root(clocks))
	if unrooted {
		d.missing = d.missing || len(d.keys) == 0
		return // that the key signed is asked all the same
	}
	d.root, d.trust.Root = composed, composed
	if d.issuers == nil {
		d.trust.KeyQuorum = q
		return
	}
	if d.unseen {
		q.CertificateLogs = keyless.None
	}
	d.trust.Quorum = q
}
