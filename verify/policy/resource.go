package policy

import (
	"slices"

	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// A resource is what kind of object a policy is for.
type resource struct {
	group, version, name string
	labels               map[string]string
	expressions          []expression
}

// An expression is one of a label selector's.
type expression struct {
	key, operator string
	values        []string
}

// String names the kind of object: "apps/v1 deployments".
func (r resource) String() string {
	s := r.version + " " + r.name
	if r.group != "" {
		s = r.group + "/" + s
	}
	if len(r.labels)+len(r.expressions) > 0 {
		s += " with certain labels"
	}
	return s
}

func (r resource) is(o *Object) bool {
	if r.name != o.Resource || r.group != o.Group || r.version != o.Version && r.version != "*" {
		return false
	}
	for k, want := range r.labels {
		if got, ok := o.Labels[k]; !ok || got != want {
			return false
		}
	}
	return !slices.ContainsFunc(r.expressions, func(e expression) bool { return !e.holds(o.Labels) })
}

// holds applies the operators as Kubernetes does: NotIn holds for objects
// without the label too.
func (e expression) holds(labels map[string]string) bool {
	value, ok := labels[e.key]
	switch e.operator {
	case "In":
		return ok && slices.Contains(e.values, value)
	case "NotIn":
		return !ok || !slices.Contains(e.values, value)
	case "Exists":
		return ok
	}
	return !ok
}

// resources are the names that a policy can be for.
func resources() []string {
	return []string{"pods", "replicasets", "deployments", "statefulsets", "daemonsets", "jobs", "cronjobs"}
}

func readResource(v doc.Value) (resource, error) {
	var r resource
	err := v.Fields(fields{
		"group":    doc.Into(&r.group, doc.Value.String),
		"version":  doc.Into(&r.version, text),
		"resource": doc.Into(&r.name, func(v doc.Value) (string, error) { return v.OneOf(resources()...) }),
		"selector": func(v doc.Value) error {
			return v.Fields(fields{
				"matchLabels":      doc.Into(&r.labels, annotations),
				"matchExpressions": doc.Into(&r.expressions, list(readExpression)),
			})
		},
	}, "version", "resource")
	return r, err
}

func readExpression(v doc.Value) (expression, error) {
	var e expression
	err := v.Fields(fields{
		"key":      doc.Into(&e.key, text),
		"operator": doc.Into(&e.operator, func(v doc.Value) (string, error) { return v.OneOf("In", "NotIn", "Exists", "DoesNotExist") }),
		"values":   doc.Into(&e.values, list(doc.Value.String)),
	}, "key", "operator")
	if set := e.operator == "In" || e.operator == "NotIn"; err == nil && set != (len(e.values) > 0) {
		err = v.Errorf("operator %s has %d values", e.operator, len(e.values))
	}
	return e, err
}
