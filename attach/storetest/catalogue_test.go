package storetest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
)

// TestCatalogue demands different names.
func TestCatalogue(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range Catalogue() {
		if seen[c.Name()] {
			t.Errorf("%s is there twice", c.Name())
		}
		seen[c.Name()] = true
	}
	if len(seen) < 60 {
		t.Errorf("%d registries", len(seen))
	}
}

// TestTagListQuirks shows the lists that are refused, longer or older than they
// should be.
func TestTagListQuirks(t *testing.T) {
	s := Start()
	defer s.Close()
	list := func(query string) answer { return ask(s, "GET", "/v2/r/tags/list"+query, "") }
	s.Set(AbsentEmpty())
	if a := list("?n=5"); a.status != 200 || string(a.body) != `{"name":"r","tags":[]}`+"\n" {
		t.Errorf("absent: %d %s", a.status, a.body)
	}
	putTag(s, "a", small("a"))
	if a := list(""); !slices.Equal(a.tags(t), []string{"a"}) {
		t.Errorf("present: %s", a.body)
	}
	s.Set(MaxN(1000))
	if ok, not := list("?n=1000"), list("?n=1001"); ok.status != 200 || not.status != 400 {
		t.Errorf("n: %d, %d", ok.status, not.status)
	}
	s.Set(PseudoTag("_uploads"))
	if a := list("?n=1"); !slices.Equal(a.tags(t), []string{"_uploads"}) {
		t.Errorf("pseudo tag: %s", a.body)
	}
	if a := ask(s, "GET", "/v2/r/manifests/_uploads", ""); a.status != 404 {
		t.Errorf("pseudo tag: %d", a.status)
	}
	s.Set(Links(), Crowd(2500))
	if a := list("?n=1000"); len(a.tags(t)) != 1000 || !slices.IsSorted(a.tags(t)) || a.header.Get("Link") == "" {
		t.Errorf("crowd: %d tags, link %q", len(a.tags(t)), a.header.Get("Link"))
	}
	s.Set(NoCatalog())
	if a := ask(s, "GET", "/v2/_catalog", ""); a.status != 404 {
		t.Errorf("catalog: %d", a.status)
	}
}

// TestStale shows reads that lag for a time.
func TestStale(t *testing.T) {
	const d = 200 * time.Millisecond
	s := Start()
	defer s.Close()
	putTag(s, "a", small("one"))
	read := func() string { return string(ask(s, "GET", "/v2/r/manifests/a", "").body) }
	s.Set(StaleFor(d))
	putTag(s, "a", small("two"))
	if got := read(); got != small("one") {
		t.Errorf("at once: %s", got)
	}
	s.Set(StaleLists(d))
	putTag(s, "b", small("b"))
	list := func() string { return strings.Join(ask(s, "GET", "/v2/r/tags/list?n=9", "").tags(t), " ") }
	if got := list(); got != "a" {
		t.Errorf("at once: %s", got)
	}
	time.Sleep(d)
	if got := list(); got != "a b" {
		t.Errorf("later: %s", got)
	}
	s.Set(StaleFor(d))
	putTag(s, "a", small("three"))
	time.Sleep(d)
	if got := read(); got != small("three") {
		t.Errorf("later: %s", got)
	}
}

// TestCollectors shows what disappears by itself.
func TestCollectors(t *testing.T) {
	s := Start(NativeReferrers())
	defer s.Close()
	image, _ := seed(t, s)
	there := func(ref string) bool { return ask(s, "HEAD", "/v2/r/manifests/"+ref, "").status == 200 }
	put := func(tag, note string) string {
		putTag(s, tag, small(note))
		return ask(s, "HEAD", "/v2/r/manifests/"+tag, "").header.Get("Docker-Content-Digest")
	}
	for name, q := range map[string]Quirk{"overwrite": OldManifestGone(), "collect": CollectUntagged(0)} {
		s.Set(q)
		old := put("t", name+" one")
		shared := put("u", name+" shared")
		put("w", name+" shared")
		put("u", name+" other")
		now := put("t", name+" two")
		if there(old) || !there(now) || !there(shared) || !there("w") {
			t.Errorf("%s: old %v, new %v, shared %v", name, there(old), there(now), there(shared))
		}
	}
	s.Set(CollectSignatures())
	hex := strings.Repeat("0", 64)
	mine := "sha256-" + image.Digest.Hex
	for tag, stays := range map[string]bool{
		mine + ".sig": true, mine + ".0123456789abcdef.sig": false, mine + ".0123456789abcdef.hm": true,
		"sha256-" + hex + ".sig": false, "sha256-" + hex + ".att": true, "x-sha256-" + hex + ".sbom.old": false, "v1": true,
	} {
		putTag(s, tag, small(tag))
		if there(tag) != stays {
			t.Errorf("%s stays: %v", tag, !stays)
		}
	}
}

