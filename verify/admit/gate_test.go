package admit_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/registry"
	"github.com/hallmark-oci/hallmark/attach/storetest"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify/admit"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// world is a registry with images, a gate before it, and both their keys.
type world struct {
	server *storetest.Server
	gate   *admit.Gate
	web    *httptest.Server
	clock  *clock
	key    *key.Private
	other  *key.Private
}

// clock is set by tests.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// defaultScopes enforces apps/**, warns for soft/**, exempts free/**.
const defaultScopes = `
- {name: apps, images: ["HOST/apps/**"], keys: [{data: KEY}]}
- {name: soft, images: ["HOST/soft/**"], keys: [{data: KEY}], mode: warn}
- {name: free, images: ["HOST/free/**", "free.invalid/**"], static: pass}
- {name: never, images: ["HOST/never/**"], static: fail, message: not in this cluster}
`

func newWorld(t testing.TB, opts admit.Options, scopes string) *world {
	t.Helper()
	w := &world{server: storetest.Start(), clock: &clock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}
	t.Cleanup(w.server.Close)
	for _, to := range []**key.Private{&w.key, &w.other} {
		k, err := key.Generate(key.ECDSAP256)
		if err != nil {
			t.Fatal(err)
		}
		*to = k
	}
	opts.Now = w.clock.Now
	if opts.Open == nil {
		opts.Open = open
	}
	gate, err := admit.New(w.policies(t, scopes), opts)
	if err != nil {
		t.Fatal(err)
	}
	w.gate = gate
	t.Cleanup(gate.Close)
	w.web = httptest.NewUnstartedServer(gate.Handler())
	w.web.Config.ErrorLog = log.New(io.Discard, "", 0)
	w.web.EnableHTTP2 = true
	w.web.StartTLS()
	t.Cleanup(w.web.Close)
	return w
}

func open(_ context.Context, ref string) (attach.Store, string, error) {
	repo, at, err := registry.Parse(ref)
	if err != nil {
		return nil, "", err
	}
	s, err := registry.New(repo, registry.Options{})
	return s, at, err
}

