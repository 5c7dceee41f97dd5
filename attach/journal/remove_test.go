package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// removed removes the contents of the parcels, as listed.
func removed(t *testing.T, s *Store, parcels ...attach.Parcel) []attach.Removal {
	t.Helper()
	all, errs := attach.Collect(t.Context(), s, parcels[0].Subject)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var as []attach.Attachment
	for _, p := range parcels {
		i := slices.IndexFunc(all, func(a attach.Attachment) bool { return a.ID() == p.Content.ID() })
		if i < 0 {
			t.Fatalf("%s is not listed", p.Content.ID())
		}
		as = append(as, all[i])
	}
	out, err := s.Remove(t.Context(), parcels[0].Subject, as...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// expect checks what the view and readers show: exactly the contents.
func expect(t *testing.T, w *world, want ...attach.Parcel) {
	t.Helper()
	subject := subjectOf(0)
	shown := make(map[attach.Kind]int)
	for _, p := range want {
		shown[p.Content.Kind]++
		if p.Content.Kind != attach.Artifact && !w.viewed(t, subject, p.Content.Kind)[p.Content.ID()] {
			t.Errorf("the view lacks %s", p.Content.ID())
		}
	}
	for _, k := range attach.Kinds() {
		if n := len(w.viewed(t, subject, k)); k != attach.Artifact && n != shown[k] {
			t.Errorf("the view of %s shows %d entries, want %d", k, n, shown[k])
		}
	}
	all, errs := attach.Collect(t.Context(), quick(port{world: w}), subject)
	if len(errs) > 0 {
		t.Errorf("%v", errs)
	}
	if len(all) != len(want) {
		t.Errorf("a reader is shown %d entries, want %d", len(all), len(want))
	}
	for _, p := range want {
		i := slices.IndexFunc(all, func(a attach.Attachment) bool { return a.ID() == p.Content.ID() })
		if i < 0 {
			t.Errorf("a reader is not shown %s", p.Content.ID())
			continue
		}
		if _, ok := all[i].Found(attach.Journal); !ok {
			t.Errorf("%s is not in the journal", p.Content.ID())
		}
	}
}

func artifactOf(s attach.Subject, n int) attach.Parcel {
	return attach.Parcel{Subject: s, Content: attach.Content{
		Kind: attach.Artifact, MediaType: "text/plain", Body: attach.Bytes(fmt.Appendf(nil, "note %d", n)),
	}}
}

// worlds are the media that a remover meets.
func worlds() map[string]*world {
	all := make(map[string]*world)
	for _, native := range []bool{false, true} {
		for _, noDelete := range []error{nil, attach.ErrUndeletable} {
			w := newWorld()
			w.native, w.noDelete = native, noDelete
			all[fmt.Sprintf("native %v, delete %v", native, noDelete == nil)] = w
		}
	}
	return all
}

// TestRemove removes one of a group, one that stands alone, and the last ones of
// their kinds, and sees that later writers do not bring them back.
func TestRemove(t *testing.T) {
	for name, w := range worlds() {
		t.Run(name, func(t *testing.T) {
			subject := subjectOf(0)
			s := quick(port{world: w})
			a, b, c, d := signature(subject, 1), signature(subject, 2), signature(subject, 3), signature(subject, 4)
			sbom, note := sbomOf(subject, 1), artifactOf(subject, 1)
			mustPut(t, s, a, b, c, sbom, note)
			mustPut(t, s, d)
			for _, r := range removed(t, s, b, sbom, note) {
				if r.Shown != "" || (len(r.Left) > 0) != (w.noDelete != nil) {
					t.Errorf("%+v", r)
				}
			}
			expect(t, w, a, c, d)
			e := signature(subject, 5)
			mustPut(t, quick(port{world: w}), e)
			expect(t, w, a, c, d, e)
			for _, r := range removed(t, quick(port{world: w}), a, c) {
				if r.Shown != "" {
					t.Errorf("%+v", r)
				}
			}
			expect(t, w, d, e)
			removed(t, s, d, e)
			expect(t, w)
			mustPut(t, s, sbomOf(subject, 2))
			expect(t, w, sbomOf(subject, 2))
			if _, err := s.Remove(t.Context(), subject); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRemoveTwice completes what an earlier run left, when the medium deletes by now.
func TestRemoveTwice(t *testing.T) {
	w, subject := newWorld(), subjectOf(0)
	w.noDelete = attach.ErrUndeletable
	s := quick(port{world: w})
	a, b := signature(subject, 1), signature(subject, 2)
	mustPut(t, s, a, b)
	all, _ := attach.Collect(t.Context(), s, subject)
	i := slices.IndexFunc(all, func(x attach.Attachment) bool { return x.ID() == a.Content.ID() })
	for run := range 3 {
		if run > 0 {
			w.noDelete = nil
		}
		out, err := s.Remove(t.Context(), subject, all[i])
		if err != nil || (len(out[0].Left) > 0) != (run == 0) {
			t.Errorf("run %d: %+v, %v", run, out, err)
		}
		expect(t, w, b)
	}
	if w.journaled(t, subject)[a.Content.ID()] {
		t.Error("a journal entry holds it still")
	}
}

// TestPutAgain puts what was removed: where the tombstone can be deleted it is
// there again, else that fails and it stays away.
func TestPutAgain(t *testing.T) {
	for name, w := range worlds() {
		t.Run(name, func(t *testing.T) {
			subject := subjectOf(0)
			s := quick(port{world: w})
			a, b, c := signature(subject, 1), signature(subject, 2), signature(subject, 3)
			mustPut(t, s, a, b)
			removed(t, s, a)
			_, err := quick(port{world: w}).Put(t.Context(), a, c)
			if w.noDelete != nil {
				if !errors.Is(err, attach.ErrRemoved) || !errors.Is(err, attach.ErrUndeletable) {
					t.Errorf("%v", err)
				}
				expect(t, w, b, c)
				return
			}
			if err != nil {
				t.Error(err)
			}
			expect(t, w, a, b, c)
			removed(t, s, a, b, c)
			mustPut(t, quick(port{world: w}), a, b) // the group that it was at first
			expect(t, w, a, b)
		})
	}
}

// TestRemoveForeign removes what only a view shows. A tool that knows nothing of
// tombstones may put it there again, until hallmark writes next.
func TestRemoveForeign(t *testing.T) {
	for name, w := range worlds() {
		t.Run(name, func(t *testing.T) {
			subject := subjectOf(0)
			tag := attach.CosignTagOf(subject.Desc.Digest, attach.SBOM)
			p := sbomOf(subject, 1)
			e, err := cosign.NewEntry(p.Content)
			if err != nil {
				t.Fatal(err)
			}
			raw, _, err := cosign.Image{Entries: []cosign.Entry{e}}.Encode()
			if err != nil {
				t.Fatal(err)
			}
			attachSBOM := func() {
				if err := (port{world: w}).PutManifest(t.Context(), tag, string(cosign.ManifestType), raw); err != nil {
					t.Fatal(err)
				}
			}
			attachSBOM()
			removed(t, quick(port{world: w}), p)
			expect(t, w)
			attachSBOM()
			if all, _ := attach.Collect(t.Context(), quick(port{world: w}), subject); len(all) != 1 {
				t.Errorf("%d entries are shown, want the one that was attached anew", len(all))
			}
			mustPut(t, quick(port{world: w}), sbomOf(subject, 2))
			expect(t, w, sbomOf(subject, 2))
		})
	}
}

// TestRemoveFrozen removes from a view that may not be written: that is told.
func TestRemoveFrozen(t *testing.T) {
	w, subject := newWorld(), subjectOf(0)
	a, b := signature(subject, 1), signature(subject, 2)
	mustPut(t, quick(port{world: w}), a, b)
	w.immutable = true
	out := removed(t, quick(port{world: w}), a)
	if !strings.Contains(out[0].Shown, "may not be written again") {
		t.Errorf("%+v", out)
	}
	w.immutable = false
	mustPut(t, quick(port{world: w}), signature(subject, 3))
	expect(t, w, b, signature(subject, 3))
}

// TestFalseTombstones plants tombstones that name nothing, or another kind or
// subject: nothing is hidden that they do not name.
func TestFalseTombstones(t *testing.T) {
	for _, native := range []bool{false, true} {
		w, subject := newWorld(), subjectOf(0)
		w.native = native
		s := quick(port{world: w})
		a, sbom := signature(subject, 1), sbomOf(subject, 1)
		mustPut(t, s, a, sbom)
		names := []string{single(attach.Attestation, a.Content.ID()), single(attach.SBOM, a.Content.ID()), "1" + strings.Repeat("0", 31)}
		for _, in := range []bool{true, false} {
			if in && !native {
				continue
			}
			if _, err := s.bury(t.Context(), subject, names, in); err != nil {
				t.Fatal(err)
			}
			if _, err := s.bury(t.Context(), subjectOf(1), []string{single(attach.Signature, a.Content.ID())}, in); err != nil {
				t.Fatal(err)
			}
		}
		for _, tag := range []string{goneTagOf(subject.Desc.Digest, "x"), tagPrefix(subject.Desc.Digest) + goneSuffix, tagPrefix(subject.Desc.Digest) + single(attach.Signature, a.Content.ID())[:31] + goneSuffix} {
			if err := (port{world: w}).PutManifest(t.Context(), tag, string(cosign.ManifestType), []byte(`{}`)); err != nil {
				t.Fatal(err)
			}
		}
		mustPut(t, quick(port{world: w}), signature(subject, 2))
		expect(t, w, a, sbom, signature(subject, 2))
	}
}

// TestTombstoneTags: no garbage collection takes a tombstone for cosign's.
func TestTombstoneTags(t *testing.T) {
	tag := goneTagOf(subjectOf(0).Desc.Digest, "1"+strings.Repeat("a", 31))
	for _, suffix := range []string{".sig", ".att", ".sbom"} {
		if strings.Contains(tag, suffix) {
			t.Errorf("the tag %s holds %q", tag, suffix)
		}
	}
	if len(tag) > 128 {
		t.Errorf("the tag has %d characters", len(tag))
	}
}

// TestRemoveStranger removes what a list or a tag that anybody can write says to be
// an attachment, and that is another image: it leaves the list and is not deleted.
func TestRemoveStranger(t *testing.T) {
	for _, under := range []string{"index", "journal tag"} {
		w, subject := newWorld(), subjectOf(0)
		m := port{world: w}
		image := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[]}`)
		d := v1.Descriptor{MediaType: cosign.ManifestType, Size: int64(len(image)), Digest: attach.DigestOf(image)}
		a := attach.Attachment{Kind: attach.Artifact, Desc: d}
		put := func(ref, mediaType string, raw []byte) {
			if err := m.PutManifest(t.Context(), ref, mediaType, raw); err != nil {
				t.Fatal(err)
			}
		}
		put(d.Digest.String(), string(d.MediaType), image)
		if under == "index" {
			index := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"size":%d,"digest":%q,"artifactType":"x/y"}]}`,
				types.OCIImageIndex, d.MediaType, d.Size, d.Digest)
			put(attach.FallbackTagOf(subject.Desc.Digest), string(types.OCIImageIndex), []byte(index))
			all, errs := attach.Collect(t.Context(), quick(m), subject)
			if len(all) != 1 || len(errs) > 0 {
				t.Fatalf("%+v, %v", all, errs)
			}
			a = all[0]
		} else {
			put(tagOf(subject.Desc.Digest, single(whole, a.ID())), string(d.MediaType), image)
		}
		out, err := quick(m).Remove(t.Context(), subject, a)
		if err != nil || len(out) != 1 || len(out[0].Left) == 0 || !errors.Is(out[0].Left[0], attach.ErrUndeletable) {
			t.Errorf("%s: %+v, %v", under, out, err)
		}
		if _, err := m.Manifest(t.Context(), d.Digest.String()); err != nil {
			t.Errorf("%s: the image was deleted: %v", under, err)
		}
		if list := w.listedIn(t, subject); len(list) != 0 {
			t.Errorf("%s: it is listed still: %s", under, list)
		}
	}
}
