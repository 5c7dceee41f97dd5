package admit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/storetest"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/admit"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// manifests counts what was asked of the registry about any image.
const manifests = "^GET /v2/.*/manifests/sha256:"

// TestRegistryDown: with the registry refusing, hanging or answering 500 an
// image that was accepted before passes, and another one is refused in time
// with the reason; when the registry is back it is accepted.
func TestRegistryDown(t *testing.T) {
	for _, quirk := range []storetest.Quirk{
		storetest.Delay(time.Hour), storetest.Status(500, "UNKNOWN"), storetest.Status(429, "TOOMANYREQUESTS"), storetest.Status(403, "DENIED"),
	} {
		t.Run(quirk.Name, func(t *testing.T) {
			w := newWorld(t, admit.Options{Budget: 400 * time.Millisecond, Patience: 600 * time.Millisecond}, defaultScopes)
			_, warm := w.push(t, "apps/warm", w.key)
			tag, cold := w.push(t, "apps/cold", w.key)
			_, soft := w.push(t, "soft/cold", w.key)
			if a := w.post(t, "/validate", pod(warm)); !a.Response.Allowed {
				t.Fatal(a.Response.Status.Message)
			}
			w.server.Set(quirk)
			w.down(t, warm, cold, tag, soft, time.Second)
			w.server.Set()
			for i := 0; ; i++ {
				a := w.post(t, "/validate", pod(cold))
				if a.Response.Allowed {
					break
				}
				if i == 10 {
					t.Fatalf("refused after the registry came back: %s", a.Response.Status.Message)
				}
			}
		})
	}
	t.Run("stopped", func(t *testing.T) {
		w := newWorld(t, admit.Options{Budget: 400 * time.Millisecond}, defaultScopes)
		_, warm := w.push(t, "apps/warm", w.key)
		tag, cold := w.push(t, "apps/cold", w.key)
		_, soft := w.push(t, "soft/cold", w.key)
		w.post(t, "/validate", pod(warm))
		w.server.Close()
		w.down(t, warm, cold, tag, soft, time.Second)
	})
}

func (w *world) down(t *testing.T, warm, cold, tag, soft string, limit time.Duration) {
	t.Helper()
	begun := time.Now()
	if a := w.post(t, "/validate", pod(warm)); !a.Response.Allowed {
		t.Errorf("warm: %s", a.Response.Status.Message)
	}
	a := w.post(t, "/validate", pod(cold))
	if why := a.Response.Audit["reason"]; a.Response.Allowed || a.Response.Audit["outcome"] != "undetermined" ||
		why != string(verify.Unreachable) && why != string(verify.Deadline) && why != string(verify.AccessDenied) || !strings.Contains(a.Response.Status.Message, cold+": "+why) {
		t.Errorf("cold: %+v", a.Response)
	}
	if a := w.post(t, "/mutate", pod(tag)); a.Response.Allowed || a.Response.Patch != nil {
		t.Errorf("a tag that cannot be resolved: %+v", a.Response)
	}
	a = w.post(t, "/validate", pod(soft))
	if !a.Response.Allowed || len(a.Response.Warnings) == 0 {
		t.Errorf("a policy that warns: %+v", a.Response)
	}
	if took := time.Since(begun); took > 4*limit {
		t.Errorf("four reviews took %v", took)
	}
}

// TestOwnDeadline: the time that the API server names is kept.
func TestOwnDeadline(t *testing.T) {
	w := newWorld(t, admit.Options{}, defaultScopes)
	_, cold := w.push(t, "apps/cold", w.key)
	w.server.Set(storetest.Delay(time.Hour))
	begun := time.Now()
	a := w.post(t, "/validate?timeout=1s", pod(cold))
	if took := time.Since(begun); a.Response.Allowed || took > time.Second {
		t.Errorf("allowed %v after %v", a.Response.Allowed, took)
	}
	if !strings.Contains(a.Response.Status.Message, "the verification goes on, ask again") {
		t.Error(a.Response.Status.Message)
	}
}

// TestCoalesce: 500 reviews of one new digest at once cause one verification,
// and one who gives up does not spoil it for the others.
func TestCoalesce(t *testing.T) {
	w := newWorld(t, admit.Options{Budget: time.Minute, Patience: time.Minute}, defaultScopes)
	_, good := w.push(t, "apps/good", w.key)
	if a := w.post(t, "/validate", pod(strings.Replace(good, "apps/good", "apps/other", 1))); a.Response.Allowed {
		t.Fatal("an image that is not there was accepted")
	}
	w.server.Set(storetest.Delay(50 * time.Millisecond))
	w.server.Forget()
	early, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		w.gate.Judge(early, good, nil)
	})
	time.Sleep(20 * time.Millisecond)
	cancel()
	var mu sync.Mutex
	refused := make(map[string]int)
	for range 500 {
		group.Go(func() {
			a, err := w.ask("/validate", pod(good))
			mu.Lock()
			defer mu.Unlock()
			if err != nil || !a.Response.Allowed {
				refused[fmt.Sprint(err, a.Response.Status.Message)]++
			}
		})
	}
	group.Wait()
	if len(refused) > 0 {
		t.Errorf("refused: %v", refused)
	}
	if n := w.server.Count(manifests); n != 1 {
		t.Errorf("the image was asked for %d times", n)
	}
	if m := w.metric(t, "hallmark_admission_verifications_total"); m != "2" {
		t.Errorf("%s verifications", m)
	}
	if n := len(w.server.Requests()); n > 6 {
		t.Errorf("%d requests: %v", n, w.server.Requests())
	}
}

