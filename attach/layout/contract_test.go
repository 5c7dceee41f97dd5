package layout

import (
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

var _ attach.Store = (*Store)(nil)

// TestContract holds the layout to what every store keeps.
func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Place {
		dir := filepath.Join(t.TempDir(), "layout")
		open := func(t *testing.T) *Store {
			t.Helper()
			s, err := Create(t.Context(), dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		}
		return storetest.Place{
			Open: func(t *testing.T) attach.Store { return open(t) },
			Put: func(t *testing.T, tag string, img v1.Image) {
				t.Helper()
				if _, err := open(t).PutImage(t.Context(), tag, img); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}
