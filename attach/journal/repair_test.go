package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// overwrite puts a view as a foreign tool does, over what stands there.
func overwrite(t *testing.T, w *world, annotations map[string]string, parcels ...attach.Parcel) {
	t.Helper()
	img := cosign.Image{Annotations: annotations}
	for _, p := range parcels {
		e, err := cosign.NewEntry(p.Content)
		if err != nil {
			t.Fatal(err)
		}
		img.Entries = append(img.Entries, e)
		if err := (port{world: w}).PutBlob(t.Context(), p.Content.Body); err != nil {
			t.Fatal(err)
		}
	}
	raw, _, err := img.Encode()
	if err != nil {
		t.Fatal(err)
	}
	tag := attach.CosignTagOf(parcels[0].Subject.Desc.Digest, parcels[0].Content.Kind)
	if err := (port{world: w}).PutManifest(t.Context(), tag, string(cosign.ManifestType), raw); err != nil {
		t.Fatal(err)
	}
}

func mustRepair(t *testing.T, s *Store, o attach.RepairOptions) attach.Repaired {
	t.Helper()
	out, err := s.Repair(t.Context(), subjectOf(0), o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRepair mends views that a foreign tool overwrote.
func TestRepair(t *testing.T) {
	for name, w := range worlds() {
		t.Run(name, func(t *testing.T) {
			subject := subjectOf(0)
			s := quick(port{world: w})
			a, b, c, foreign, sbom := signature(subject, 1), signature(subject, 2), signature(subject, 3), signature(subject, 9), sbomOf(subject, 1)
			mustPut(t, s, a, b, sbom)
			mustPut(t, s, c)
			if out := mustRepair(t, s, attach.RepairOptions{}); !out.Whole() {
				t.Errorf("what is whole: %+v", out)
			}
			removed(t, s, c)
			overwrite(t, w, nil, c, foreign)
			before := w.state()
			for _, dry := range []bool{true, false} {
				out := mustRepair(t, quick(port{world: w}), attach.RepairOptions{DryRun: dry})
				if len(out.Missing) != 2 || len(out.Adopted) != 1 || out.Adopted[0].ID() != foreign.Content.ID() ||
					len(out.Returned) != 1 || out.Returned[0].ID() != c.Content.ID() || len(out.Lost)+len(out.Notes) > 0 {
					t.Errorf("dry %v: %+v", dry, out)
				}
				if dry && w.state() != before {
					t.Error("a dry run wrote")
				}
			}
			expect(t, w, a, b, foreign, sbom)
			if out := mustRepair(t, quick(port{world: w}), attach.RepairOptions{}); !out.Whole() {
				t.Errorf("a second run: %+v", out)
			}
			overwrite(t, w, nil, signature(subject, 10))
			mustPut(t, s, signature(subject, 11))
			expect(t, w, append([]attach.Parcel{a, b, foreign, sbom, signature(subject, 11)}, adopted(t, w, 10)...)...)
		})
	}
}

// TestRepairBesideEmptyList: the journal is one of tags, and the registry has
// answered for referrers with an empty list ever since.
func TestRepairBesideEmptyList(t *testing.T) {
	w, subject := newWorld(), subjectOf(0)
	a, b := signature(subject, 1), signature(subject, 2)
	mustPut(t, quick(port{world: w}), a)
	mustPut(t, quick(port{world: w}), b)
	overwrite(t, w, nil, a)
	w.native, w.hidden = true, true
	if out := mustRepair(t, quick(port{world: w}), attach.RepairOptions{}); len(out.Missing)+len(out.Adopted) == 0 || len(out.Notes) > 0 {
		t.Errorf("%+v", out)
	}
	expect(t, w, a, b)
}

// adopted journals what the view shows alone, and returns it.
func adopted(t *testing.T, w *world, n int) []attach.Parcel {
	t.Helper()
	out := mustRepair(t, quick(port{world: w}), attach.RepairOptions{})
	if len(out.Adopted) != 1 {
		t.Errorf("%+v", out)
	}
	return []attach.Parcel{signature(subjectOf(0), n)}
}

// TestRepairTellsLosses: what something tells of and nobody holds is reported.
func TestRepairTellsLosses(t *testing.T) {
	subject := subjectOf(0)
	for name, tt := range map[string]struct {
		harm func(w *world)
		want string
	}{
		"manifest": {func(w *world) {
			overwrite(t, w, nil, signature(subject, 9))
			delete(w.manifests, w.tags[tagOf(subject.Desc.Digest, single(attach.Signature, signature(subject, 1).Content.ID()))])
		}, "is listed and gone"},
		"content": {func(w *world) {
			big := sbomOf(subject, 1)
			big.Content = cosign.NewSBOM(attach.Bytes([]byte(strings.Repeat("x", 2*attach.MaxData))), cosign.SPDXJSON, "")
			att := attach.Parcel{Subject: subject, Content: cosign.NewAttestation(big.Content.Body, "t")}
			mustPut(t, quick(port{world: w}), att)
			delete(w.tags, attach.CosignTagOf(subject.Desc.Digest, attach.Attestation))
			delete(w.blobs, att.Content.Body.Digest)
		}, "is gone"},
		"numbers": {func(w *world) {
			overwrite(t, w, map[string]string{groupsAnnotation: "0,5"}, signature(subject, 1), signature(subject, 9))
		}, "tells of 4 entries more"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			mustPut(t, quick(port{world: w}), signature(subject, 1))
			tt.harm(w)
			out := mustRepair(t, quick(port{world: w}), attach.RepairOptions{})
			if len(out.Lost) != 1 || !strings.Contains(out.Lost[0], tt.want) {
				t.Errorf("%+v", out)
			}
		})
	}
}

// TestCompact folds what is old and has nothing hanging from it.
func TestCompact(t *testing.T) {
	for name, w := range worlds() {
		t.Run(name, func(t *testing.T) {
			subject := subjectOf(0)
			start := time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC)
			at := func(days int) *Store {
				s := quick(port{world: w})
				s.now = func() time.Time { return start.Add(time.Duration(days) * 24 * time.Hour) }
				return s
			}
			var all []attach.Parcel
			for i := range 6 {
				all = append(all, signature(subject, i))
				r := mustPut(t, at(i), all[i])
				if i == 2 { // something hangs from the third
					place, _ := r[0].Attachment.Found(attach.Journal)
					on := attach.Subject{Repo: subject.Repo, Desc: place.Manifest}
					mustPut(t, at(i), attach.Parcel{Subject: on, Content: signature(on, 77).Content})
				}
			}
			opts := attach.RepairOptions{Compact: true, OlderThan: 3 * 24 * time.Hour, DryRun: true}
			before := w.state()
			if out := mustRepair(t, at(7), opts); out.Folded != 3 || out.Into != 1 || w.state() != before {
				t.Errorf("dry run: %+v", out) // days 0, 1 and 3; day 2 is hung from
			}
			opts.DryRun = false
			out := mustRepair(t, at(7), opts)
			if out.Folded != 3 || out.Into != 1 || (len(out.Left) == 3) != (w.noDelete != nil) || len(out.Lost)+len(out.Missing)+len(out.Adopted) > 0 {
				t.Errorf("%+v", out)
			}
			expect(t, w, all...)
			s, steps := counted(w)
			mustPut(t, s, signature(subject, 20))
			if n := count(*steps, "GET"); w.noDelete == nil && n > 2 {
				t.Errorf("the view does not tell of the group: a writer reads %d manifests: %v", n, *steps)
			}
			all = append(all, signature(subject, 20))
			if out := mustRepair(t, at(7), opts); w.noDelete == nil && out.Folded != 0 {
				t.Errorf("again: %+v", out)
			}
			removed(t, at(8), all[1])
			all = append(all[:1], all[2:]...)
			expect(t, w, all...)
			if out := mustRepair(t, at(9), attach.RepairOptions{Compact: true}); out.Folded < 5 {
				t.Errorf("all of any age: %+v", out)
			}
			expect(t, w, all...)
		})
	}
}

