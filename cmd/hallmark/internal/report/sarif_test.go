package report

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// checks is an answer with every field in use: an image that is affected, one
// that is not, and an unsigned document that cannot be read.
func checks() Checks {
	coverage := CheckedParts{Components: 3, Mapped: 2, Checked: 1, Unmapped: map[string]int{"no package URL": 1}, Unchecked: map[string]int{"npm": 1}, Unknowns: 1}
	return Checks{
		Outcome: "affected", FailOn: "high",
		Advisories: Advisories{Path: "osv", Digest: digest("osv").String(), Loaded: 2, Withdrawn: 1, Bad: []BadAdvisory{{Path: "torn.json", Reason: "cut off"}}},
		Images: []Checked{
			{
				Name: "registry.example/app:1.0", Digest: digest("image").String(), Outcome: "affected", Reason: "found", Detail: "2 findings",
				SBOMs: []UsedSBOM{{Digest: digest("sbom").String(), Format: "SPDX 2.3 JSON", Components: 3, Signers: []string{digest("key").String()}}},
				Findings: []Finding{
					{
						ID: "CVE-2019-10744", Aliases: []string{"GHSA-jf85-cpcp-j695"}, Severity: "critical", Class: "unknown-distro", Confidence: "low", Component: "lodash",
						PURL: "pkg:npm/lodash@4.17.11", Installed: "4.17.11", Fixed: []string{"4.17.12"}, Locations: []string{"opt/a b%20/\u00fc[1].js"},
						Summary: "prototype pollution", URL: "https://osv.dev/vulnerability/GHSA-jf85-cpcp-j695", Records: []string{"GHSA-jf85-cpcp-j695"},
					},
					{ID: "GHSA-1", Severity: "unknown", Class: "unknown-version", Confidence: "low", Component: "x", Installed: "?", Records: []string{"GHSA-1"}, Locations: []string{"c:d"}},
				},
				Coverage: coverage, Gaps: []Gap{{Reason: "bad-advisories", Detail: "1 advisory was not read", Advice: "mend it"}}, Notes: []string{"noted"},
			},
			{Name: "registry.example/web:1.0", Digest: digest("web").String(), Outcome: "not-affected", Reason: "nothing-hits", Detail: "2 packages, no finding", Coverage: coverage},
			{Name: "app.spdx.json", Outcome: "undetermined", Reason: "sbom-unreadable", Detail: "no SBOM", Advice: "make it anew", Unsigned: true},
		},
	}
}

// TestSARIF holds the log against what SARIF 2.1.0 asks for: sections 3.13 (log),
// 3.19 (rules), 3.20 (invocations), 3.27 (results), 3.4.3 (URIs).
func TestSARIF(t *testing.T) {
	doc := checks()
	doc.Images[0].Findings[0].Class = "affected"
	doc.Images[0].Findings[1].Severity = "critical"
	again := doc.Images[0]
	again.Name, again.Digest = "evil\x1b[31m\nname", ""
	again.Findings = slices.Clone(again.Findings)
	again.Findings[0].Summary, again.Findings[0].Component = "sum\x1b]0;title\a\u202emary", "lo\x1bdash"
	doc.Images = append(doc.Images, again)
	var out bytes.Buffer
	if err := WriteSARIF(&out, Version{Version: "v1.2.3"}, doc); err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	dec := json.NewDecoder(&out)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&log); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || len(log.Runs) != 1 || len(log.Runs[0].Invocations) != 1 {
		t.Fatalf("%+v", log)
	}
	run := log.Runs[0]
	ids := make(map[string]bool)
	for _, r := range run.Tool.Driver.Rules {
		if r.ID == "" || ids[r.ID] || r.Short.Text == "" {
			t.Errorf("rule %+v", r)
		}
		ids[r.ID] = true
		legible(t, r.Short.Text)
	}
	prints := make(map[string]bool)
	for _, r := range run.Results {
		if r.RuleIndex >= len(run.Tool.Driver.Rules) || run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("result of rule %q points at rule %d", r.RuleID, r.RuleIndex)
		}
		if !slices.Contains([]string{"none", "note", "warning", "error"}, r.Level) || len(r.Locations) != 1 {
			t.Errorf("result %+v", r)
		}
		legible(t, r.Message.Text, r.Locations[0].Logical[0].FullyQualified)
		uri := r.Locations[0].Physical.Artifact.URI
		if u, err := url.Parse(uri); err != nil || u.Scheme != "" || !regexp.MustCompile(`^[!-~]+$`).MatchString(uri) {
			t.Errorf("%q is no relative reference: %v", uri, err)
		}
		for _, p := range r.Fingerprints {
			if prints[p] {
				t.Errorf("two results have the fingerprint %q", p)
			}
			prints[p] = true
		}
	}
	if run.Results[0].Level != "error" || run.Results[1].Level != "warning" {
		t.Errorf("levels %s, %s: what is in doubt is a warning", run.Results[0].Level, run.Results[1].Level)
	}
	if len(run.Results) != 4 || !strings.Contains(run.Results[1].Message.Text, "may be affected") {
		t.Errorf("%+v", run.Results)
	}
	i := run.Invocations[0]
	if i.Successful {
		t.Error("an answer with gaps counts as successful")
	}
	said := ""
	for _, n := range i.Notifications {
		legible(t, n.Message.Text)
		said += n.Message.Text + "\n"
	}
	if !strings.Contains(said, "app.spdx.json: nobody vouches") || !strings.Contains(said, "torn.json") {
		t.Errorf("the notifications are:\n%s", said)
	}
}

func legible(t *testing.T, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("text %q", s)
		}
	}
}
