package transfer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
	"github.com/hallmark-oci/hallmark/attach/registry"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// answer is a registry that answers so whoever asks for what matches, and does nothing.
func answer(pattern string, status int, header ...string) storetest.Quirk {
	return storetest.Only(pattern, storetest.Answer(fmt.Sprint(status, header), func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}))
}

// TestLies copies to registries that say what is not so. Either all of it is there in
// the end, every blob included, or the copy says that it is not, and why.
func TestLies(t *testing.T) {
	other := "sha256:" + strings.Repeat("0", 64)
	tests := []struct {
		name   string
		quirks []storetest.Quirk
		deep   bool
		same   bool // the source is the same registry, which shares blobs between repositories
		works  bool
		says   string
	}{
		{name: "manifests taken and not kept", quirks: []storetest.Quirk{answer("^PUT .*/to/manifests/", 201)}, says: "write not confirmed"},
		{name: "manifests under tags not kept", quirks: []storetest.Quirk{answer("^PUT .*/to/manifests/v", 201)}, says: "the tag v2, which was put to name"},
		{name: "views not kept", quirks: []storetest.Quirk{answer(`^PUT .*/to/manifests/.*\.(sig|att|sbom)$`, 201)}, says: "write not confirmed"},
		{name: "journal entries not kept", quirks: []storetest.Quirk{answer(`^PUT .*/to/manifests/.*\.hm$`, 201)}, says: "the destination does not list it"},
		{name: "another manifest under the tag", quirks: []storetest.Quirk{storetest.Only("^GET .*/to/manifests/v2", storetest.Answer("another", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
			io.WriteString(w, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
		}))}, says: "it names sha256:"},
		{name: "manifests stored as others", quirks: []storetest.Quirk{answer("^PUT .*/to/manifests/", 201, "Docker-Content-Digest", other)}, says: "the registry stored " + other},
		{name: "blobs stored as others", quirks: []storetest.Quirk{answer("^POST .*/to/blobs/uploads/", 201, "Docker-Content-Digest", other)}, says: "as " + other},
		{name: "blobs taken and not kept", quirks: []storetest.Quirk{answer("^(POST|PUT) .*/to/blobs/uploads/", 201)}, deep: true, says: "read it back"},
		{name: "blobs of other bytes", quirks: []storetest.Quirk{storetest.Only("^GET .*/to/blobs/", storetest.WrongBytes())}, deep: true, says: "digest mismatch"},
		{name: "202 for ever", quirks: []storetest.Quirk{answer("^(POST|PUT) .*/to/blobs/uploads/", 202, "Location", "/v2/to/blobs/uploads/1")}, says: "answered 202 to the content"},
		{name: "mounted and not there", quirks: []storetest.Quirk{storetest.MountNothing()}, same: true, works: true},
		{name: "mounted and never there", quirks: []storetest.Quirk{answer(`^POST .*/to/blobs/uploads/\?digest`, 201), storetest.MountNothing()}, same: true, says: "said to have and has not"},
		{name: "referrers lost", quirks: []storetest.Quirk{storetest.ReferrersEmpty()}, works: true},
		{name: "tags lost", quirks: []storetest.Quirk{answer("/to/tags/list", 200)}, says: "the tags in"},
	}
	for _, native := range []bool{false, true} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s, referrers %v", tt.name, native), func(t *testing.T) {
				t.Parallel()
				base := []storetest.Quirk{storetest.Mounts()}
				if native {
					base = append(base, storetest.NativeReferrers())
				}
				s := newServer(t, base...)
				src, dst := onRegistry(t, newServer(t, base...), "from"), onRegistry(t, s, "to")
				if tt.same {
					src = onRegistry(t, s, "from")
				}
				st := fill(t, src)
				s.Set(append(tt.quirks, base...)...)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				r, err := Copy(ctx, src.open(t), st.root, dst.open(t), dst.repo, "v2", Options{Sleep: quick, Deep: tt.deep})
				text := fmt.Sprint(err, r.Problems)
				works := err == nil && len(r.Problems) == 0
				if works != tt.works && !(native && strings.Contains(tt.name, "journal")) || !works && !strings.Contains(text, tt.says) {
					t.Errorf("works %v: %s", works, text)
				}
				s.Set(base...)
				if works {
					arrived(t, src, onRegistry(t, s, "to"), st)
					allBlobs(t, src.open(t), onRegistry(t, s, "to").open(t), st)
				}
			})
		}
	}
}

