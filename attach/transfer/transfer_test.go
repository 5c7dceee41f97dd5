package transfer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/attach/journal"
	"github.com/hallmark-oci/hallmark/attach/layout"
	"github.com/hallmark-oci/hallmark/attach/registry"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// A site opens stores on one place, each like that of another process.
type site struct {
	name   string
	repo   string
	server *storetest.Server // nil for a layout
	open   func(t *testing.T) Place
}

// quick waits little between two tries.
func quick(ctx context.Context, d time.Duration) error {
	return journal.Sleep(ctx, min(d, 3*time.Millisecond))
}

func onRegistry(t *testing.T, s *storetest.Server, path string) site {
	t.Helper()
	return sharing(t, s, path, registry.NewHosts(registry.Options{Sleep: quick}))
}

// sharing is a site whose stores share what they know of registries, as those of
// one process do.
func sharing(t *testing.T, s *storetest.Server, path string, hosts *registry.Hosts) site {
	t.Helper()
	repo := s.Host + "/" + path
	return site{name: path, repo: repo, server: s, open: func(t *testing.T) Place {
		t.Helper()
		store, err := registry.New(repo, registry.Options{Hosts: hosts, Push: true})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}}
}

func newServer(t *testing.T, quirks ...storetest.Quirk) *storetest.Server {
	t.Helper()
	s := storetest.Start(quirks...)
	t.Cleanup(s.Close)
	return s
}