// TestAnotherDay: a journal entry that another wrote on another day is the same.
func TestAnotherDay(t *testing.T) {
	w, subject := newWorld(), subjectOf(0)
	w.immutable = true
	mustPut(t, quick(port{world: w}), signature(subject, 1))
	first := mustPut(t, quick(port{world: w}), signature(subject, 2))
	s := quick(port{world: w})
	s.now = func() time.Time { return time.Now().Add(72 * time.Hour) }
	again := mustPut(t, s, signature(subject, 2))
	a, _ := first[0].Attachment.Found(attach.Journal)
	b, _ := again[0].Attachment.Found(attach.Journal)
	if a.Manifest.Digest != b.Manifest.Digest {
		t.Errorf("%s became %s", a.Manifest.Digest, b.Manifest.Digest)
	}
}

// TestCrashes has a hundred writers, each of whose requests crashes with 2 %.
// After one repair the view shows all that was journaled.
func TestCrashes(t *testing.T) {
	for _, native := range []bool{false, true} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("native %v, seed %d", native, seed), func(t *testing.T) {
				t.Parallel()
				crash(t, native, seed)
			})
		}
	}
}

// crash is one such crowd, and the repair after it.
func crash(t *testing.T, native bool, seed uint64) {
	w, subject := newWorld(), subjectOf(0)
	w.native = native
	var wg sync.WaitGroup
	var mu sync.Mutex
	dead, ok := 0, 0
	for i := range 100 {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		s := quick(port{world: w, gate: func(ctx context.Context, _ string) error {
			if rnd.IntN(50) == 0 {
				return errDied
			}
			return ctx.Err()
		}})
		s.sleep = func(ctx context.Context, d time.Duration) error { return Sleep(ctx, min(d/20, 5*time.Millisecond)) }
		wg.Go(func() {
			_, err := s.Put(t.Context(), signature(subject, i))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, errDied):
				dead++
			case err != nil:
				t.Errorf("writer %d: %v", i, err)
			default:
				ok++
			}
		})
	}
	wg.Wait()
	lacked := 0
	for id := range w.journaled(t, subject) {
		lacked += bit(!w.viewed(t, subject, attach.Signature)[id])
	}
	mustRepair(t, quick(port{world: w}), attach.RepairOptions{})
	view := w.viewed(t, subject, attach.Signature)
	for id := range w.journaled(t, subject) {
		if !view[id] {
			t.Errorf("seed %d: the view lacks a journaled entry", seed)
		}
	}
	if dead == 0 || len(view) < ok {
		t.Errorf("seed %d: %d died, %d succeeded, the view shows %d", seed, dead, ok, len(view))
	}
	t.Logf("native %v, seed %d: %d died, %d succeeded, %d in the view, which lacked %d before", native, seed, dead, ok, len(view), lacked)
}

