package admit_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/verify/admit"
)

// TestManifests finds the images of all kinds in a stream of documents.
func TestManifests(t *testing.T) {
	text := `# a comment
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: prod}
data: {image: "not/an-image:1"}
---
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: &labels {app: web}
spec:
  template:
    metadata: {labels: *labels}
    spec:
      containers:
      - {name: a, image: r.example/a:1}
      - {name: b, image: r.example/b:1}
      volumes:
      - {name: v, image: {reference: r.example/data:1}}
---
{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"initContainers": [{"image": "r.example/i"}], "containers": [{"image": "r.example/c"}]}},
  {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "j"}, "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"image": "r.example/j"}]}}}}}},
  {"apiVersion": "example.com/v1", "kind": "Deployment", "metadata": {"name": "foreign"}, "spec": {}}
]}
`
	var got []string
	for o, err := range admit.Manifests(strings.NewReader(text), "m.yaml") {
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%d%s %s %s/%s %v", o.Line, o.Path, o.Kind, o.Namespace, o.Name, o.Workload)
		for _, i := range o.Images {
			line += " " + i.Path + "=" + i.Ref
		}
		if o.For != nil && len(o.For.Labels) > 0 {
			line += fmt.Sprintf(" %s %v", o.For.Resource, o.For.Labels)
		}
		got = append(got, line)
	}
	want := []string{
		"2 ConfigMap prod/settings false",
		"8 Deployment /web true /spec/template/spec/containers/0/image=r.example/a:1 /spec/template/spec/containers/1/image=r.example/b:1 /spec/template/spec/volumes/0/image/reference=r.example/data:1 deployments map[app:web]",
		"23/items/0 Pod /p true /spec/initContainers/0/image=r.example/i /spec/containers/0/image=r.example/c",
		"23/items/1 CronJob /j true /spec/jobTemplate/spec/template/spec/containers/0/image=r.example/j",
		"23/items/2 Deployment /foreign false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestManifestsRefused has streams that end in an error.
func TestManifestsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"- a\n":                 "m.yaml:1: the document is no object",
		"---\n---\nkind: Pod\n": "m.yaml:3: the document has no apiVersion or kind",
		"apiVersion: v1\nkind: Pod\nspec: {containers: [1]}\n":                               "m.yaml:1: the document: /spec/containers/0 is no object",
		"apiVersion: v1\nkind: Pod\nkind: Job\n":                                             "m.yaml:3: kind: stands twice",
		"apiVersion: v1\nkind: List\nitems: [1]\n":                                           "m.yaml:1: /items/0 is no object",
		"apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Pod, spec: []}]\n":       "m.yaml:1: /items/0: /spec is no object",
		strings.Repeat("{apiVersion: v1, kind: List, items: [", 6) + strings.Repeat("]}", 6): "lists nested more than",
		"a: [\n": "m.yaml:",
		"# " + strings.Repeat("a", admit.MaxManifest): "longer than",
	} {
		var err error
		for _, e := range admit.Manifests(strings.NewReader(text), "m.yaml") {
			err = e
		}
		if err == nil || !errors.Is(err, admit.ErrManifest) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, want %s", text, err, want)
		}
	}
}

func FuzzManifests(f *testing.F) {
	f.Add("apiVersion: v1\nkind: Pod\nspec: {containers: [{image: a}]}\n---\napiVersion: v1\nkind: List\nitems: []\n")
	f.Add(`{"apiVersion":"batch/v1","kind":"CronJob","spec":{"jobTemplate":{"spec":{"template":{"spec":{"volumes":[{"image":{"reference":"x"}}]}}}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		for o, err := range admit.Manifests(strings.NewReader(text), "m") {
			if err != nil {
				return
			}
			if !o.Workload && len(o.Images) > 0 || len(o.Images) > admit.MaxImages {
				t.Fatalf("%+v", o)
			}
		}
	})
}