func (w *world) policies(t testing.TB, scopes string) *policy.Set {
	t.Helper()
	quoted, err := json.Marshal(string(w.key.PublicKey().PEM()))
	if err != nil {
		t.Fatal(err)
	}
	text := "apiVersion: hallmark.dev/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec:\n  scopes:\n" +
		strings.NewReplacer("HOST", w.server.Host, "KEY", string(quoted), "\n-", "\n  -").Replace(scopes)
	set, err := policy.Parse(policy.Options{Now: w.clock.Now}, policy.File{Name: "p.yaml", Text: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// push puts an image of its own into the repository, signed by the key where
// there is one, and returns "host/repo:v" and the same with its digest.
func (w *world) push(t testing.TB, repo string, by *key.Private) (tag, pinned string) {
	t.Helper()
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	tag = w.server.Host + "/" + repo + ":v"
	ref, err := name.NewTag(tag)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	pinned = tag + "@" + digest.String()
	if by == nil {
		return tag, pinned
	}
	s, at, err := open(t.Context(), pinned)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := s.Resolve(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sign.Image(t.Context(), s, []attach.Subject{subject}, []sign.Signer{by}, sign.ImageOptions{}); err != nil {
		t.Fatal(err)
	}
	return tag, pinned
}

// answered is an AdmissionReview as the API server reads it.
type answered struct {
	APIVersion, Kind string
	Response         struct {
		UID      string
		Allowed  bool
		Status   struct{ Message, Reason string }
		Patch    []byte
		Type     string `json:"patchType"`
		Warnings []string
		Audit    map[string]string `json:"auditAnnotations"`
	}
}

// client returns a client that speaks TLS to the gate, with its certificate
// verified.
func (w *world) client() *http.Client { return w.web.Client() }

func (w *world) post(t testing.TB, path, body string) answered {
	t.Helper()
	a, err := w.ask(path, body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (w *world) ask(path, body string) (answered, error) {
	var a answered
	resp, err := w.client().Post(w.web.URL+path, "application/json", strings.NewReader(body))
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return a, err
	}
	if resp.StatusCode != http.StatusOK {
		return a, fmt.Errorf("%s: %s", resp.Status, raw)
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return a, err
	}
	if a.APIVersion != "admission.k8s.io/v1" || a.Kind != "AdmissionReview" || a.Response.UID != uid {
		return a, fmt.Errorf("not the answer to the question: %s", raw)
	}
	return a, nil
}

const uid = "705ab4f5-6393-11e8-b7cc-42010a800002"

// ask about an object as the API server does.
func reviewOf(group, version, kind, operation, object string) string {
	return fmt.Sprintf(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":%q,
"kind":{"group":%q,"version":%q,"kind":%q},"resource":{"group":%q,"version":%q,"resource":"x"},
"requestKind":{"group":%q,"version":%q,"kind":%q},"name":"n","namespace":"default","operation":%q,
"userInfo":{"username":"system:serviceaccount:kube-system:replicaset-controller","groups":["system:authenticated"]},
"object":%s,"oldObject":null,"dryRun":false,"options":{"kind":"CreateOptions","apiVersion":"meta.k8s.io/v1"}}}`,
		uid, group, version, kind, group, version, group, version, kind, operation, object)
}

// podSpec has the image in one place and the exempt one in the others.
func podSpec(place, image string) string {
	at := map[string]string{"containers": "free.invalid/a", "initContainers": "free.invalid/b", "ephemeralContainers": "free.invalid/c", "volumes": "free.invalid/d"}
	at[place] = image
	return fmt.Sprintf(`{"initContainers":[{"name":"i","image":%q,"resources":{}}],"containers":[{"name":"c","image":%q,"imagePullPolicy":"Always"}],
"ephemeralContainers":[{"name":"e","image":%q,"targetContainerName":"c"}],
"volumes":[{"name":"t","projected":{"sources":[]}},{"name":"v","image":{"reference":%q,"pullPolicy":"IfNotPresent"}}],"restartPolicy":"Always"}`,
		at["initContainers"], at["containers"], at["ephemeralContainers"], at["volumes"])
}

// kinds are all workloads, with an object around a Pod's spec and the path to it.
func kinds() []struct{ group, version, kind, around, path string } {
	template := `{"apiVersion":"%s","kind":"%s","metadata":{"name":"n","labels":{"a":"b"}},"spec":{"replicas":1,"selector":{},"template":{"metadata":{"labels":{"a":"b"}},"spec":SPEC}},"status":{}}`
	return []struct{ group, version, kind, around, path string }{
		{"", "v1", "Pod", `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"n","managedFields":[{"fieldsV1":{"f:spec":{}}}]},"spec":SPEC,"status":{}}`, "/spec"},
		{"", "v1", "ReplicationController", template, "/spec/template/spec"},
		{"", "v1", "PodTemplate", `{"apiVersion":"v1","kind":"PodTemplate","metadata":{"name":"n"},"template":{"spec":SPEC}}`, "/template/spec"},
		{"apps", "v1", "Deployment", template, "/spec/template/spec"},
		{"apps", "v1", "StatefulSet", template, "/spec/template/spec"},
		{"apps", "v1", "DaemonSet", template, "/spec/template/spec"},
		{"apps", "v1", "ReplicaSet", template, "/spec/template/spec"},
		{"batch", "v1", "Job", template, "/spec/template/spec"},
		{"batch", "v1", "CronJob", `{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"n"},"spec":{"schedule":"* * * * *","jobTemplate":{"spec":{"template":{"spec":SPEC}}}}}`, "/spec/jobTemplate/spec/template/spec"},
	}
}

func places() map[string]string {
	return map[string]string{
		"containers": "/containers/0/image", "initContainers": "/initContainers/0/image",
		"ephemeralContainers": "/ephemeralContainers/0/image", "volumes": "/volumes/1/image/reference",
	}
}

// TestKinds judges an accepted, a wrongly signed and an unsigned image, and pins
// a tag, in every place of every kind of workload.
func TestKinds(t *testing.T) {
	w := newWorld(t, admit.Options{}, defaultScopes)
	tag, good := w.push(t, "apps/good", w.key)
	_, wrong := w.push(t, "apps/wrong", w.other)
	_, bare := w.push(t, "apps/bare", nil)
	for _, k := range kinds() {
		for place, path := range places() {
			ask := func(to, image string) answered {
				object := strings.Replace(k.around, "SPEC", podSpec(place, image), 1)
				return w.post(t, to, reviewOf(k.group, k.version, k.kind, "CREATE", object))
			}
			if a := ask("/validate?timeout=10s", good); !a.Response.Allowed {
				t.Errorf("%s %s: refused: %s", k.kind, place, a.Response.Status.Message)
			}
			for image, want := range map[string]string{
				wrong: "none-accepted (p/apps/signature)", bare: "no-signature (p/apps/signature)", tag: "digest-required",
				w.server.Host + "/unknown/x@" + strings.Split(good, "@")[1]: "no-policy", "not a reference": "bad-reference",
				w.server.Host + "/never/x:1": "not in this cluster",
			} {
				if a := ask("/validate?timeout=10s", image); a.Response.Allowed || !strings.Contains(a.Response.Status.Message, want) {
					t.Errorf("%s %s %s: allowed %v, %s", k.kind, place, image, a.Response.Allowed, a.Response.Status.Message)
				}
			}
			a := ask("/mutate?timeout=10s", tag)
			want := fmt.Sprintf(`[{"op":"replace","path":"%s","value":"%s"}]`, k.path+path, good)
			if !a.Response.Allowed || string(a.Response.Patch) != want || a.Response.Type != "JSONPatch" {
				t.Errorf("%s %s: patch %s, want %s", k.kind, place, a.Response.Patch, want)
			}
			if a := ask("/mutate", good); !a.Response.Allowed || a.Response.Patch != nil {
				t.Errorf("%s %s: patched although pinned: %s", k.kind, place, a.Response.Patch)
			}
		}
	}
}

// TestOperations has what is looked into and what is not.
func TestOperations(t *testing.T) {
	w := newWorld(t, admit.Options{}, defaultScopes)
	_, good := w.push(t, "apps/good", w.key)
	tag, bare := w.push(t, "apps/bare", nil)
	pod := func(image, labels string) string {
		return fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"n","labels":{%s}},"spec":{"containers":[{"name":"c","image":%q}]}}`, labels, image)
	}
	update := func(image, old, labels string) string {
		return strings.Replace(reviewOf("", "v1", "Pod", "UPDATE", pod(image, labels)), `"oldObject":null`, `"oldObject":`+pod(old, ""), 1)
	}
	sub := func(review, name string) string {
		return strings.Replace(review, `"name":"n","namespace"`, `"subResource":"`+name+`","name":"n","namespace"`, 1)
	}
	debug := strings.Replace(pod(bare, ""), `"containers"`, `"ephemeralContainers":[{"name":"d","image":"`+tag+`"}],"containers"`, 1)
	for name, c := range map[string]struct {
		body    string
		allowed bool
	}{
		"create":                     {reviewOf("", "v1", "Pod", "CREATE", pod(bare, "")), false},
		"delete":                     {reviewOf("", "v1", "Pod", "DELETE", "null"), true},
		"update to a bad image":      {update(bare, good, ""), false},
		"update from a bad image":    {update(good, bare, ""), true},
		"update without new images":  {update(bare, bare, ""), true},
		"update with a new label":    {update(bare, bare, `"a":"b"`), false},
		"status":                     {sub(update(bare, good, ""), "status"), true},
		"debug container":            {sub(strings.Replace(reviewOf("", "v1", "Pod", "UPDATE", debug), `"oldObject":null`, `"oldObject":`+pod(bare, ""), 1), "ephemeralcontainers"), false},
		"unknown subresource":        {sub(update(good, good, ""), "else"), false},
		"unknown operation":          {reviewOf("", "v1", "Pod", "PATCH", pod(good, "")), false},
		"unknown kind":               {reviewOf("example.com", "v1", "Pod", "CREATE", pod(good, "")), false},
		"no object":                  {reviewOf("", "v1", "Pod", "CREATE", "null"), false},
		"containers of another type": {reviewOf("", "v1", "Pod", "CREATE", `{"spec":{"containers":{"image":"x"}}}`), false},
		"spec of another type":       {reviewOf("", "v1", "Pod", "CREATE", `{"spec":[]}`), false},
		"image of another type":      {reviewOf("", "v1", "Pod", "CREATE", `{"spec":{"containers":[{"image":1}]}}`), false},
		"volume of another type":     {reviewOf("", "v1", "Pod", "CREATE", `{"spec":{"volumes":[{"image":"x"}]}}`), false},
		"endless reference":          {reviewOf("", "v1", "Pod", "CREATE", pod(strings.Repeat("a", 5000), "")), false},
		"too many images":            {reviewOf("", "v1", "Pod", "CREATE", `{"spec":{"containers":[`+strings.Repeat(`{"image":"free.invalid/a"},`, 1000)+`{"image":"free.invalid/a"}]}}`), false},
		"a template without Pod":     {reviewOf("apps", "v1", "Deployment", "CREATE", `{"spec":{}}`), true},
	} {
		if a := w.post(t, "/validate", c.body); a.Response.Allowed != c.allowed {
			t.Errorf("%s: allowed %v: %s", name, a.Response.Allowed, a.Response.Status.Message)
		}
	}
	// Through the subresource only the debug container is pinned.
	body := sub(strings.Replace(reviewOf("", "v1", "Pod", "UPDATE", strings.ReplaceAll(debug, bare, w.server.Host+"/apps/bare:w")), `"oldObject":null`, `"oldObject":`+pod(good, ""), 1), "ephemeralcontainers")
	if a := w.post(t, "/mutate", strings.ReplaceAll(body, "/apps/bare:w", "/apps/good:v")); !a.Response.Allowed || strings.Count(string(a.Response.Patch), `"op"`) != 1 || !strings.Contains(string(a.Response.Patch), "/spec/ephemeralContainers/0/image") {
		t.Errorf("patch %s %s", a.Response.Patch, a.Response.Status.Message)
	}
}

