package policy

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// aside reads a document that is no policy and that policies refer to; ours is false
// for others. They are read before any policy, wherever they stand.
func (p *parser) aside(d doc.Value) (ours bool, err error) {
	if ours, err = p.trustRoot(d); !ours && err == nil {
		ours, err = p.object(d)
	}
	return ours, err
}

// The kinds of Kubernetes objects that policies refer to by name. In a cluster the
// policy-controller looks them up; here they stand as documents beside the policies.
const (
	secretKind    = "Secret"
	configMapKind = "ConfigMap"
)

// An object is a Secret or a ConfigMap that stands beside the policies. What a Secret
// holds is in no message.
type object struct {
	kind, namespace, name string
	data                  map[string]string
}

// object reads a Secret or ConfigMap, ours is false for documents of other kinds.
func (p *parser) object(d doc.Value) (ours bool, err error) {
	version, kind, err := typeOf(d)
	if err != nil || version != "v1" || kind != secretKind && kind != configMapKind {
		return false, err
	}
	o := object{kind: kind, data: make(map[string]string)}
	encoded := func(name string, v doc.Value) (string, error) {
		raw, err := encoded(v)
		return string(raw), err
	}
	plain := func(_ string, v doc.Value) (string, error) { return v.String() }
	read := plain
	if kind == secretKind {
		read = encoded
	}
	more := fields{
		"apiVersion": ignore, "kind": ignore, "type": ignore, "immutable": ignore, "binaryData": ignore,
		"metadata": func(v doc.Value) error {
			return v.Each(func(name string, v doc.Value) (err error) {
				switch {
				case v.Null():
				case name == "name":
					o.name, err = text(v)
				case name == "namespace":
					o.namespace, err = text(v)
				}
				return err
			})
		},
		"data": func(v doc.Value) error { return o.fill(v, read) },
	}
	var written doc.Value // over what is in data, wherever it stands
	if kind == secretKind {
		more["stringData"] = func(v doc.Value) error { written = v; return nil }
	}
	d = d.Sparse()
	err = d.Fields(more, "metadata")
	if err == nil && d.Has("stringData") {
		err = o.fill(written, plain)
	}
	if err != nil {
		return true, err
	}
	if o.name == "" {
		return true, d.Errorf("metadata.name is missing")
	}
	for _, other := range p.objects {
		if other.kind == o.kind && other.namespace == o.namespace && other.name == o.name {
			return true, d.Errorf("another %s has the name %q", kind, o.name)
		}
	}
	if len(p.objects) >= maxList {
		return true, d.Errorf("more than %d Secrets and ConfigMaps", maxList)
	}
	p.objects = append(p.objects, o)
	return true, nil
}

// fill adds the members of a mapping.
func (o *object) fill(v doc.Value, read func(string, doc.Value) (string, error)) error {
	return v.Each(func(name string, v doc.Value) (err error) {
		o.data[name], err = read(name, v)
		return err
	})
}

// listOrNone is list for what Kubernetes takes without elements too.
func listOrNone[T any](read func(doc.Value) (T, error)) func(doc.Value) ([]T, error) {
	return func(v doc.Value) ([]T, error) {
		if raw, err := v.Any(); err == nil {
			if l, ok := raw.([]any); ok && len(l) == 0 {
				return nil, nil
			}
		}
		return list(read)(v)
	}
}

// encoded reads base64, as JSON carries bytes.
func encoded(v doc.Value) ([]byte, error) {
	s, err := v.String()
	if err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, v.Errorf("%w", err)
	}
	return raw, nil
}

// A reference names an object, and one of its entries.
type reference struct{ name, namespace, key string }

// referenceTo reads a reference; that to a ConfigMap names an entry.
func referenceTo(v doc.Value, kind string) (reference, error) {
	var r reference
	known, required := fields{"name": doc.Into(&r.name, text), "namespace": doc.Into(&r.namespace, text)}, []string{"name"}
	if kind == configMapKind {
		known["key"], required = doc.Into(&r.key, text), append(required, "key")
	}
	return r, v.Fields(known, required...)
}