// TestBesideForeign has writers beside tools that read the view, add to it and
// write it back. After one repair nothing of ours is missing.
func TestBesideForeign(t *testing.T) {
	w, subject := newWorld(), subjectOf(0)
	var wg sync.WaitGroup
	naive := func(n int) {
		tag := attach.CosignTagOf(subject.Desc.Digest, attach.Signature)
		var img cosign.Image
		if m, err := (port{world: w}).Manifest(t.Context(), tag); err == nil {
			img, _ = cosign.Parse(m.Raw)
		}
		time.Sleep(time.Millisecond)
		e, err := cosign.NewEntry(signature(subject, n).Content)
		if err != nil {
			t.Error(err)
			return
		}
		img.Entries = append(img.Entries, e)
		raw, _, err := img.Encode()
		if err != nil {
			t.Error(err)
			return
		}
		if err := (port{world: w}).PutManifest(t.Context(), tag, string(cosign.ManifestType), raw); err != nil {
			t.Error(err)
		}
	}
	for i := range 30 {
		s := quick(port{world: w})
		s.sleep = func(ctx context.Context, d time.Duration) error { return Sleep(ctx, min(d/20, 5*time.Millisecond)) }
		wg.Go(func() {
			if _, err := s.Put(t.Context(), signature(subject, i)); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() { naive(1000 + i) })
	}
	wg.Wait()
	out := mustRepair(t, quick(port{world: w}), attach.RepairOptions{})
	view := w.viewed(t, subject, attach.Signature)
	for i := range 30 {
		if !view[signature(subject, i).Content.ID()] {
			t.Errorf("the view lacks signature %d", i)
		}
	}
	t.Logf("%d were missing, %d foreign ones adopted, %q", len(out.Missing), len(out.Adopted), out.Lost)
}