func (w *world) metric(t testing.TB, name string) string {
	t.Helper()
	for line := range strings.Lines(w.get(t, "/metrics", 200)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (w *world) get(t testing.TB, path string, status int) string {
	t.Helper()
	resp, err := w.client().Get(w.web.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		t.Fatalf("%s: %s %v", path, resp.Status, err)
	}
	return string(body)
}

// TestLanes: a registry that hangs, with more asked of it than is let through,
// keeps nobody from another one.
func TestLanes(t *testing.T) {
	hanging := storetest.Start(storetest.Delay(time.Hour))
	defer hanging.Close()
	w := newWorld(t, admit.Options{Parallel: 2}, defaultScopes+"- {name: hangs, images: [\""+hanging.Host+"/**\"], keys: [{data: KEY}]}\n")
	_, good := w.push(t, "apps/good", w.key)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	reasons := make(chan verify.Reason, 600)
	for i := range 600 {
		group.Go(func() {
			a := w.gate.Judge(ctx, fmt.Sprintf("%s/x@sha256:%064d", hanging.Host, i), nil)
			reasons <- a.Verdict.Checks[0].Reason
		})
	}
	for range 100 {
		if r := <-reasons; r != verify.Overloaded {
			t.Fatalf("reason %s", r)
		}
	}
	if a := w.post(t, "/validate", pod(good)); !a.Response.Allowed {
		t.Errorf("another registry: %s", a.Response.Status.Message)
	}
	cancel()
	group.Wait()
}

// TestNeverWrongly: a registry that lies, breaks off or fails now and then never
// gets an unsigned or wrongly signed image accepted.
func TestNeverWrongly(t *testing.T) {
	for _, quirk := range []storetest.Quirk{
		storetest.WrongBytes(), storetest.Truncated(), storetest.Flap(2, 503), storetest.TooMany(2, ""), storetest.NativeReferrers(),
		storetest.Only("/manifests/", storetest.Status(404, "MANIFEST_UNKNOWN")), storetest.Only("/blobs/", storetest.Status(404, "BLOB_UNKNOWN")),
	} {
		w := newWorld(t, admit.Options{Budget: 2 * time.Second}, defaultScopes)
		_, wrong := w.push(t, "apps/wrong", w.other)
		_, bare := w.push(t, "apps/bare", nil)
		w.server.Set(quirk)
		for _, image := range []string{wrong, bare, strings.Replace(wrong, "apps/wrong", "apps/bare", 1)} {
			if a := w.gate.Judge(t.Context(), image, nil); a.Pass || a.Verdict.Outcome == verify.Accept {
				t.Errorf("%s: %s: %+v", quirk.Name, image, a.Verdict)
			}
		}
	}
}

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

// BenchmarkWarm measures reviews of an image that is known, through the handler
// and over TLS.
func BenchmarkWarm(b *testing.B) {
	w := newWorld(b, admit.Options{}, defaultScopes)
	_, good := w.push(b, "apps/good", w.key)
	body := pod(good)
	w.post(b, "/validate", body)
	handler := w.gate.Handler()
	b.Run("handler", func(b *testing.B) {
		for b.Loop() {
			r := httptest.NewRequest(http.MethodPost, "/validate", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, r)
			if rec.Code != 200 {
				b.Fatal(rec.Body)
			}
		}
	})
	b.Run("TLS", func(b *testing.B) { load(b, w, body) })
}

// load sends reviews over eight connections and reports the rate and the 99th
// percentile of the time that each took.
func load(b *testing.B, w *world, body string) {
	const connections = 8
	var mu sync.Mutex
	var took []time.Duration
	var group sync.WaitGroup
	work := make(chan struct{})
	for range connections {
		group.Go(func() {
			var mine []time.Duration
			for range work {
				begun := time.Now()
				if a, err := w.ask("/validate", body); err != nil || !a.Response.Allowed {
					b.Error(err)
				}
				mine = append(mine, time.Since(begun))
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
		})
	}
	begun := time.Now()
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	group.Wait()
	report(b, took, time.Since(begun))
}
