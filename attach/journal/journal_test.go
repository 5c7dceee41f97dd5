package journal

import (
	"context"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// counted returns a store that shares the world, and counts its steps.
func counted(w *world) (*Store, *[]string) {
	steps := new([]string)
	s := quick(port{world: w, gate: func(ctx context.Context, what string) error {
		*steps = append(*steps, what)
		return ctx.Err()
	}})
	return s, steps
}

func count(steps []string, prefix string) int {
	n := 0
	for _, s := range steps {
		if strings.HasPrefix(s, prefix) {
			n++
		}
	}
	return n
}

// TestGroups puts several signatures with one command: they share a journal
// entry, and the view tells so, so that later writers need not open it.
func TestGroups(t *testing.T) {
	w, subject := newWorld(), subjectOf(0)
	receipts := mustPut(t, quick(port{world: w}), signature(subject, 1), signature(subject, 2), signature(subject, 3))
	place, _ := receipts[0].Attachment.Found(attach.Journal)
	for i, r := range receipts {
		p, ok := r.Attachment.Found(attach.Journal)
		if !ok || p.Manifest.Digest != place.Manifest.Digest || !r.Viewed || r.Existed {
			t.Errorf("receipt %d: %+v", i, r)
		}
	}
	s, steps := counted(w)
	mustPut(t, s, signature(subject, 4))
	if n := count(*steps, "GET"); n != 2 {
		t.Errorf("a writer that comes after a group reads %d manifests, want the view twice: %v", n, *steps)
	}
	// A foreign writer drops the annotation: the group is opened and found complete.
	tag := attach.CosignTagOf(subject.Desc.Digest, attach.Signature)
	img, err := cosign.Parse(w.manifests[w.tags[tag]].Raw)
	if err != nil || img.Annotations[groupsAnnotation] == "" {
		t.Fatalf("%v, annotations %v", err, img.Annotations)
	}
	img.Annotations = map[string]string{"foreign": "kept", groupsAnnotation: "0,1;9,9;-1,x;0"}
	raw, _, err := img.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := (port{world: w}).PutManifest(t.Context(), tag, string(cosign.ManifestType), raw); err != nil {
		t.Fatal(err)
	}
	mustPut(t, quick(port{world: w}), signature(subject, 5))
	if n := len(w.viewed(t, subject, attach.Signature)); n != 5 {
		t.Errorf("%d entries in the view, want 5", n)
	}
	img, _ = cosign.Parse(w.manifests[w.tags[tag]].Raw)
	if img.Annotations["foreign"] != "kept" {
		t.Errorf("annotations of the view: %v", img.Annotations)
	}
}

// TestOneSBOMEach sees that each SBOM can be named by a digest of its own.
func TestOneSBOMEach(t *testing.T) {
	w, subject := newWorld(), subjectOf(0)
	receipts := mustPut(t, quick(port{world: w}), sbomOf(subject, 1), sbomOf(subject, 2))
	a, _ := receipts[0].Attachment.Found(attach.Journal)
	b, _ := receipts[1].Attachment.Found(attach.Journal)
	if a.Manifest.Digest == b.Manifest.Digest {
		t.Error("two SBOMs share a journal entry")
	}
	for _, r := range receipts {
		again := mustPut(t, quick(port{world: w}), sbomOf(subject, 1), sbomOf(subject, 2))
		if !again[0].Existed || !again[1].Existed {
			t.Errorf("second run: %+v", again)
		}
		p, _ := again[0].Attachment.Found(attach.Journal)
		if p.Manifest.Digest != a.Manifest.Digest {
			t.Errorf("the second run names another journal entry than %+v", r)
		}
	}
}

// TestNoImageTwice sees that no journal entry has the digest of a view.
func TestNoImageTwice(t *testing.T) {
	w := newWorld()
	for i := range 3 {
		mustPut(t, quick(port{world: w}), signature(subjectOf(i), 1), sbomOf(subjectOf(i), 1))
	}
	tags := make(map[string]string)
	for tag, h := range w.tags {
		if other, ok := tags[h.Hex]; ok {
			t.Errorf("%s and %s have one digest", tag, other)
		}
		tags[h.Hex] = tag
		for _, suffix := range []string{".sig", ".att", ".sbom"} {
			if strings.HasSuffix(tag, tagSuffix) && strings.Contains(tag, suffix) {
				t.Errorf("journal tag %s holds a suffix of cosign's", tag)
			}
		}
	}
	if len(tags) != 12 {
		t.Errorf("%d tags, want 3 subjects with 2 views and 2 journal entries", len(tags))
	}
}

// TestAdopt finds an entry that cosign made: it is journaled, so that no other
// writer can displace it.
func TestAdopt(t *testing.T) {
	for _, native := range []bool{false, true} {
		w, subject := newWorld(), subjectOf(0)
		w.native = native
		p := signature(subject, 1)
		e, err := cosign.NewEntry(p.Content)
		if err != nil {
			t.Fatal(err)
		}
		raw, _, err := cosign.Image{Entries: []cosign.Entry{e}}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		m := port{world: w}
		if err := m.PutManifest(t.Context(), attach.CosignTagOf(subject.Desc.Digest, attach.Signature), string(cosign.ManifestType), raw); err != nil {
			t.Fatal(err)
		}
		if err := m.PutBlob(t.Context(), p.Content.Body); err != nil {
			t.Fatal(err)
		}
		mine := signature(subject, 2)
		asked := 0
		mine.Content.Same = func(_ context.Context, r attach.Reader, a attach.Attachment) bool {
			asked++
			return a.ID() == p.Content.ID()
		}
		r := mustPut(t, quick(m), mine)[0]
		if !r.Existed || !r.Viewed || r.Attachment.ID() != p.Content.ID() || asked != 1 {
			t.Errorf("native %v: %+v, asked %d times", native, r, asked)
		}
		if !w.journaled(t, subject)[p.Content.ID()] || w.journaled(t, subject)[mine.Content.ID()] {
			t.Errorf("native %v: the journal is not what it should be", native)
		}
	}
}

// TestNotMerged plants journal entries that must not get into the view.
func TestNotMerged(t *testing.T) {
	w, subject := newWorld(), subjectOf(0)
	m := port{world: w}
	plant := func(img cosign.Image, tag string) {
		t.Helper()
		raw, _, err := img.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := m.PutManifest(t.Context(), tag, string(cosign.ManifestType), raw); err != nil {
			t.Fatal(err)
		}
	}
	entryOf := func(p attach.Parcel) cosign.Entry {
		e, err := cosign.NewEntry(p.Content)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	other := entryOf(signature(subjectOf(1), 1)) // speaks of another subject
	name, img := newRecord(subject.Desc, attach.Signature, []cosign.Entry{other}, false, "")
	plant(img, tagOf(subject.Desc.Digest, name))
	name, img = newRecord(subject.Desc, attach.Signature, []cosign.Entry{entryOf(sbomOf(subject, 1))}, false, "")
	plant(img, tagOf(subject.Desc.Digest, name)) // an SBOM as signature
	_, img = newRecord(subject.Desc, attach.Signature, []cosign.Entry{entryOf(signature(subject, 7))}, false, "")
	plant(img, tagOf(subject.Desc.Digest, "1"+strings.Repeat("0", 31))) // under a false name
	plant(cosign.Image{}, tagOf(subject.Desc.Digest, "1"+strings.Repeat("1", 31)))
	bare := entryOf(signature(subject, 8)).WithoutData() // its blob is not there
	name, img = newRecord(subject.Desc, attach.Signature, []cosign.Entry{bare}, false, "")
	plant(img, tagOf(subject.Desc.Digest, name))

	r := mustPut(t, quick(m), signature(subject, 2))[0]
	if !r.Viewed || r.Note != "" {
		t.Errorf("%+v", r)
	}
	if n := len(w.viewed(t, subject, attach.Signature)); n != 1 {
		t.Errorf("%d entries in the view, want one", n)
	}
	// A reader is shown all the same what is there, and what is broken as broken.
	all, errs := attach.Collect(t.Context(), quick(m), subject, attach.Signature)
	if len(all) != 4 || len(errs) != 2 {
		t.Errorf("%d entries, errors %v", len(all), errs)
	}
	for _, err := range errs {
		if !attach.Judged(err) {
			t.Errorf("not a judgement: %v", err)
		}
	}
}

// TestListUnder: what stands under tags with a prefix is listed, and nothing else is
// asked for.
func TestListUnder(t *testing.T) {
	w, subject := newWorld(), subjectOf(0)
	s, steps := counted(w)
	mustPut(t, s, signature(subject, 1))
	tag := attach.CosignTagOf(subject.Desc.Digest, attach.Signature)
	list := func(prefix string, kinds ...attach.Kind) (found []attach.Attachment) {
		*steps = nil
		for a, err := range s.ListUnder(t.Context(), prefix, subject, kinds...) {
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, a)
		}
		return found
	}
	if found := list("p-"); len(found) != 0 || len(*steps) != 3 || count(*steps, "GET") != 3 {
		t.Errorf("nothing is kept there: %v, in %v", found, *steps)
	}
	w.tags["p-"+tag] = w.tags[tag]
	delete(w.tags, tag)
	found := list("p-", attach.Signature)
	if len(found) != 1 || len(found[0].Places) != 1 || found[0].Places[0].Tag != "p-"+tag || len(*steps) != 1 {
		t.Errorf("%+v, in %v", found, *steps)
	}
	if found := list("q-", attach.Signature); len(found) != 0 {
		t.Errorf("another prefix: %v", found)
	}
}
