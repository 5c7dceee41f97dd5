package sbom_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/purl"
)

// TestQuality counts by hand: three packages and a file, of which two packages have a
// version, one a package URL, one a licence and none a supplier.
func TestQuality(t *testing.T) {
	v := sbom.Inventory{
		Components: []sbom.Component{
			{Type: sbom.Library, Name: "a", Version: "1", PURL: purl.PURL{Type: "npm", Name: "a"}},
			{Type: sbom.Library, Name: "b", Version: "2", Licenses: []string{"MIT"}},
			{Type: sbom.Application, Name: "c"},
			{Type: sbom.File, Name: "etc/x"},
			{Type: sbom.OS, Name: "debian", Version: "13"},
		},
		Unknowns: []sbom.Unknown{{Path: "var/lib/x", Reason: "broken"}},
	}
	for _, c := range []struct {
		q    sbom.Quality
		want string
	}{
		{sbom.Quality{}, ""},
		{sbom.Quality{Components: 3, Versions: 66, PURLs: 33, Licenses: 33}, ""},
		{sbom.Quality{Components: 4}, "3 packages, at least 4 are asked for"},
		{sbom.Quality{Versions: 67}, "2 of 3 packages with a version, 67 % are asked for"},
		{sbom.Quality{PURLs: 34}, "1 of 3 packages with a package URL, 34 % are asked for"},
		{sbom.Quality{Licenses: 100, Suppliers: 1}, "1 of 3 packages with a licence, 100 % are asked for; 0 of 3 packages with a supplier, 1 % are asked for"},
		{sbom.Quality{Relations: true, Author: true, Created: true, Complete: true},
			"no relation between components; it names no tool that made it; it does not tell when it was made; 1 things that its maker could not read"},
	} {
		if got := strings.Join(c.q.Lacks(v), "; "); got != c.want {
			t.Errorf("%v: %q, want %q", c.q, got, c.want)
		}
		if (c.q.String() == "") != (c.q == sbom.Quality{}) {
			t.Errorf("%+v is %q in words", c.q, c.q)
		}
	}
	full := sbom.Inventory{Tool: sbom.Tool{Name: "t"}, Created: time.Unix(1, 0), Components: v.Components[:2], Relations: make([]sbom.Relation, 1)}
	if got := (sbom.Quality{Relations: true, Author: true, Created: true, Complete: true, Versions: 100}).Lacks(full); got != nil {
		t.Errorf("lacks %q", got)
	}
	if got := (sbom.Quality{Versions: 1}).Lacks(sbom.Inventory{}); len(got) != 1 {
		t.Errorf("an empty inventory lacks %q", got)
	}
}
