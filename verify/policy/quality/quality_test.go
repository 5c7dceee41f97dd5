package quality

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/verify"
)

func spdx(packages ...string) string {
	return `{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"x","documentNamespace":"https://example.com/x",
"creationInfo":{"created":"2026-01-10T00:00:00Z","creators":["Tool: t-1"]},"packages":[` + strings.Join(packages, ",") + `]}`
}

func pkg(i int, more string) string {
	return fmt.Sprintf(`{"SPDXID":"SPDXRef-p%d","name":"p%d","downloadLocation":"NOASSERTION"%s}`, i, i, more)
}

func TestJudge(t *testing.T) {
	cdx := `{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[{"type":"library","name":"a","version":"1"}]}`
	tagValue := `"SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT\nDocumentName: x\nDocumentNamespace: https://example.com/x\nCreator: Tool: t\nCreated: 2026-01-10T00:00:00Z\n"`
	versions := sbom.Quality{Versions: 50, Created: true, Author: true}
	for _, c := range []struct {
		text string
		d    Demand
		want verify.Reason
	}{
		{spdx(pkg(1, `,"versionInfo":"1"`), pkg(2, "")), Demand{Quality: versions}, verify.Accepted},
		{spdx(pkg(1, ""), pkg(2, "")), Demand{Quality: versions}, verify.SBOMQuality},
		{spdx(), Demand{Quality: versions}, verify.SBOMQuality},
		{cdx, Demand{Quality: sbom.Quality{Versions: 100}}, verify.Accepted},
		{cdx, Demand{Quality: versions}, verify.SBOMQuality},
		{cdx, Demand{Formats: []Format{{"cyclonedx", "1.5"}}}, verify.Accepted},
		{cdx, Demand{Formats: []Format{{"cyclonedx", "1.10"}}}, verify.SBOMFormat},
		{cdx, Demand{Formats: []Format{{"cyclonedx", "1.4"}}}, verify.Accepted},
		{cdx, Demand{Formats: []Format{{"spdx", ""}}}, verify.SBOMFormat},
		{cdx, Demand{Formats: []Format{{"spdx", ""}, {"cyclonedx", ""}}}, verify.Accepted},
		{spdx(), Demand{Formats: []Format{{"spdx", "2.3"}}}, verify.Accepted},
		{spdx(), Demand{Formats: []Format{{"spdx", "3"}}}, verify.SBOMFormat},
		{tagValue, Demand{Formats: []Format{{"spdx", "2.2"}}, Quality: sbom.Quality{Author: true}}, verify.Accepted},
		{`{}`, Demand{}, verify.SBOMUnreadable},
		{`"x"`, Demand{}, verify.SBOMUnreadable},
		{`[1]`, Demand{}, verify.SBOMUnreadable},
		{spdx(pkg(1, ""), pkg(1, "")), Demand{}, verify.SBOMUnreadable},
		{strings.Replace(cdx, `"version":"1"`, `"version":"1","purl":"pkg:"`, 1), Demand{Quality: sbom.Quality{PURLs: 100}}, verify.SBOMQuality},
	} {
		r := c.d.judge([]byte(c.text))
		if r.Reason != c.want || (r.Outcome == verify.Accept) != (c.want == verify.Accepted) || r.Deny {
			t.Errorf("%.80s under %v: %+v, want %s", c.text, c.d, r, c.want)
		}
	}
	if got, want := (Demand{Formats: []Format{{"spdx", "2.3"}, {"cyclonedx", ""}}, Quality: versions}).String(),
		"spdx 2.3 or newer or cyclonedx; 50 % of packages with a version, the tool that made it, the time at which it was made"; got != want {
		t.Errorf("%s", got)
	}
	for _, bad := range []string{"", "a", "1.", "1.-2", "1.99999999"} {
		if CheckVersion(bad) == nil {
			t.Errorf("version %q", bad)
		}
	}
}
