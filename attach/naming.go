package attach

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
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

// maxTag is the length of the longest tag, in bytes.
const maxTag = 128

// IsTag reports whether the text can be a tag in a registry:
// [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127} (distribution specification 1.1, "Pulling
// manifests").
func IsTag(s string) bool {
	if s == "" || len(s) > maxTag || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		word := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
		if !word && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

// CheckTagPrefix checks that cosign's tags are tags with the text before them. The error
// wraps [ErrMalformed].
func CheckTagPrefix(prefix string) error {
	longest := CosignTagOf(v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 2*sha256.Size)}, SBOM)
	if prefix == "" || !IsTag(prefix+longest) {
		return fmt.Errorf("%.60q begins no tag: 1 to %d letters, digits, dots, dashes and underscores are wanted, first none of dot and dash: %w", prefix, maxTag-len(longest), ErrMalformed)
	}
	return nil
}
