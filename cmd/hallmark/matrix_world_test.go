package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// newWorld makes the keys and the sealed image.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), seeds: make(map[bool]seed)}
	w.logins.file = filepath.Join(w.dir, "config.json")
	w.logins.hosts = make(map[string]bool)
	// Not by t.Setenv, which would keep all other tests waiting: to them it makes no
	// difference, since the credentials are for the registries of the cells alone.
	if err := os.Setenv("DOCKER_CONFIG", w.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Unsetenv("DOCKER_CONFIG") })
	for file, text := range matrixFiles() {
		if err := os.WriteFile(filepath.Join(w.dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must := func(transport http.RoundTripper, args ...string) {
		t.Helper()
		if code, printed := runLine(t.Context(), transport, args...); code != 0 {
			t.Fatalf("%v: exit code %d\n%s", args, code, printed)
		}
	}
	for _, key := range []string{"a", "b", "c"} {
		must(nil, "key", "generate", "--key-format", "pkcs8", "-o", filepath.Join(w.dir, key+".key"))
	}
	for _, native := range []bool{false, true} {
		s := storetest.Start(storetest.Case{Native: native}.Base()...)
		rec := &recorder{}
		img, err := random.Image(256, 1)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := name.NewTag(s.Host + "/app:v1")
		if err != nil {
			t.Fatal(err)
		}
		bare, err := random.Image(256, 1)
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(
			remote.Write(ref, img, remote.WithTransport(rec)),
			remote.Write(ref.Context().Tag("bare"), bare, remote.WithTransport(rec)))
		if err != nil {
			t.Fatal(err)
		}
		must(rec, "seal", "--key", filepath.Join(w.dir, "a.key"), ref.String())
		first, err := attached(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		must(rec, "sign", "--key", filepath.Join(w.dir, "b.key"), ref.String())
		gone := len(rec.puts)
		must(rec, "push", s.Host+"/app:gone", filepath.Join(w.dir, "spdx.json"))
		kept := rec.puts[:gone:gone] // so that its signature is an orphan
		rec.puts = nil
		must(rec, "sign", "--key", filepath.Join(w.dir, "a.key"), s.Host+"/app:gone")
		rec.puts = append(kept, rec.puts...)
		must(rec, "push", s.Host+"/app:files", filepath.Join(w.dir, "custom.json"))
		ids, err := attached(t.Context(), s)
		if err != nil || len(ids) != 4 {
			t.Fatalf("the seed has %d entries, want two signatures, an SBOM and an attestation: %v", len(ids), err)
		}
		second := slices.DeleteFunc(slices.Clone(ids), func(id attach.ID) bool { return slices.Contains(first, id) })
		w.seeds[native] = seed{puts: rec.puts, ids: ids, second: second[0]}
		s.Close()
	}
	return w
}

// replay puts the image of a cell.
func replay(s *storetest.Server, puts []put) error {
	for _, p := range puts {
		r := httptest.NewRequest(p.method, p.uri, bytes.NewReader(p.body))
		if p.typ != "" {
			r.Header.Set("Content-Type", p.typ)
		}
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, r)
		if rec.Code != http.StatusCreated {
			return fmt.Errorf("%s %s: %d", p.method, p.uri, rec.Code)
		}
	}
	s.Forget()
	return nil
}

// signatures returns what is under cosign's tag for signatures of the image.
func signatures(s *storetest.Server) (tag string, img cosign.Image, err error) {
	get := func(ref string) ([]byte, error) {
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/v2/app/manifests/"+ref, nil))
		if rec.Code != http.StatusOK {
			return nil, fmt.Errorf("GET %s: %d", ref, rec.Code)
		}
		return rec.Body.Bytes(), nil
	}
	image, err := get("v1")
	if err != nil {
		return "", img, err
	}
	tag = attach.CosignTagOf(attach.DigestOf(image), attach.Signature)
	raw, err := get(tag)
	if err == nil {
		img, err = cosign.Parse(raw)
	}
	return tag, img, err
}

// whole reports whether cosign's tag shows both signatures of the image.
func whole(s *storetest.Server) bool {
	_, img, err := signatures(s)
	return err == nil && len(img.Entries) == 2
}

// spoil writes the tag for signatures as a tool does that read it before the
// second signature was there.
func spoil(s *storetest.Server) error {
	tag, img, err := signatures(s)
	if err != nil {
		return err
	}
	img.Entries = img.Entries[:1]
	raw, config, err := img.Encode()
	if err != nil {
		return err
	}
	return replay(s, []put{
		{http.MethodPost, "/v2/app/blobs/uploads/?digest=" + attach.DigestOf(config).String(), "", config},
		{http.MethodPut, "/v2/app/manifests/" + tag, string(cosign.ManifestType), raw},
	})
}

// A recorder is a transport that keeps what was put: manifests, and blobs as if
// each had come in one request.
type recorder struct {
	mu   sync.Mutex
	puts []put
}

// RoundTrip implements http.RoundTripper.
func (rec *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Method != http.MethodPost && r.Method != http.MethodPut && r.Method != http.MethodPatch {
		return http.DefaultTransport.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if repo, _, ok := strings.Cut(r.URL.Path, "/blobs/uploads/"); ok {
		if len(body) > 0 {
			rec.puts = append(rec.puts, put{http.MethodPost, repo + "/blobs/uploads/?digest=" + attach.DigestOf(body).String(), "", body})
		}
	} else {
		rec.puts = append(rec.puts, put{r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), body})
	}
	return http.DefaultTransport.RoundTrip(r)
}

// logins are the credentials that docker's configuration has: the same for all
// registries of the test.
type logins struct {
	file  string
	mu    sync.Mutex
	hosts map[string]bool
}

// add has docker know a registry, until the function that it returns is called.
func (l *logins) add(host string) (remove func()) {
	l.change(func() { l.hosts[host] = true })
	return func() { l.change(func() { delete(l.hosts, host) }) }
}

func (l *logins) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	auths := make(map[string]any)
	for host := range maps.Keys(l.hosts) {
		auths[host] = map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(storetest.User + ":" + storetest.Password))}
	}
	raw, err := json.Marshal(map[string]any{"auths": auths})
	if err == nil {
		err = os.WriteFile(l.file+".new", raw, 0o600)
	}
	if err == nil {
		err = os.Rename(l.file+".new", l.file)
	}
	if err != nil {
		panic(err)
	}
}
