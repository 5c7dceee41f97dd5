package attach

import (
	"maps"
	"strings"
)

// The annotations by which the index.json of a layout says what a manifest is called.
const (
	// RefNameAnnotation makes a tag of a descriptor (image specification 1.1,
	// annotations and image-layout).
	RefNameAnnotation = "org.opencontainers.image.ref.name"
	// SavedKindAnnotation says what "cosign save" takes a descriptor for, where its
	// value begins with [SavedKindPrefix].
	SavedKindAnnotation = "kind"
	SavedKindPrefix     = "dev.cosignproject.cosign/"
)

// Unnaming returns the annotations of a manifest, as index.json may repeat them in its
// descriptor: without those that would give it a tag or make it something else. Who
// attaches a manifest must not choose what an image of the layout is called.
func Unnaming(annotations map[string]string) map[string]string {
	out := maps.Clone(annotations)
	delete(out, RefNameAnnotation)
	if strings.HasPrefix(out[SavedKindAnnotation], SavedKindPrefix) {
		delete(out, SavedKindAnnotation)
	}
	return out
}
