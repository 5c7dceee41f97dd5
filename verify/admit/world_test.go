package admit_test

import (
	"context"
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
	var asked struct{ Request struct{ UID string } }
	if err := json.Unmarshal([]byte(body), &asked); err != nil {
		return a, err
	}
	if a.APIVersion != "admission.k8s.io/v1" || a.Kind != "AdmissionReview" || a.Response.UID != asked.Request.UID {
		return a, fmt.Errorf("not the answer to the question: %s", raw)
	}
	return a, nil
}
