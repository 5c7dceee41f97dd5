package policy_test

import (
	"context"
	"iter"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/key"
)

// report is a vulnerability report in cosign's form, made when the fixture's SBOM was,
// with findings of Trivy's.
func report(db, finished string, severities ...string) string {
	for i, s := range severities {
		severities[i] = `{"Severity": "` + s + `"}`
	}
	return `{"scanner": {"uri": "pkg:x/trivy", "version": "1", "db": {"uri": "` + db + `", "version": "2026-01-09"}, "result": {"Results": [{"Vulnerabilities": [` + strings.Join(severities, ",") + `]}]}},
"metadata": {"scanStartedOn": "` + finished + `", "scanFinishedOn": "` + finished + `"}}`
}

// TestChecked: what an accepted signer found denies the image, whoever found nothing;
// what a stranger found, and what is too old, says nothing.
func TestChecked(t *testing.T) {
	const asks = `"keys": [{"data": K1}, {"data": K2}], "checked": [{"advisories": "osv", "maxAge": "24h", "failOn": "high", "minVersion": "2026-01-09"}]`
	const clean, dirty = "clean", "dirty"
	type scan struct {
		what     string
		by       int
		db, when string
	}
	const now, old = "2026-01-20T00:00:00Z", "2026-01-18T23:00:00Z"
	for name, c := range map[string]struct {
		scans []scan
		want  string
	}{
		"none":                     {nil, "reject p/s/advisories osv=none-accepted"}, // an SBOM and provenance are there
		"one":                      {[]scan{{clean, 1, "osv", now}}, "accept subject=accepted p/s/signature=accepted p/s/advisories osv=accepted"},
		"other advisories":         {[]scan{{clean, 1, "nvd", now}}, "reject p/s/advisories osv=other-advisories"},
		"too old":                  {[]scan{{clean, 1, "osv", old}}, "reject p/s/advisories osv=too-old"},
		"found":                    {[]scan{{dirty, 1, "osv", now}}, "reject p/s/advisories osv=scan-findings"},
		"found after clean":        {[]scan{{clean, 1, "osv", now}, {dirty, 2, "osv", now}}, "reject p/s/advisories osv=scan-findings"},
		"clean after found":        {[]scan{{dirty, 2, "osv", now}, {clean, 1, "osv", now}}, "reject p/s/advisories osv=scan-findings"},
		"found too long ago":       {[]scan{{dirty, 2, "osv", old}, {clean, 1, "osv", now}}, "accept subject=accepted p/s/signature=accepted p/s/advisories osv=accepted"},
		"found with others":        {[]scan{{dirty, 2, "nvd", now}, {clean, 1, "osv", now}}, "accept subject=accepted p/s/signature=accepted p/s/advisories osv=accepted"},
		"found by a stranger":      {[]scan{{dirty, 3, "osv", now}, {clean, 1, "osv", now}}, "accept subject=accepted p/s/signature=accepted p/s/advisories osv=accepted"},
		"found by strangers alone": {[]scan{{dirty, 3, "osv", now}}, "reject p/s/advisories osv=none-accepted"},
	} {
		f := newFixture(t)
		keys := map[int]*key.Private{1: f.k1, 2: f.k2, 3: f.none}
		for _, s := range c.scans {
			severity := "LOW"
			if s.what == dirty {
				severity = "CRITICAL"
			}
			f.attest(t, "vuln", report(s.db, s.when, "MEDIUM", severity), keys[s.by])
		}
		set := f.policy(t, now, scope(asks))
		v, err := set.Verify(t.Context(), f.store, f.good, "r.example/app:1")
		if err != nil {
			t.Fatal(err)
		}
		if got := say(v); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		// Where a part of what hangs there cannot be had it may be what denies.
		v, err = set.Verify(t.Context(), partial{f.store}, f.good, "r.example/app:1")
		if err != nil {
			t.Fatal(err)
		}
		if got := say(v); strings.HasPrefix(c.want, "accept") && got != "undetermined p/s/advisories osv=unreachable" {
			t.Errorf("%s: %s where not all can be read", name, got)
		}
	}
}

// partial is a store that lists all that there is, and says that there may be more.
type partial struct{ attach.Reader }

func (p partial) List(ctx context.Context, s attach.Subject, kinds ...attach.Kind) iter.Seq2[attach.Attachment, error] {
	return func(yield func(attach.Attachment, error) bool) {
		for a, err := range p.Reader.List(ctx, s, kinds...) {
			if !yield(a, err) {
				return
			}
		}
		yield(attach.Attachment{}, errSilent)
	}
}
