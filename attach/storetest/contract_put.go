package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

func putTwice(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	contents := []attach.Content{NewSignature(sub, "a"), newAttestation(sub, "a"), newSBOM("a")}
	put(t, s, sub, contents...)
	for name, store := range map[string]attach.Store{"same store": s, "other store": p.Open(t)} {
		for i, r := range put(t, store, sub, contents...) {
			if !r.Existed || !r.Viewed || r.Attachment.ID() != contents[i].ID() {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
	if got := collect(t, s, sub); len(got) != len(contents) {
		t.Errorf("%d entries, want %d", len(got), len(contents))
	}
}

func manyWriters(t *testing.T, p Place) {
	const writers, rounds = 8, 2
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	var all []attach.Content
	for w := range writers {
		for r := range rounds {
			all = append(all, NewSignature(sub, fmt.Sprintf("writer %d, round %d", w, r)))
		}
	}
	var wg sync.WaitGroup
	for w := range writers {
		store := p.Open(t)
		wg.Go(func() {
			for r := range rounds {
				c := all[w*rounds+r]
				receipts, err := store.Put(t.Context(), attach.Parcel{Subject: sub, Content: c})
				if err != nil {
					t.Errorf("writer %d, round %d: %v", w, r, err)
				} else if receipts[0].Existed || receipts[0].Attachment.ID() != c.ID() {
					t.Errorf("writer %d, round %d: %+v", w, r, receipts[0])
				}
			}
		})
	}
	wg.Wait()
	wanted(t, p.Open(t), sub, all...)
}

func sameStandsFor(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	first := NewSignature(sub, "first run")
	put(t, s, sub, first)
	second := NewSignature(sub, "second run")
	var asked []attach.ID
	second.Same = func(_ context.Context, _ attach.Reader, a attach.Attachment) bool {
		asked = append(asked, a.ID())
		return a.ID() == first.ID()
	}
	r := put(t, p.Open(t), sub, second)[0]
	if !r.Existed || r.Attachment.ID() != first.ID() {
		t.Errorf("receipt %+v, want that of the first entry", r)
	}
	if len(asked) == 0 || asked[0] != first.ID() {
		t.Errorf("asked for %v, want %s", asked, first.ID())
	}
	second.Same = func(context.Context, attach.Reader, attach.Attachment) bool { return false }
	if r := put(t, s, sub, second)[0]; r.Existed || !r.Viewed || r.Attachment.ID() != second.ID() {
		t.Errorf("with Same saying no: %+v", r)
	}
	wanted(t, s, sub, first, second)
}

func largeBody(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	c := newSBOM("large")
	doc := bytes.Repeat([]byte("0123456789abcdef"), 8<<20/16)
	c.Body = attach.Bytes(doc)
	gauge := &gauge{}
	c.Body.Open = func() (io.ReadCloser, error) {
		return io.NopCloser(&gauged{bytes.NewReader(doc), gauge}), nil
	}
	r := put(t, s, sub, c)[0]
	if gauge.most == 0 || gauge.most > 1<<20 {
		t.Errorf("the body was read in pieces of up to %d bytes, which is not streaming", gauge.most)
	}
	if r.Attachment.Desc.Size != 8<<20 || r.Attachment.Desc.Data != nil {
		t.Errorf("descriptor %+v", r.Attachment.Desc)
	}
	a := collect(t, p.Open(t), sub, attach.SBOM)[c.ID()]
	if !bytes.Equal(open(t, s, sub, a), doc) {
		t.Error("the body came back changed")
	}
	rc, err := s.Blob(t.Context(), sub, a.Desc)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if n, err := io.Copy(io.Discard, rc); n != 8<<20 || err != nil {
		t.Errorf("blob: %d bytes, %v", n, err)
	}
}

// A gauge notes the size of the largest read.
type gauge struct {
	mu   sync.Mutex
	most int
}

type gauged struct {
	r io.Reader
	g *gauge
}

// Read implements io.Reader.
func (r *gauged) Read(p []byte) (int, error) {
	r.g.mu.Lock()
	r.g.most = max(r.g.most, len(p))
	r.g.mu.Unlock()
	return r.r.Read(p)
}

func manySubjects(t *testing.T, p Place) {
	s := p.Open(t)
	var parcels []attach.Parcel
	for i := range 7 {
		sub := p.subject(t, s, fmt.Sprintf("v%d", i))
		parcels = append(parcels,
			attach.Parcel{Subject: sub, Content: NewSignature(sub, "key")},
			attach.Parcel{Subject: sub, Content: newAttestation(sub, "x")})
	}
	receipts, err := s.Put(t.Context(), parcels...)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range receipts {
		if r.Attachment.ID() != parcels[i].Content.ID() || r.Attachment.Kind != parcels[i].Content.Kind || r.Existed || !r.Viewed {
			t.Errorf("receipt %d: %+v", i, r)
		}
		wanted(t, s, parcels[i].Subject, parcels[i].Content)
	}
	if got := collect(t, s, parcels[0].Subject); len(got) != 2 {
		t.Errorf("the first subject has %d entries, want 2", len(got))
	}
	if none, err := s.Put(t.Context()); err != nil || len(none) != 0 {
		t.Errorf("no parcels: %v, %v", none, err)
	}
}

func badParcels(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	good := NewSignature(sub, "good")
	broken := errors.New("the disk is gone")
	tests := []struct {
		name string
		edit func(c *attach.Content, sub *attach.Subject)
		want error
	}{
		{"kind", func(c *attach.Content, _ *attach.Subject) { c.Kind = "rumour" }, attach.ErrMalformed},
		{"digest algorithm", func(_ *attach.Content, s *attach.Subject) { s.Desc.Digest.Algorithm = "md5" }, attach.ErrMalformed},
		{"digest length", func(_ *attach.Content, s *attach.Subject) { s.Desc.Digest.Hex = "abc" }, attach.ErrMalformed},
		{"no body", func(c *attach.Content, _ *attach.Subject) { c.Body = attach.Body{} }, attach.ErrMalformed},
		{"body is another", func(c *attach.Content, _ *attach.Subject) {
			c.Body.Open = attach.Bytes(bytes.Repeat([]byte("x"), int(c.Body.Size))).Open
		}, attach.ErrDigest},
		{"body is shorter", func(c *attach.Content, _ *attach.Subject) { c.Body.Open = attach.Bytes([]byte("x")).Open }, attach.ErrDigest},
		{"body cannot be opened", func(c *attach.Content, _ *attach.Subject) {
			c.Body.Open = func() (io.ReadCloser, error) { return nil, broken }
		}, broken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, to := good, sub
			tt.edit(&c, &to)
			if _, err := s.Put(t.Context(), attach.Parcel{Subject: to, Content: c}); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if got := collect(t, s, sub); len(got) != 0 {
		t.Errorf("refused parcels left %v", got)
	}
	put(t, s, sub, good)
	wanted(t, s, sub, good)
}

// cancelled cuts a Put off while the body is read, and completes it later.
func cancelled(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	before := NewSignature(sub, "before")
	put(t, s, sub, before)
	doc := bytes.Repeat([]byte("x"), 1<<20)
	c := cosign.NewSBOM(attach.Bytes(doc), cosign.SPDXJSON, "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	half := c
	half.Body.Open = func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(doc[:1000]), &canceller{cancel, bytes.NewReader(doc[1000:])})), nil
	}
	if _, err := s.Put(ctx, attach.Parcel{Subject: sub, Content: half}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want %v", err, context.Canceled)
	}
	if got := collect(t, s, sub, attach.SBOM); len(got) != 0 {
		t.Errorf("half an entry: %v", got)
	}
	again := p.Open(t)
	if r := put(t, again, sub, c)[0]; r.Existed || !r.Viewed {
		t.Errorf("receipt %+v", r)
	}
	wanted(t, again, sub, before, c)
}

type canceller struct {
	cancel context.CancelFunc
	r      io.Reader
}

// Read implements io.Reader.
func (c *canceller) Read(p []byte) (int, error) {
	c.cancel()
	return c.r.Read(p)
}
