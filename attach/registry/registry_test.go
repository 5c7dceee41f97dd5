package registry

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// start starts a registry with the quirks, for the length of the test.
func start(t testing.TB, quirks ...storetest.Quirk) *storetest.Server {
	t.Helper()
	s := storetest.Start(quirks...)
	t.Cleanup(s.Close)
	return s
}

// hurry makes waits short without making them vanish.
func hurry(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(min(d, 5*time.Millisecond)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// open opens the store on a repository of the server.
func open(t testing.TB, s *storetest.Server, o Options) *Store {
	t.Helper()
	if o.Sleep == nil {
		o.Sleep = hurry
	}
	store, err := New(s.Host+"/team/app", o)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// push puts an image or index into the repository, past the store.
func push(t testing.TB, s *storetest.Server, tag string, thing remote.Taggable) {
	t.Helper()
	ref, err := name.NewTag(s.Host + "/team/app:" + tag)
	if err != nil {
		t.Fatal(err)
	}
	switch thing := thing.(type) {
	case v1.ImageIndex:
		err = remote.WriteIndex(ref, thing)
	case v1.Image:
		err = remote.Write(ref, thing)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func newImage(t testing.TB) v1.Image {
	t.Helper()
	img, err := random.Image(256, 2)
	if err != nil {
		t.Fatal(err)
	}
	return mutate.MediaType(img, types.OCIManifestSchema1)
}

func resolve(t testing.TB, s *Store, ref string) attach.Subject {
	t.Helper()
	subject, err := s.Resolve(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return subject
}

// TestContract holds the store to what every store keeps, on registries that
// differ in what registries differ in.
func TestContract(t *testing.T) {
	for name, quirks := range map[string][]storetest.Quirk{
		"plain":        nil,
		"referrers":    {storetest.NativeReferrers()},
		"distribution": {storetest.TwoStepUploads(), storetest.PageSize(3), storetest.Links()},
		"old lists":    {storetest.IgnoreN(), storetest.IgnoreLast()},
		"zot lists":    {storetest.LastMustExist(), storetest.ReferrersStatus(405)},
		"hiding":       {storetest.ReferrersEmpty(), storetest.SubjectLie()},
		"gitlab":       {storetest.FallbackIsSubject()},
		"flapping":     {storetest.Flap(7, 503)},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Place {
				s := start(t, quirks...)
				return storetest.Place{
					Open: func(t *testing.T) attach.Store { return open(t, s, Options{}) },
					Put: func(t *testing.T, tag string, img v1.Image) {
						s.Set() // the foreign tool meets a registry without quirks
						push(t, s, tag, img)
						s.Set(quirks...)
					},
					Closed: name == "gitlab",
				}
			})
		})
	}
}

// TestAttachmentRepo keeps journal and views in a repository of another registry.
func TestAttachmentRepo(t *testing.T) {
	s, elsewhere := start(t), start(t)
	push(t, s, "v1", newImage(t))
	store := open(t, s, Options{AttachmentRepo: elsewhere.Host + "/attic/signatures"})
	subject := resolve(t, store, "v1")
	receipts, err := store.Put(t.Context(), attach.Parcel{Subject: subject, Content: storetest.NewSignature(subject, "k")})
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Count("^(PUT|POST) .*sha256-"); n != 0 {
		t.Errorf("%d writes beside the subject", n)
	}
	all, errs := attach.Collect(t.Context(), store, subject)
	if len(all) != 1 || len(errs) != 0 || len(all[0].Places) != 2 {
		t.Errorf("%+v, %v", all, errs)
	}
	place, _ := receipts[0].Attachment.Found(attach.Journal)
	if _, err := store.Manifest(t.Context(), subject, place.Manifest.Digest); err != nil {
		t.Error(err)
	}
	if _, err := store.Manifest(t.Context(), subject, subject.Desc.Digest); err != nil {
		t.Error(err)
	}
	if _, err := New("Not A Repository", Options{}); err == nil || !strings.Contains(err.Error(), "Not A Repository") {
		t.Errorf("bad repository: %v", err)
	}
}

func TestParse(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	for in, want := range map[string]string{
		"example.com/team/app:v1":              "example.com/team/app v1",
		"example.com/team/app":                 "example.com/team/app latest",
		"example.com/team/app@" + digest:       "example.com/team/app " + digest,
		"example.com/team/app:v1@" + digest:    "example.com/team/app " + digest,
		"127.0.0.1:5000/app:v1":                "127.0.0.1:5000/app v1",
		"alpine":                               "index.docker.io/library/alpine latest",
		"example.com/team/app@sha256:" + "abc": "",
		"example.com/Team/app":                 "",
		"":                                     "",
	} {
		repo, ref, err := Parse(in)
		if got := repo + " " + ref; (err != nil) != (want == "") || want != "" && got != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
}
