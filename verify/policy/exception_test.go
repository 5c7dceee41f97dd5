package policy_test

import (
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// excepting returns a document with a scope and exceptions.
func excepting(scope, exceptions string) string {
	return `{"apiVersion": "hallmark.dev/v1alpha1", "kind": "Policy", "metadata": {"name": "p"}, "spec": {"exceptions": [` + exceptions + `], "scopes": [{"name": "s", "images": ["r.example/**"], ` + scope + `}]}}`
}

const waits = `, "until": "2026-02-01", "reason": "the vendor is asked"}`

// TestExceptions: an exception makes a rule that does not hold accept, until its time,
// and nothing else: not what nobody can tell, not what is revoked, no other image, no
// other rule.
func TestExceptions(t *testing.T) {
	f := newFixture(t)
	const both = `"keys": [{"data": K1}], "sbom": {}` // the SBOM is by K2
	const now = "2026-01-20T00:00:00Z"
	digest := `"digests": ["` + f.good.Desc.Digest.String() + `"]`
	for _, c := range []struct{ scope, exceptions, now, want string }{
		{both, `{"rule": "sbom", "images": ["r.example/app"]` + waits, now, "accept subject=accepted p/s/signature=accepted p/s/sbom=exempted"},
		{both, `{"rule": "sbom", "scope": "s", ` + digest + waits, now, "accept subject=accepted p/s/signature=accepted p/s/sbom=exempted"},
		{both, `{"rule": "sbom", "images": ["r.example/app"]` + waits, "2026-01-31T23:59:59Z", "accept subject=accepted p/s/signature=accepted p/s/sbom=exempted"},
		{both, `{"rule": "sbom", "images": ["r.example/app"]` + waits, "2026-02-01T00:00:00Z", "reject p/s/sbom=none-accepted"},
		{both, `{"rule": "sbom", "images": ["r.example/other"]` + waits, now, "reject p/s/sbom=none-accepted"},
		{both, `{"rule": "sbom", "digests": ["` + f.bare.Desc.Digest.String() + `"]` + waits, now, "reject p/s/sbom=none-accepted"},
		{both, `{"rule": "signature", "images": ["**"]` + waits, now, "reject p/s/sbom=none-accepted"},
		{`"keys": [{"data": K3}], "sbom": {}`, `{"rule": "signature", "images": ["**"]` + waits + `, {"rule": "sbom", ` + digest + waits, now, "accept subject=accepted p/s/signature=exempted p/s/sbom=exempted"},
		{`"keys": [{"data": K1}]`, `{"rule": "signature", "images": ["**"]` + waits, now, "accept subject=accepted p/s/signature=accepted"},
		// An old one that has ended does not hide a new one.
		{both, `{"rule": "sbom", "images": ["**"], "until": "2026-01-01", "reason": "old"}, {"rule": "sbom", "images": ["**"]` + waits, now, "accept subject=accepted p/s/signature=accepted p/s/sbom=exempted"},
	} {
		set := f.policy(t, c.now, excepting(c.scope, c.exceptions))
		v, err := set.Verify(t.Context(), f.store, f.good, "r.example/app:1")
		if err != nil {
			t.Fatal(err)
		}
		if got := say(v); got != c.want {
			t.Errorf("%s at %s: %s, want %s", c.exceptions, c.now, got, c.want)
		}
		pass, warnings := policy.Gate(v)
		exempted := strings.Count(c.want, "=exempted")
		if pass != strings.HasPrefix(c.want, "accept") || pass && len(warnings) != exempted {
			t.Errorf("%s: gate %v, %d warnings", c.want, pass, len(warnings))
		}
		for _, check := range v.Checks {
			if check.Reason != verify.Exempted {
				continue
			}
			x := check.Exception
			if x == nil || !x.Applied || x.Expired || x.Reason != "the vendor is asked" || x.Instead == "" || !strings.Contains(check.Detail, "the vendor is asked") || !strings.Contains(check.Detail, "2026-02-01") {
				t.Errorf("%+v, %+v", check, x)
			}
			if want := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC); !v.Until().Equal(want) {
				t.Errorf("until %s", v.Until())
			}
		}
		if last := v.Checks[len(v.Checks)-1]; c.now == "2026-02-01T00:00:00Z" && (last.Exception == nil || !last.Exception.Expired || !strings.Contains(last.Detail, "ended at 2026-02-01")) {
			t.Errorf("an exception that has ended is not named: %+v", last)
		}
	}
}

