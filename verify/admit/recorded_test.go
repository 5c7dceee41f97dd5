package admit_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach/storetest"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/admit"
)

// A recording is an AdmissionReview that a real API server sent, see testdata.
type recording struct {
	act, file, body string
	// judged are the images that the request adds, and others those that it only
	// names: registry.example/apps/main:1.
	judged, others []string
}

// adds are the images, by the last part of their repository, that each act puts
// into the object. What is there already is not asked about again.
func adds() map[string]string {
	all := "data init main side"
	return map[string]string{
		"pod-create": all, "deployment-create": all, "statefulset-create": all, "daemonset-create": all, "replicaset-create": all,
		"replicationcontroller-create": all, "job-create": all, "cronjob-create": all, "podtemplate-create": all,
		"pod-dry-run": all, "pod-generate-name": all, "pod-apply-server-side": all, "job-from-cronjob": all, "pod-run": "main",
		"pod-debug": "debug", "pod-set-image": "main", "deployment-set-image": "main",
		"pod-annotate": "", "pod-label": "", "pod-status": "", "pod-running": "", "pod-resize": "", "pod-bind": "", "pod-evict": "", "pod-exec": "",
		"deployment-scale": "", "deployment-annotate": "", "deployment-restart": "",
		"deployment-delete": "", "pod-delete": "", "pod-delete-collection": "", "job-delete": "",
	}
}

// recordings returns all of them.
func recordings(t *testing.T) []recording {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "reviews", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	var all []recording
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r := recording{file: filepath.Base(file), body: string(raw)}
		r.act, _, _ = strings.Cut(r.file, ".")
		r.split(t)
		seen[r.act] = true
		all = append(all, r)
	}
	for act := range adds() {
		if !seen[act] {
			t.Errorf("%s is not recorded", act)
		}
	}
	return all
}

// split finds the images that the recording names.
func (r *recording) split(t *testing.T) {
	t.Helper()
	want, known := adds()[r.act]
	if !known {
		t.Fatalf("nothing is known of %s", r.file)
	}
	var review struct {
		Request struct{ Object, OldObject json.RawMessage }
	}
	if err := json.Unmarshal([]byte(r.body), &review); err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`registry\.example/apps/([a-z]+):[12]`)
	for _, m := range names.FindAllStringSubmatch(r.body, -1) {
		// An update says which images there were before.
		old := strings.Contains(string(review.Request.OldObject), `"`+m[0]+`"`)
		if slices.Contains(strings.Fields(want), m[1]) && !old {
			r.judged = append(r.judged, m[0])
		} else {
			r.others = append(r.others, m[0])
		}
	}
	slices.Sort(r.judged)
	r.judged = slices.Compact(r.judged)
	if len(r.judged) != len(strings.Fields(want)) {
		t.Fatalf("%s names %v, which are not %q", r.file, r.judged, want)
	}
}

// with returns the recording with an image in one place and exempt ones elsewhere.
func (r *recording) with(place, image string) string {
	body := strings.ReplaceAll(r.body, `"`+place+`"`, `"`+image+`"`)
	return strings.ReplaceAll(body, `"registry.example/`, `"free.invalid/`)
}

