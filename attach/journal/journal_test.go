package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	name, img := newRecord(subject.Desc, attach.Signature, []cosign.Entry{other}, false)
	plant(img, tagOf(subject.Desc.Digest, name))
	name, img = newRecord(subject.Desc, attach.Signature, []cosign.Entry{entryOf(sbomOf(subject, 1))}, false)
	plant(img, tagOf(subject.Desc.Digest, name)) // an SBOM as signature
	_, img = newRecord(subject.Desc, attach.Signature, []cosign.Entry{entryOf(signature(subject, 7))}, false)
	plant(img, tagOf(subject.Desc.Digest, "1"+strings.Repeat("0", 31))) // under a false name
	plant(cosign.Image{}, tagOf(subject.Desc.Digest, "1"+strings.Repeat("1", 31)))
	bare := entryOf(signature(subject, 8)).WithoutData() // its blob is not there
	name, img = newRecord(subject.Desc, attach.Signature, []cosign.Entry{bare}, false)
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

// TestViewStaysAsItIs shows the cases in which an entry is safe in the journal
// and cosign does not see it.
func TestViewStaysAsItIs(t *testing.T) {
	subject := subjectOf(0)
	tag := attach.CosignTagOf(subject.Desc.Digest, attach.Signature)
	full := func(n int) []byte {
		var img cosign.Image
		for i := range n {
			e, err := cosign.NewEntry(signature(subject, 1000+i).Content)
			if err != nil {
				t.Fatal(err)
			}
			img.Entries = append(img.Entries, e)
		}
		raw, _, err := img.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for name, tt := range map[string]struct {
		raw       []byte
		immutable bool
		note      string
	}{
		"immutable":        {full(2), true, "cosign sees 2 of 3 entries"},
		"full":             {full(attach.MaxView), false, "is full: cosign sees 900 entries"},
		"more than full":   {full(attach.MaxEntries), false, "is full: cosign sees 1000 entries"},
		"over the limit":   {full(attach.MaxEntries + 1), false, "cannot be added to"},
		"something else":   {[]byte(`{"manifests":[]}`), false, "cannot be added to"},
		"no JSON whatever": {[]byte(`hello`), false, "cannot be added to"},
	} {
		w := newWorld()
		m := port{world: w}
		if err := m.PutManifest(t.Context(), tag, string(cosign.ManifestType), tt.raw); err != nil {
			t.Fatal(err)
		}
		w.immutable = tt.immutable
		for run := range 2 {
			r := mustPut(t, quick(m), signature(subject, 1))[0]
			if r.Viewed || !strings.Contains(r.Note, tt.note) {
				t.Errorf("%s, run %d: %+v", name, run, r)
			}
			if !w.journaled(t, subject)[signature(subject, 1).Content.ID()] {
				t.Errorf("%s: not in the journal", name)
			}
		}
		if got := w.manifests[w.tags[tag]].Raw; !slices.Equal(got, tt.raw) {
			t.Errorf("%s: the view was changed", name)
		}
	}
}

// TestViewCap lets more entries come than a view takes.
func TestViewCap(t *testing.T) {
	w, subject := newWorld(), subjectOf(0)
	var parcels []attach.Parcel
	for i := range attach.MaxView + 30 {
		parcels = append(parcels, signature(subject, i))
	}
	for _, part := range [][]attach.Parcel{parcels[:500], parcels[500:]} {
		mustPut(t, quick(port{world: w}), part...)
	}
	if n := len(w.viewed(t, subject, attach.Signature)); n != attach.MaxView {
		t.Errorf("%d entries in the view", n)
	}
	s, steps := counted(w)
	r := mustPut(t, s, signature(subject, 5000))[0]
	if r.Viewed || len(*steps) > 6 {
		t.Errorf("%+v after %d steps: %v", r, len(*steps), *steps)
	}
	all, errs := attach.Collect(t.Context(), s, subject)
	if len(all) != len(parcels)+1 || len(errs) > 0 {
		t.Errorf("a reader sees %d entries, %v", len(all), errs)
	}
}

// TestNoData writes to a medium that refuses the data field.
func TestNoData(t *testing.T) {
	w, subject := newWorld(), subjectOf(0)
	w.noData = true
	s, steps := counted(w)
	for i := range 2 {
		if r := mustPut(t, s, signature(subject, i))[0]; !r.Viewed {
			t.Errorf("%+v", r)
		}
	}
	if n := count(*steps, "PUT"); n != 5 {
		t.Errorf("%d manifests were put, want one refused and four taken: %v", n, *steps)
	}
}

// TestBlind writes to a medium that does not let its tags be listed.
func TestBlind(t *testing.T) {
	w, subject := newWorld(), subjectOf(0)
	w.noList = fmt.Errorf("no: %w", attach.ErrDenied)
	for range 2 {
		r := mustPut(t, quick(port{world: w}), signature(subject, 1))[0]
		if !r.Viewed || !strings.Contains(r.Note, "cannot be listed") {
			t.Errorf("%+v", r)
		}
	}
	if n := len(w.tags); n != 2 {
		t.Errorf("%d tags, want the view and one journal entry", n)
	}
	w.noList = errors.New("the line is dead")
	if _, err := quick(port{world: w}).Put(t.Context(), signature(subject, 2)); !errors.Is(err, attach.ErrUnconfirmed) {
		t.Errorf("%v", err)
	}
}

// TestHiddenReferrers writes to a medium whose referrers API forgets what it was told.
func TestHiddenReferrers(t *testing.T) {
	w, subject := newWorld(), subjectOf(0)
	w.native, w.hidden = true, true
	for i := range 3 {
		r := mustPut(t, quick(port{world: w}), signature(subject, i))[0]
		p, _ := r.Attachment.Found(attach.Journal)
		if !r.Viewed || p.Tag == "" {
			t.Errorf("%+v", r)
		}
	}
	all, errs := attach.Collect(t.Context(), quick(port{world: w}), subject)
	if len(all) != 3 || len(errs) > 0 {
		t.Errorf("%d entries, %v", len(all), errs)
	}
}

// TestBadParcels shows what is refused before anything is written.
func TestBadParcels(t *testing.T) {
	good := signature(subjectOf(0), 1)
	for name, change := range map[string]func(p *attach.Parcel){
		"kind":       func(p *attach.Parcel) { p.Content.Kind = "letter" },
		"digest":     func(p *attach.Parcel) { p.Subject.Desc.Digest.Hex = "../.." },
		"algorithm":  func(p *attach.Parcel) { p.Subject.Desc.Digest.Algorithm = "md5" },
		"body":       func(p *attach.Parcel) { p.Content.Body.Open = nil },
		"media type": func(p *attach.Parcel) { p.Content.MediaType = "" },
		"content":    func(p *attach.Parcel) { p.Content.Body.Digest = attach.DigestOf(nil) },
		"annotation": func(p *attach.Parcel) {
			p.Content.Annotations = map[string]string{"a": strings.Repeat("x", attach.MaxAnnotation)}
		},
	} {
		w := newWorld()
		bad := good
		change(&bad)
		if _, err := quick(port{world: w}).Put(t.Context(), good, bad); !attach.Judged(err) {
			t.Errorf("%s: %v", name, err)
		}
		if len(w.manifests)+len(w.blobs) != 0 {
			t.Errorf("%s: something was written", name)
		}
	}
	if r, err := quick(port{world: newWorld()}).Put(t.Context()); r != nil || err != nil {
		t.Errorf("no parcels: %v, %v", r, err)
	}
}

// FuzzReadRecord looks for panics and for entries that pass under a false flag.
func FuzzReadRecord(f *testing.F) {
	subject := subjectOf(0)
	e, err := cosign.NewEntry(signature(subject, 1).Content)
	if err != nil {
		f.Fatal(err)
	}
	for _, native := range []bool{false, true} {
		_, img := newRecord(subject.Desc, attach.Signature, []cosign.Entry{e}, native)
		raw, _, err := img.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, "")
		f.Add(raw, "0,0;;1,"+string(raw[:9]))
	}
	f.Fuzz(func(t *testing.T, raw []byte, groups string) {
		r, err := readRecord(attach.Manifest{Raw: raw}, "", "", subject.Desc.Digest)
		if err != nil {
			if !attach.Judged(err) {
				t.Errorf("not a judgement: %v", err)
			}
			return
		}
		if kindOf(r.name) != r.kind || r.image.Annotations[subjectAnnotation] != subject.Desc.Digest.String() {
			t.Errorf("%+v", r)
		}
		img := r.image
		img.Annotations = map[string]string{groupsAnnotation: groups}
		for name := range coveredBy(r.kind, img) {
			if tag := tagOf(subject.Desc.Digest, name); !validName(name) || kindOf(name) != r.kind {
				t.Errorf("name %q, tag %q", name, tag)
			}
		}
	})
}
