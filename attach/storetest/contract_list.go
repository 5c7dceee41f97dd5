package storetest

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

func roundTrip(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	if got := collect(t, s, sub); len(got) != 0 {
		t.Errorf("a new image has %v", got)
	}
	contents := []attach.Content{NewSignature(sub, "a"), newAttestation(sub, "a"), newSBOM("a"), newArtifact("a")}
	receipts := put(t, s, sub, contents...)
	reader := p.Open(t)
	got := collect(t, reader, sub)
	for i, c := range contents {
		r := receipts[i]
		hasTag := c.Kind != attach.Artifact
		if r.Existed || r.Viewed != hasTag || (r.Note == "") != hasTag || r.Attachment.ID() != c.ID() {
			t.Errorf("%s: receipt %+v", c.Kind, r)
		}
		a, ok := got[c.ID()]
		if !ok {
			t.Errorf("%s is not listed", c.Kind)
			continue
		}
		if a.Kind != c.Kind || string(a.Desc.MediaType) != c.MediaType || a.Desc.Size != c.Body.Size || a.Desc.Annotations != nil || !maps.Equal(a.Annotations, c.Annotations) {
			t.Errorf("%s: listed as %+v", c.Kind, a)
		}
		rc, _ := c.Body.Open()
		want, _ := io.ReadAll(rc)
		if !bytes.Equal(open(t, reader, sub, a), want) {
			t.Errorf("%s: other bytes came back", c.Kind)
		}
		for _, place := range a.Places {
			if _, err := reader.Manifest(t.Context(), sub, place.Manifest.Digest); err != nil {
				t.Errorf("%s: %v", c.Kind, err)
			}
			if place.Scheme == attach.CosignTag && place.Tag != attach.CosignTagOf(sub.Desc.Digest, c.Kind) {
				t.Errorf("%s: view %q", c.Kind, place.Tag)
			}
		}
		if only := collect(t, reader, sub, c.Kind); len(only) != 1 || only[c.ID()].Kind != c.Kind {
			t.Errorf("listing of %s: %v", c.Kind, only)
		}
	}
	wanted(t, reader, sub, contents...)
	if a := got[contents[1].ID()]; a.Type != "https://example.com/note" {
		t.Errorf("type of the attestation: %q", a.Type)
	}
}

func viewFirst(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	put(t, s, sub, NewSignature(sub, "a"), newAttestation(sub, "a"))
	put(t, s, sub, NewSignature(sub, "b"))
	var order []string
	for a, err := range s.List(t.Context(), sub) {
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Places) != 1 {
			t.Errorf("listed with %d places", len(a.Places))
		}
		order = append(order, string(a.Places[0].Scheme))
	}
	last := slices.Index(order, string(attach.Journal))
	if last < 3 || slices.Contains(order[last:], string(attach.CosignTag)) {
		t.Errorf("order %v, want the three entries of the views first", order)
	}
	for range s.List(t.Context(), sub) {
		break // a caller that has enough must get away
	}
}

func twoKeys(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	a, b := NewSignature(sub, "key a"), NewSignature(sub, "key b")
	if a.Body.Digest != b.Body.Digest || a.ID() == b.ID() {
		t.Fatal("the test needs two signatures over one payload")
	}
	put(t, s, sub, a)
	put(t, s, sub, b)
	wanted(t, s, sub, a, b)
	if got := collect(t, s, sub); len(got) != 2 {
		t.Errorf("%d entries, want 2", len(got))
	}
	other := p.subject(t, s, "v2")
	c, d := NewSignature(other, "key a"), NewSignature(other, "key b")
	put(t, s, other, c, d)
	wanted(t, s, other, c, d)
}

func plantedTwin(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	good := NewSignature(sub, "good")
	twin := good
	twin.Annotations = maps.Clone(good.Annotations)
	twin.Annotations[cosign.CertificateAnnotation] = "-----BEGIN CERTIFICATE-----\nbroken\n"
	p.Put(t, attach.CosignTagOf(sub.Desc.Digest, attach.Signature), foreign(t, twin))
	if r := put(t, s, sub, good)[0]; r.Existed || !r.Viewed {
		t.Errorf("the twin hid it: %+v", r)
	}
	wanted(t, p.Open(t), sub, good)
	if got := collect(t, s, sub); len(got) != 2 {
		t.Errorf("%d entries, want the good one and its twin", len(got))
	}
}

