package policy

import (
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// certified reads one of the identities whose short-lived certificates count.
func certified(v doc.Value) (keyless.Identity, error) {
	var n keyless.Names
	w := &n.Workflow
	err := v.Fields(fields{
		"subject": doc.Into(&n.Subject, text), "subjectRegExp": doc.Into(&n.SubjectPattern, text),
		"issuer": doc.Into(&n.Issuer, text), "issuerRegExp": doc.Into(&n.IssuerPattern, text),
		"github": func(v doc.Value) error {
			return v.Fields(fields{
				"ref": doc.Into(&w.Ref, text), "repository": doc.Into(&w.Repository, text), "sha": doc.Into(&w.SHA, text),
				"trigger": doc.Into(&w.Trigger, text), "name": doc.Into(&w.Name, text),
			})
		},
	})
	if err == nil {
		err = exactlyOne(v, "subject", "subjectRegExp")
	}
	if err == nil {
		err = exactlyOne(v, "issuer", "issuerRegExp")
	}
	if err != nil {
		return keyless.Identity{}, err
	}
	id, err := keyless.NewIdentity(n)
	if err != nil {
		err = v.Errorf("%w", err)
	}
	return id, err
}

// trustedRoot reads one of {data: JSON} and {file: path}.
func (p *parser) trustedRoot(v doc.Value) (*keyless.Root, error) {
	if v.Has("data") == v.Has("file") {
		return nil, v.Errorf("a trusted root has either data or file")
	}
	var root *keyless.Root
	err := v.Fields(fields{
		"data": func(v doc.Value) error {
			s, err := v.String()
			if err != nil {
				return err
			}
			if root, err = keyless.ParseRoot([]byte(s)); err != nil {
				return v.Errorf("%w", err)
			}
			return nil
		},
		"file": func(v doc.Value) error {
			path, err := p.path(v, p.ReadRoot != nil, "trusted root")
			if err != nil {
				return err
			}
			if root, err = p.ReadRoot(path); err != nil {
				return v.Errorf("%w", err)
			}
			return nil
		},
	})
	return root, err
}
