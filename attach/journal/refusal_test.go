package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

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
		_, img := newRecord(subject.Desc, attach.Signature, []cosign.Entry{e}, native, "")
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