// TestExceptionNotRevoked: what is revoked is not excused, neither the image nor a
// document or a key of what would have been evidence.
func TestExceptionNotRevoked(t *testing.T) {
	f := newFixture(t)
	const all = `{"rule": "signature", "images": ["**"]` + waits + `, {"rule": "sbom", "images": ["**"]` + waits
	for revoked, want := range map[string]string{
		`"keys": [{"data": K1}]`:                             "reject p/s/signature=revoked",
		`"keys": [{"data": K2}]`:                             "reject p/s/sbom=revoked",
		`"digests": ["` + f.good.Desc.Digest.String() + `"]`: "reject revocation=revoked",
	} {
		text := strings.Replace(excepting(`"keys": [{"data": K1}, {"data": K2}], "sbom": {}`, all), `"spec": {`, `"spec": {"revoked": {`+revoked+`}, `, 1)
		if strings.Contains(want, "signature") {
			text = strings.Replace(text, `[{"data": K1}, {"data": K2}]`, `[{"data": K1}]`, 1)
		}
		v, err := f.policy(t, "2026-01-20T00:00:00Z", text).Verify(t.Context(), f.store, f.good, "r.example/app:1")
		if err != nil {
			t.Fatal(err)
		}
		if got := say(v); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", revoked, got, want)
		}
	}
	v, err := f.policy(t, "2026-01-20T00:00:00Z", excepting(`"keys": [{"data": K1}]`, `{"rule": "signature", "images": ["**"]`+waits)).Verify(t.Context(), listless{f.store}, f.good, "r.example/app:1")
	if err != nil || v.Outcome != verify.Undetermined {
		t.Errorf("a store that lists nothing: %s, %v", say(v), err)
	}
}

// TestExceptionHash: images of one scope, of which one is exempted, are not judged by
// the same rules.
func TestExceptionHash(t *testing.T) {
	f := newFixture(t)
	set := f.policy(t, made, excepting(`"keys": [{"data": K1}]`, `{"rule": "signature", "images": ["r.example/a"]`+waits))
	if set.Match("r.example/a", nil).Hash() == set.Match("r.example/b", nil).Hash() {
		t.Error("one hash")
	}
	if d := set.Match("r.example/a", nil).Describe(); len(d) != 1 || len(d[0].Exceptions) != 1 {
		t.Errorf("%+v", d)
	}
	if d := set.Match("r.example/b", nil).Describe(); len(d) != 1 || len(d[0].Exceptions) != 0 {
		t.Errorf("%+v", d)
	}
}

// TestExceptionWarnings: those that end soon, have ended, or hardly end are named.
func TestExceptionWarnings(t *testing.T) {
	f := newFixture(t)
	for now, want := range map[string]string{
		"2026-01-01T00:00:00Z": "",
		"2026-01-19T00:00:00Z": "in less than 14 days",
		"2026-02-02T00:00:00Z": "ended at 2026-02-01",
		"2020-01-01T00:00:00Z": "in more than a year",
	} {
		w := f.policy(t, now, excepting(`"keys": [{"data": K1}]`, `{"rule": "signature", "images": ["**"]`+waits)).Warnings()
		if (len(w) > 0) != (want != "") || want != "" && !strings.Contains(w[0].Text, want) {
			t.Errorf("%s: %+v", now, w)
		}
	}
}

// listless is a store that has the image and does not answer what hangs from it.
type listless struct{ attach.Reader }

func (listless) List(context.Context, attach.Subject, ...attach.Kind) iter.Seq2[attach.Attachment, error] {
	return func(yield func(attach.Attachment, error) bool) { yield(attach.Attachment{}, errSilent) }
}
