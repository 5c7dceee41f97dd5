package admit_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/verify/admit"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

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
		"update with a new label":    {update(bare, bare, `"a":"b"`), true},
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

// TestRelabelled: an update that only changes labels is judged where other
// policies apply to the new ones, and never changes a reference that was there:
// Kubernetes lets few of them be changed.
func TestRelabelled(t *testing.T) {
	w := newWorld(t, admit.Options{}, defaultScopes)
	tag, bare := w.push(t, "apps/bare", nil)
	text := `apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata: {name: front}
spec:
  images: [{glob: "**"}]
  match: [{version: v1, resource: pods, selector: {matchLabels: {tier: front}}}]
  authorities: [{static: {action: fail, message: not in front}}]
---
apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata: {name: all}
spec:
  images: [{glob: "**"}]
  authorities: [{static: {action: pass}}]
`
	set, err := policy.Parse(policy.Options{}, policy.File{Name: "p.yaml", Text: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.gate.Reload(func() (*policy.Set, error) { return set, nil }); err != nil {
		t.Fatal(err)
	}
	pod := func(image, labels string) string {
		return fmt.Sprintf(`{"metadata":{"labels":{%s}},"spec":{"containers":[{"name":"c","image":%q}]}}`, labels, image)
	}
	for name, c := range map[string]struct {
		before, after string
		allowed       bool
	}{
		"another label":     {`"a":"b"`, `"a":"c"`, true},
		"into the policy":   {`"tier":"back"`, `"tier":"front"`, false},
		"out of the policy": {`"tier":"front"`, `"tier":"back"`, true}, // what judges it then exempts it
		"still in it":       {`"tier":"front"`, `"tier":"front","a":"b"`, true},
	} {
		for _, image := range []string{tag, bare} {
			body := strings.Replace(reviewOf("", "v1", "Pod", "UPDATE", pod(image, c.after)), `"oldObject":null`, `"oldObject":`+pod(image, c.before), 1)
			if a := w.post(t, "/validate", body); a.Response.Allowed != c.allowed {
				t.Errorf("%s, %s: allowed %v: %s", name, image, a.Response.Allowed, a.Response.Status.Message)
			}
			if a := w.post(t, "/mutate", body); !a.Response.Allowed || a.Response.Patch != nil {
				t.Errorf("%s, %s: %+v", name, image, a.Response)
			}
		}
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

// FuzzHandler sends anything as a review: the answer is an HTTP error or a
// review that can be read, and nothing is changed where no registry answers.
func FuzzHandler(f *testing.F) {
	f.Add([]byte(pod("free.invalid/a")))
	f.Add([]byte(pod("r.example/a@sha256:0000000000000000000000000000000000000000000000000000000000000000", "free.invalid/a:1")))
	f.Add([]byte(strings.Replace(pod("x"), `"oldObject":null`, `"oldObject":{"spec":{"volumes":[{"image":{}}]}}`, 1)))
	f.Add([]byte(reviewOf("batch", "v1", "CronJob", "UPDATE", `{"spec":{"jobTemplate":[]}}`)))
	set, err := policy.Parse(policy.Options{}, policy.File{Name: "p", Text: []byte(
		"apiVersion: hallmark.dev/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec: {scopes: [{name: s, images: [free.invalid/**], static: pass}]}")})
	if err != nil {
		f.Fatal(err)
	}
	gate, err := admit.New(set, admit.Options{Now: time.Now, Open: func(context.Context, string) (attach.Store, string, error) {
		return nil, "", errors.New("no registry here")
	}})
	if err != nil {
		f.Fatal(err)
	}
	defer gate.Close()
	handler := gate.Handler()
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{"/validate", "/mutate"} {
			r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, r)
			if rec.Code != http.StatusOK {
				continue
			}
			var a answered
			if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
				t.Fatalf("%v: %s", err, rec.Body)
			}
			if a.Response.Patch != nil {
				t.Fatalf("patched without a registry: %s", a.Response.Patch)
			}
		}
	})
}