func severalSBOMs(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	a, b, c := newSBOM("a"), newSBOM("b"), newSBOM("c")
	put(t, s, sub, a, b)
	put(t, s, sub, c)
	wanted(t, s, sub, a, b, c)
	for id, x := range collect(t, s, sub, attach.SBOM) {
		j, _ := x.Found(attach.Journal)
		if n := len(layers(t, s, sub, j.Manifest.Digest)); n != 1 {
			t.Errorf("the journal entry of %s holds %d SBOMs", id, n)
		}
		v, _ := x.Found(attach.CosignTag)
		if n := len(layers(t, s, sub, v.Manifest.Digest)); n != 3 {
			t.Errorf("the view holds %d SBOMs, want 3", n)
		}
	}
}

func unknownNames(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	ctx := t.Context()
	absent := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}
	for _, ref := range []string{"none", absent.String()} {
		if got, err := s.Resolve(ctx, ref); !errors.Is(err, attach.ErrNotFound) {
			t.Errorf("Resolve(%q) = %v, %v", ref, got, err)
		}
	}
	if got, err := s.Resolve(ctx, sub.Desc.Digest.String()); err != nil || got.Desc.Digest != sub.Desc.Digest || got.Desc.Size != sub.Desc.Size {
		t.Errorf("by digest: %v, %v", got, err)
	}
	if _, err := s.Manifest(ctx, sub, absent); !errors.Is(err, attach.ErrNotFound) {
		t.Errorf("manifest: %v", err)
	}
	desc := v1.Descriptor{MediaType: "text/plain", Digest: absent, Size: 3}
	for name, read := range map[string]func() (io.ReadCloser, error){
		"Blob": func() (io.ReadCloser, error) { return s.Blob(ctx, sub, desc) },
		"Open": func() (io.ReadCloser, error) {
			return s.Open(ctx, sub, attach.Attachment{Kind: attach.SBOM, Desc: desc})
		},
	} {
		rc, err := read()
		if err == nil {
			_, err = io.ReadAll(rc)
			rc.Close()
		}
		if !errors.Is(err, attach.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ghost := sub
	ghost.Desc.Digest = absent
	if got := collect(t, s, ghost); len(got) != 0 {
		t.Errorf("an absent image has %v", got)
	}
}

func foreignStay(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	tag := attach.CosignTagOf(sub.Desc.Digest, attach.Signature)
	theirs := []attach.Content{NewSignature(sub, "x"), NewSignature(sub, "y"), NewSignature(sub, "z")}
	slices.SortFunc(theirs, func(a, b attach.Content) int { return -strings.Compare(a.ID().String(), b.ID().String()) })
	p.Put(t, tag, foreign(t, theirs...))
	ours := NewSignature(sub, "ours")
	put(t, s, sub, ours)
	wanted(t, p.Open(t), sub, ours)
	i := 0
	for a, err := range s.List(t.Context(), sub, attach.Signature) {
		if err != nil {
			t.Fatal(err)
		}
		if i < len(theirs) && a.ID() != theirs[i].ID() {
			t.Errorf("entry %d of the view is %s, want the foreign %s", i, a.ID(), theirs[i].ID())
		}
		i++
	}
}

// viewHeals has a foreign tool overwrite the view with its own entry, as two
// tools do that both read it before the other wrote. The next Put shows all.
func viewHeals(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	first, second := NewSignature(sub, "first"), NewSignature(sub, "second")
	put(t, s, sub, first)
	theirs := NewSignature(sub, "theirs")
	p.Put(t, attach.CosignTagOf(sub.Desc.Digest, attach.Signature), foreign(t, theirs))
	if _, ok := collect(t, s, sub)[first.ID()]; !ok {
		t.Error("an entry that the view lost is lost")
	}
	put(t, p.Open(t), sub, second)
	got := collect(t, s, sub)
	for name, c := range map[string]attach.Content{"first": first, "second": second, "theirs": theirs} {
		if _, ok := got[c.ID()].Found(attach.CosignTag); !ok {
			t.Errorf("the view does not show %s", name)
		}
	}
}

func journalIsNoView(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	put(t, s, sub, NewSignature(sub, "a"), newAttestation(sub, "a"), newSBOM("a"))
	views, journal := make(map[v1.Hash]bool), make(map[v1.Hash]bool)
	for _, a := range collect(t, s, sub) {
		for _, place := range a.Places {
			switch place.Scheme {
			case attach.CosignTag:
				views[place.Manifest.Digest] = true
			case attach.Journal:
				journal[place.Manifest.Digest] = true
			}
		}
	}
	if len(views) != 3 || len(journal) != 3 {
		t.Fatalf("%d views and %d journal entries, want 3 of each", len(views), len(journal))
	}
	for d := range views {
		if journal[d] {
			t.Errorf("%s is both a view and a journal entry: deleting one by digest deletes both", d)
		}
	}
}
