package report

import (
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/purl"
)

// TestQuality: what is shown of an SBOM is what a policy may ask of it, and not one
// percent more.
func TestQuality(t *testing.T) {
	inv := sbom.Inventory{
		Tool: sbom.Tool{Name: "syft", Version: "1.2"}, Created: time.Unix(1700000000, 0),
		Components: []sbom.Component{
			{Type: sbom.OS, Name: "debian"}, {Type: sbom.File, Name: "/bin/sh"},
			{Name: "a", Version: "1", PURL: purl.PURL{Type: "npm", Name: "a", Version: "1"}, Licenses: []string{"MIT"}, Supplier: "A"},
			{Name: "b", Version: "2", PURL: purl.PURL{Type: "npm", Name: "b", Version: "2"}},
			{Name: "c", Version: "3"},
		},
	}
	q := NewInventoryInfo(inv).Quality
	if want := (Quality{Packages: 3, Versions: 100, PURLs: 66, Licenses: 33, Suppliers: 33, Author: "syft 1.2", Created: "2023-11-14T22:13:20Z"}); q != want {
		t.Errorf("%+v, not %+v", q, want)
	}
	ask := sbom.Quality{Components: q.Packages, Versions: q.Versions, PURLs: q.PURLs, Licenses: q.Licenses, Suppliers: q.Suppliers, Author: true, Created: true}
	if lacks := ask.Lacks(inv); lacks != nil {
		t.Errorf("what is shown is not there: %q", lacks)
	}
	for _, n := range []*int{&ask.Components, &ask.Versions, &ask.PURLs, &ask.Licenses, &ask.Suppliers} {
		*n++
	}
	if lacks := ask.Lacks(inv); len(lacks) != 5 {
		t.Errorf("one more of each is there: %q", lacks)
	}
	got := string(render(t, "text", NewInventoryInfo(sbom.Inventory{})))
	if !strings.Contains(got, "made by a tool that it does not name at a time that it does not tell") {
		t.Error(got)
	}
}