// find returns the object that is referred to, nil where none stands beside the
// policies. A reference without namespace, or to an object without, leaves it open.
func (p *parser) find(v doc.Value, kind string, r reference) (*object, error) {
	var found *object
	for i, o := range p.objects {
		if o.kind != kind || o.name != r.name || o.namespace != "" && r.namespace != "" && o.namespace != r.namespace {
			continue
		}
		if found != nil {
			return nil, v.Errorf("%s %q is there in several namespaces, say in which it is meant", kind, r.name)
		}
		found = &p.objects[i]
	}
	return found, nil
}

// secretKey returns the key in a Secret, which must hold nothing else, as the
// policy-controller asks; lack says why it is not at hand.
func (p *parser) secretKey(v doc.Value) (k *key.Public, lack string, err error) {
	raw, lack, err := p.secret(v)
	if err != nil || lack != "" {
		return nil, lack, err
	}
	if k, err = key.ParsePublic([]byte(raw)); err != nil {
		return nil, "", v.Errorf("the Secret holds no public key that can be used: %w", err)
	}
	return k, "", nil
}

// secret returns the only entry of a Secret.
func (p *parser) secret(v doc.Value) (raw, lack string, err error) {
	o, r, lack, err := p.referred(v, secretKind, "secretRef")
	switch {
	case err != nil || lack != "":
		return "", lack, err
	case len(o.data) != 1:
		return "", "", v.Errorf("Secret %q has %d entries, and which of them is the key cannot be told: one is wanted", r.name, len(o.data))
	}
	for _, raw = range o.data {
	}
	return raw, "", nil
}

// configured returns an entry of a ConfigMap.
func (p *parser) configured(v doc.Value) (raw, lack string, err error) {
	o, r, lack, err := p.referred(v, configMapKind, "configMapRef")
	switch {
	case err != nil || lack != "":
		return "", lack, err
	case o.data[r.key] == "":
		return "", "", v.Errorf("ConfigMap %q has no entry %q", r.name, r.key)
	}
	return o.data[r.key], "", nil
}

// referred returns the object that a field refers to, or says what lacks.
func (p *parser) referred(v doc.Value, kind, field string) (o *object, r reference, lack string, err error) {
	if r, err = referenceTo(v, kind); err != nil {
		return nil, r, "", err
	}
	if o, err = p.find(v, kind, r); err == nil && o == nil {
		lack = field + ": no " + kind + " " + r.name + " stands beside the policies; add its document to the policy files"
	}
	return o, r, lack, err
}

// notRead says what is wrong with a document of a kind that is not read: several
// projects have a kind of this name, each with fields of its own.
func notRead(version, kind string) string {
	what := fmt.Sprintf("kind %.100q of %.100q is not read", kind, version)
	group, _, _ := strings.Cut(version, "/")
	switch {
	case kind == "ClusterImagePolicy" && group == "policy.sigstore.dev", kind == "TrustRoot" && group == "policy.sigstore.dev":
		return what + ": the versions that are known are " + strings.Join(clusterVersions(), " and ") + ", and of TrustRoot the former"
	case kind == "ClusterImagePolicy" || kind == "ImagePolicy":
		return what + fmt.Sprintf(": it is the %s of another project (%.100s); that of the Sigstore policy-controller has apiVersion %s", kind, group, clusterVersions()[1])
	case group == "policy.sigstore.dev", kind == "TrustRoot":
		return what + "; ClusterImagePolicy and TrustRoot of policy.sigstore.dev are"
	}
	return what + fmt.Sprintf("; %s Policy, %s ClusterImagePolicy and TrustRoot are, and Secret and ConfigMap of v1 beside them", apiVersion, clusterVersions()[1])
}
