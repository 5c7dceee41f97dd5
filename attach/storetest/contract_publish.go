package storetest

import (
	"errors"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
)

// publish holds a store that can publish to what that means: what was published
// under a tag resolves, its parts can be read, a tag moves, and a manifest can be
// stored by its digest alone. It can be signed as any image.
func publish(t *testing.T, p Place) {
	store := p.Open(t)
	to, ok := store.(attach.Publisher)
	if !ok {
		t.Fatalf("%T is no attach.Publisher", store)
	}
	publish := func(tag, text string, form artifact.Form) attach.Subject {
		t.Helper()
		layer := artifact.Layer{MediaType: string(artifact.LayerType), Body: attach.Bytes([]byte(text))}
		raw, parts, err := artifact.Manifest{Form: form, Type: manifestType, Layers: []artifact.Layer{layer, layer}}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		m := attach.Manifest{Raw: raw, Desc: v1.Descriptor{MediaType: artifact.ManifestType}}
		for range 2 { // twice is once
			s, err := to.Publish(t.Context(), tag, m, parts...)
			if err != nil {
				t.Fatal(err)
			}
			if s.Desc.Digest != attach.DigestOf(raw) || s.Desc.Size != int64(len(raw)) || s.Desc.MediaType != artifact.ManifestType {
				t.Fatalf("published as %+v", s)
			}
		}
		return attach.Subject{Desc: v1.Descriptor{Digest: attach.DigestOf(raw)}}
	}
	resolves := func(ref string, want attach.Subject) attach.Subject {
		t.Helper()
		s, err := p.Open(t).Resolve(t.Context(), ref)
		if err != nil || s.Desc.Digest != want.Desc.Digest {
			t.Fatalf("%s resolves to %+v, %v, not to %s", ref, s, err, want.Desc.Digest)
		}
		return s
	}
	one := publish("files", "one", artifact.ImageForm)
	s := resolves("files", one)
	rc, err := store.Blob(t.Context(), s, v1.Descriptor{Digest: attach.DigestOf([]byte("one")), Size: 3})
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := attach.ReadAll(rc, v1.Descriptor{Size: 3}, 3); err != nil || string(raw) != "one" {
		t.Errorf("%q, %v", raw, err)
	}
	two := publish("files", "two", artifact.ArtifactForm)
	resolves("files", two)
	three := publish("", "three", artifact.ArtifactForm)
	resolves(three.Desc.Digest.String(), three)
	s = resolves("files", two)
	c := NewSignature(s, "published")
	put(t, store, s, c)
	wanted(t, store, s, c)

	for name, m := range map[string]attach.Manifest{
		"no manifest": {Raw: []byte("no JSON"), Desc: v1.Descriptor{MediaType: artifact.ManifestType}},
		"other type":  {Raw: []byte(`{"schemaVersion":2,"mediaType":"text/plain"}`), Desc: v1.Descriptor{MediaType: artifact.ManifestType}},
	} {
		if _, err := to.Publish(t.Context(), "files", m); !errors.Is(err, attach.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	resolves("files", two)
}
