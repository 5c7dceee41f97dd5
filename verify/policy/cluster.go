package policy

import (
	"strings"

	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// fields is the table of a mapping's members.
type fields = map[string]func(doc.Value) error

// cluster reads a ClusterImagePolicy document.
func (p *parser) cluster(d doc.Value) ([]*entry, error) {
	d = d.Sparse()
	e := &entry{where: d.Where()}
	err := d.Fields(fields{
		"apiVersion": ignore,
		"kind":       ignore,
		"status":     ignore, // the controller's report, no part of the policy
		"metadata": func(v doc.Value) error {
			return v.Each(func(name string, v doc.Value) (err error) {
				switch name {
				case "name":
					e.name, err = p.name(v, "ClusterImagePolicy")
				case "labels", "annotations":
					e.lintMetadata(v)
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
		"images":      doc.Into(&e.images, list(e.image)),
		"match":       doc.Into(&e.match, listOrNone(readResource)),
		"authorities": func(v doc.Value) error { return p.authorities(v, e) },
		"policy": func(v doc.Value) error {
			part, lack, err := p.part(v, "policy", &e.show)
			if e.part = part; lack != nil {
				e.open = append(e.open, *lack)
			}
			return err
		},
	}, "images", "authorities")
	e.warn = m == "warn"
	for _, g := range e.images {
		p.set.pins = p.set.pins || strings.Contains(g.text, "@")
	}
	return err
}

func (e *entry) image(v doc.Value) (g glob, err error) {
	err = v.Fields(fields{"glob": doc.Into(&g, references)}, "glob")
	if err == nil {
		e.lintGlob(v, g.text)
	}
	return g, err
}

func (p *parser) authorities(v doc.Value, e *entry) error {
	elements, err := v.List(maxList)
	if err != nil {
		return err
	}
	names := make(map[string]bool)
	for i, v := range elements {
		a, err := p.clusterAuthority(v, i, e)
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

// items returns the elements of a Kubernetes List, as "kubectl get -o yaml" writes it,
// and any other document alone.
func items(d doc.Value) ([]doc.Value, error) {
	version, kind, err := typeOf(d)
	if err != nil || version != "v1" || kind != "List" {
		return []doc.Value{d}, nil // what is wrong with it is said where it is read
	}
	var all []doc.Value
	err = d.Sparse().Fields(fields{
		"apiVersion": ignore, "kind": ignore, "metadata": ignore,
		"items": func(v doc.Value) (err error) {
			all, err = v.List(MaxPolicies)
			return err
		},
	}, "items")
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		if version, _, _ := typeOf(d); version == apiVersion {
			return nil, d.Errorf("a Policy of hallmark's own is no object of a cluster, and stands in no List: make it a document of its own")
		}
	}
	return all, nil
}

func clusterVersions() []string {
	return []string{"policy.sigstore.dev/v1alpha1", "policy.sigstore.dev/v1beta1"}
}

func isCluster(version string) bool {
	return version == clusterVersions()[0] || version == clusterVersions()[1]
}

// typeOf returns apiVersion and kind, whatever else the document holds.
func typeOf(d doc.Value) (version, kind string, err error) {
	err = d.Each(func(name string, v doc.Value) (err error) {
		switch name {
		case "apiVersion":
			version, err = v.String()
		case "kind":
			kind, err = v.String()
		}
		return err
	})
	if err == nil && (version == "" || kind == "") {
		err = d.Errorf("apiVersion or kind is missing")
	}
	return version, kind, err
}
