package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

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
		"remote": func(v doc.Value) (err error) {
			out.Text, lack, err = p.remotePart(v)
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
	case strings.TrimSpace(out.Text) == "":
		return nil, nil, v.Errorf("the part is empty, and an empty one in CUE takes everything: leave it away where nothing is asked")
	}
	return &out, nil, nil
}

// remotePart reads a part that is kept at an address, with the digest that it must have.
// What is not to be had there, or is another text by now, is lacking.
func (p *parser) remotePart(v doc.Value) (content, lack string, err error) {
	var address, digits string
	err = v.Fields(fields{"url": doc.Into(&address, text), "sha256sum": doc.Into(&digits, text)}, "url", "sha256sum")
	if err != nil {
		return "", "", err
	}
	if p.Remote == nil {
		return "", "remote: nothing is fetched here; write what is at " + address + " into data", nil
	}
	sum, err := hex.DecodeString(digits)
	if err != nil || len(sum) != sha256.Size {
		return "", fmt.Sprintf("remote: sha256sum is %.100q, which no content has", digits), nil
	}
	want := [sha256.Size]byte(sum)
	raw, err := p.Remote(address, want)
	if err != nil {
		return "", "remote: " + err.Error(), nil
	}
	if got := sha256.Sum256(raw); got != want {
		return "", fmt.Sprintf("remote: what is at %s has the SHA-256 %x, and the policy wants %x", address, got, want), nil
	}
	return string(raw), "", nil
}