func newLayout(t *testing.T) site {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	return site{name: "layout", repo: "oci:" + dir, open: func(t *testing.T) Place {
		t.Helper()
		s, err := layout.Create(t.Context(), dir, layout.Options{Journal: []journal.Option{journal.WithSleep(quick)}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}}
}

// sites are the sorts of places that a transfer begins and ends at.
func sites() map[string]func(t *testing.T) site {
	return map[string]func(t *testing.T) site{
		"registry":       func(t *testing.T) site { return onRegistry(t, newServer(t), "app") },
		"with referrers": func(t *testing.T) site { return onRegistry(t, newServer(t, storetest.NativeReferrers()), "app") },
		"layout":         newLayout,
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// putRaw stores a manifest with its blobs, as any tool may do it.
func putRaw(t *testing.T, m journal.Medium, ref string, mt types.MediaType, raw []byte, blobs ...[]byte) v1.Descriptor {
	t.Helper()
	for _, b := range blobs {
		must(t, m.PutBlob(t.Context(), attach.Bytes(b)))
	}
	d := v1.Descriptor{MediaType: mt, Size: int64(len(raw)), Digest: attach.DigestOf(raw)}
	if ref == "" {
		ref = d.Digest.String()
	}
	must(t, m.PutManifest(t.Context(), ref, string(mt), raw))
	return d
}

func blobDesc(mt string, b []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: types.MediaType(mt), Size: int64(len(b)), Digest: attach.DigestOf(b)}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	must(t, err)
	return raw
}

// putImage stores an image of a config and two layers.
func putImage(t *testing.T, m journal.Medium, ref, note string) v1.Descriptor {
	t.Helper()
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","note":%q}`, note)
	one, two := []byte("layer one of "+note), []byte("layer two of "+note)
	layer := string(types.OCILayer)
	raw := marshal(t, map[string]any{
		"schemaVersion": 2, "mediaType": types.OCIManifestSchema1, "config": blobDesc(string(types.OCIConfigJSON), config),
		"layers": []v1.Descriptor{blobDesc(layer, one), blobDesc(layer, two)},
	})
	return putRaw(t, m, ref, types.OCIManifestSchema1, raw, config, one, two)
}

// putReferrer stores an artifact of the type that refers to the subject, and
// names it in the list under the referrers tag, as tools do where there is no API.
func putReferrer(t *testing.T, m journal.Medium, subject v1.Descriptor, artifactType, note string) v1.Descriptor {
	t.Helper()
	empty, content := []byte("{}"), []byte("content of "+note)
	raw := marshal(t, map[string]any{
		"schemaVersion": 2, "mediaType": types.OCIManifestSchema1, "artifactType": artifactType,
		"config":      blobDesc("application/vnd.oci.empty.v1+json", empty),
		"layers":      []v1.Descriptor{blobDesc(artifactType, content)},
		"subject":     v1.Descriptor{MediaType: subject.MediaType, Size: subject.Size, Digest: subject.Digest},
		"annotations": map[string]string{"note": note},
	})
	d := putRaw(t, m, "", types.OCIManifestSchema1, raw, empty, content)
	if _, native, err := m.Referrers(t.Context(), subject.Digest); err != nil || native {
		must(t, err)
		return d
	}
	d.ArtifactType, d.Annotations = artifactType, map[string]string{"note": note}
	tag := attach.FallbackTagOf(subject.Digest)
	there, err := m.Manifest(t.Context(), tag)
	if !errors.Is(err, attach.ErrNotFound) {
		must(t, err)
	}
	list, _, err := journal.MergeList(there, subject.Digest, []v1.Descriptor{d})
	must(t, err)
	putRaw(t, m, tag, types.OCIImageIndex, list)
	return d
}

func attestation(s attach.Subject, note string) attach.Content {
	statement := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://example.com/note","subject":[{"name":"app","digest":{"sha256":%q}}],"predicate":{"note":%q}}`,
		s.Desc.Digest.Hex, note)
	envelope := fmt.Appendf(nil, `{"payloadType":"application/vnd.in-toto+json","payload":%q,"signatures":[{"sig":"AAAA"}]}`,
		base64.StdEncoding.EncodeToString([]byte(statement)))
	return cosign.NewAttestation(attach.Bytes(envelope), "https://example.com/note")
}

func sbom(note string) attach.Content {
	doc := fmt.Appendf(nil, `{"spdxVersion":"SPDX-2.3","name":%q,"filler":%q}`, note, strings.Repeat("s", 2*attach.MaxData))
	return cosign.NewSBOM(attach.Bytes(doc), cosign.SPDXJSON, "all")
}

func put(t *testing.T, p attach.Store, s attach.Subject, contents ...attach.Content) []attach.Receipt {
	t.Helper()
	var parcels []attach.Parcel
	for _, c := range contents {
		parcels = append(parcels, attach.Parcel{Subject: s, Content: c})
	}
	receipts, err := p.Put(t.Context(), parcels...)
	must(t, err)
	return receipts
}

// A stock is what a source was filled with.
type stock struct {
	root     attach.Subject
	subjects []attach.Subject // all from which something hangs
}

// fill puts an index of two images into the place, with all that can hang from
// one: in cosign's tags, the journal and as referrers; from the index, an image,
// from the objects that hold an SBOM and from a referrer.
func fill(t *testing.T, s site) stock {
	t.Helper()
	p := s.open(t)
	m, _ := p.Media()
	a, b := putImage(t, m, "", "a"), putImage(t, m, "", "b")
	a.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}
	b.Platform = &v1.Platform{OS: "linux", Architecture: "arm64"}
	raw := marshal(t, map[string]any{"schemaVersion": 2, "mediaType": types.OCIImageIndex, "manifests": []v1.Descriptor{a, b}})
	index := putRaw(t, m, "v1", types.OCIImageIndex, raw)
	a.Platform, b.Platform = nil, nil
	on := func(d v1.Descriptor) attach.Subject { return attach.Subject{Repo: s.repo, Desc: d} }
	out := stock{root: on(index)}
	put(t, p, on(index), storetest.NewSignature(on(index), "one"), storetest.NewSignature(on(index), "two"))
	put(t, p, on(index), storetest.NewSignature(on(index), "three"))
	receipts := put(t, p, on(a), storetest.NewSignature(on(a), "a"), attestation(on(a), "a"), sbom("a"),
		attach.Content{Kind: attach.Artifact, MediaType: "text/plain", Body: attach.Bytes([]byte("a note"))})
	out.subjects = append(out.subjects, on(index), on(a), on(b))
	for _, place := range receipts[2].Attachment.Places { // the view and the journal entry of the SBOM
		put(t, p, on(place.Manifest), storetest.NewSignature(on(place.Manifest), "holder"))
		out.subjects = append(out.subjects, on(place.Manifest))
	}
	// What a tool that knows no journal puts under cosign's tag.
	foreign := storetest.NewSignature(on(b), "foreign")
	e, err := cosign.NewEntry(foreign)
	must(t, err)
	view, config, err := cosign.Image{Entries: []cosign.Entry{e.WithoutData()}}.Encode()
	must(t, err)
	rc, err := foreign.Body.Open()
	must(t, err)
	payload, err := io.ReadAll(rc)
	must(t, err)
	putRaw(t, m, attach.CosignTagOf(b.Digest, attach.Signature), cosign.ManifestType, view, config, payload)
	bundle := putReferrer(t, m, index, "application/vnd.dev.sigstore.bundle.v0.3+json", "bundle")
	putReferrer(t, m, bundle, "application/vnd.example.note", "on the bundle")
	out.subjects = append(out.subjects, on(bundle))
	return out
}

// listed returns what a store lists of all subjects, in the way of every reader.
func listed(t *testing.T, p Place, subjects []attach.Subject) map[string]attach.Attachment {
	t.Helper()
	all := make(map[string]attach.Attachment)
	for _, s := range subjects {
		list, errs := attach.Collect(t.Context(), p, s)
		for _, err := range errs {
			t.Error(err)
		}
		for _, a := range list {
			id := a.ID().String()
			if slices.ContainsFunc(a.Places, func(p attach.Place) bool { return p.Manifest.Digest == a.Desc.Digest }) {
				id = a.Desc.Digest.String() // lists may show it with other annotations
			}
			all[s.Desc.Digest.String()+" "+id] = a
		}
	}
	return all
}

// arrived checks that everything that the source lists is listed at the
// destination, readable, and in the view where it was in one.
func arrived(t *testing.T, src, dst site, st stock) {
	t.Helper()
	p := dst.open(t)
	want, got := listed(t, src.open(t), st.subjects), listed(t, p, st.subjects)
	if len(want) != 12 {
		t.Errorf("the source lists %d attachments, not 12", len(want))
	}
	for k, a := range want {
		b, ok := got[k]
		if !ok {
			t.Errorf("%s %s %s is gone", a.Kind, a.Type, k)
			continue
		}
		if _, in := a.Found(attach.CosignTag); in {
			if _, still := b.Found(attach.CosignTag); !still {
				t.Errorf("%s %s is not in the view: %+v", a.Kind, k, b.Places)
			}
		}
		for _, from := range a.Places {
			as := func(p attach.Place) bool { return p.Scheme == from.Scheme && p.Manifest.Digest == from.Manifest.Digest }
			if from.Scheme == attach.Journal && !slices.ContainsFunc(b.Places, as) {
				t.Errorf("%s %s is not in the journal as it was: %+v", a.Kind, k, b.Places)
			}
		}
		rc, err := p.Open(t.Context(), st.root, b)
		if err != nil {
			t.Errorf("open %s %s: %v", a.Kind, k, err)
			continue
		}
		if _, err := io.Copy(io.Discard, rc); err != nil {
			t.Errorf("read %s %s: %v", a.Kind, k, err)
		}
		rc.Close()
	}
}

func transfer(t *testing.T, src, dst site, st stock, tag string, o Options) Result {
	t.Helper()
	o.Sleep = quick
	r, err := Copy(t.Context(), src.open(t), st.root, dst.open(t), dst.repo, tag, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func clean(t *testing.T, r Result) {
	t.Helper()
	for _, p := range r.Problems {
		t.Errorf("problem: %s", p)
	}
	for _, n := range r.Notes {
		t.Logf("note: %s", n)
	}
}

// TestMatrix copies between all sorts of places. Copying again finds everything
// there and sends nothing.
func TestMatrix(t *testing.T) {
	for from, newSrc := range sites() {
		for to, newDst := range sites() {
			t.Run(from+" to "+to, func(t *testing.T) {
				src, dst := newSrc(t), newDst(t)
				st := fill(t, src)
				r := transfer(t, src, dst, st, "v2", Options{})
				clean(t, r)
				arrived(t, src, dst, st)
				s, err := dst.open(t).Resolve(t.Context(), "v2")
				if err != nil || s.Desc.Digest != st.root.Desc.Digest {
					t.Errorf("v2 is %s, %v", s, err)
				}
				again := transfer(t, src, dst, st, "v2", Options{})
				clean(t, again)
				for _, o := range again.Objects {
					if o.State != There {
						t.Errorf("copied again, %s %s was %s", o.Kind, o.Tag, o.State)
					}
				}
				if again.Blobs != 0 {
					t.Errorf("copied again, %d blobs were sent", again.Blobs)
				}
			})
		}
	}
}

// someone is a keychain that knows one user.
type someone struct{}

// Resolve implements authn.Keychain.
func (someone) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: "user", Password: "secret"}, nil
}