// TestHeadLies copies a layer that is asked for before it is sent to a registry that
// says to have it.
func TestHeadLies(t *testing.T) {
	src, s := onRegistry(t, newServer(t), "from"), newServer(t, answer("^HEAD .*/blobs/", 200))
	m, _ := src.open(t).Media()
	st := stock{root: attach.Subject{Repo: src.repo, Desc: putLarge(t, m)}}
	r := transfer(t, src, onRegistry(t, s, "to"), st, "v1", Options{})
	clean(t, r)
	if !strings.Contains(fmt.Sprint(r.Notes), "said to have blobs that it has not") {
		t.Errorf("notes %q", r.Notes)
	}
	allBlobs(t, src.open(t), onRegistry(t, s, "to").open(t), st)
}

// putLarge stores an image with a layer that is asked for before it is sent.
func putLarge(t *testing.T, m journal.Medium) v1.Descriptor {
	t.Helper()
	config, layer := []byte(`{"os":"linux"}`), bytes.Repeat([]byte("large"), 1<<18)
	return putRaw(t, m, "large", types.OCIManifestSchema1, marshal(t, map[string]any{
		"schemaVersion": 2, "mediaType": types.OCIManifestSchema1, "config": blobDesc(string(types.OCIConfigJSON), config),
		"layers": []v1.Descriptor{blobDesc(string(types.OCILayer), layer)},
	}), config, layer)
}

// allBlobs reads all blobs of what the source has from the destination.
func allBlobs(t *testing.T, src, dst Place, st stock) {
	t.Helper()
	images, attachments := src.Media()
	w := newWalker(st.root.Repo, images, attachments, attach.Kinds())
	root, err := images.Manifest(t.Context(), st.root.Desc.Digest.String())
	must(t, err)
	tree, err := w.walk(t.Context(), root)
	must(t, err)
	to, _ := dst.Media()
	for _, o := range tree.objects {
		for _, p := range o.parts.blobs {
			d := p.desc()
			if err := readBlob(t.Context(), to, v1.Descriptor{Digest: d.Digest, Size: d.Size}); err != nil {
				t.Errorf("blob %s of %s: %v", d.Digest, o.desc.Digest, err)
			}
		}
	}
}

// TestUploadElsewhere has a registry that wants credentials and sends uploads to
// another host: that one gets no credentials, and where it asks for some, the copy
// ends with that.
func TestUploadElsewhere(t *testing.T) {
	for _, asks := range []bool{false, true} {
		t.Run(fmt.Sprint(asks), func(t *testing.T) {
			var uploads, leaks atomic.Int64
			host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				uploads.Add(1)
				if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" || r.URL.User != nil {
					leaks.Add(1)
				}
				io.Copy(io.Discard, r.Body)
				if asks {
					w.Header().Set("WWW-Authenticate", `Basic realm="give me"`)
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				w.WriteHeader(http.StatusCreated)
			}))
			defer host.Close()
			from := onRegistry(t, newServer(t), "from")
			st := small(t, from)
			s := newServer(t, storetest.Credentials("user", "secret"), answer("^POST .*/blobs/uploads/", 202, "Location", host.URL+"/put/here"))
			dst, err := registry.New(s.Host+"/to", registry.Options{Hosts: registry.NewHosts(registry.Options{Sleep: quick, Keychain: someone{}}), Push: true})
			must(t, err)
			r, err := Copy(t.Context(), from.open(t), st.root, dst, s.Host+"/to", "v1", Options{Sleep: quick, Deep: true})
			if text := fmt.Sprint(err, r.Problems); err == nil || asks && !strings.Contains(text, "asks for credentials") {
				t.Errorf("%s", text)
			}
			if uploads.Load() == 0 || leaks.Load() != 0 {
				t.Errorf("%d uploads, %d with credentials", uploads.Load(), leaks.Load())
			}
		})
	}
}

// TestListsThatHide has views of another tool at the destination that its list of
// tags does not show: they are completed all the same, and not written over.
func TestListsThatHide(t *testing.T) {
	s := newServer(t)
	src, dst := onRegistry(t, s, "from"), onRegistry(t, s, "to")
	st := small(t, src)
	clean(t, transfer(t, src, dst, st, "old", Options{Images: true}))
	m, _ := dst.open(t).Media()
	on := attach.Subject{Repo: dst.repo, Desc: st.root.Desc}
	putForeign(t, m, on.Desc, storetest.NewSignature(on, "of another tool"))
	before := listedAll(t, dst.open(t), st.subjects)
	s.Set(storetest.Only("/to/tags/list", storetest.Answer("hides tags", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"name":"to","tags":["old"]}`)
	})))
	transfer(t, src, onRegistry(t, s, "to"), st, "v2", Options{})
	s.Set()
	after := listedAll(t, dst.open(t), st.subjects)
	for k := range before {
		if !after[k] {
			t.Errorf("%s is gone", k)
		}
	}
	if len(before) != 1 {
		t.Errorf("%d entries before", len(before))
	}
}