// TestUnreadable: what is no review is an HTTP error, which the API server
// takes for a failure of the webhook.
func TestUnreadable(t *testing.T) {
	w := newWorld(t, admit.Options{}, defaultScopes)
	for name, c := range map[string]struct {
		body, contentType string
		status            int
	}{
		"no JSON":        {"x", "application/json", 400},
		"no type":        {"{}", "", 415},
		"other type":     {"{}", "text/plain", 415},
		"other version":  {`{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"a"}}`, "application/json", 400},
		"no request":     {`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`, "application/json", 400},
		"endless":        {`{"a":"` + strings.Repeat("a", admit.MaxReview) + `"}`, "application/json", 413},
		"deep":           {strings.Repeat("[", 100000), "application/json", 400},
		"a list, typed":  {"[]", "application/json; charset=utf-8", 400},
		"object no JSON": {`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"a","object":"x"}}`, "application/json", 400},
	} {
		resp, err := w.client().Post(w.web.URL+"/validate", c.contentType, strings.NewReader(c.body))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	resp, err := w.client().Get(w.web.URL + "/validate")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %s", resp.Status)
	}
	if _, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{}}}).Get(w.web.URL + "/healthz"); err == nil {
		t.Error("TLS is not verified in this test")
	}
}

// pod is a review of a Pod that is created with the images.
func pod(images ...string) string {
	var b bytes.Buffer
	b.WriteString(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"n"},"spec":{"containers":[`)
	for i, image := range images {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, `{"name":"c%d","image":%q}`, i, image)
	}
	b.WriteString(`]}}`)
	return reviewOf("", "v1", "Pod", "CREATE", b.String())
}