// TestRecorded sends what a real API server sent about each kind of workload and
// each change to one, with a signed, a wrongly signed and an unsigned image in
// each place that counts and in each that does not.
func TestRecorded(t *testing.T) {
	w := newWorld(t, admit.Options{}, defaultScopes)
	tag, good := w.push(t, "apps/good", w.key)
	_, wrong := w.push(t, "apps/wrong", w.other)
	_, bare := w.push(t, "apps/bare", nil)
	for _, r := range recordings(t) {
		t.Run(r.file, func(t *testing.T) {
			for _, place := range r.judged {
				if a := w.post(t, "/validate?timeout=10s", r.with(place, good)); !a.Response.Allowed {
					t.Errorf("%s: refused: %s", place, a.Response.Status.Message)
				}
				for image, want := range map[string]string{
					wrong: "none-accepted (p/apps/signature)", bare: "no-signature (p/apps/signature)", tag: "digest-required",
					w.server.Host + "/unknown/x@" + strings.Split(good, "@")[1]: "no-policy", "not a reference": "bad-reference",
					w.server.Host + "/never/x:1": "not in this cluster",
				} {
					if a := w.post(t, "/validate?timeout=10s", r.with(place, image)); a.Response.Allowed || !strings.Contains(a.Response.Status.Message, want) {
						t.Errorf("%s: %s: allowed %v, %s", place, image, a.Response.Allowed, a.Response.Status.Message)
					}
				}
				body := r.with(place, tag)
				a := w.post(t, "/mutate?timeout=10s", body)
				if !a.Response.Allowed || a.Response.Type != "JSONPatch" {
					t.Errorf("%s: %+v", place, a.Response)
				}
				checkPatch(t, body, a.Response.Patch, tag, good)
				if a := w.post(t, "/mutate", r.with(place, good)); !a.Response.Allowed || a.Response.Patch != nil {
					t.Errorf("%s: patched although pinned: %s", place, a.Response.Patch)
				}
			}
			for _, place := range r.others {
				if a := w.post(t, "/validate", r.with(place, bare)); !a.Response.Allowed {
					t.Errorf("%s, which is not new: refused: %s", place, a.Response.Status.Message)
				}
				if a := w.post(t, "/mutate", r.with(place, tag)); !a.Response.Allowed || a.Response.Patch != nil {
					t.Errorf("%s, which is not new: patched: %s", place, a.Response.Patch)
				}
			}
			if len(r.judged)+len(r.others) == 0 {
				if a := w.post(t, "/validate", r.body); !a.Response.Allowed {
					t.Errorf("refused: %s", a.Response.Status.Message)
				}
			}
		})
	}
}

// checkPatch checks that the patch writes want wherever the object has the tag,
// and nothing else.
func checkPatch(t *testing.T, body string, patch []byte, tag, want string) {
	t.Helper()
	var ops []struct{ Op, Path, Value string }
	var review struct {
		Request struct{ Object any }
	}
	if err := json.Unmarshal(patch, &ops); err != nil {
		t.Errorf("patch %s: %v", patch, err)
	}
	if err := json.Unmarshal([]byte(body), &review); err != nil {
		t.Fatal(err)
	}
	if len(ops) != 1 {
		t.Errorf("patch %s", patch)
	}
	for _, op := range ops {
		if got := at(review.Request.Object, op.Path); op.Op != "replace" || op.Value != want || got != tag {
			t.Errorf("%s at %s, where %v stands", op.Op, op.Path, got)
		}
	}
}

// at follows a JSON pointer.
func at(v any, pointer string) any {
	for _, name := range strings.Split(pointer, "/")[1:] {
		switch in := v.(type) {
		case map[string]any:
			v = in[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}

// TestRecordedDown sends recorded reviews while the registry is stopped, hangs
// or answers 500: an image that was accepted before passes, and another one is
// refused within the deadline, as an open question with its reason.
func TestRecordedDown(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func(*storetest.Server)
	}{
		{"stopped", func(s *storetest.Server) { s.Close() }},
		{"hanging", func(s *storetest.Server) { s.Set(storetest.Delay(time.Hour)) }},
		{"500", func(s *storetest.Server) { s.Set(storetest.Status(500, "UNKNOWN")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, admit.Options{}, defaultScopes)
			_, warm := w.push(t, "apps/warm", w.key)
			tag, cold := w.push(t, "apps/cold", w.key)
			w.accepted(t, warm)
			c.fail(w.server)
			var group sync.WaitGroup
			for _, r := range recordings(t) {
				for _, place := range r.judged {
					group.Go(func() { w.recordedDown(t, r, place, warm, cold, tag) })
				}
			}
			group.Wait()
		})
	}
}

func (w *world) recordedDown(t *testing.T, r recording, place, warm, cold, tag string) {
	if a, err := w.ask("/validate?timeout=3s", r.with(place, warm)); err != nil || !a.Response.Allowed {
		t.Errorf("%s: an image that is known: %v %s", r.file, err, a.Response.Status.Message)
	}
	for path, image := range map[string]string{"/validate": cold, "/mutate": tag} {
		begun := time.Now()
		a, err := w.ask(path+"?timeout=3s", r.with(place, image))
		why := verify.Reason(a.Response.Audit["reason"])
		if err != nil || a.Response.Allowed || a.Response.Audit["outcome"] != "undetermined" || why != verify.Unreachable && why != verify.Deadline {
			t.Errorf("%s%s: %v %+v", r.file, path, err, a.Response)
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("%s%s took %v", r.file, path, took)
		}
	}
}
