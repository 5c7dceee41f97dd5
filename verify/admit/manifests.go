package admit

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"

	"github.com/hallmark-oci/hallmark/verify/policy"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// An Object is one Kubernetes object of a stream of manifests.
type Object struct {
	// APIVersion, Kind, Namespace and Name are as written.
	APIVersion, Kind, Namespace, Name string
	// Line is where the object's document begins to say something.
	Line int
	// Path is where the object stands in its document: "" or /items/3.
	Path string
	// Workload says that this is a kind that makes Pods. Others have no images
	// that anyone here knows of.
	Workload bool
	// Images are its references, with paths from the object's own root.
	Images []Image
	// For is what policies may ask about the object; nil where it is no workload.
	For *policy.Object
}

// ErrManifest says that a manifest is not a Kubernetes object.
var ErrManifest = errors.New("invalid manifest")

// Manifests yields the objects of a stream of YAML or JSON documents, with those
// of lists (kind List, or any kind with that ending and items) one by one. Any
// error ends the stream: a document that is no object, is larger than
// [MaxManifest], or has something else where a reference belongs. file is the
// name that errors show.
func Manifests(r io.Reader, file string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for d, err := range doc.Documents(r, file, MaxManifest) {
			var v any
			if err == nil {
				v, err = d.Any()
			}
			if err != nil {
				yield(Object{}, fmt.Errorf("%w: %w", ErrManifest, err))
				return
			}
			stop := false
			err = objects(v, "", 0, func(o Object) bool {
				o.Line = d.Line()
				stop = !yield(o, nil)
				return !stop
			})
			if err != nil {
				yield(Object{}, fmt.Errorf("%s:%d: %w: %w", file, d.Line(), err, ErrManifest))
				return
			}
			if stop {
				return
			}
		}
	}
}

// maxLists is how deep lists of lists are followed.
const maxLists = 4

func objects(v any, path string, depth int, yield func(Object) bool) error {
	m, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("%s is no object", where(path))
	}
	o := Object{Path: path}
	o.APIVersion, _ = m["apiVersion"].(string)
	o.Kind, _ = m["kind"].(string)
	if o.APIVersion == "" || o.Kind == "" {
		return fmt.Errorf("%s has no apiVersion or kind", where(path))
	}
	if items, ok := m["items"].([]any); ok && len(o.Kind) >= 4 && o.Kind[len(o.Kind)-4:] == "List" {
		if depth == maxLists {
			return fmt.Errorf("%s: lists nested more than %d deep", where(path), maxLists)
		}
		for i, item := range items {
			more := true
			err := objects(item, path+"/items/"+strconv.Itoa(i), depth+1, func(o Object) bool {
				more = yield(o)
				return more
			})
			if err != nil || !more {
				return err
			}
		}
		return nil
	}
	meta, _ := m["metadata"].(map[string]any)
	o.Name, _ = meta["name"].(string)
	o.Namespace, _ = meta["namespace"].(string)
	group, version := splitVersion(o.APIVersion)
	if w, ok := workloadOf(group, o.Kind); ok {
		images, err := w.images(m)
		if err != nil {
			return fmt.Errorf("%s: %w", where(path), err)
		}
		o.Workload, o.Images, o.For = true, images, w.object(version, m)
	}
	yield(o)
	return nil
}

func where(path string) string {
	if path == "" {
		return "the document"
	}
	return path
}