// TestBlobQuirks shows uploads, mounts and parts that go other ways.
func TestBlobQuirks(t *testing.T) {
	s := Start()
	defer s.Close()
	const body = "content of a blob"
	digest := attach.DigestOf([]byte(body)).String()
	up := func() answer {
		return ask(s, "POST", "/v2/r/blobs/uploads/?digest="+digest, body, "Content-Type", "application/octet-stream")
	}
	s.Set(ResetInBlob(1))
	if a := up(); a.err == nil {
		t.Errorf("no reset: %d", a.status)
	}
	if a := up(); a.status != 201 {
		t.Errorf("second: %d %v", a.status, a.err)
	}
	mount := func(from string) answer { return ask(s, "POST", "/v2/other/blobs/uploads/?mount="+digest+from, "") }
	for _, tt := range []struct {
		quirk         Quirk
		with, without int
	}{{Mounts(), 201, 201}, {Mount202(), 202, 202}, {MountNeedsFrom(), 201, 400}, {MountLie(), 201, 201}} {
		s.Set(tt.quirk)
		if with, without := mount("&from=r"), mount(""); with.status != tt.with || without.status != tt.without {
			t.Errorf("%s: %d with from, %d without", tt.quirk.Name, with.status, without.status)
		}
	}
	image := `{"layers":[{"digest":"` + digest + `"}]}`
	put := func() int { return ask(s, "PUT", "/v2/other/manifests/x", image, "Content-Type", ociManifest).status }
	if got := put(); got != 404 {
		t.Errorf("after the mount: %d", got)
	}
	ask(s, "POST", "/v2/other/blobs/uploads/?digest="+digest, body)
	if got := put(); got != 201 {
		t.Errorf("after the upload: %d", got)
	}
	for name, tt := range map[string]struct {
		quirks []Quirk
		want   int
	}{"plain": {nil, 206}, "range ignored": {[]Quirk{IgnoreRange()}, 200}} {
		s.Set(tt.quirks...)
		if a := ask(s, "GET", "/v2/r/blobs/"+digest, "", "Range", "bytes=1-3"); a.status != tt.want {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	s.Set(ChunkFromZero())
	where := ask(s, "POST", "/v2/r/blobs/uploads/", "").header.Get("Location")
	if first, next := ask(s, "PATCH", where, "abc", "Content-Range", "0-2"), ask(s, "PATCH", where, "def", "Content-Range", "3-5"); first.status != 202 || next.status != 416 {
		t.Errorf("chunks: %d, %d", first.status, next.status)
	}
}

// TestTypeQuirks shows manifests that are refused for their media type.
func TestTypeQuirks(t *testing.T) {
	const docker = "application/vnd.docker.distribution.manifest.v2+json"
	for _, tt := range []struct {
		quirk      Quirk
		typ        string
		want, bare int // with and without a media type in the manifest
	}{
		{NoDockerTypes(), ociManifest, 201, 201}, {NoDockerTypes(), docker, 415, 415},
		{StrictContentType(), ociManifest, 201, 400}, {StrictContentType(), docker, 400, 400},
	} {
		s := Start(tt.quirk)
		put := func(body string) int { return ask(s, "PUT", "/v2/r/manifests/x", body, "Content-Type", tt.typ).status }
		if with, bare := put(small("x")), put(`{"layers":[]}`); with != tt.want || bare != tt.bare {
			t.Errorf("%s, %s: %d, %d without", tt.quirk.Name, tt.typ, with, bare)
		}
		s.Close()
	}
}

// TestScopeLimit shows a token service that is asked for too much at once.
func TestScopeLimit(t *testing.T) {
	s := Start(ScopeLimit(1), (&Tokens{User: User, Password: Password}).Quirk())
	defer s.Close()
	for query, want := range map[string]int{"?scope=a": 200, "?scope=a&scope=b": 431, "?scope=a+b": 431} {
		if a := ask(s, "GET", "/token"+query, ""); a.status != want {
			t.Errorf("%s: %d", query, a.status)
		}
	}
	if a := ask(s, http.MethodGet, "/v2/", "", "Authorization", "Bearer "+strings.Repeat("x", 9<<10)); a.status != 431 {
		t.Errorf("long token: %d", a.status)
	}
}

// TestDeleteQuirks shows the ways in which deleting is refused.
func TestDeleteQuirks(t *testing.T) {
	s := Start()
	defer s.Close()
	image, _ := seed(t, s)
	for _, tt := range []struct {
		quirk       Quirk
		tag, digest int
	}{{NoDelete(), 405, 405}, {DeleteImmutable(), 403, 403}, {DeleteByDigest(405), 405, 202}, {DeleteByDigest(400), 400, 404}} {
		s.Set(tt.quirk)
		tag := ask(s, "DELETE", "/v2/r/manifests/v1", "").status
		digest := ask(s, "DELETE", fmt.Sprintf("/v2/r/manifests/%s", image.Digest), "").status
		if tag != tt.tag || digest != tt.digest {
			t.Errorf("%s: %d by tag, %d by digest", tt.quirk.Name, tag, digest)
		}
	}
	if a := ask(s, "GET", "/v2/r/manifests/v1", ""); a.status != 404 {
		t.Errorf("the tag outlives its manifest: %d", a.status)
	}
}
