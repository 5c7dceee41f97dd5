package serve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/hallmark-oci/hallmark/attach"
)

// start serves and returns the host.
func start(t *testing.T, opts Options) string {
	t.Helper()
	h, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func ref(t *testing.T, s string) name.Reference {
	t.Helper()
	r, err := name.ParseReference(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func image(t *testing.T) v1.Image {
	t.Helper()
	img, err := random.Image(300, 2)
	if err != nil {
		t.Fatal(err)
	}
	return mutate.MediaType(img, types.OCIManifestSchema1)
}

func digestOf(t *testing.T, d interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	h, err := d.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// send makes a request and returns the status.
func send(t *testing.T, method, url string, body io.Reader) int {
	t.Helper()
	r, err := http.NewRequest(method, url, body)
	check(t, err)
	r.Header.Set("Content-Type", string(types.OCIManifestSchema1))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0 // the server closed the connection on what it did not want to read
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// TestRestart: whatever was there before a restart is there afterwards, and
// nothing else.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	host := start(t, Options{Dir: dir, Referrers: true})
	repo := func(ref string) string { return host + "/team/app" + ref }

	img, first, second := image(t), image(t), image(t)
	check(t, remote.Write(ref(t, repo(":image")), img))
	check(t, remote.Write(ref(t, repo(":moved")), first))
	check(t, remote.Write(ref(t, repo(":moved")), second))
	gone, dropped := image(t), image(t)
	check(t, remote.Write(ref(t, repo(":gone")), gone))
	check(t, remote.Delete(ref(t, repo(":gone"))))
	check(t, remote.Write(ref(t, repo(":dropped")), dropped))
	check(t, remote.Delete(ref(t, repo("@"+digestOf(t, dropped)))))

	var inner, outer v1.ImageIndex = mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	inner = mutate.AppendManifests(inner, mutate.IndexAddendum{Add: image(t)}, mutate.IndexAddendum{Add: img})
	outer = mutate.AppendManifests(outer, mutate.IndexAddendum{Add: inner}, mutate.IndexAddendum{Add: image(t)})
	outer = mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.DockerManifestList), mutate.IndexAddendum{Add: outer})
	check(t, remote.WriteIndex(ref(t, repo(":nested")), outer))

	child := image(t)
	half := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{Add: child}, mutate.IndexAddendum{Add: image(t)})
	check(t, remote.WriteIndex(ref(t, repo(":half")), half))
	check(t, remote.Delete(ref(t, repo("@"+digestOf(t, child)))))

	subject, err := remote.Get(ref(t, repo(":image")))
	check(t, err)
	referrer := mutate.Subject(image(t), subject.Descriptor).(v1.Image)
	check(t, remote.Write(ref(t, repo("@"+digestOf(t, referrer))), referrer))

	look := func(what string) []string {
		t.Helper()
		var seen []string
		for _, r := range []string{":image", ":moved", ":gone", ":dropped", ":nested", ":half",
			"@" + digestOf(t, img), "@" + digestOf(t, first), "@" + digestOf(t, second), "@" + digestOf(t, gone),
			"@" + digestOf(t, dropped), "@" + digestOf(t, inner), "@" + digestOf(t, child), "@" + digestOf(t, referrer),
			"@" + attach.DigestOf([]byte(standIn)).String()} {
			line := r + " missing"
			if d, err := remote.Get(ref(t, repo(r))); err == nil {
				line = fmt.Sprintf("%s %s %s", r, d.Digest, d.MediaType)
			}
			seen = append(seen, line)
		}
		tags, err := remote.List(ref(t, repo(":x")).Context())
		check(t, err)
		slices.Sort(tags)
		list, err := remote.Referrers(ref(t, repo("@"+digestOf(t, img))).(name.Digest))
		check(t, err)
		refs, err := list.IndexManifest()
		check(t, err)
		return append(seen, fmt.Sprint(what != "", tags, refs.Manifests))
	}
	before := look("before")
	if got := fmt.Sprint(before); strings.Count(got, "missing") != 4 {
		t.Fatalf("before the restart: %s", got)
	}
	for range 2 { // a second restart starts from what the first one left
		host = start(t, Options{Dir: dir, Referrers: true})
		if after := look("after"); !slices.Equal(before, after) {
			t.Fatalf("before:\n%s\nafter:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
		index, err := remote.Index(ref(t, repo(":nested")))
		check(t, err)
		check(t, validate.Index(index)) // reads every blob
		old, err := remote.Image(ref(t, repo("@"+digestOf(t, first))))
		check(t, err)
		check(t, validate.Image(old))
	}
}

// TestKilled: a run that was killed at any moment of writing leaves a store
// that can be read, and nothing half-written.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	host := start(t, Options{Dir: dir})
	img := image(t)
	check(t, remote.Write(ref(t, host+"/app:1"), img))
	leftovers := []string{
		filepath.Join(dir, "manifests", "new-123"),
		filepath.Join(dir, "blobs", "upload-456"),
	}
	for _, f := range leftovers {
		check(t, os.WriteFile(f, []byte(`{"path":"/v2/app/mani`), 0o600))
	}
	host = start(t, Options{Dir: dir})
	got, err := remote.Image(ref(t, host+"/app:1"))
	check(t, err)
	check(t, validate.Image(got))
	if digestOf(t, got) != digestOf(t, img) {
		t.Error("another image")
	}
	for _, f := range leftovers {
		if _, err := os.Stat(f); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", f, err)
		}
	}
}

// TestUnreadable: a directory that does not hold what this package wrote is an
// error, never an empty registry.
func TestUnreadable(t *testing.T) {
	good := record{Path: "/v2/a/manifests/t", ContentType: "x", Body: []byte("{}")}
	for name, spoil := range map[string]func(*testing.T, *shelf){
		"cut off": func(t *testing.T, s *shelf) { check(t, os.Truncate(s.file(good.Path), 20)) },
		"empty":   func(t *testing.T, s *shelf) { check(t, os.Truncate(s.file(good.Path), 0)) },
		"renamed": func(t *testing.T, s *shelf) { check(t, os.Rename(s.file(good.Path), s.file("other"))) },
		"no path": func(t *testing.T, s *shelf) { check(t, s.put(record{Path: "/v2/"})) },
		"index that is none": func(t *testing.T, s *shelf) {
			check(t, s.put(record{Path: "/v2/a/manifests/i", ContentType: string(types.OCIImageIndex), Body: []byte("{")}))
		},
		"a directory": func(t *testing.T, s *shelf) { check(t, os.Mkdir(s.file("x"), 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{dir: filepath.Join(t.TempDir(), "manifests")}
			check(t, os.Mkdir(s.dir, 0o700))
			check(t, s.put(good))
			spoil(t, s)
			if _, err := New(Options{Dir: filepath.Dir(s.dir)}); err == nil {
				t.Error("served")
			}
		})
	}
	file := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(file, nil, 0o600))
	if _, err := New(Options{Dir: file}); err == nil {
		t.Error("a file was taken for a directory")
	}
}

// TestManifests: what is refused, in memory and on disk alike.
func TestManifests(t *testing.T) {
	for title, dir := range map[string]string{"memory": "", "disk": t.TempDir()} {
		t.Run(title, func(t *testing.T) {
			host := start(t, Options{Dir: dir})
			url := "http://" + host + "/v2/app/manifests/"
			body := func(n int) []byte { return append([]byte(`{}`), bytes.Repeat([]byte(" "), n-2)...) }
			if code := send(t, http.MethodPut, url+"largest", bytes.NewReader(body(attach.MaxManifest))); code != http.StatusCreated {
				t.Errorf("4 MiB: %d", code)
			}
			if code := send(t, http.MethodPut, url+"larger", bytes.NewReader(body(attach.MaxManifest+1))); code != http.StatusRequestEntityTooLarge {
				t.Errorf("one byte more: %d", code)
			}
			// Without a length, the size shows only while it is read.
			if code := send(t, http.MethodPut, url+"stream", io.MultiReader(bytes.NewReader(body(attach.MaxManifest+1)))); code != http.StatusRequestEntityTooLarge && code != 0 {
				t.Errorf("a stream of one byte more: %d", code)
			}
			if code := send(t, http.MethodPut, url+attach.DigestOf([]byte("other")).String(), strings.NewReader("{}")); code != http.StatusBadRequest {
				t.Errorf("under another digest: %d", code)
			}
			for _, target := range []string{"larger", "stream", attach.DigestOf([]byte("other")).String()} {
				if code := send(t, http.MethodGet, url+target, nil); code != http.StatusNotFound {
					t.Errorf("%s is served: %d", target, code)
				}
			}
			err := remote.Put(ref(t, host+"/app:big"), taggable(body(attach.MaxManifest+1)))
			var refused *transport.Error
			if !errors.As(err, &refused) || refused.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("the client is told: %v", err)
			}
			if code := send(t, http.MethodPut, "http://"+host+"/v2/odd%20name/manifests/a%20b", strings.NewReader("{}")); code != http.StatusCreated {
				t.Errorf("odd name: %d", code)
			}
		})
		if dir != "" {
			start(t, Options{Dir: dir}) // odd names do not keep it from starting again
		}
	}
}

