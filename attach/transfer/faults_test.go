package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/attach/journal"
	"github.com/hallmark-oci/hallmark/attach/layout"
	"github.com/hallmark-oci/hallmark/attach/registry"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// listedAll is what a destination lists of the subjects, errors left out.
func listedAll(t *testing.T, p Place, subjects []attach.Subject) map[string]bool {
	t.Helper()
	all := make(map[string]bool)
	for _, s := range subjects {
		list, _ := attach.Collect(t.Context(), p, s)
		for _, a := range list {
			all[s.Desc.Digest.String()+" "+a.ID().String()] = true
		}
	}
	return all
}

// TestFaults copies to registries that misbehave. It works, or it fails with a
// reason; nothing that the destination had is gone; and once the registry behaves,
// copying again completes it.
func TestFaults(t *testing.T) {
	tests := []struct {
		quirks []storetest.Quirk
		works  bool
		says   string // in the error or in a problem, where it does not work
	}{
		{quirks: []storetest.Quirk{storetest.MountLie()}, works: true},
		{quirks: []storetest.Quirk{storetest.TwoStepUploads()}, works: true},
		{quirks: []storetest.Quirk{storetest.Flap(3, 503)}, works: true},
		{quirks: []storetest.Quirk{storetest.Flap(3, 429)}, works: true},
		{quirks: []storetest.Quirk{storetest.ReferrersStatus(405)}, works: true},
		{quirks: []storetest.Quirk{storetest.ReferrersStatus(403)}, says: "odd answer of the referrers API"},
		{quirks: []storetest.Quirk{storetest.ReferrersStatus(500)}, says: "500"},
		{quirks: []storetest.Quirk{storetest.ReferrersEmpty()}, works: true},
		{quirks: []storetest.Quirk{storetest.FallbackIsSubject()}, works: true},
		{quirks: []storetest.Quirk{storetest.IgnoreLast()}, works: true},
		{quirks: []storetest.Quirk{storetest.LastMustExist()}, works: true},
		{quirks: []storetest.Quirk{storetest.Immutable(409)}, works: true},
		{quirks: []storetest.Quirk{storetest.ResetAfterPut(3)}, works: true},
		{quirks: []storetest.Quirk{storetest.StaleTags(1)}, works: true},
		{quirks: []storetest.Quirk{storetest.StaleTags(2)}, works: true},
		{quirks: []storetest.Quirk{storetest.EndlessPages(true)}, says: "followed by itself: listing not finished"},
		{quirks: []storetest.Quirk{storetest.ImagesOnly()}, says: "unknown media type"},
		{quirks: []storetest.Quirk{storetest.Only("/tags/list", storetest.Status(403, "DENIED"))}, says: "403"},
		{quirks: []storetest.Quirk{storetest.Only("^PUT .*/manifests/", storetest.Status(503, "UNAVAILABLE"))}, says: "503"},
		{quirks: []storetest.Quirk{storetest.Only("^POST .*/uploads/", storetest.Status(507, "FULL"))}, says: "507"},
	}
	for _, native := range []bool{false, true} {
		for _, tt := range tests {
			name := tt.quirks[0].Name
			if native {
				name += ", with referrers"
			}
			t.Run(name, func(t *testing.T) {
				var base []storetest.Quirk
				if native {
					base = append(base, storetest.NativeReferrers())
				}
				s := newServer(t, base...)
				src, dst := onRegistry(t, s, "from"), onRegistry(t, s, "to")
				st := fill(t, src)
				theirs := theirOwn(t, src, dst, st)
				s.Set(append(tt.quirks, base...)...)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				s2 := onRegistry(t, s, "to")
				r, err := Copy(ctx, cleanSource(t, s), st.root, s2.open(t), dst.repo, "v2", Options{Sleep: quick})
				text := fmt.Sprint(err, r.Problems)
				if works := err == nil && len(r.Problems) == 0; works != tt.works || !strings.Contains(text, tt.says) {
					t.Errorf("works %v: %s", works, text)
				}
				s.Set(base...)
				for k := range theirs {
					if !listedAll(t, dst.open(t), st.subjects)[k] {
						t.Errorf("%s, which the destination had, is gone", k)
					}
				}
				clean(t, transfer(t, src, onRegistry(t, s, "to"), st, "v2", Options{}))
				arrived(t, src, onRegistry(t, s, "to"), st)
			})
		}
	}
}

// cleanSource opens the source behind the quirks, which are of the destination: a
// second server would not mount.
func cleanSource(t *testing.T, s *storetest.Server) Place {
	t.Helper()
	return onRegistry(t, s, "from").open(t)
}

