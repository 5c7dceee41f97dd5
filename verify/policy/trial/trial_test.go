package trial_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy"
	"github.com/hallmark-oci/hallmark/verify/policy/trial"
)

func suite(spec string) string {
	return "apiVersion: hallmark.dev/v1alpha1\nkind: PolicyTest\nspec:\n" + spec
}

func TestParse(t *testing.T) {
	s, err := trial.Parse("dir/t.yaml", []byte(suite(`  now: 2026-11-01
  cases:
  - {name: n, image: "oci:x/y:1", as: r.example/a, outcome: undetermined, passes: false, checks: [{rule: a, reason: no-policy}, {rule: b, outcome: accept}]}
  - {image: "r.example/a:1", outcome: reject, for: {group: apps, version: v1, resource: deployments, labels: {a: b}}}
`)))
	if err != nil {
		t.Fatal(err)
	}
	if !s.Now.Equal(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)) || len(s.Cases) != 2 {
		t.Fatalf("%+v", s)
	}
	a, b := s.Cases[0], s.Cases[1]
	if a.Image != "oci:dir/x/y:1" || a.As != "r.example/a" || a.Outcome != verify.Undetermined || a.Passes == nil || *a.Passes || len(a.Checks) != 2 || a.Where != "dir/t.yaml:6" {
		t.Errorf("%+v", a)
	}
	if b.As != "r.example/a:1" || b.Passes != nil || b.Object == nil || b.Object.Labels["a"] != "b" || b.Object.Group != "apps" {
		t.Errorf("%+v", b)
	}
	for text, want := range map[string]string{
		"":                                    "no expectations",
		suite("  cases: []"):                  "the list is empty",
		suite("  {}"):                         "field cases is missing",
		suite("  cases: [{image: a}]"):        "field outcome is missing",
		suite("  cases: [{outcome: accept}]"): "field image is missing",
		suite("  cases: [{image: '', outcome: accept}]"):                                "image is empty",
		suite("  cases: [{image: a, outcome: yes}]"):                                    "none of accept, reject",
		suite("  cases: [{image: a, outcome: accept, checks: [{rule: a}]}]"):            "outcome or reason is wanted",
		suite("  cases: [{image: a, outcome: accept, for: {labels: {}}}]"):              "field version is missing",
		suite("  now: soon\n  cases: [{image: a, outcome: accept}]"):                    "is no date",
		suite("  cases: [{image: a, outcome: accept}]\n---\n" + suite("")):              "has one document",
		strings.Replace(suite("  cases: [{image: a, outcome: accept}]"), "Test", "", 1): "none of PolicyTest",
		suite("  cases: [{image: a, outcome: accept, chekcs: []}]"):                     "unknown field",
		suite("  cases:\n" + strings.Repeat("  - {image: a, outcome: accept}\n", 1001)): "the limit is 1000",
	} {
		if _, err := trial.Parse("t.yaml", []byte(text)); !errors.Is(err, policy.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v, want %s", text, err, want)
		}
	}
}

// TestStaticAsksNobody: what a name alone decides opens no image, and what cannot be
// opened is compared like everything else.
func TestStaticAsksNobody(t *testing.T) {
	set, err := policy.Parse(policy.Options{}, policy.File{Name: "p.yaml", Text: []byte(`{apiVersion: hallmark.dev/v1alpha1, kind: Policy, metadata: {name: p}, spec: {scopes: [
{name: s, images: [r.example/a], static: pass}, {name: w, images: [r.example/w], static: fail, mode: warn}]}}`)})
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	open := func(context.Context, string) (attach.Reader, attach.Subject, error) {
		opened++
		return nil, attach.Subject{Desc: v1.Descriptor{}}, errors.New("no answer")
	}
	yes, no := true, false
	for _, c := range []struct {
		trial.Case
		differ int
		open   bool
	}{
		{trial.Case{As: "r.example/a:1", Outcome: verify.Accept, Passes: &yes}, 0, true},
		{trial.Case{As: "r.example/a:1", Outcome: verify.Reject, Passes: &no}, 2, false},
		{trial.Case{As: "r.example/w", Outcome: verify.Reject, Passes: &yes, Checks: []trial.Check{{Rule: "p/w/static", Reason: verify.StaticFail}}}, 0, true},
		{trial.Case{As: "r.example/w", Outcome: verify.Reject, Checks: []trial.Check{{Rule: "p/w/static", Outcome: "accept"}, {Rule: "none", Outcome: "reject"}}}, 2, false},
		{trial.Case{As: "r.example/other", Outcome: verify.Reject, Checks: []trial.Check{{Rule: "policy", Reason: verify.NoPolicy}}}, 0, true},
	} {
		r, err := c.Run(t.Context(), set, open)
		if err != nil || len(r.Differences) != c.differ || r.Open() != c.open {
			t.Errorf("%s: %+v, %v", c.As, r.Differences, err)
		}
	}
	if opened != 0 {
		t.Errorf("%d images were opened", opened)
	}
	oci := trial.Case{Image: "oci:x", As: "oci:x", Outcome: verify.Accept}
	if r, err := oci.Run(t.Context(), set, open); err != nil || opened != 1 || len(r.Differences) != 1 || !r.Open() {
		t.Errorf("%+v, %v", r, err)
	}
}