type taggable []byte

func (b taggable) RawManifest() ([]byte, error)      { return b, nil }
func (taggable) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
func (b taggable) Digest() (v1.Hash, error)          { return attach.DigestOf(b), nil }
func (b taggable) Size() (int64, error)              { return int64(len(b)), nil }

// TestBlobs: a blob above the limit is refused, in one request, as a stream and
// in pieces; one of just that size is taken.
func TestBlobs(t *testing.T) {
	const limit = 1000
	for title, dir := range map[string]string{"memory": "", "disk": t.TempDir()} {
		t.Run(title, func(t *testing.T) {
			host := start(t, Options{Dir: dir, MaxBlob: limit})
			base := "http://" + host + "/v2/app/blobs/"
			whole := func(n int) int {
				b := bytes.Repeat([]byte("x"), n)
				return send(t, http.MethodPost, base+"uploads/?digest="+attach.DigestOf(b).String(), bytes.NewReader(b))
			}
			if code := whole(limit); code != http.StatusCreated {
				t.Errorf("at the limit: %d", code)
			}
			if code := whole(limit + 1); code != http.StatusRequestEntityTooLarge {
				t.Errorf("above it: %d", code)
			}
			stream := bytes.Repeat([]byte("y"), limit+1)
			digest := attach.DigestOf(stream).String()
			if code := send(t, http.MethodPost, base+"uploads/?digest="+digest, io.MultiReader(bytes.NewReader(stream))); code/100 == 2 {
				t.Errorf("a stream above it: %d", code)
			}
			send(t, http.MethodPatch, base+"uploads/7", io.MultiReader(bytes.NewReader(stream[:limit])))
			if code := send(t, http.MethodPut, base+"uploads/7?digest="+digest, bytes.NewReader(stream[limit:])); code != http.StatusRequestEntityTooLarge {
				t.Errorf("in pieces: %d", code)
			}
			if code := send(t, http.MethodHead, base+digest, nil); code != http.StatusNotFound {
				t.Errorf("it is served: %d", code)
			}
			if err := remote.Write(ref(t, host+"/app:1"), image(t)); err != nil {
				t.Errorf("a small image: %v", err)
			}
		})
	}
}

// TestConcurrentTags: whoever wins a tag, a restart shows the same winner.
func TestConcurrentTags(t *testing.T) {
	dir := t.TempDir()
	host := start(t, Options{Dir: dir})
	var wg sync.WaitGroup
	for range 16 {
		img := image(t)
		wg.Go(func() {
			if err := remote.Write(ref(t, host+"/app:1"), img); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	before, err := remote.Head(ref(t, host+"/app:1"))
	check(t, err)
	after, err := remote.Head(ref(t, start(t, Options{Dir: dir})+"/app:1"))
	check(t, err)
	if before.Digest != after.Digest {
		t.Errorf("%s before the restart, %s after it", before.Digest, after.Digest)
	}
}

// TestMemoryAndLog: without a directory nothing is written, and each request is logged.
func TestMemoryAndLog(t *testing.T) {
	var log bytes.Buffer
	host := start(t, Options{Log: &log})
	img := image(t)
	check(t, remote.Write(ref(t, host+"/app:1"), img))
	if _, err := remote.Referrers(ref(t, host+"/app@"+digestOf(t, img)).(name.Digest)); err != nil {
		t.Errorf("no referrers: %v", err)
	}
	if n := strings.Count(log.String(), "\n"); n < 5 {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
}
