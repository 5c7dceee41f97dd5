package storetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/hallmark-oci/hallmark/attach"
)

const ociManifest = "application/vnd.oci.image.manifest.v1+json"

// An answer is what a plain HTTP client got.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error
}

// ask sends one request without following redirects.
func ask(s *Server, method, path, body string, header ...string) answer {
	req, err := http.NewRequest(method, "http://"+s.Host+path, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: raw, err: err}
}

func (a answer) tags(t *testing.T) []string {
	t.Helper()
	var list struct{ Tags []string }
	if err := json.Unmarshal(a.body, &list); err != nil {
		t.Fatalf("%v in %q", err, a.body)
	}
	return list.Tags
}

// seed pushes an image to r:v1 and one that refers to it, and returns both.
func seed(t *testing.T, s *Server) (image, referrer v1.Descriptor) {
	t.Helper()
	push := func(img v1.Image, tag string) v1.Descriptor {
		ref, err := name.ParseReference(s.Host+"/r:"+tag, name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(ref, img); err != nil {
			t.Fatal(err)
		}
		raw, err := img.RawManifest()
		if err != nil {
			t.Fatal(err)
		}
		return v1.Descriptor{MediaType: ociManifest, Digest: attach.DigestOf(raw), Size: int64(len(raw))}
	}
	img, err := random.Image(300, 1)
	if err != nil {
		t.Fatal(err)
	}
	img = mutate.MediaType(img, ociManifest)
	image = push(img, "v1")
	other, err := random.Image(10, 1)
	if err != nil {
		t.Fatal(err)
	}
	return image, push(mutate.Subject(mutate.MediaType(other, ociManifest), image).(v1.Image), "ref")
}

// small is a manifest without config, as any registry of this package takes it.
func small(note string) string {
	return `{"schemaVersion":2,"mediaType":"` + ociManifest + `","layers":[],"annotations":{"note":"` + note + `"}}`
}

func putTag(s *Server, ref, body string) answer {
	return ask(s, "PUT", "/v2/r/manifests/"+ref, body, "Content-Type", ociManifest)
}

// TestReferrersQuirks shows the ways in which the referrers API is missing.
func TestReferrersQuirks(t *testing.T) {
	s := Start(NativeReferrers())
	defer s.Close()
	image, referrer := seed(t, s)
	path := "/v2/r/referrers/" + image.Digest.String()
	count := func() int {
		a := ask(s, "GET", path, "")
		m, err := v1.ParseIndexManifest(bytes.NewReader(a.body))
		if a.status != 200 || err != nil {
			t.Fatal(a.status, err)
		}
		return len(m.Manifests)
	}
	if n := count(); n != 1 {
		t.Errorf("native: %d referrers, want %s", n, referrer.Digest)
	}
	s.Set()
	if a := ask(s, "GET", path, ""); a.status != 404 {
		t.Errorf("without the API: %d", a.status)
	}
	for _, status := range []int{303, 400, 403, 404, 405, 429, 500, 501} {
		s.Set(NativeReferrers(), ReferrersStatus(status))
		a := ask(s, "GET", path, "")
		if a.status != status || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
			t.Errorf("%d: got %d %v", status, a.status, a.header)
		}
	}
	s.Set(ReferrersRedirect())
	if a := ask(s, "GET", path, ""); a.status != 303 || strings.Contains(a.header.Get("Location"), s.Host) {
		t.Errorf("redirect: %d to %q", a.status, a.header.Get("Location"))
	}
	if a := ask(&Server{Host: strings.TrimPrefix(s.other.URL, "http://")}, "GET", path, ""); a.status != 429 || s.Elsewhere.Count("referrers") != 1 {
		t.Errorf("behind the redirect: %d, %d requests", a.status, s.Elsewhere.Count("referrers"))
	}
	s.Set(ReferrersType("application/json"))
	if a := ask(s, "GET", path, ""); a.status != 200 || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("wrong type: %d %v", a.status, a.header)
	}
	s.Set(NativeReferrers(), ReferrersEmpty())
	if n := count(); n != 0 {
		t.Errorf("empty: %d", n)
	}
	s.Set(SubjectLie())
	subject := `{"schemaVersion":2,"subject":{"digest":"` + image.Digest.String() + `"}}`
	if a := putTag(s, attach.DigestOf([]byte(subject)).String(), subject); a.header.Get("OCI-Subject") != image.Digest.String() {
		t.Errorf("lie: %v", a.header)
	}
	s.Set(FallbackIsSubject())
	if a := ask(s, "GET", "/v2/r/manifests/sha256-"+image.Digest.Hex, ""); attach.DigestOf(a.body) != image.Digest {
		t.Errorf("fallback tag answered %d %s", a.status, a.body)
	}
}

