package policy

import (
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// wanted is what the part of a whole policy wants to be shown beside the evidence.
type wanted struct{ config, spec, objectMeta, typeMeta bool }

// object reports whether the Kubernetes object is wanted, or something of it.
func (w wanted) object() bool { return w.spec || w.objectMeta || w.typeMeta }

// part reads a part in CUE or Rego. Where it is not at hand it is nil and the check
// says why. Only that of a whole policy can ask for more to be shown to it.
func (p *parser) part(v doc.Value, rule string, show *wanted) (*Part, *verify.Check, error) {
	var out Part
	var lack string
	known := fields{
		"type": doc.Into(&out.Language, func(v doc.Value) (string, error) { return v.OneOf(CUE, Rego) }),
		"data": doc.Into(&out.Text, doc.Value.String),
		"configMapRef": func(v doc.Value) (err error) {
			out.Text, lack, err = p.configured(v)
			return err
		},
		"remote": func(v doc.Value) error {
			var url string
			err := v.Fields(fields{"url": doc.Into(&url, text), "sha256sum": doc.Into(new(string), text)}, "url", "sha256sum")
			lack = "remote: nothing is fetched for a policy; write what is at " + url + " into data"
			return err
		},
	}
	if show != nil {
		known["fetchConfigFile"] = doc.Into(&show.config, doc.Value.Bool)
		known["includeSpec"] = doc.Into(&show.spec, doc.Value.Bool)
		known["includeObjectMeta"] = doc.Into(&show.objectMeta, doc.Value.Bool)
		known["includeTypeMeta"] = doc.Into(&show.typeMeta, doc.Value.Bool)
	}
	err := v.Fields(known, "type")
	if err == nil {
		err = exactlyOne(v, "data", "configMapRef", "remote")
	}
	switch {
	case err != nil:
		return nil, nil, err
	case len(out.Text) > MaxPart:
		return nil, nil, v.Errorf("a part of %d bytes, at most %d are read", len(out.Text), MaxPart)
	case lack != "":
		c := open(rule, verify.ReferenceMissing, lack)
		return nil, &c, nil
	}
	return &out, nil, nil
}
