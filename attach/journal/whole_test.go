package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
)

// noteOf returns a manifest that refers to the subject, a different one for each n.
func noteOf(t testing.TB, s attach.Subject, n int) attach.Parcel {
	t.Helper()
	c, err := artifact.Manifest{
		Form: artifact.ArtifactForm, Type: "application/vnd.example.note", Subject: &s.Desc,
		Annotations: map[string]string{"n": fmt.Sprint(n)},
	}.Content()
	if err != nil {
		t.Fatal(err)
	}
	return attach.Parcel{Subject: s, Content: c}
}

// listedIn returns the descriptors of the index under the referrers tag, as the
// bytes that they are.
func (w *world) listedIn(t testing.TB, s attach.Subject) []json.RawMessage {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	m, ok := w.manifests[w.tags[attach.FallbackTagOf(s.Desc.Digest)]]
	if !ok {
		return nil
	}
	var x struct {
		SchemaVersion int
		MediaType     types.MediaType
		Manifests     []json.RawMessage
	}
	if err := json.Unmarshal(m.Raw, &x); err != nil || x.SchemaVersion != 2 || x.MediaType != types.OCIImageIndex {
		t.Fatalf("%s: %v", m.Raw, err)
	}
	return x.Manifests
}

// TestFallbackIndex adds to an index that another tool wrote, as the distribution
// specification has it: descriptors with artifact type and annotations, and what
// is there stays as it is, even what makes no sense.
func TestFallbackIndex(t *testing.T) {
	w, subject := newWorld(), subjectOf(0)
	theirs := noteOf(t, subject, 7)
	rc, _ := theirs.Content.Body.Open()
	var buf bytes.Buffer
	buf.ReadFrom(rc)
	m := port{world: w}
	if err := m.PutManifest(t.Context(), theirs.Content.Body.Digest.String(), theirs.Content.MediaType, buf.Bytes()); err != nil {
		t.Fatal(err)
	}
	bare := fmt.Sprintf(`{"mediaType":%q,"size":%d,"digest":%q,"future":{"x":[1]}}`,
		theirs.Content.MediaType, theirs.Content.Body.Size, theirs.Content.Body.Digest)
	odd := `{"mediaType":"x","digest":"sha512:00"}`
	index := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","annotations":{"theirs":"1"},"manifests":[` + bare + `,` + odd + `]}`
	tag := attach.FallbackTagOf(subject.Desc.Digest)
	if err := m.PutManifest(t.Context(), tag, string(types.OCIImageIndex), []byte(index)); err != nil {
		t.Fatal(err)
	}
	receipts := mustPut(t, quick(m), noteOf(t, subject, 1), noteOf(t, subject, 2), theirs)
	for i, r := range receipts {
		if !r.Viewed || r.Note != "" || r.Existed != (i == 2) || len(r.Attachment.Places) != 2 {
			t.Errorf("receipt %d: %+v", i, r)
		}
	}
	list := w.listedIn(t, subject)
	if len(list) != 4 || string(list[0]) != bare || string(list[1]) != odd {
		t.Fatalf("the index lists %s", list)
	}
	for _, raw := range list[2:] {
		d, err := attach.ParseDescriptor(raw)
		if err != nil || d.ArtifactType != "application/vnd.example.note" || d.Annotations["n"] == "" {
			t.Errorf("descriptor %s, %v", raw, err)
		}
	}
	if raw := w.manifests[w.tags[tag]].Raw; !bytes.Contains(raw, []byte(`{"theirs":"1"}`)) {
		t.Errorf("annotations of the index are gone: %s", raw)
	}
	// One identity for what an index lists without annotations and the journal has.
	all, errs := attach.Collect(t.Context(), quick(m), subject)
	if len(all) != 3 || len(errs) != 1 {
		t.Fatalf("%+v, %v", all, errs)
	}
	for _, a := range all {
		_, fallback := a.Found(attach.FallbackTag)
		_, journal := a.Found(attach.Journal)
		if !fallback || !journal || a.Type != "application/vnd.example.note" || a.Annotations["n"] == "" {
			t.Errorf("%+v", a)
		}
	}
	before := w.state()
	mustPut(t, quick(m), noteOf(t, subject, 1), noteOf(t, subject, 2))
	if w.state() != before {
		t.Error("a second Put changed something")
	}
}

