package attach

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
)

// TestTagPrefix holds what is taken for a prefix against tags that are made with it.
func TestTagPrefix(t *testing.T) {
	hex := strings.Repeat("a", 64)
	for prefix, want := range map[string]bool{
		"prod-": true, "_": true, "v1.2": true, strings.Repeat("x", 52): true,
		"": false, "-x": false, ".x": false, "a/b": false, "a:b": false, "a b": false, "ä": false, strings.Repeat("x", 53): false,
	} {
		err := CheckTagPrefix(prefix)
		if (err == nil) != want || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", prefix, err)
		}
		if _, err := name.NewTag("r.example/a:" + prefix + "sha256-" + hex + ".sbom"); want && err != nil {
			t.Errorf("%q: another reader of tags: %v", prefix, err)
		}
	}
}
