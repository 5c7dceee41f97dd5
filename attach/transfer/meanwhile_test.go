package transfer

import (
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// TestMeanwhile: the destination has nothing when the copy begins, and while the image
// is on its way another tool signs it there. Both signatures are there in the end.
func TestMeanwhile(t *testing.T) {
	s, to := newServer(t), newServer(t)
	src, dst := onRegistry(t, s, "from"), onRegistry(t, to, "to")
	st := small(t, src)
	content := storetest.NewSignature(st.root, "another's")
	e, err := cosign.NewEntry(content)
	must(t, err)
	raw, config, err := cosign.Image{Entries: []cosign.Entry{e}}.Encode()
	must(t, err)
	sign := func(int) {
		_, m := dst.open(t).Media()
		must(t, m.PutBlob(t.Context(), content.Body))
		putRaw(t, m, attach.CosignTagOf(st.root.Desc.Digest, attach.Signature), types.OCIManifestSchema1, raw, config)
	}
	clean(t, transfer(t, src, dst, st, "v1", Options{Planned: sign}))
	ids := make(map[attach.ID]bool)
	store := dst.open(t)
	subject, err := store.Resolve(t.Context(), "v1")
	must(t, err)
	all, errs := attach.Collect(t.Context(), store, subject, attach.Signature)
	for _, a := range all {
		ids[a.ID()] = true
	}
	if len(errs) > 0 || !ids[content.ID()] || !ids[storetest.NewSignature(st.root, "one").ID()] {
		t.Errorf("%d signatures, %v", len(all), errs)
	}
}

// TestNativeBeside: one registry lists the referrers of one repository and says plainly
// of the other that it lists none. Whoever copies from that one into the empty other
// keeps the journal under tags, and another process, which signs there meanwhile, among
// referrers. Both signatures are there in the end.
func TestNativeBeside(t *testing.T) {
	s := newServer(t, storetest.NativeReferrers(), storetest.Only("/v2/from/referrers/", storetest.Status(404, "NOT_FOUND")))
	src, dst := onRegistry(t, s, "from"), onRegistry(t, s, "to")
	st := small(t, src)
	other := storetest.NewSignature(st.root, "another's")
	var once sync.Once
	sign := func() { put(t, dst.open(t), attach.Subject{Repo: dst.repo, Desc: st.root.Desc}, other) }
	clean(t, transfer(t, src, dst, st, "v1", Options{Step: func() { once.Do(sign) }})) // the image is there by then
	store := dst.open(t)
	subject, err := store.Resolve(t.Context(), "v1")
	must(t, err)
	all, errs := attach.Collect(t.Context(), store, subject, attach.Signature)
	ids := make(map[attach.ID]bool)
	for _, a := range all {
		ids[a.ID()] = true
	}
	if len(errs) > 0 || !ids[other.ID()] || !ids[storetest.NewSignature(st.root, "one").ID()] {
		t.Errorf("%d signatures, %v", len(all), errs)
	}
	_, m := store.Media()
	if list, native, err := m.Referrers(t.Context(), st.root.Desc.Digest); err != nil || !native || len(list) == 0 {
		t.Errorf("the other did not write a referrer: %v, %v, %v", list, native, err)
	}
	if tags, err := m.Tags(t.Context(), "sha256-"); err != nil || !slices.ContainsFunc(tags, func(s string) bool { return strings.HasSuffix(s, ".hm") }) {
		t.Errorf("the copy wrote no journal under tags: %v, %v", tags, err)
	}
}

// TestForgedSize: an attachment that claims a layer of the image, of a size that it has
// not, is told where blobs are read back; the image is copied all the same.
func TestForgedSize(t *testing.T) {
	s := newServer(t, storetest.Mounts())
	src, dst := onRegistry(t, s, "from"), onRegistry(t, s, "to")
	st := small(t, src)
	_, m := src.open(t).Media()
	claim := blobDesc("application/octet-stream", []byte("layer one of small"))
	claim.Size = 50 << 30
	config := []byte("{}")
	raw := marshal(t, map[string]any{
		"schemaVersion": 2, "mediaType": types.OCIManifestSchema1,
		"config": blobDesc(string(types.OCIConfigJSON), config), "layers": []v1.Descriptor{claim},
	})
	putRaw(t, m, attach.FallbackTagOf(st.root.Desc.Digest)+".att", types.OCIManifestSchema1, raw, config)
	r, err := Copy(t.Context(), src.open(t), st.root, dst.open(t), dst.repo, "v1", Options{Sleep: quick, Deep: true})
	if err != nil || len(r.Problems) != 1 {
		t.Errorf("%v, %v", r.Problems, err)
	}
	if subject, err := dst.open(t).Resolve(t.Context(), "v1"); err != nil || subject.Desc.Digest != st.root.Desc.Digest {
		t.Errorf("%v, %v", subject, err)
	}
}

// TestOnView: what another tool hung from the manifest that cosign's tag names, by its
// digest, is copied too.
func TestOnView(t *testing.T) {
	s, to := newServer(t, storetest.NativeReferrers()), newServer(t, storetest.NativeReferrers())
	src, dst := onRegistry(t, s, "from"), onRegistry(t, to, "to")
	st := small(t, src)
	_, m := src.open(t).Media()
	view, err := m.Manifest(t.Context(), attach.CosignTagOf(st.root.Desc.Digest, attach.Signature))
	must(t, err)
	note := putReferrer(t, m, view.Desc, "application/vnd.example.note", "on the view")
	clean(t, transfer(t, src, dst, st, "v1", Options{}))
	_, m = dst.open(t).Media()
	if _, err := m.Manifest(t.Context(), note.Digest.String()); err != nil {
		t.Error(err)
	}
}