// theirOwn attaches a signature at the destination before anything is copied to
// it, and returns what is listed there.
func theirOwn(t *testing.T, src, dst site, st stock) map[string]bool {
	t.Helper()
	p := dst.open(t)
	if _, err := Copy(t.Context(), src.open(t), st.root, p, dst.repo, "old", Options{Sleep: quick, Images: true}); err != nil {
		t.Fatal(err)
	}
	on := attach.Subject{Repo: dst.repo, Desc: st.root.Desc}
	put(t, p, on, storetest.NewSignature(on, "their own"))
	return listedAll(t, p, st.subjects)
}

// TestMergeKeepsBoth copies to places that have entries of their own in the same
// views, of both sorts: made by this program and by another.
func TestMergeKeepsBoth(t *testing.T) {
	for from, newSrc := range sites() {
		for to, newDst := range sites() {
			t.Run(from+" to "+to, func(t *testing.T) {
				src, dst := newSrc(t), newDst(t)
				st := fill(t, src)
				theirOwn(t, src, dst, st)
				m, _ := dst.open(t).Media()
				putForeign(t, m, st.subjects[1].Desc, storetest.NewSignature(st.subjects[1], "foreign at the destination"))
				before := listedAll(t, dst.open(t), st.subjects)
				clean(t, transfer(t, src, dst, st, "v2", Options{}))
				arrived(t, src, dst, st)
				after := listedAll(t, dst.open(t), st.subjects)
				for k := range before {
					if !after[k] {
						t.Errorf("%s is gone", k)
					}
				}
			})
		}
	}
}

// putForeign puts a view of one entry, as a tool does that knows no journal.
func putForeign(t *testing.T, m journal.Medium, subject v1.Descriptor, c attach.Content) {
	t.Helper()
	e, err := cosign.NewEntry(c)
	must(t, err)
	view, config, err := cosign.Image{Entries: []cosign.Entry{e.WithoutData()}}.Encode()
	must(t, err)
	rc, err := c.Body.Open()
	must(t, err)
	payload, err := io.ReadAll(rc)
	must(t, err)
	putRaw(t, m, attach.CosignTagOf(subject.Digest, c.Kind), cosign.ManifestType, view, config, payload)
}

// TestInterrupted stops a copy after every so many requests, and completes it by
// running it again. Until then the tag names nothing.
func TestInterrupted(t *testing.T) {
	for _, native := range []bool{false, true} {
		for after := 3; after < 60; after += 5 {
			t.Run(fmt.Sprintf("native %v, after %d", native, after), func(t *testing.T) {
				var base []storetest.Quirk
				if native {
					base = append(base, storetest.NativeReferrers())
				}
				src := onRegistry(t, newServer(t, base...), "from")
				server := newServer(t, base...)
				dst := onRegistry(t, server, "to")
				st := fill(t, src)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var mu sync.Mutex
				seen := 0
				server.Set(append([]storetest.Quirk{storetest.Watch("stopped", func(handle func()) {
					mu.Lock()
					if seen++; seen == after {
						cancel()
					}
					mu.Unlock()
					handle()
				})}, base...)...)
				if _, err := Copy(ctx, src.open(t), st.root, dst.open(t), dst.repo, "v2", Options{Sleep: quick}); err == nil {
					t.Fatal("it was not interrupted")
				}
				server.Set(base...)
				if _, err := dst.open(t).Resolve(t.Context(), "v2"); !errors.Is(err, attach.ErrNotFound) {
					t.Errorf("the tag is there: %v", err)
				}
				clean(t, transfer(t, src, dst, st, "v2", Options{}))
				arrived(t, src, dst, st)
			})
		}
	}
}

// TestRemoved: what was removed at the destination is not brought back by a copy.
func TestRemoved(t *testing.T) {
	for to, newDst := range sites() {
		t.Run(to, func(t *testing.T) {
			src, dst := onRegistry(t, newServer(t), "from"), newDst(t)
			st := fill(t, src)
			clean(t, transfer(t, src, dst, st, "v2", Options{}))
			p := dst.open(t)
			on := attach.Subject{Repo: dst.repo, Desc: st.root.Desc}
			list, _ := attach.Collect(t.Context(), p, on, attach.Signature)
			keeper := p.(attach.Keeper)
			gone := list[0]
			if _, err := keeper.Remove(t.Context(), on, gone); err != nil {
				t.Fatal(err)
			}
			before := listedAll(t, dst.open(t), st.subjects)
			r := transfer(t, src, dst, st, "v2", Options{})
			clean(t, r)
			after := listedAll(t, dst.open(t), st.subjects)
			if len(after) != len(before) || after[on.Desc.Digest.String()+" "+gone.ID().String()] {
				t.Errorf("%d entries before, %d after", len(before), len(after))
			}
			if !strings.Contains(fmt.Sprint(r.Notes), "stays removed") {
				t.Errorf("nothing is said of it: %q", r.Notes)
			}
		})
	}
}

