package storetest

import (
	"errors"
	"fmt"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// keeper returns the store as what removes and mends.
func keeper(t *testing.T, s attach.Store) attach.Keeper {
	t.Helper()
	k, ok := s.(attach.Keeper)
	if !ok {
		t.Fatalf("%T is no attach.Keeper", s)
	}
	return k
}

// remove removes contents, as they are listed, and demands success.
func remove(t *testing.T, s attach.Store, sub attach.Subject, contents ...attach.Content) {
	t.Helper()
	all := collect(t, s, sub)
	as := make([]attach.Attachment, len(contents))
	for i, c := range contents {
		as[i] = all[c.ID()]
	}
	removals, err := keeper(t, s).Remove(t.Context(), sub, as...)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range removals {
		if r.Attachment.ID() != contents[i].ID() || r.Shown != "" || len(r.Left) > 0 {
			t.Errorf("%+v", r)
		}
	}
}

// only checks that exactly the contents are listed.
func only(t *testing.T, s attach.Store, sub attach.Subject, contents ...attach.Content) {
	t.Helper()
	wanted(t, s, sub, contents...)
	if got := collect(t, s, sub); len(got) != len(contents) {
		t.Errorf("%d entries are listed, want %d", len(got), len(contents))
	}
}

// removes takes away one of a group and one that stands alone. Nothing else goes,
// and who writes next does not bring them back.
func removes(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	a, b, c := NewSignature(sub, "a"), NewSignature(sub, "b"), NewSignature(sub, "c")
	att, sbom, note := newAttestation(sub, "x"), newSBOM("x"), newArtifact("x")
	put(t, s, sub, a, b, att, sbom, note)
	put(t, s, sub, c)
	remove(t, p.Open(t), sub, b, sbom, note)
	only(t, p.Open(t), sub, a, c, att)
	d := NewSignature(sub, "d")
	put(t, p.Open(t), sub, d)
	only(t, p.Open(t), sub, a, c, d, att)
	if _, err := s.Resolve(t.Context(), "v1"); err != nil {
		t.Errorf("the image: %v", err)
	}
	put(t, p.Open(t), sub, b, sbom)
	only(t, p.Open(t), sub, a, b, c, d, att, sbom)
	remove(t, p.Open(t), sub, a, b, c, d, att, sbom)
	only(t, p.Open(t), sub)
	if _, err := s.Resolve(t.Context(), "v1"); err != nil {
		t.Errorf("the image: %v", err)
	}
}

// repairs mends a view that a foreign tool wrote over, and journals what that tool
// put there.
func repairs(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	a, b, f := NewSignature(sub, "a"), NewSignature(sub, "b"), NewSignature(sub, "foreign")
	put(t, s, sub, a)
	put(t, s, sub, b)
	p.Put(t, attach.CosignTagOf(sub.Desc.Digest, attach.Signature), foreign(t, f))
	for _, dry := range []bool{true, false} {
		out, err := keeper(t, p.Open(t)).Repair(t.Context(), sub, attach.RepairOptions{DryRun: dry})
		if err != nil || len(out.Missing) != 2 || len(out.Adopted) != 1 || len(out.Lost)+len(out.Notes)+len(out.Returned) > 0 {
			t.Errorf("dry %v: %+v, %v", dry, out, err)
		}
	}
	only(t, p.Open(t), sub, a, b, f)
	out, err := keeper(t, p.Open(t)).Repair(t.Context(), sub, attach.RepairOptions{Compact: true})
	if err != nil || len(out.Missing)+len(out.Adopted)+len(out.Lost)+len(out.Notes)+len(out.Left) > 0 || out.Folded != 3 || out.Into != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	only(t, p.Open(t), sub, a, b, f)
}

// orphans are found, and swept; what has a subject stays.
func orphans(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	kept := NewSignature(sub, "kept")
	put(t, s, sub, kept)
	lost := attach.Subject{Repo: sub.Repo, Desc: v1.Descriptor{MediaType: sub.Desc.MediaType, Size: 7, Digest: attach.DigestOf([]byte("it was"))}}
	put(t, s, lost, NewSignature(lost, "a"), newSBOM("b"))
	put(t, s, lost, NewSignature(lost, "c"))
	remove(t, s, lost, NewSignature(lost, "c"))
	find := func() (list []attach.Orphan) {
		for o, err := range keeper(t, p.Open(t)).Orphans(t.Context()) {
			if err != nil {
				t.Error(err)
				continue
			}
			if o.Subject != lost.Desc.Digest {
				t.Errorf("%+v", o)
			}
			list = append(list, o)
		}
		return list
	}
	list := find()
	kinds := make(map[attach.Remnant]int)
	for _, o := range list {
		kinds[o.What]++
	}
	if got := fmt.Sprint(kinds); got != "map[journal entry:2 tombstone:1 view:2]" {
		t.Errorf("%s: %v", got, list)
	}
	left, err := keeper(t, p.Open(t)).Sweep(t.Context(), append(list, attach.Orphan{Subject: sub.Desc.Digest, Ref: attach.CosignTagOf(sub.Desc.Digest, attach.Signature)})...)
	if err != nil || len(left) != 1 || errors.Is(left[0], attach.ErrUndeletable) {
		t.Errorf("left %v, %v", left, err)
	}
	if list := find(); len(list) > 0 {
		t.Errorf("still %v", list)
	}
	only(t, p.Open(t), sub, kept)
}

// removesWhole takes away one of several whole manifests, from the list of
// referrers or the index that stands for it.
func removesWhole(t *testing.T, p Place) {
	s := p.Open(t)
	sub := p.subject(t, s, "v1")
	a, b, c := NewManifest(t, sub, "a"), NewManifest(t, sub, "b"), NewManifest(t, sub, "c")
	put(t, s, sub, a, b)
	remove(t, p.Open(t), sub, a)
	put(t, p.Open(t), sub, c)
	check := func(want ...attach.Content) {
		t.Helper()
		p.wantedWhole(t, p.Open(t), sub, want...)
		if got := collect(t, p.Open(t), sub); len(got) != len(want) {
			t.Errorf("%d entries are listed, want %d", len(got), len(want))
		}
	}
	check(b, c)
	put(t, p.Open(t), sub, a)
	check(a, b, c)
	if out, err := keeper(t, p.Open(t)).Repair(t.Context(), sub, attach.RepairOptions{}); err != nil || !out.Whole() && !p.Closed {
		t.Errorf("%+v, %v", out, err)
	}
	remove(t, p.Open(t), sub, a, b, c)
	check()
	if _, err := keeper(t, s).Remove(t.Context(), sub, attach.Attachment{
		Kind: attach.Artifact, Desc: sub.Desc, Places: []attach.Place{{Scheme: attach.Referrers, Manifest: sub.Desc}},
	}); !errors.Is(err, attach.ErrMalformed) {
		t.Errorf("the subject itself: %v", err)
	}
	if _, err := s.Resolve(t.Context(), "v1"); err != nil {
		t.Errorf("the image: %v", err)
	}
}
