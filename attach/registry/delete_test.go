package registry

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// small returns an image of its own.
func small(t *testing.T) v1.Image {
	t.Helper()
	img, err := random.Image(50, 1)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestDelete deletes from registries that differ in what they let be deleted.
func TestDelete(t *testing.T) {
	for _, tt := range []struct {
		quirks []storetest.Quirk
		want   error // of deleting a tag that is the only one of its manifest
		shared error // of deleting one of two tags
		text   string
	}{
		{},
		{quirks: []storetest.Quirk{storetest.DeleteByDigest(400)}, shared: attach.ErrUndeletable, text: `the tag "keep" names`},
		{quirks: []storetest.Quirk{storetest.DeleteByDigest(404)}, shared: attach.ErrUndeletable, text: `the tag "keep" names`},
		{quirks: []storetest.Quirk{storetest.DeleteByDigest(405)}, shared: attach.ErrUndeletable, text: `the tag "keep" names`},
		{quirks: []storetest.Quirk{storetest.NoDelete()}, want: attach.ErrUndeletable, shared: attach.ErrUndeletable, text: "this registry does not delete"},
		{quirks: []storetest.Quirk{storetest.DeleteImmutable()}, want: attach.ErrImmutable, shared: attach.ErrImmutable, text: "is immutable"},
		{quirks: []storetest.Quirk{storetest.Only("^DELETE", storetest.Status(403, "DENIED"))}, want: attach.ErrDenied, shared: attach.ErrDenied, text: "403"},
		{quirks: []storetest.Quirk{storetest.DeleteByDigest(400), storetest.Only("^HEAD.*/keep$", storetest.Status(403, "DENIED"))}, want: attach.ErrDenied, shared: attach.ErrDenied, text: `what the tag "keep" names`},
	} {
		var names []string
		for _, q := range tt.quirks {
			names = append(names, q.Name)
		}
		t.Run(strings.Join(names, ", "), func(t *testing.T) {
			s := start(t, tt.quirks...)
			for _, pair := range [][]string{{"alone"}, {"keep", "share"}} {
				img := small(t)
				for _, tag := range pair {
					push(t, s, tag, img)
				}
			}
			m := medium{open(t, s, Options{Push: true, Delete: true}).attachments}
			for ref, want := range map[string]error{"alone": tt.want, "share": tt.shared} {
				err := m.Delete(t.Context(), ref)
				if !errors.Is(err, want) || (err != nil) != (want != nil) || err != nil && !strings.Contains(err.Error(), tt.text) {
					t.Errorf("delete %s: %v, want %v", ref, err, want)
				}
				_, err = m.Manifest(t.Context(), ref)
				if errors.Is(err, attach.ErrNotFound) != (want == nil) {
					t.Errorf("afterwards, %s: %v", ref, err)
				}
			}
			if _, err := m.Manifest(t.Context(), "keep"); err != nil {
				t.Errorf("the other tag is gone: %v", err)
			}
			if tt.want == nil {
				if err := m.Delete(t.Context(), "alone", "never-there"); err != nil {
					t.Errorf("delete what is gone: %v", err)
				}
			}
		})
	}
}

// TestDeleteByDigest deletes a manifest by digest, which no tag may name.
func TestDeleteByDigest(t *testing.T) {
	s := start(t)
	push(t, s, "v1", small(t))
	store := open(t, s, Options{Push: true, Delete: true})
	m := medium{store.attachments}
	kept, err := store.Resolve(t.Context(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	ref := kept.Desc.Digest.String()
	if err := m.Delete(t.Context(), ref); !errors.Is(err, attach.ErrUndeletable) || !strings.Contains(err.Error(), `the tag "v1" names`) {
		t.Errorf("%v", err)
	}
	if n := s.Count("^DELETE .*" + ref); n != 0 {
		t.Errorf("it was asked to be deleted %d times", n)
	}
	raw := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
	loose := attach.DigestOf(raw).String()
	if err := m.PutManifest(t.Context(), loose, "application/vnd.oci.image.index.v1+json", raw); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Manifest(t.Context(), loose); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.Delete(t.Context(), loose); err != nil {
			t.Error(err)
		}
	}
	if _, err := m.Manifest(t.Context(), loose); !errors.Is(err, attach.ErrNotFound) {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "../x", "sha256:12", "a b"} {
		if err := m.Delete(t.Context(), bad); !errors.Is(err, attach.ErrMalformed) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestDeleteSparesChildren deletes a tag, of the form that those of the journal have,
// which somebody put on one image of an index: where the registry deletes by digest
// alone the image stays, as it does when it is named by its digest.
func TestDeleteSparesChildren(t *testing.T) {
	for _, quirks := range [][]storetest.Quirk{nil, {storetest.DeleteByDigest(405)}} {
		s := start(t, quirks...)
		index, err := random.Index(50, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		outer := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: index})
		push(t, s, "v1", outer)
		x, err := index.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		child := x.Manifests[0].Digest
		img, err := index.Image(child)
		if err != nil {
			t.Fatal(err)
		}
		tag := journal.SampleTag(child)
		push(t, s, tag, img)
		m := medium{open(t, s, Options{Push: true, Delete: true}).attachments}
		for _, ref := range []string{tag, child.String()} {
			err := m.Delete(t.Context(), ref)
			if wants := quirks != nil || ref != tag; errors.Is(err, attach.ErrUndeletable) != wants {
				t.Errorf("%d quirks, delete %s: %v", len(quirks), ref, err)
			}
		}
		if _, err := m.Manifest(t.Context(), child.String()); err != nil {
			t.Errorf("an image of an index was deleted: %v", err)
		}
	}
}

// TestDeleteSparesSubject deletes the referrers tag where the registry takes it
// for the image.
func TestDeleteSparesSubject(t *testing.T) {
	s := start(t, storetest.FallbackIsSubject())
	push(t, s, "v1", small(t))
	store := open(t, s, Options{Push: true, Delete: true})
	sub, err := store.Resolve(t.Context(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := (medium{store.attachments}).Delete(t.Context(), "sha256-"+sub.Desc.Digest.Hex); err != nil {
		t.Error(err)
	}
	if _, err := store.Resolve(t.Context(), sub.Desc.Digest.String()); err != nil || s.Count("^DELETE") != 0 {
		t.Errorf("the image is gone: %v", err)
	}
}

// TestDeleteScope asks token services for the right to delete only where it is needed.
func TestDeleteScope(t *testing.T) {
	for _, deletes := range []bool{false, true} {
		tokens := &storetest.Tokens{User: "user", Password: "secret"}
		s := start(t)
		push(t, s, "v1", small(t))
		s.Set(tokens.Quirk())
		store := open(t, s, Options{Keychain: keychain{"user", "secret"}, Push: true, Delete: deletes})
		if err := (medium{store.attachments}).Delete(t.Context(), "v1"); err != nil {
			t.Error(err)
		}
		want := "repository:team/app:push,pull"
		if deletes {
			want += ",delete"
		}
		if got := fmt.Sprint(tokens.Scopes()); got != "["+want+"]" {
			t.Errorf("scopes %s, want %s", got, want)
		}
	}
}

// TestDeleteBatch looks at the tags once for all that is deleted together.
func TestDeleteBatch(t *testing.T) {
	s := start(t, storetest.DeleteByDigest(http.StatusBadRequest))
	var refs []string
	for i := range 5 {
		tag := fmt.Sprint("t", i)
		push(t, s, tag, small(t))
		if i > 0 {
			refs = append(refs, tag)
		}
	}
	s.Forget()
	if err := (medium{open(t, s, Options{Delete: true}).attachments}).Delete(t.Context(), refs...); err != nil {
		t.Fatal(err)
	}
	if n := s.Count("^DELETE .*/manifests/t"); n != 1 {
		t.Errorf("%d deletions by tag were tried, one tells", n)
	}
	if n := s.Count("^GET .*/tags/list"); n != 1 {
		t.Errorf("the tags were listed %d times", n)
	}
	if n := s.Count("^HEAD .*/manifests/t0"); n != 1 {
		t.Errorf("the tag that stays was looked at %d times", n)
	}
}