// TestWriteQuirks shows the ways in which writes are refused.
func TestWriteQuirks(t *testing.T) {
	s := Start()
	defer s.Close()
	seed(t, s)
	for status, code := range map[int]string{403: "DENIED", 409: "TAG_IMMUTABLE", 412: "PRECONDITION", 400: "immutable"} {
		s.Set(Immutable(status))
		tag := fmt.Sprintf("t%d", status)
		first, same, other := putTag(s, tag, small("a")), putTag(s, tag, small("a")), putTag(s, tag, small("b"))
		if first.status != 201 || (same.status == 201) == (status == 400) || other.status != status || !bytes.Contains(other.body, []byte(code)) {
			t.Errorf("%d: first %d, same %d, other %d %s", status, first.status, same.status, other.status, other.body)
		}
	}
	large := small(strings.Repeat("x", attach.MaxManifest))
	for _, status := range []int{400, 413} {
		s.Set(ManifestLimit(status))
		if ok, not := putTag(s, "l", small("a")), putTag(s, "l", large); ok.status != 201 || not.status != status {
			t.Errorf("limit %d: %d, %d", status, ok.status, not.status)
		}
	}
	s.Set(ImagesOnly())
	typed := func(layer string) string {
		return `{"config":{"mediaType":"application/vnd.oci.image.config.v1+json"},"layers":[{"mediaType":"` + layer + `"}]}`
	}
	if ok, not := putTag(s, "i", typed("application/vnd.oci.image.layer.v1.tar+gzip")), putTag(s, "i", typed("application/vnd.dev.cosign.simplesigning.v1+json")); ok.status != 201 || not.status != 400 {
		t.Errorf("images only: %d, %d", ok.status, not.status)
	}
	s.Set(ConcurrentPut(404, 200*time.Millisecond))
	var wg sync.WaitGroup
	got := make([]int, 4)
	for i := range got {
		wg.Go(func() { got[i] = putTag(s, "c", small(fmt.Sprint(i))).status })
	}
	wg.Wait()
	if !slices.Contains(got, 201) || !slices.Contains(got, 404) {
		t.Errorf("concurrent: %v", got)
	}
	s.Set(ResetAfterPut(1))
	if a := putTag(s, "reset", small("kept")); a.err == nil {
		t.Errorf("no reset: %d", a.status)
	}
	if a := ask(s, "GET", "/v2/r/manifests/reset", ""); string(a.body) != small("kept") {
		t.Errorf("after the reset: %d %s", a.status, a.body)
	}
	if a := putTag(s, "reset", small("again")); a.status != 201 {
		t.Errorf("second: %d %v", a.status, a.err)
	}
	s.Set(TwoStepUploads())
	content := attach.Bytes([]byte("content"))
	a := ask(s, "POST", "/v2/r/blobs/uploads/?digest="+content.Digest.String(), "content")
	if a.status != 202 || a.header.Get("Location") == "" {
		t.Fatalf("upload: %d %v", a.status, a.header)
	}
	if b := ask(s, "GET", "/v2/r/blobs/"+content.Digest.String(), ""); b.status != 404 {
		t.Errorf("the blob is there after the first step: %d", b.status)
	}
	if b := ask(s, "PUT", a.header.Get("Location")+"?digest="+content.Digest.String(), "content"); b.status != 201 {
		t.Errorf("second step: %d %s", b.status, b.body)
	}
}

// TestReadQuirks shows the ways in which reads go wrong.
func TestReadQuirks(t *testing.T) {
	s := Start()
	defer s.Close()
	image, _ := seed(t, s)
	path := "/v2/r/manifests/v1"
	read := func() answer { return ask(s, "GET", path, "") }
	good := read()
	s.Set(Truncated())
	if a := read(); a.err == nil || len(a.body) != len(good.body)/2 {
		t.Errorf("truncated: %v, %d of %d bytes", a.err, len(a.body), len(good.body))
	}
	s.Set(WrongBytes())
	if a := read(); len(a.body) != len(good.body) || bytes.Equal(a.body, good.body) || !json.Valid(a.body) || a.header.Get("Docker-Content-Digest") != image.Digest.String() {
		t.Errorf("wrong bytes: %s", a.body)
	}
	s.Set(Only("/tags/", WrongBytes()))
	if a := read(); !bytes.Equal(a.body, good.body) {
		t.Error("Only does not limit")
	}
	s.Set(Drip(20, 10*time.Millisecond))
	start := time.Now()
	if a := read(); !bytes.Equal(a.body, good.body) || time.Since(start) < 10*time.Millisecond*time.Duration(len(good.body)/20-1) {
		t.Errorf("drip: %d bytes in %v", len(a.body), time.Since(start))
	}
	s.Set(Delay(50 * time.Millisecond))
	start = time.Now()
	if read(); time.Since(start) < 50*time.Millisecond {
		t.Errorf("delay: %v", time.Since(start))
	}
	s.Set(StaleTags(2))
	for i, want := range []string{"", "one", "two"} {
		if i > 0 {
			putTag(s, "stale", small(want))
		}
		for range 2 {
			if a := ask(s, "GET", "/v2/r/manifests/stale", ""); i > 0 && strings.Contains(string(a.body), `"`+want+`"`) {
				t.Errorf("fresh at once: %s", a.body)
			}
		}
		if a := ask(s, "GET", "/v2/r/manifests/stale", ""); i > 0 && !strings.Contains(string(a.body), `"`+want+`"`) {
			t.Errorf("stale for ever: %s, want %s", a.body, want)
		}
	}
	s.Set(Flap(3, 503))
	if got := []int{read().status, read().status, read().status, read().status}; !slices.Equal(got, []int{200, 200, 503, 200}) {
		t.Errorf("flap: %v", got)
	}
	s.Set(TooMany(2, "1"))
	read()
	if a := read(); a.status != 429 || a.header.Get("Retry-After") != "1" {
		t.Errorf("too many: %d %v", a.status, a.header)
	}
	s.Set(Status(500, "BROKEN"))
	if a := read(); a.status != 500 || !bytes.Contains(a.body, []byte("BROKEN")) {
		t.Errorf("status: %d %s", a.status, a.body)
	}
	s.Set(Credentials("u", "p"))
	if no, yes := read(), ask(s, "GET", path, "", "Authorization", "Basic dTpw"); no.status != 401 || yes.status != 200 {
		t.Errorf("credentials: %d, %d", no.status, yes.status)
	}
}
