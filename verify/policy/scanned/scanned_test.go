package scanned

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/verify"
)

// predicate is that of cosign's specification of vulnerability attestations, with the
// result of a scanner.
func predicate(result string) string {
	return `{"invocation": {"parameters": [], "uri": "https://ci.example/1", "event_id": "1", "builder.id": "x"},
"scanner": {"uri": "pkg:github/aquasecurity/trivy@1", "version": "1", "db": {"uri": "osv", "version": "2026-01-09T00:00:00Z"}, "result": ` + result + `},
"metadata": {"scanStartedOn": "2026-01-10T00:00:00Z", "scanFinishedOn": "2026-01-10T00:01:00Z"}}`
}

const image = "sha256:aa"

func trivy(severities ...string) string {
	for i, s := range severities {
		severities[i] = `{"VulnerabilityID": "CVE-1", "Severity": "` + s + `"}`
	}
	return `{"SchemaVersion": 2, "Results": [{"Target": "a", "Vulnerabilities": null}, {"Target": "b", "Vulnerabilities": [` + strings.Join(severities, ",") + `]}]}`
}

func grype(severity string) string {
	return `{"matches": [{"vulnerability": {"id": "CVE-1", "severity": "` + severity + `"}, "artifact": {}}], "source": {}}`
}

func checked(outcome, findings string) string {
	return `{"kind": "hallmark.checks", "version": 1, "outcome": "x", "images": [{"name": "a", "digest": "sha256:aa", "outcome": "` + outcome + `", "unsigned": false, "findings": [` + findings + `]}]}`
}

func TestJudge(t *testing.T) {
	osv := func(failOn string) Demand { return Demand{Advisories: "osv", FailOn: failOn} }
	newer := func(v string) Demand { return Demand{Advisories: "osv", MinVersion: v} }
	for _, c := range []struct {
		text string
		d    Demand
		want verify.Reason
	}{
		{predicate(`{}`), osv(""), verify.Accepted},
		{predicate(trivy("CRITICAL")), osv(""), verify.Accepted},
		{predicate(`{}`), Demand{Advisories: "other"}, verify.OtherAdvisories},
		{predicate(`{}`), Demand{}, verify.OtherAdvisories},
		{`{"scanner": {"result": {}}}`, osv(""), verify.OtherAdvisories},
		{predicate(`{}`), newer("2026-01-09"), verify.Accepted},
		{predicate(`{}`), newer("2026-01-09T00:00:01Z"), verify.OtherAdvisories},
		{predicate(`{}`), newer("2"), verify.OtherAdvisories},
		{strings.Replace(predicate(`{}`), "2026-01-09T00:00:00Z", "v3.10", 1), newer("3.9"), verify.Accepted},
		{strings.Replace(predicate(`{}`), "2026-01-09T00:00:00Z", "3.8", 1), newer("3.9"), verify.OtherAdvisories},
		{strings.Replace(predicate(`{}`), "2026-01-09T00:00:00Z", "", 1), newer("3.9"), verify.OtherAdvisories},

		{predicate(trivy()), osv("any"), verify.Accepted},
		{predicate(trivy("LOW", "MEDIUM")), osv("high"), verify.Accepted},
		{predicate(trivy("LOW", "HIGH")), osv("high"), verify.ScanFindings},
		{predicate(trivy("LOW")), osv("any"), verify.ScanFindings},
		{predicate(trivy("UNKNOWN")), osv("critical"), verify.ScanFindings},
		{predicate(trivy("")), osv("critical"), verify.ScanFindings},
		{predicate(grype("Negligible")), osv("medium"), verify.Accepted},
		{predicate(grype("Critical")), osv("critical"), verify.ScanFindings},
		{predicate(`{"matches": [{}]}`), osv("critical"), verify.ScanFindings},
		{predicate(checked("not-affected", "")), osv("any"), verify.Accepted},
		{predicate(checked("affected", `{"severity": "low"}`)), osv("medium"), verify.Accepted},
		{predicate(checked("affected", `{"severity": "high"}`)), osv("medium"), verify.ScanFindings},
		{predicate(checked("undetermined", `{"severity": "high"}`)), osv("medium"), verify.ScanFindings},
		{predicate(checked("undetermined", "")), osv("any"), verify.ScanUnreadable},
		{predicate(strings.Replace(checked("not-affected", ""), `"unsigned": false`, `"unsigned": true`, 1)), osv("any"), verify.ScanUnreadable},
		{predicate(strings.Replace(checked("not-affected", ""), "sha256:aa", "sha256:bb", 1)), osv("any"), verify.WrongSubject},
		{predicate(strings.Replace(checked("not-affected", ""), "hallmark.checks", "other", 1)), osv("any"), verify.ScanUnreadable},
		{predicate(`{"kind": "hallmark.checks", "images": []}`), osv("any"), verify.ScanUnreadable},

		{predicate(`{"runs": []}`), osv("any"), verify.ScanUnreadable},
		{predicate(`{"Results": "none"}`), osv("any"), verify.ScanUnreadable},
		{predicate(`"text"`), osv("any"), verify.ScanUnreadable},
		{`{`, osv(""), verify.ScanUnreadable},
		{predicate(`{"Results": [{"Target": 1, "Target": 2}]}`), osv("any"), verify.ScanUnreadable},
		{`[]`, osv(""), verify.OtherAdvisories},
	} {
		r, err := c.d.judge(strings.NewReader(c.text), image)
		if err != nil || r.Reason != c.want && (c.want != verify.Accepted || r.Outcome != verify.Accept) {
			t.Errorf("%s under %v: %+v, %v, want %s", c.text, c.d, r, err, c.want)
		}
		if r.Deny != (c.want == verify.ScanFindings) || (r.Outcome == verify.Accept) != (c.want == verify.Accepted) {
			t.Errorf("%s under %v: %+v", c.text, c.d, r)
		}
	}
	broken := errors.New("broken off")
	if _, err := osv("any").judge(io.MultiReader(strings.NewReader(`{"scanner":`), failing{broken}), image); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "new", "1.x", "2026-13-01", "v"} {
		if CheckVersion(bad) == nil {
			t.Errorf("version %q", bad)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// FuzzRead: no report ends in anything but a ruling.
func FuzzRead(f *testing.F) {
	for _, s := range []string{predicate(trivy("LOW")), predicate(grype("High")), predicate(checked("affected", `{"severity": "low"}`)), `{"scanner": {"db": []}}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, failOn := range []string{"", "any", "high"} {
			d := Demand{Advisories: "osv", MinVersion: "1", FailOn: failOn}
			if r, err := d.judge(strings.NewReader(text), image); err != nil || r.Outcome == verify.Undetermined || fmt.Sprint(d) == "" {
				t.Fatalf("%+v, %v", r, err)
			}
		}
	})
}
