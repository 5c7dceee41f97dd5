package cli

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// onRegistry lets the bench talk to a registry with the quirks, and makes keys.
func onRegistry(t *testing.T, quirks ...storetest.Quirk) (*bench, *storetest.Server) {
	t.Helper()
	s := storetest.Start(quirks...)
	t.Cleanup(s.Close)
	b := newBench(t)
	b.Transport = nil
	b.keys(t)
	return b, s
}

// pushed puts a small image there and returns its name by digest.
func pushed(t *testing.T, s *storetest.Server, repo, tag string) string {
	t.Helper()
	img, err := random.Image(256, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewTag(s.Host + "/" + repo + ":" + tag)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return ref.Context().Digest(d.String()).String()
}

// must runs a command line that ends with the code.
func (b *bench) must(t *testing.T, code int, line string) {
	t.Helper()
	if got := b.run(t.Context(), line); got != code {
		t.Fatalf("%s: exit code %d, not %d\n%s%s", line, got, code, b.out, b.err)
	}
}

// hang hangs a bundle that says nothing from an image, as a referrer.
func hang(t *testing.T, s *storetest.Server, image string, n int) {
	t.Helper()
	_, digest, _ := strings.Cut(image, "@")
	send := func(method, path, mediaType string, body []byte) {
		t.Helper()
		req, err := http.NewRequest(method, "http://"+s.Host+"/v2/team/app/"+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", mediaType)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			t.Fatalf("%s %s: %s", method, path, resp.Status)
		}
	}
	const bundle, oci = "application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.oci.image.manifest.v1+json"
	content := fmt.Appendf(nil, `{"n":%d}`, n)
	for _, b := range [][]byte{content, []byte("{}")} {
		send(http.MethodPost, "blobs/uploads/?"+url.Values{"digest": {attach.DigestOf(b).String()}}.Encode(), "application/octet-stream", b)
	}
	m := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":%q,"config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":%q},`+
		`"layers":[{"mediaType":%q,"size":%d,"digest":%q}],"subject":{"mediaType":%q,"size":2,"digest":%q}}`,
		oci, bundle, attach.DigestOf([]byte("{}")), bundle, len(content), attach.DigestOf(content), oci, digest)
	send(http.MethodPut, "manifests/"+attach.DigestOf(m).String(), oci, m)
}

// TestVerifyRequests counts what a verdict costs: the promise to users of
// registries that count requests.
func TestVerifyRequests(t *testing.T) {
	tokens := &storetest.Tokens{}
	for title, tt := range map[string]struct {
		quirks []storetest.Quirk
		most   int
	}{
		"no token": {nil, 3},
		"token":    {[]storetest.Quirk{tokens.Quirk()}, 4}, // one of them is for the token
	} {
		t.Run("accepted, "+title, func(t *testing.T) {
			b, s := onRegistry(t)
			img := pushed(t, s, "team/app", "v1")
			for i := range 20 {
				b.must(t, exitYes, fmt.Sprintf("sign --key hallmark.key --again -a n=%d %s", i, img))
			}
			s.Set(tt.quirks...)
			s.Forget()
			b.must(t, exitYes, "verify --key hallmark.pub "+img)
			if n := s.Count(""); n > tt.most {
				t.Errorf("%d requests: %v", n, s.Requests())
			}
		})
	}
	for title, quirks := range map[string][]storetest.Quirk{"plain": nil, "referrers": {storetest.NativeReferrers()}} {
		t.Run("refused, "+title, func(t *testing.T) {
			b, s := onRegistry(t, quirks...)
			b.must(t, exitYes, "key generate --key-format pkcs8 -o other.key")
			img := pushed(t, s, "team/app", "v1")
			s.Forget()
			b.must(t, exitNo, "verify --key hallmark.pub "+img)
			if n := s.Count(""); n > 6 {
				t.Errorf("without any signature: %d requests: %v", n, s.Requests())
			}
			b.must(t, exitYes, "sign --key other.key "+img)
			s.Forget()
			b.must(t, exitNo, "verify --key hallmark.pub "+img)
			if n := s.Count(""); n > 7 {
				t.Errorf("signed by another: %d requests: %v", n, s.Requests())
			}
		})
	}
}

// TestBundlesInParallel: of many candidate bundles each costs two requests, and
// sixteen are fetched at once.
func TestBundlesInParallel(t *testing.T) {
	const bundles = 64
	b, s := onRegistry(t, storetest.NativeReferrers())
	img := pushed(t, s, "team/app", "v1")
	for i := range bundles {
		hang(t, s, img, i)
	}
	var under, most atomic.Int32
	slow := storetest.Delay(10 * time.Millisecond)
	counted := storetest.Watch("counted", func(handle func()) {
		n := under.Add(1)
		defer under.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		handle()
	})
	s.Set(counted, slow, storetest.NativeReferrers())
	s.Forget()
	b.must(t, exitNo, "verify --key hallmark.pub "+img)
	if n := s.Count(""); n > 7+2*bundles {
		t.Errorf("%d requests for %d bundles", n, bundles)
	}
	if m := most.Load(); m < 12 || m > 16 {
		t.Errorf("%d requests at once, want 16", m)
	}
	s.Forget()
	most.Store(0)
	b.must(t, exitNo, "verify --parallel 2 --key hallmark.pub "+img)
	if m := most.Load(); m > 2 {
		t.Errorf("%d requests at once, 2 are allowed", m)
	}
}

// TestRequestsAttach counts what the whole command takes to attach a file where the
// registry lists referrers: the image is resolved, two blobs and the manifest are
// sent, and the list shows it.
func TestRequestsAttach(t *testing.T) {
	b, s := onRegistry(t, storetest.NativeReferrers())
	image := pushed(t, s, "team/app", "v1")
	if err := os.WriteFile("notes.txt", []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.Forget()
	b.must(t, 0, "attach artifact "+image+" notes.txt --as artifact --type application/vnd.example.notes")
	if n := s.Count(""); n > 5 {
		t.Errorf("%d requests, more than 5: %v", n, s.Requests())
	}
}
