package admit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hallmark-oci/hallmark/verify/policy"
)

// An Image is one reference to an image in an object.
type Image struct {
	// Path is where it stands, as a JSON pointer (RFC 6901):
	// /spec/template/spec/containers/0/image.
	Path string
	// Ref is the reference as it is written.
	Ref string
}

// A workload is a kind of object that makes Pods, and the way to their spec.
type workload struct {
	group, kind, resource string
	path                  []string
}

// workloads are the kinds of Kubernetes' own that hold a Pod's spec.
func workloads() []workload {
	template := []string{"spec", "template", "spec"}
	return []workload{
		{"", "Pod", "pods", []string{"spec"}},
		{"", "ReplicationController", "replicationcontrollers", template},
		{"", "PodTemplate", "podtemplates", []string{"template", "spec"}},
		{"apps", "Deployment", "deployments", template},
		{"apps", "StatefulSet", "statefulsets", template},
		{"apps", "DaemonSet", "daemonsets", template},
		{"apps", "ReplicaSet", "replicasets", template},
		{"batch", "Job", "jobs", template},
		{"batch", "CronJob", "cronjobs", []string{"spec", "jobTemplate", "spec", "template", "spec"}},
	}
}

// workloadOf finds the kind, ok is false for one that is not known.
func workloadOf(group, kind string) (workload, bool) {
	all := workloads()
	i := slices.IndexFunc(all, func(w workload) bool { return w.group == group && w.kind == kind })
	if i < 0 {
		return workload{}, false
	}
	return all[i], true
}

// object returns what policies may ask about the object.
func (w workload) object(version string, o map[string]any) *policy.Object {
	p := &policy.Object{
		Group: w.group, Version: version, Resource: w.resource, Labels: make(map[string]string),
		Kind: w.kind, Metadata: o["metadata"], Spec: o["spec"],
	}
	meta, _ := o["metadata"].(map[string]any)
	labels, _ := meta["labels"].(map[string]any)
	for k, v := range labels {
		if s, ok := v.(string); ok {
			p.Labels[k] = s
		}
	}
	return p
}

// images returns all references of the object: containers, init and ephemeral
// containers, and volumes of images. What is not of the shape that Kubernetes
// gives it is an error. An empty reference names nothing and is left out.
func (w workload) images(o map[string]any) ([]Image, error) {
	spec, path := o, ""
	for _, name := range w.path {
		path += "/" + name
		next, ok := spec[name].(map[string]any)
		if !ok {
			if spec[name] == nil {
				return nil, nil
			}
			return nil, fmt.Errorf("%s is no object", path)
		}
		spec = next
	}
	c := collector{}
	for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
		c.list(spec[list], path+"/"+list, func(m map[string]any, at string) { c.add(m["image"], at+"/image") })
	}
	c.list(spec["volumes"], path+"/volumes", func(m map[string]any, at string) {
		switch source := m["image"].(type) {
		case nil:
		case map[string]any:
			c.add(source["reference"], at+"/image/reference")
		default:
			c.fail("%s/image is no object", at)
		}
	})
	return c.found, c.err
}

// collector gathers references until something is wrong.
type collector struct {
	found []Image
	err   error
}

func (c *collector) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

func (c *collector) list(v any, path string, visit func(m map[string]any, at string)) {
	if v == nil {
		return
	}
	elements, ok := v.([]any)
	if !ok {
		c.fail("%s is no list", path)
		return
	}
	for i, e := range elements {
		at := path + "/" + strconv.Itoa(i)
		m, ok := e.(map[string]any)
		if !ok {
			c.fail("%s is no object", at)
			return
		}
		visit(m, at)
	}
}

func (c *collector) add(v any, path string) {
	ref, ok := v.(string)
	switch {
	case v == nil || ok && ref == "":
	case !ok:
		c.fail("%s is no text", path)
	case len(ref) > maxReference:
		c.fail("%s is longer than %d bytes", path, maxReference)
	case len(c.found) == MaxImages:
		c.fail("more than %d images", MaxImages)
	default:
		c.found = append(c.found, Image{Path: path, Ref: ref})
	}
}

// added divides the images of an updated object in those that it did not have
// before and those that it had.
func added(now, before []Image) (fresh, kept []Image) {
	had := make(map[string]bool, len(before))
	for _, b := range before {
		had[b.Ref] = true
	}
	for _, i := range now {
		if had[i.Ref] {
			kept = append(kept, i)
		} else {
			fresh = append(fresh, i)
		}
	}
	return fresh, kept
}

// splitVersion divides "apps/v1" in group and version; "v1" has no group.
func splitVersion(apiVersion string) (group, version string) {
	if g, v, ok := strings.Cut(apiVersion, "/"); ok {
		return g, v
	}
	return "", apiVersion
}
