package check_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/sbom/format"
	"github.com/hallmark-oci/hallmark/verify/advisory"
	"github.com/hallmark-oci/hallmark/verify/check"
	"github.com/hallmark-oci/hallmark/verify/match"
)

// TestGaps: each thing that keeps an answer from being complete is named, and
// no finding then reads as not affected.
func TestGaps(t *testing.T) {
	k := newKey(t)
	bad := advisory.Load{Bad: []advisory.Bad{{Path: "x.json", Reason: "broken"}}}
	gone := fixedIn("X", "minimist", "9.0.0", advisory.High)
	gone.Withdrawn = time.Unix(1, 0)
	npm := fixedIn("X", "minimist", "1.2.6", advisory.High)
	deb := fixedIn("D", "openssl", "9", advisory.High)
	deb.Affected[0].Package.Ecosystem = "Debian:12"
	deb.Affected[0].Ranges[0].Type = advisory.EcosystemRange
	for name, c := range map[string]struct {
		x       *match.Index
		purls   []string
		allow   bool
		outcome check.Outcome
		reason  check.Reason
	}{
		"bad advisory":          {set(bad, npm), []string{miss}, false, check.Undetermined, check.BadAdvisories},
		"bad advisory allowed":  {set(bad, npm), []string{miss}, true, check.NotAffected, check.NothingHits},
		"bad advisory and hit":  {set(bad, npm), []string{hit}, false, check.Affected, check.Found},
		"no advisory":           {set(advisory.Load{}), []string{hit}, false, check.Undetermined, check.NoAdvisories},
		"withdrawn only":        {set(advisory.Load{}, gone), []string{hit}, false, check.Undetermined, check.NoAdvisories},
		"nothing mapped":        {set(advisory.Load{}, npm), []string{"pkg:generic/x@1"}, false, check.Undetermined, check.NothingMapped},
		"empty":                 {set(advisory.Load{}, npm), nil, false, check.Undetermined, check.NothingMapped},
		"other ecosystem":       {set(advisory.Load{}, npm), []string{"pkg:pypi/x@1"}, false, check.NotAffected, check.NothingHits},
		"no version":            {set(advisory.Load{}, npm), []string{"pkg:npm/minimist"}, false, check.Undetermined, check.InDoubt},
		"no release":            {set(advisory.Load{}, deb), []string{"pkg:deb/debian/openssl@3"}, false, check.Undetermined, check.InDoubt},
		"doubt and certainty":   {set(advisory.Load{}, npm, deb), []string{"pkg:deb/debian/openssl@3", hit}, false, check.Affected, check.Found},
		"doubt and bad":         {set(bad, deb), []string{"pkg:deb/debian/openssl@3"}, false, check.Undetermined, check.BadAdvisories},
		"some that are unknown": {set(advisory.Load{}, npm), []string{"pkg:generic/x@1", miss}, false, check.NotAffected, check.NothingHits},
	} {
		t.Run(name, func(t *testing.T) {
			store, a, _ := place(t)
			attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, c.purls...), k)
			want(t, image(t, c.x, check.Options{Trust: trust(k), AllowBad: c.allow}, store, a), c.outcome, c.reason)
		})
	}
}

func TestAtLeast(t *testing.T) {
	f := func(l advisory.Level, c match.Class) match.Finding { return match.Finding{Severity: l, Class: c} }
	affected := func(list ...match.Finding) check.Result {
		return check.Result{Outcome: check.Affected, Reason: check.Found, Findings: list}
	}
	gap := check.Gap{Reason: check.BadAdvisories}
	for name, c := range map[string]struct {
		res     check.Result
		level   advisory.Level
		outcome check.Outcome
	}{
		"zero":               {check.Result{}, advisory.High, check.Undetermined},
		"clean":              {check.Result{Outcome: check.NotAffected}, advisory.High, check.NotAffected},
		"at":                 {affected(f(advisory.High, match.Affected)), advisory.High, check.Affected},
		"below":              {affected(f(advisory.Medium, match.Affected)), advisory.High, check.NotAffected},
		"any":                {affected(f(advisory.Unknown, match.Affected)), advisory.Unknown, check.Affected},
		"unrated":            {affected(f(advisory.Unknown, match.Affected)), advisory.High, check.Undetermined},
		"unrated and over":   {affected(f(advisory.Unknown, match.Affected), f(advisory.Critical, match.Affected)), advisory.High, check.Affected},
		"doubt":              {check.Result{Reason: check.InDoubt, Findings: []match.Finding{f(advisory.High, match.UnknownDistro)}}, advisory.High, check.Undetermined},
		"doubt, any":         {check.Result{Reason: check.InDoubt, Findings: []match.Finding{f(advisory.Low, match.UnknownDistro)}}, advisory.Unknown, check.Undetermined},
		"doubt below":        {check.Result{Reason: check.InDoubt, Findings: []match.Finding{f(advisory.Low, match.UnknownVersion)}}, advisory.High, check.NotAffected},
		"below, and a gap":   {check.Result{Outcome: check.Affected, Gaps: []check.Gap{gap}, Findings: []match.Finding{f(advisory.Low, match.Affected)}}, advisory.High, check.Undetermined},
		"over, and a gap":    {check.Result{Outcome: check.Affected, Gaps: []check.Gap{gap}, Findings: []match.Finding{f(advisory.High, match.Affected)}}, advisory.High, check.Affected},
		"no SBOM, any level": {check.Result{Reason: check.NoSBOM, Gaps: []check.Gap{{Reason: check.NoSBOM}}}, advisory.Unknown, check.Undetermined},
	} {
		got, reason := c.res.AtLeast(c.level)
		if got != c.outcome || reason == "" && name != "zero" {
			t.Errorf("%s: %s %s, want %s", name, got, reason, c.outcome)
		}
		// A gate that lets pass what is affected does not call it unaffected.
		if below := strings.Contains(name, "below") && got == check.NotAffected; below != (reason == check.BelowThreshold) {
			t.Errorf("%s: the reason is %s", name, reason)
		}
	}
}
