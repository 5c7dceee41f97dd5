package storetest

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// strict returns the content in strict image form.
func strict(c attach.Content) attach.Content {
	c.Strict = true
	return c
}

func strictForm(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	big := newSBOM("big")
	big.Body = attach.Bytes(bytes.Repeat([]byte("0123456789abcdef"), 1<<16))
	contents := []attach.Content{NewSignature(sub, "a"), newAttestation(sub, "a"), newSBOM("a"), big}
	for round := range 2 {
		store := p.Open(t)
		for i, c := range contents {
			r := put(t, store, sub, strict(c))[0]
			if r.Existed != (round == 1) || !r.Viewed || r.Attachment.ID() != c.ID() {
				t.Errorf("round %d, content %d: %+v", round, i, r)
			}
		}
	}
	reader := p.Open(t)
	wanted(t, reader, sub, contents...)
	got := collect(t, reader, sub)
	if len(got) != len(contents) {
		t.Errorf("%d entries, want %d", len(got), len(contents))
	}
	for _, c := range contents {
		a := got[c.ID()]
		if a.Kind != c.Kind || string(a.Desc.MediaType) != c.MediaType || a.Desc.Size != c.Body.Size {
			t.Errorf("%s: listed as %+v", c.Kind, a)
		}
		rc, _ := c.Body.Open()
		want, _ := io.ReadAll(rc)
		if !bytes.Equal(open(t, reader, sub, a), want) {
			t.Errorf("%s: other bytes came back", c.Kind)
		}
		for _, place := range a.Places {
			for _, l := range layers(t, reader, sub, place.Manifest.Digest) {
				if l.MediaType != "application/vnd.oci.image.layer.v1.tar+gzip" {
					t.Errorf("%s: layer of type %q", c.Kind, l.MediaType)
				}
			}
		}
	}
}

// bothForms keeps an entry in one form and then in the other: to a reader it is one
// entry. What is there bare stands for the image form; what cosign cannot read
// stands for nothing that it is to read.
func bothForms(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	bareFirst, strictFirst := NewSignature(sub, "bare first"), NewSignature(sub, "strict first")
	put(t, s, sub, bareFirst)
	if r := put(t, s, sub, strict(bareFirst))[0]; !r.Existed || r.Attachment.Places[0].Layer != nil {
		t.Errorf("bare first: %+v", r)
	}
	put(t, s, sub, strict(strictFirst))
	if r := put(t, p.Open(t), sub, strictFirst)[0]; r.Existed || !r.Viewed {
		t.Errorf("strict first: %+v", r)
	}
	got := collect(t, p.Open(t), sub)
	if len(got) != 2 {
		t.Errorf("%d entries, want 2: %v", len(got), got)
	}
	for _, c := range []attach.Content{bareFirst, strictFirst} {
		if a := got[c.ID()]; string(open(t, s, sub, a)) != string(payload(sub.Desc.Digest)) {
			t.Errorf("%+v opens as something else", a)
		}
	}
}

// strictTwin plants a layer in image form that claims to hold a good signature, and
// holds nothing of it. It hides nothing.
func strictTwin(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	good := NewSignature(sub, "good")
	lie, err := cosign.Strict(good)
	if err != nil {
		t.Fatal(err)
	}
	lie.Body = attach.Bytes([]byte("no archive at all"))
	p.Put(t, attach.CosignTagOf(sub.Desc.Digest, attach.Signature), foreign(t, lie))
	again := strict(good)
	again.Same = func(_ context.Context, _ attach.Reader, a attach.Attachment) bool { return a.ID() == good.ID() }
	if r := put(t, s, sub, again)[0]; r.Existed || !r.Viewed {
		t.Errorf("the twin hid it: %+v", r)
	}
	a := collect(t, p.Open(t), sub)[good.ID()]
	if string(open(t, s, sub, a)) != string(payload(sub.Desc.Digest)) {
		t.Error("the twin is opened in its place")
	}
	if r := put(t, s, sub, good)[0]; r.Existed || !r.Viewed {
		t.Errorf("in cosign's form: %+v", r)
	}
}