// TestBadSource: what cannot be read at the source is named, the rest arrives.
func TestBadSource(t *testing.T) {
	src, dst := onRegistry(t, newServer(t), "from"), onRegistry(t, newServer(t), "to")
	st := fill(t, src)
	m, _ := src.open(t).Media()
	tag := attach.CosignTagOf(st.subjects[2].Desc.Digest, attach.Signature)
	view, err := m.Manifest(t.Context(), tag)
	must(t, err)
	broken := strings.Replace(string(view.Raw), `"layers":[`, `"layers":[{"mediaType":"x","size":-1,"digest":"sha256:00"},`, 1)
	putRaw(t, m, tag, cosign.ManifestType, []byte(broken))
	r := transfer(t, src, dst, st, "v2", Options{})
	if !strings.Contains(fmt.Sprint(r.Problems), "descriptor") {
		t.Errorf("problems %v", r.Problems)
	}
	want, got := listedAll(t, src.open(t), st.subjects), listedAll(t, dst.open(t), st.subjects)
	for k := range want {
		if !got[k] {
			t.Errorf("%s did not arrive", k)
		}
	}
}

// TestBadArchive: a layout with a wrong blob leaves no tag at the destination.
func TestBadArchive(t *testing.T) {
	src := newLayout(t)
	st := fill(t, src)
	p := NewPacker(Options{})
	must(t, p.Add(t.Context(), src.open(t), st.root, "v1"))
	path := filepath.Join(t.TempDir(), "x.tar")
	f, err := os.Create(path)
	must(t, err)
	_, err = p.Write(t.Context(), f)
	must(t, err)
	must(t, f.Close())
	raw, err := os.ReadFile(path)
	must(t, err)
	if len(raw) == 0 || !strings.Contains(string(raw), "layer one of a") {
		t.Fatal("the archive lacks the layer")
	}
	raw = []byte(strings.Replace(string(raw), "layer one of a", "layer 0ne of a", 1))
	must(t, os.WriteFile(path, raw, 0o600))
	a, err := layout.Open(path, layout.Options{})
	must(t, err)
	defer a.Close()
	dst := onRegistry(t, newServer(t), "to")
	_, err = Copy(t.Context(), a, st.root, dst.open(t), dst.repo, "v1", Options{Sleep: quick})
	if !errors.Is(err, attach.ErrDigest) {
		t.Errorf("copied from a bad archive: %v", err)
	}
	if _, err := dst.open(t).Resolve(t.Context(), "v1"); !errors.Is(err, attach.ErrNotFound) {
		t.Errorf("the tag is there: %v", err)
	}
}

// TestTokens: within a registry that wants tokens blobs are mounted, with a token
// that lets read the source too.
func TestTokens(t *testing.T) {
	tokens := &storetest.Tokens{}
	s := newServer(t, storetest.Mounts())
	src := onRegistry(t, s, "from")
	st := fill(t, src)
	s.Set(tokens.Quirk(), storetest.Mounts())
	hosts := registry.NewHosts(registry.Options{Sleep: quick, Keychain: someone{}})
	tokens.User, tokens.Password = "user", "secret"
	r := transfer(t, sharing(t, s, "from", hosts), sharing(t, s, "to", hosts), st, "v2", Options{})
	clean(t, r)
	if r.Bytes != 0 {
		t.Errorf("%d bytes were sent within one registry", r.Bytes)
	}
	if all := strings.Join(tokens.Scopes(), "\n"); !strings.Contains(all, "repository:to:") {
		t.Errorf("scopes %s", all)
	}
}

// TestCareful: what is read comes whole where it is what it should be, and never
// to its end where it is not.
func TestCareful(t *testing.T) {
	for _, size := range []int{0, 1, heldBack - 1, heldBack, heldBack + 1, 3*heldBack + 7} {
		content := []byte(strings.Repeat("x", size))
		d := v1.Descriptor{Digest: attach.DigestOf(content), Size: int64(size)}
		read := func(raw []byte) (int, error) {
			rc, err := attach.Check(io.NopCloser(iotest.OneByteReader(bytes.NewReader(raw))), d)
			must(t, err)
			got, err := io.ReadAll(&careful{rc: rc, size: heldBack})
			if !bytes.HasPrefix(raw, got) {
				t.Errorf("%d bytes: others came", size)
			}
			return len(got), err
		}
		if n, err := read(content); n != size || err != nil {
			t.Errorf("%d bytes: %d came, %v", size, n, err)
		}
		if size == 0 {
			continue
		}
		other := append(bytes.Clone(content[:size-1]), 'y')
		if n, err := read(other); n >= size || !errors.Is(err, attach.ErrDigest) {
			t.Errorf("%d other bytes: %d came, %v", size, n, err)
		}
		if n, err := read(content[:size-1]); n >= size || !errors.Is(err, attach.ErrDigest) {
			t.Errorf("%d bytes, one missing: %d came, %v", size, n, err)
		}
	}
}
