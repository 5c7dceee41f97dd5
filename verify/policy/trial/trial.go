// Package trial holds policies against images of which somebody wrote down how they
// must be judged, so that a change of a policy that lets pass too much, or too little,
// is seen before it is in force.
//
// A file of expectations is YAML or JSON:
//
//	apiVersion: hallmark.dev/v1alpha1
//	kind: PolicyTest
//	spec:
//	  now: 2026-12-01T00:00:00Z              # the time at which is judged; the present without it
//	  cases:
//	  - name: a release                      # for the report
//	    image: oci:images/release:1.0        # a layout beside this file, or an image in a registry
//	    as: registry.example/apps/web:1.0    # the name that the policies know; that of image without it
//	    outcome: accept                      # accept, reject or undetermined
//	  - image: oci:images/old:1.0
//	    as: registry.example/apps/web:0.9
//	    outcome: reject
//	    passes: false                        # whether a gate lets it pass, which one that warns does
//	    checks:
//	    - {rule: production/apps/sbom, reason: too-old}
//	  - image: registry.example/apps/web:1.0
//	    for: {version: v1, resource: pods, labels: {app: web}}   # the Kubernetes object that asks
//	    outcome: accept
//
// A case is judged by the one Verify that the command line and admission use. What it
// says is compared with the verdict: the outcome, and of the checks those that are
// named, by outcome, by reason code, or by both.
package trial

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// Limits on files of expectations. They are applied before memory is taken.
const (
	// MaxFile is the size of the largest file, in bytes.
	MaxFile = 1 << 20
	// MaxCases is how many cases one file has.
	MaxCases = 1000
	// maxChecks is how many checks one case names.
	maxChecks = 1000
)

// A Suite is what one file holds.
type Suite struct {
	// File is its name.
	File string
	// Now is when its cases are judged; zero for the present.
	Now   time.Time
	Cases []Case
}

// A Case is one image and how it must be judged.
type Case struct {
	Name string
	// Where it stands: "tests.yaml:6".
	Where string
	// Image is where the image is read, As the name that the policies know it by.
	Image, As string
	// Object is the Kubernetes object that asks for the image; nil for nobody.
	Object  *policy.Object
	Outcome verify.Outcome
	// Passes is whether a gate must let the image pass; nil where nothing is said.
	Passes *bool
	Checks []Check
}

// A Check is what is expected of one rule.
type Check struct {
	Rule string
	// Outcome is "accept", "reject" or "undetermined", empty where nothing is said.
	Outcome string
	// Reason is the code, empty where nothing is said.
	Reason verify.Reason
}

// Parse reads a file of expectations. The error wraps [policy.ErrInvalid] and names
// file, line and path.
func Parse(name string, text []byte) (Suite, error) {
	s := Suite{File: name}
	if len(text) > MaxFile {
		return s, fmt.Errorf("%s: more than %d bytes: %w", name, MaxFile, policy.ErrInvalid)
	}
	n := 0
	for d, err := range doc.Documents(strings.NewReader(string(text)), name, MaxFile) {
		if err == nil && n > 0 {
			err = d.Errorf("a file of expectations has one document")
		}
		if err == nil {
			err = s.document(d)
		}
		if err != nil {
			return s, err
		}
		n++
	}
	if n == 0 {
		return s, fmt.Errorf("%s: no expectations in it: %w", name, policy.ErrInvalid)
	}
	return s, nil
}

type fields = map[string]func(doc.Value) error

func (s *Suite) document(d doc.Value) error {
	constant := func(want string) func(doc.Value) error {
		return func(v doc.Value) error { _, err := v.OneOf(want); return err }
	}
	return d.Fields(fields{
		"apiVersion": constant("hallmark.dev/v1alpha1"),
		"kind":       constant("PolicyTest"),
		"metadata":   func(v doc.Value) error { return v.Fields(fields{"name": doc.Into(new(string), doc.Value.String)}) },
		"spec": func(v doc.Value) error {
			return v.Fields(fields{
				"now": doc.Into(&s.Now, doc.Value.Date),
				"cases": func(v doc.Value) error {
					list, err := v.List(MaxCases)
					for _, v := range list {
						var c Case
						if c, err = s.read(v); err != nil {
							break
						}
						s.Cases = append(s.Cases, c)
					}
					return err
				},
			}, "cases")
		},
	}, "apiVersion", "kind", "spec")
}

func outcome(v doc.Value) (string, error) {
	return v.OneOf(verify.Accept.String(), verify.Reject.String(), verify.Undetermined.String())
}

// read reads one case. A layout lies relative to the file.
func (s *Suite) read(v doc.Value) (Case, error) {
	c := Case{Where: v.Where()}
	var expected string
	var passes bool
	err := v.Fields(fields{
		"name":    doc.Into(&c.Name, doc.Value.String),
		"image":   doc.Into(&c.Image, doc.Value.String),
		"as":      doc.Into(&c.As, doc.Value.String),
		"for":     func(v doc.Value) error { c.Object = new(policy.Object); return object(v, c.Object) },
		"outcome": doc.Into(&expected, outcome),
		"passes":  doc.Into(&passes, doc.Value.Bool),
		"checks": func(v doc.Value) error {
			list, err := v.List(maxChecks)
			for _, v := range list {
				var check Check
				if check, err = readCheck(v); err != nil {
					break
				}
				c.Checks = append(c.Checks, check)
			}
			return err
		},
	}, "image", "outcome")
	if err == nil && c.Image == "" {
		err = v.Errorf("image is empty")
	}
	if v.Has("passes") {
		c.Passes = &passes
	}
	for _, o := range []verify.Outcome{verify.Accept, verify.Reject, verify.Undetermined} {
		if o.String() == expected {
			c.Outcome = o
		}
	}
	if dir, ok := strings.CutPrefix(c.Image, "oci:"); ok && !filepath.IsAbs(dir) {
		c.Image = "oci:" + filepath.Join(filepath.Dir(s.File), dir)
	}
	if c.As == "" {
		c.As = c.Image
	}
	return c, err
}

func object(v doc.Value, o *policy.Object) error {
	return v.Fields(fields{
		"group":    doc.Into(&o.Group, doc.Value.String),
		"version":  doc.Into(&o.Version, doc.Value.String),
		"resource": doc.Into(&o.Resource, doc.Value.String),
		"labels": func(v doc.Value) error {
			o.Labels = make(map[string]string)
			return v.Each(func(name string, v doc.Value) (err error) {
				o.Labels[name], err = v.String()
				return err
			})
		},
	}, "version", "resource")
}

func readCheck(v doc.Value) (Check, error) {
	var c Check
	var reason string
	err := v.Fields(fields{
		"rule":    doc.Into(&c.Rule, doc.Value.String),
		"outcome": doc.Into(&c.Outcome, outcome),
		"reason":  doc.Into(&reason, doc.Value.String),
	}, "rule")
	c.Reason = verify.Reason(reason)
	if err == nil && c.Outcome == "" && c.Reason == "" {
		err = v.Errorf("outcome or reason is wanted")
	}
	return c, err
}
