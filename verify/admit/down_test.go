package admit_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach/storetest"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/admit"
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
			w.accepted(t, warm)
			w.server.Set(quirk)
			w.down(t, warm, cold, tag, soft, time.Second)
			w.server.Set()
			w.accepted(t, cold)
		})
	}
	t.Run("stopped", func(t *testing.T) {
		w := newWorld(t, admit.Options{Budget: 400 * time.Millisecond}, defaultScopes)
		_, warm := w.push(t, "apps/warm", w.key)
		tag, cold := w.push(t, "apps/cold", w.key)
		_, soft := w.push(t, "soft/cold", w.key)
		w.accepted(t, warm)
		w.server.Close()
		w.down(t, warm, cold, tag, soft, time.Second)
	})
}

// accepted asks until the image is accepted: a busy machine may take longer
// than the budget of one review.
func (w *world) accepted(t *testing.T, image string) {
	t.Helper()
	var a answered
	for range 20 {
		if a = w.post(t, "/validate", pod(image)); a.Response.Allowed {
			return
		}
	}
	t.Fatal(a.Response.Status.Message)
}

// down asks about four images while the registry does not answer.
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
		t.Run(quirk.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, admit.Options{Patience: 2 * time.Second}, defaultScopes)
			_, wrong := w.push(t, "apps/wrong", w.other)
			_, bare := w.push(t, "apps/bare", nil)
			w.server.Set(quirk)
			for _, image := range []string{wrong, bare, strings.Replace(wrong, "apps/wrong", "apps/bare", 1)} {
				if a := w.gate.Judge(t.Context(), image, nil); a.Pass || a.Verdict.Outcome == verify.Accept {
					t.Errorf("%s: %+v", image, a.Verdict)
				}
			}
		})
	}
}
