package registry

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// diagnose diagnoses the registry and checks that the repository holds afterwards
// what it held before, save what the diagnosis says is left.
func diagnose(t *testing.T, s *storetest.Server, deep bool) attach.Diagnosis {
	t.Helper()
	d, err := open(t, s, Options{Patience: 5 * time.Second, Push: true, Keychain: keychain{"user", "secret"}}).Diagnose(t.Context(), deep)
	if err != nil {
		t.Fatal(err)
	}
	s.Set()
	store := open(t, s, Options{})
	tags, err := store.Tags(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range tags {
		if tag != "v1" && !slices.Contains(d.Left, tag) {
			t.Errorf("the tag %s is left and nothing is said of it: %q", tag, d.Left)
		}
	}
	for _, left := range d.Left {
		if _, err := (medium{store.subjects}).Manifest(t.Context(), left); err != nil {
			t.Errorf("%s is said to be left: %v", left, err)
		}
	}
	resolve(t, store, "v1")
	return d
}

// TestDiagnose holds what a diagnosis says against what each registry does.
func TestDiagnose(t *testing.T) {
	type say map[string]attach.Answer
	const yes, no, unknown = attach.Yes, attach.No, attach.Unknown
	plain := say{
		"authentication": "none", "upload in one request": yes, "image": yes, "Docker-Content-Digest": "right", "ETag": no,
		"overwrite a tag": yes, "tags read as written": yes, "replaced manifest stays": yes,
		"cosign layers": yes, "custom config": yes, "artifact type, empty config": yes, "fallback tag": yes,
		"referrers API": "none", "manifest by digest": yes, "OCI-Subject": "honest", "journal tag": yes,
		"list tags": yes, "page size of lists": "honoured", "Link to the next page": no, "list from a tag on": yes, "new tags are listed": yes,
		"delete by tag": yes, "delete by digest": yes, "manifest of 4 MiB": yes, "works": yes,
		"plan journal": "tags", "plan form": "cosign", "plan view": "rewritten",
	}
	native := say{"referrers API": "native", "plan journal": "referrers"}
	all := func(parts ...say) say {
		sum := say{}
		for _, p := range parts {
			for k, v := range p {
				sum[k] = v
			}
		}
		return sum
	}
	for _, tt := range []struct {
		quirks []storetest.Quirk
		want   say
		left   bool
	}{
		{nil, plain, false},
		{[]storetest.Quirk{storetest.NativeReferrers()}, all(plain, native, say{"OCI-Subject": "missing"}), false},
		{[]storetest.Quirk{storetest.SubjectLie()}, say{"referrers API": "none", "OCI-Subject": "dishonest", "plan journal": "tags"}, false},
		{[]storetest.Quirk{storetest.NativeReferrers(), storetest.SubjectLie()}, say{"referrers API": "native", "OCI-Subject": "honest"}, false},
		{[]storetest.Quirk{storetest.ReferrersEmpty()}, say{"referrers API": "odd", "plan journal": "tags", "plan reading": "careful", "works": yes}, false},
		{[]storetest.Quirk{storetest.ReferrersStatus(403)}, say{"referrers API": "odd", "plan journal": "tags", "works": yes}, false},
		{[]storetest.Quirk{storetest.ReferrersStatus(405)}, say{"referrers API": "none"}, false},
		{[]storetest.Quirk{storetest.ReferrersStatus(500)}, say{"referrers API": unknown, "plan journal": "tags"}, false},
		{[]storetest.Quirk{storetest.ReferrersRedirect()}, say{"referrers API": "none"}, false},
		{[]storetest.Quirk{storetest.ReferrersType("text/html")}, say{"referrers API": "odd"}, false},
		{[]storetest.Quirk{storetest.FallbackIsSubject()}, say{"fallback tag": "is the subject", "works": yes}, false},
		{[]storetest.Quirk{storetest.Immutable(403)}, say{"overwrite a tag": no, "plan view": "once", "works": yes}, false},
		{[]storetest.Quirk{storetest.Immutable(409)}, say{"overwrite a tag": no, "plan view": "once"}, false},
		{[]storetest.Quirk{storetest.Immutable(412)}, say{"overwrite a tag": no, "plan view": "once"}, false},
		{[]storetest.Quirk{storetest.Immutable(400)}, say{"overwrite a tag": no, "plan view": "once"}, false},
		{[]storetest.Quirk{storetest.ManifestLimit(413)}, say{"manifest of 4 MiB": yes}, false},
		{[]storetest.Quirk{storetest.ImagesOnly()}, say{"image": yes, "cosign layers": no, "custom config": no, "artifact type, empty config": no, "journal tag": yes, "plan form": "image", "works": yes}, false},
		{[]storetest.Quirk{storetest.StaleTags(1)}, say{"tags read as written": no, "plan patience": "needed"}, false},
		{[]storetest.Quirk{storetest.OldManifestGone()}, say{"replaced manifest stays": no}, false},
		{[]storetest.Quirk{storetest.TwoStepUploads()}, say{"upload in one request": no, "works": yes}, false},
		{[]storetest.Quirk{storetest.Mounts()}, say{"mount a blob": yes}, false},
		{[]storetest.Quirk{storetest.Mount202()}, say{"mount a blob": no}, false},
		{[]storetest.Quirk{storetest.PageSize(1), storetest.Links()}, say{"Link to the next page": yes, "page size of lists": "honoured"}, false},
		{[]storetest.Quirk{storetest.IgnoreN()}, say{"page size of lists": "ignored", "Link to the next page": "not needed"}, false},
		{[]storetest.Quirk{storetest.IgnoreLast()}, say{"list from a tag on": no, "works": yes}, false},
		{[]storetest.Quirk{storetest.LastMustExist()}, say{"list from a tag on": no, "works": yes}, false},
		{[]storetest.Quirk{storetest.StaleLists(time.Minute)}, say{"new tags are listed": no}, false},
		{[]storetest.Quirk{storetest.NoDelete()}, say{"delete by tag": no, "delete by digest": no, "plan cleaning": no, "works": yes}, true},
		{[]storetest.Quirk{storetest.DeleteByDigest(400)}, say{"delete by tag": no, "delete by digest": yes}, false},
		{[]storetest.Quirk{storetest.DeleteImmutable()}, say{"delete by tag": no}, true},
		{[]storetest.Quirk{storetest.Credentials("user", "secret")}, say{"authentication": "basic", "works": yes}, false},
		{[]storetest.Quirk{(&storetest.Tokens{User: "user", Password: "secret"}).Quirk()}, say{"authentication": "bearer", "works": yes}, false},
		{[]storetest.Quirk{storetest.Only("/tags/list", storetest.Status(403, "DENIED"))}, say{"list tags": no, "plan journal": "none", "works": no}, false},
		{[]storetest.Quirk{storetest.Only("/tags/list", storetest.Status(503, "UNAVAILABLE"))}, say{"list tags": unknown, "plan journal": unknown, "works": unknown}, false},
		{[]storetest.Quirk{storetest.DigestLie()}, say{"Docker-Content-Digest": "wrong", "image": yes, "plan digests": "refused", "works": no}, false},
		{[]storetest.Quirk{storetest.Only("^GET ", storetest.DigestLie())}, say{"Docker-Content-Digest": "wrong", "plan digests": "refused", "works": no}, false},
		{[]storetest.Quirk{storetest.Only("^GET .*/manifests/sha256:", storetest.DigestLie())}, say{"Docker-Content-Digest": "wrong", "works": no}, false},
		{[]storetest.Quirk{storetest.Only("^PUT ", storetest.DigestLie())}, say{"Docker-Content-Digest": "wrong", "works": no}, false},
		{[]storetest.Quirk{storetest.Only("^HEAD ", storetest.DigestLie())}, say{"Docker-Content-Digest": "wrong to HEAD", "plan digests": unknown, "works": yes}, false},
		{[]storetest.Quirk{storetest.BlobsLate(2)}, plain, false},
		{[]storetest.Quirk{storetest.Flap(5, 503)}, say{"works": yes}, false},
		{[]storetest.Quirk{storetest.TooMany(4, "1")}, say{"works": yes}, false},
		{[]storetest.Quirk{storetest.Only("^PUT .*/manifests/", storetest.Status(400, "MANIFEST_INVALID"))}, say{"push": no, "works": no}, false},
		{[]storetest.Quirk{storetest.Only("^(POST|PUT) ", storetest.Status(405, "UNSUPPORTED"))}, say{"push": no, "works": no}, false},
	} {
		var names []string
		for _, q := range tt.quirks {
			names = append(names, q.Name)
		}
		t.Run(strings.Join(names, ", "), func(t *testing.T) {
			t.Parallel()
			s := start(t)
			push(t, s, "v1", newImage(t))
			s.Set(tt.quirks...)
			d := diagnose(t, s, true)
			for name, want := range tt.want {
				if got := said(d, name); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
			if (len(d.Left) > 0) != tt.left {
				t.Errorf("left: %q", d.Left)
			}
			if d.Of("overwrite a tag") == no && !strings.Contains(fmt.Sprint(d.Plan), "sha256-*.sig") {
				t.Errorf("the plan names no filter: %v", d.Plan)
			}
		})
	}
}

// said returns what a diagnosis says of a trait, of the "plan" or that it "works".
func said(d attach.Diagnosis, name string) attach.Answer {
	if name == "works" {
		return d.Works
	}
	if step, ok := strings.CutPrefix(name, "plan "); ok {
		return (&attach.Diagnosis{Traits: d.Plan}).Of(step)
	}
	return d.Of(name)
}

// TestDiagnoseFails: where nothing can be found out there is an error, and nothing
// is left behind.
func TestDiagnoseFails(t *testing.T) {
	for name, quirk := range map[string]storetest.Quirk{
		"no right to push": (&storetest.Tokens{User: "user", Password: "another"}).Quirk(),
		"denied":           storetest.Only("^(POST|PUT) ", storetest.Status(403, "DENIED")),
		"down":             storetest.Only("^(POST|PUT) ", storetest.Status(503, "UNAVAILABLE")),
		"all down":         storetest.Status(503, "UNAVAILABLE"),
		"other bytes":      storetest.Only("^GET .*/manifests/", storetest.WrongBytes()),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			push(t, s, "v1", newImage(t))
			s.Set(quirk)
			d, err := open(t, s, Options{Keychain: keychain{"user", "secret"}}).Diagnose(t.Context(), false)
			if err == nil || d.Works != attach.Unknown || strings.Contains(err.Error(), "secret") {
				t.Errorf("%+v, %v", d, err)
			}
			s.Set()
			store := open(t, s, Options{})
			if tags, err := store.Tags(t.Context()); err != nil || !slices.Equal(tags, []string{"v1"}) {
				t.Errorf("tags %q, %v", tags, err)
			}
		})
	}
	host := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	if _, err := storeOn(t, host, Options{}).Diagnose(t.Context(), false); !errors.Is(err, attach.ErrDenied) {
		t.Errorf("nobody lets us in: %v", err)
	}
}