// TestFallbackBesidePlain has writers attach while another tool reads the index,
// appends and writes it back with no care, and then one more: none of those that
// follow the protocol is lost, and the index shows them all.
func TestFallbackBesidePlain(t *testing.T) {
	const writers = 16
	w, subject := newWorld(), subjectOf(0)
	tag := attach.FallbackTagOf(subject.Desc.Digest)
	var wg sync.WaitGroup
	var plain sync.WaitGroup
	done := make(chan struct{})
	plain.Go(func() {
		m := port{world: w}
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			var list []json.RawMessage
			if old, err := m.Manifest(t.Context(), tag); err == nil && n%3 > 0 { // and now and then blindly
				var x struct{ Manifests []json.RawMessage }
				if json.Unmarshal(old.Raw, &x) == nil {
					list = x.Manifests
				}
			}
			d := fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":2,"digest":"sha256:%064d"}`, n%5)
			raw, _ := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": types.OCIImageIndex, "manifests": append(list, json.RawMessage(d))})
			if err := m.PutManifest(t.Context(), tag, string(types.OCIImageIndex), raw); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range writers {
		wg.Go(func() {
			// The other never rests, so the view may not either; the journal holds all.
			if _, err := quick(port{world: w}).Put(t.Context(), noteOf(t, subject, i)); err != nil {
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	close(done)
	plain.Wait()
	last := mustPut(t, quick(port{world: w}), noteOf(t, subject, writers))[0]
	if !last.Viewed || last.Note != "" {
		t.Errorf("%+v", last)
	}
	listed := make(map[v1.Hash]bool)
	for _, raw := range w.listedIn(t, subject) {
		d, err := attach.ParseDescriptor(raw)
		if err != nil {
			t.Fatal(err)
		}
		listed[d.Digest] = true
	}
	for i := range writers + 1 {
		if !listed[noteOf(t, subject, i).Content.Body.Digest] {
			t.Errorf("the index lost the manifest of writer %d", i)
		}
	}
}

// TestFallbackFrozen finds something else under the referrers tag.
func TestFallbackFrozen(t *testing.T) {
	subject := subjectOf(0)
	tag := attach.FallbackTagOf(subject.Desc.Digest)
	for name, c := range map[string]struct{ raw, note string }{
		"the subject": {`{"schemaVersion":2,"n":0}`, "the image itself"},
		"an image":    {`{"schemaVersion":2,"layers":[]}`, "is no index"},
		"no JSON":     {`hello`, "cannot be added to"},
		"a bad list":  {`{"manifests":7}`, "cannot be added to"},
	} {
		w := newWorld()
		m := port{world: w}
		if err := m.PutManifest(t.Context(), tag, string(types.OCIImageIndex), []byte(c.raw)); err != nil {
			t.Fatal(err)
		}
		for run := range 2 {
			r := mustPut(t, quick(m), noteOf(t, subject, 1))[0]
			if r.Viewed || !strings.Contains(r.Note, c.note) || !strings.Contains(r.Note, "other tools see 0 of 1") || r.Existed != (run == 1) {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if got := w.manifests[w.tags[tag]].Raw; string(got) != c.raw {
			t.Errorf("%s: it was changed", name)
		}
		all, _ := attach.Collect(t.Context(), quick(m), subject, attach.Artifact)
		if len(all) != 1 {
			t.Errorf("%s: %d manifests are listed", name, len(all))
		}
	}
}

// TestWholeSurvives attaches on media that take a manifest and do not list it, and
// under a tag that may not be written twice.
func TestWholeSurvives(t *testing.T) {
	subject := subjectOf(0)
	for name, edit := range map[string]func(*world){
		"hidden":    func(w *world) { w.native, w.hidden = true, true },
		"immutable": func(w *world) { w.immutable = true },
		"blind":     func(w *world) { w.noList = attach.ErrDenied },
	} {
		w := newWorld()
		edit(w)
		m := port{world: w}
		for n := range 2 {
			for range 2 {
				r := mustPut(t, quick(m), noteOf(t, subject, n))[0]
				if viewed := name != "immutable" || n == 0; r.Viewed != viewed {
					t.Errorf("%s: %+v", name, r)
				}
			}
		}
		if w.noList = nil; name == "blind" {
			continue
		}
		all, errs := attach.Collect(t.Context(), quick(m), subject)
		if len(all) != 2 || len(errs) != 0 {
			t.Errorf("%s: %+v, %v", name, all, errs)
		}
	}
}

// TestWholeNames sees that what stands under a journal tag is what its name says.
func TestWholeNames(t *testing.T) {
	w, subject := newWorld(), subjectOf(0)
	m := port{world: w}
	one, two := noteOf(t, subject, 1), noteOf(t, subject, 2)
	mustPut(t, quick(m), one)
	name := nameOf(whole, []attach.ID{one.Content.ID()})
	rc, _ := two.Content.Body.Open()
	var buf bytes.Buffer
	buf.ReadFrom(rc)
	if err := m.PutManifest(t.Context(), tagOf(subject.Desc.Digest, name), two.Content.MediaType, buf.Bytes()); err != nil {
		t.Fatal(err)
	}
	_, errs := attach.Collect(t.Context(), quick(m), subject)
	if len(errs) != 1 || !attach.Judged(errs[0]) {
		t.Errorf("%v, want a judgement on the one that was displaced", errs)
	}
}

// TestRemoveWhole removes a manifest: no list shows it any more, and no later writer
// brings it back.
func TestRemoveWhole(t *testing.T) {
	subject := subjectOf(0)
	for _, native := range []bool{false, true} {
		w := newWorld()
		w.native = native
		m := port{world: w}
		mustPut(t, quick(m), noteOf(t, subject, 1), noteOf(t, subject, 2), signature(subject, 1))
		all, errs := attach.Collect(t.Context(), quick(m), subject, attach.Artifact)
		if len(all) != 2 || len(errs) != 0 {
			t.Fatalf("%+v, %v", all, errs)
		}
		gone := noteOf(t, subject, 1).Content.ID()
		for _, a := range all {
			if a.ID() != gone {
				continue
			}
			out, err := quick(m).Remove(t.Context(), subject, a)
			if err != nil || out[0].Shown != "" || len(out[0].Left) != 0 {
				t.Fatalf("native %v: %+v, %v", native, out, err)
			}
		}
		mustPut(t, quick(m), noteOf(t, subject, 3))
		all, errs = attach.Collect(t.Context(), quick(m), subject)
		if len(all) != 3 || len(errs) != 0 {
			t.Errorf("native %v: %d are left, want 3: %+v, %v", native, len(all), all, errs)
		}
		for _, a := range all {
			if a.ID() == gone {
				t.Errorf("native %v: it is back in %+v", native, a.Places)
			}
		}
		if r := mustPut(t, quick(m), noteOf(t, subject, 1))[0]; r.Existed || !r.Viewed {
			t.Errorf("native %v: put again: %+v", native, r)
		}
		if all, errs = attach.Collect(t.Context(), quick(m), subject); len(all) != 4 || len(errs) != 0 {
			t.Errorf("native %v: %d after it was put again, %v", native, len(all), errs)
		}
	}
}
