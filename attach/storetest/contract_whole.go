package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
)

// manifestType is the artifact type of the manifests that newManifest makes.
const manifestType = "application/vnd.example.note"

// NewManifest returns a manifest that refers to the subject and holds the note,
// ready to be attached whole.
func NewManifest(t testing.TB, s attach.Subject, note string) attach.Content {
	t.Helper()
	c, err := artifact.Manifest{
		Form: artifact.ArtifactForm,
		Type: manifestType,
		Layers: []artifact.Layer{
			{MediaType: "text/plain", Body: attach.Bytes([]byte("a note: " + note))},
			{MediaType: "text/plain", Body: attach.Bytes([]byte("another: " + note))},
		},
		Annotations: map[string]string{"note": note},
		Subject:     &s.Desc,
	}.Content()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantedWhole checks that whole manifests are listed once each, where other tools
// find them, and, where that is an index under a tag, in the journal too.
func (p Place) wantedWhole(t *testing.T, s attach.Reader, sub attach.Subject, contents ...attach.Content) {
	t.Helper()
	got := collect(t, s, sub)
	for _, c := range contents {
		a, ok := got[c.ID()]
		if !ok {
			t.Errorf("manifest %s is gone", c.Body.Digest)
			continue
		}
		_, native := a.Found(attach.Referrers)
		_, fallback := a.Found(attach.FallbackTag)
		_, journal := a.Found(attach.Journal)
		if p.Closed {
			fallback = !fallback
		}
		if !native && (!fallback || !journal) {
			t.Errorf("manifest %s is found in %+v", c.Body.Digest, a.Places)
		}
		if a.Kind != attach.Artifact || a.Type != manifestType || a.Annotations["note"] == "" {
			t.Errorf("listed as %+v", a)
		}
	}
}

func wholeManifest(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	a, b := NewManifest(t, sub, "a"), NewManifest(t, sub, "b")
	r := put(t, s, sub, a, newArtifact("bare"), NewSignature(sub, "k"))[0]
	if r.Existed || r.Viewed == p.Closed || (r.Note != "") != p.Closed || r.Attachment.ID() != a.ID() || len(r.Attachment.Places) == 0 {
		t.Errorf("receipt %+v", r)
	}
	put(t, p.Open(t), sub, b)
	reader := p.Open(t)
	p.wantedWhole(t, reader, sub, a, b)
	got := collect(t, reader, sub, attach.Artifact)
	if len(got) != 3 {
		t.Errorf("%d artifacts, want 3: %v", len(got), got)
	}
	listed := got[a.ID()]
	rc, _ := a.Body.Open()
	raw, _ := io.ReadAll(rc)
	if !bytes.Equal(open(t, reader, sub, listed), raw) {
		t.Error("other bytes came back")
	}
	for _, l := range layers(t, reader, sub, listed.Desc.Digest) {
		if rc, err := reader.Blob(t.Context(), sub, l); err != nil {
			t.Error(err)
		} else if _, err := io.Copy(io.Discard, rc); err != nil {
			t.Error(err)
		}
	}
	if only := collect(t, reader, sub, attach.Signature); len(only) != 1 {
		t.Errorf("%d signatures", len(only))
	}
	for name, store := range map[string]attach.Store{"same store": s, "other store": p.Open(t)} {
		for _, r := range put(t, store, sub, a, b) {
			if !r.Existed && !r.Unasked || r.Viewed == p.Closed || (r.Note != "") != p.Closed {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
	if again := collect(t, s, sub, attach.Artifact); len(again) != 3 {
		t.Errorf("%d artifacts after a second Put", len(again))
	}
}

func badManifests(t *testing.T, p Place) {
	s := p.Open(t)
	sub, other := p.subject(t, s, "v1"), p.subject(t, s, "v2")
	good := NewManifest(t, sub, "good")
	for name, edit := range map[string]func(c *attach.Content){
		"other subject": func(c *attach.Content) { *c = NewManifest(t, other, "x") },
		"no subject":    func(c *attach.Content) { c.Body = attach.Bytes([]byte(`{"schemaVersion":2,"layers":[]}`)) },
		"no manifest":   func(c *attach.Content) { c.Body = attach.Bytes([]byte("none")) },
		"an index":      func(c *attach.Content) { c.MediaType = "application/vnd.oci.image.index.v1+json" },
		"annotations":   func(c *attach.Content) { c.Annotations = map[string]string{"a": "b"} },
		"parts of a layer": func(c *attach.Content) {
			parts := c.Parts
			*c = newArtifact("x")
			c.Parts = parts
		},
	} {
		c := good
		edit(&c)
		if _, err := s.Put(t.Context(), attach.Parcel{Subject: sub, Content: c}); !errors.Is(err, attach.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := collect(t, s, sub); len(got) != 0 {
		t.Errorf("refused manifests left %v", got)
	}
}

func manyManifests(t *testing.T, p Place) {
	const writers = 16
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	all := make([]attach.Content, writers)
	var wg sync.WaitGroup
	for w := range writers {
		all[w] = NewManifest(t, sub, fmt.Sprint("writer ", w))
		store := p.Open(t)
		wg.Go(func() {
			r, err := store.Put(t.Context(), attach.Parcel{Subject: sub, Content: all[w]})
			if err != nil || r[0].Viewed == p.Closed {
				t.Errorf("writer %d: %+v, %v", w, r, err)
			}
		})
	}
	wg.Wait()
	p.wantedWhole(t, p.Open(t), sub, all...)
}

// sharedManifest attaches one manifest's twin in content: of two that differ in
// their annotations alone each stays what it is.
func sharedManifest(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	make := func(note string) attach.Content {
		c, err := artifact.Manifest{
			Form: artifact.ArtifactForm, Type: manifestType, Subject: &sub.Desc,
			Annotations: map[string]string{"note": note},
		}.Content()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b := make("a"), make("b")
	put(t, s, sub, a, b)
	p.wantedWhole(t, s, sub, a, b)
	got := collect(t, s, sub)
	if want := map[string]string{"note": "b"}; !maps.Equal(got[b.ID()].Annotations, want) {
		t.Errorf("annotations %v", got[b.ID()].Annotations)
	}
	empty := v1.Descriptor{Digest: artifact.Empty().Digest, Size: 2}
	if rc, err := s.Blob(t.Context(), sub, empty); err != nil {
		t.Error(err)
	} else {
		rc.Close()
	}
}
