package admit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/storetest"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/admit"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// TestKeep: an acceptance is kept for its time, a rejection for less, and each
// under the repository that it is about.
func TestKeep(t *testing.T) {
	w := newWorld(t, admit.Options{Keep: time.Hour, KeepRefusal: time.Minute}, defaultScopes)
	_, good := w.push(t, "apps/good", w.key)
	_, bare := w.push(t, "apps/bare", nil)
	asked := func(image string) bool {
		t.Helper()
		w.server.Forget()
		w.gate.Judge(t.Context(), image, nil)
		return len(w.server.Requests()) > 0
	}
	for i, c := range []struct {
		after      time.Duration
		good, bare bool // whether the registry is asked
	}{
		{0, true, true}, {0, false, false}, {59 * time.Second, false, false}, {2 * time.Second, false, true},
		{58 * time.Minute, false, true}, {2 * time.Minute, true, true},
	} {
		w.clock.advance(c.after)
		if got := asked(good); got != c.good {
			t.Errorf("step %d: good asked: %v", i, got)
		}
		if got := asked(bare); got != c.bare {
			t.Errorf("step %d: bare asked: %v", i, got)
		}
	}
}

// TestKeepAge: a verdict that rests on an age is kept no longer than that.
func TestKeepAge(t *testing.T) {
	w := newWorld(t, admit.Options{Keep: time.Hour}, `
- {name: apps, images: ["HOST/apps/**"], keys: [{data: KEY}], sbom: {maxAge: 10m}}
`)
	_, good := w.push(t, "apps/good", w.key)
	s, at, err := open(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := s.Resolve(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	bom := fmt.Sprintf(`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"x","packages":[],"creationInfo":{"created":%q}}`, w.clock.Now().Format(time.RFC3339))
	opts := sign.StatementOptions{PredicateType: "spdxjson", Predicate: payload.Bytes([]byte(bom))}
	if _, err := sign.Statement(t.Context(), s, subject, opts, []sign.Signer{w.key}); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		after      time.Duration
		pass, kept bool
	}{{0, true, false}, {9 * time.Minute, true, true}, {time.Minute, true, false}, {time.Second, false, false}} {
		w.clock.advance(c.after)
		if a := w.gate.Judge(t.Context(), good, nil); a.Pass != c.pass || a.Kept != c.kept {
			t.Errorf("step %d: pass %v, kept %v: %+v", i, a.Pass, a.Kept, a.Verdict.Checks)
		}
	}
}

// TestNeverAcross: a digest that one repository exempts, or has accepted, is
// nothing to another one.
func TestNeverAcross(t *testing.T) {
	w := newWorld(t, admit.Options{}, defaultScopes+"- {name: strict, images: [\"HOST/strict/**\"], keys: [{data: KEY}], threshold: 1, signature: {annotations: {a: b}}}\n")
	_, good := w.push(t, "apps/good", w.key)
	digest := good[strings.Index(good, "@"):]
	for _, c := range []struct {
		repo string
		pass bool
		kept bool
	}{
		{"free/good", true, false}, {"apps/good", true, false}, {"apps/good", true, true}, {"apps/elsewhere", false, false},
		{"strict/good", false, false}, {"free/good", true, false}, {"never/good", false, false}, {"apps/good", true, true},
	} {
		a := w.gate.Judge(t.Context(), w.server.Host+"/"+c.repo+digest, nil)
		if a.Pass != c.pass || a.Kept != c.kept {
			t.Errorf("%s: pass %v, kept %v: %+v", c.repo, a.Pass, a.Kept, a.Verdict.Checks)
		}
	}
}

// TestSharedUnderOneKey: at the same time too, a digest in another repository or
// under other policies is another question.
func TestSharedUnderOneKey(t *testing.T) {
	w := newWorld(t, admit.Options{}, defaultScopes+"- {name: strict, images: [\"HOST/strict/**\"], keys: [{data: KEY}], signature: {annotations: {a: b}}}\n")
	_, good := w.push(t, "apps/good", w.key)
	digest := good[strings.Index(good, "@"):]
	w.server.Set(storetest.Delay(50 * time.Millisecond))
	var group sync.WaitGroup
	for repo, pass := range map[string]bool{"apps/good": true, "apps/elsewhere": false, "strict/good": false, "free/good": true} {
		for range 20 {
			group.Go(func() {
				if a := w.gate.Judge(t.Context(), w.server.Host+"/"+repo+digest, nil); a.Pass != pass {
					t.Errorf("%s: pass %v: %+v", repo, a.Pass, a.Verdict.Checks)
				}
			})
		}
	}
	group.Wait()
	if n := w.metric(t, "hallmark_admission_verifications_total"); n != "3" {
		t.Errorf("%s verifications", n)
	}
}

// TestStaticAsksNobody: what policies decide by name needs no registry, by tag too.
func TestStaticAsksNobody(t *testing.T) {
	w := newWorld(t, admit.Options{}, defaultScopes)
	for path, allowed := range map[string]bool{"free/x:1": true, "free/x": true, "never/x:1": false, "none/x:1": false} {
		image := w.server.Host + "/" + path
		if a := w.post(t, "/validate", pod(image)); a.Response.Allowed != allowed {
			t.Errorf("%s: %v %s", image, a.Response.Allowed, a.Response.Status.Message)
		}
		if a := w.post(t, "/mutate", pod(image)); !a.Response.Allowed || a.Response.Patch != nil {
			t.Errorf("%s was changed: %s", image, a.Response.Patch)
		}
	}
	if n := len(w.server.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}

// TestReload: a broken policy never replaces a good one; a good one counts from
// then on, also for what was judged before.
func TestReload(t *testing.T) {
	w := newWorld(t, admit.Options{}, defaultScopes)
	_, good := w.push(t, "apps/good", w.key)
	pass := func() bool { return w.gate.Judge(t.Context(), good, nil).Pass }
	if !pass() {
		t.Fatal("refused")
	}
	broken := errors.New("broken")
	if err := w.gate.Reload(func() (*policy.Set, error) { return nil, broken }); !errors.Is(err, broken) || !pass() {
		t.Errorf("%v, pass %v", err, pass())
	}
	if err := w.gate.Reload(func() (*policy.Set, error) { return nil, nil }); err == nil || !pass() {
		t.Errorf("no policies: %v, pass %v", err, pass())
	}
	strict := w.policies(t, strings.ReplaceAll(defaultScopes, "HOST/apps/**\"], keys: [{data: KEY}]", "HOST/apps/**\"], keys: [{data: KEY}], sbom: {}"))
	if err := w.gate.Reload(func() (*policy.Set, error) { return strict, nil }); err != nil || pass() {
		t.Errorf("the new policy does not count: %v", err)
	}
}

// TestRevoke: what is revoked is refused at once, though it was accepted and kept
// before, where a policy exempts it too, and nothing else is.
func TestRevoke(t *testing.T) {
	w := newWorld(t, admit.Options{}, defaultScopes)
	_, good := w.push(t, "apps/good", w.key)
	_, more := w.push(t, "apps/more", w.key)
	at := strings.Index(good, "@")
	exempt := w.server.Host + "/free/x" + good[at:]
	judge := func(image string) (bool, verify.Reason) {
		a := w.gate.Judge(t.Context(), image, nil)
		for _, c := range a.Verdict.Checks {
			if c.Outcome != verify.Accept {
				return a.Pass, c.Reason
			}
		}
		return a.Pass, verify.Accepted
	}
	for _, step := range []struct {
		revoked            string
		good, more, exempt verify.Reason
	}{
		{"", verify.Accepted, verify.Accepted, verify.Accepted},
		{"digests: [\"" + good[at+1:] + "\"]", verify.Revoked, verify.Accepted, verify.Revoked},
		{"keys: [{fingerprint: \"sha256:" + w.key.ID().String() + "\"}]", verify.Revoked, verify.Revoked, verify.Accepted},
		{"", verify.Accepted, verify.Accepted, verify.Accepted},
	} {
		scopes := defaultScopes
		if step.revoked != "" {
			scopes += "\n  revoked: {" + step.revoked + "}\n"
		}
		if err := w.gate.Reload(func() (*policy.Set, error) { return w.policies(t, scopes), nil }); err != nil {
			t.Fatal(err)
		}
		for image, want := range map[string]verify.Reason{good: step.good, more: step.more, exempt: step.exempt} {
			for range 2 {
				if pass, why := judge(image); why != want || pass != (want == verify.Accepted) {
					t.Errorf("%q: %s: pass %v, %s, want %s", step.revoked, image, pass, why, want)
				}
			}
		}
	}
}

// TestPanic: a panic anywhere is a refusal, and the gate lives on.
func TestPanic(t *testing.T) {
	w := newWorld(t, admit.Options{Open: func(context.Context, string) (attach.Store, string, error) { panic("at the disco") }}, defaultScopes)
	image := w.server.Host + "/apps/x"
	for range 2 {
		a := w.post(t, "/validate", pod(image+"@sha256:"+strings.Repeat("a", 64)))
		if a.Response.Allowed || a.Response.Audit["reason"] != "internal-error" {
			t.Errorf("%+v", a.Response)
		}
		if a := w.post(t, "/mutate", pod(image+":1")); a.Response.Allowed {
			t.Errorf("%+v", a.Response)
		}
	}
}

// TestHealth has the questions about the gate itself.
func TestHealth(t *testing.T) {
	w := newWorld(t, admit.Options{}, defaultScopes)
	_, bare := w.push(t, "apps/bare", nil)
	w.post(t, "/validate", pod(bare, "free.invalid/a"))
	w.get(t, "/healthz", 200)
	w.get(t, "/readyz", 200)
	for name, want := range map[string]string{
		`hallmark_admission_reviews_total{path="validate",decision="refused"}`:    "1",
		`hallmark_admission_images_total{outcome="reject",reason="no-signature"}`: "1",
		`hallmark_admission_images_total{outcome="accept",reason="accepted"}`:     "1",
		`hallmark_admission_verdicts_total{source="new"}`:                         "1",
		`hallmark_admission_verdicts_kept`:                                        "1",
		`hallmark_admission_policies`:                                             "4",
		`hallmark_admission_review_duration_seconds_bucket{le="+Inf"}`:            "1",
		`hallmark_admission_review_duration_seconds_count`:                        "1",
	} {
		if got := w.metric(t, name); got != want {
			t.Errorf("%s is %q, not %s", name, got, want)
		}
	}
	w.gate.Drain()
	w.get(t, "/readyz", 503)
	w.get(t, "/healthz", 200)
}

// TestBounded: no more verdicts are kept than asked for.
func TestBounded(t *testing.T) {
	w := newWorld(t, admit.Options{Verdicts: 3}, defaultScopes)
	_, bare := w.push(t, "apps/bare", nil)
	repo := bare[:strings.LastIndex(bare, ":v@")]
	for i := range 10 {
		w.gate.Judge(t.Context(), fmt.Sprintf("%s@sha256:%064d", repo, i), nil)
	}
	if got := w.metric(t, "hallmark_admission_verdicts_kept"); got != "3" {
		t.Errorf("%s verdicts are kept", got)
	}
}

// TestRefusalsDriveOutNothing: whoever may ask about images without end makes the
// gate forget refusals, and no acceptance.
func TestRefusalsDriveOutNothing(t *testing.T) {
	w := newWorld(t, admit.Options{Verdicts: 3}, defaultScopes)
	_, good := w.push(t, "apps/good", w.key)
	_, bare := w.push(t, "apps/bare", nil)
	w.gate.Judge(t.Context(), good, nil)
	for i := range 10 {
		w.gate.Judge(t.Context(), fmt.Sprintf("%s@sha256:%064d", bare[:strings.LastIndex(bare, ":v@")], i), nil)
	}
	w.server.Close()
	if a := w.gate.Judge(t.Context(), good, nil); !a.Pass || !a.Kept {
		t.Errorf("the acceptance is gone: %+v", a.Verdict.Checks)
	}
}

// TestLines: what is shown to users is one clean, bounded text.
func TestLines(t *testing.T) {
	w := newWorld(t, admit.Options{}, defaultScopes)
	var images []string
	for i := range 100 {
		images = append(images, fmt.Sprintf("bad\x1b[31m\n%d %s", i, strings.Repeat("x", 300)))
	}
	a := w.post(t, "/validate", strings.ReplaceAll(strings.ReplaceAll(pod(images...), `\x1b`, `\u001b`), "\n%", ""))
	if m := a.Response.Status.Message; a.Response.Allowed || len(m) > 4096 || strings.ContainsRune(m, 0x1b) {
		t.Errorf("%d bytes: %.200q", len(m), m)
	}
	_, soft := w.push(t, "soft/bare", nil)
	images = nil
	for i := range 40 {
		images = append(images, strings.Replace(soft, "soft/bare", fmt.Sprintf("soft/bare%d", i), 1))
	}
	a = w.post(t, "/validate", pod(images...))
	if !a.Response.Allowed || len(a.Response.Warnings) != 16 {
		t.Errorf("%d warnings", len(a.Response.Warnings))
	}
	for _, line := range a.Response.Warnings {
		if len(line) > 256 || strings.Contains(line, "\n") {
			t.Errorf("warning %q", line)
		}
	}
}

// TestNew refuses a gate that could not judge.
func TestNew(t *testing.T) {
	set := newWorld(t, admit.Options{}, defaultScopes).policies(t, defaultScopes)
	for _, o := range []admit.Options{{}, {Open: open}, {Now: time.Now}} {
		if _, err := admit.New(set, o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	if _, err := admit.New(nil, admit.Options{Open: open, Now: time.Now}); err == nil {
		t.Error("no policies were taken")
	}
}
