package check_test

import (
	"bytes"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/attach/layout"
	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/format"
	"github.com/hallmark-oci/hallmark/sbom/purl"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/advisory"
	"github.com/hallmark-oci/hallmark/verify/check"
	"github.com/hallmark-oci/hallmark/verify/match"
)

// place returns a layout with two images in it.
func place(t *testing.T) (*layout.Store, attach.Subject, attach.Subject) {
	t.Helper()
	s, err := layout.Create(t.Context(), filepath.Join(t.TempDir(), "layout"), layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var subjects []attach.Subject
	for _, tag := range []string{"a", "b"} {
		img, err := random.Image(64, 1)
		if err != nil {
			t.Fatal(err)
		}
		subject, err := s.PutImage(t.Context(), tag, img)
		if err != nil {
			t.Fatal(err)
		}
		subjects = append(subjects, subject)
	}
	return s, subjects[0], subjects[1]
}

func newKey(t *testing.T) *key.Private {
	t.Helper()
	k, err := key.Generate(key.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// document writes an SBOM of the packages for the image.
func document(t *testing.T, f format.Format, s attach.Subject, purls ...string) []byte {
	t.Helper()
	v := sbom.Inventory{Subject: sbom.Subject{Name: "registry.example/app", Digest: s.Desc.Digest.String()}, Created: time.Unix(1700000000, 0).UTC()}
	for _, p := range purls {
		u, err := purl.Parse(p)
		if err != nil {
			t.Fatal(err)
		}
		v.Components = append(v.Components, sbom.Component{Type: sbom.Library, Name: u.Name, Version: u.Version, PURL: u})
	}
	v.Sort()
	var b bytes.Buffer
	if err := format.Encode(&b, f, v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// attest signs a statement with the document about the image.
func attest(t *testing.T, store attach.Writer, s attach.Subject, kind string, doc []byte, keys ...*key.Private) {
	t.Helper()
	var signers []sign.Signer
	for _, k := range keys {
		signers = append(signers, k)
	}
	opts := sign.StatementOptions{PredicateType: kind, Predicate: payload.Bytes(doc)}
	if _, err := sign.Statement(t.Context(), store, s, opts, signers); err != nil {
		t.Fatal(err)
	}
}

// put attaches the document by itself, signed by nobody.
func put(t *testing.T, store attach.Writer, s attach.Subject, doc []byte) {
	t.Helper()
	if _, err := store.Put(t.Context(), attach.Parcel{Subject: s, Content: cosign.NewSBOM(attach.Bytes(doc), "text/spdx+json", "")}); err != nil {
		t.Fatal(err)
	}
}

func set(load advisory.Load, list ...advisory.Advisory) *match.Index {
	return match.NewIndex(advisory.NewSet(list, load))
}

// fixedIn is an advisory about an npm package.
func fixedIn(id, name, fixed string, level advisory.Level) advisory.Advisory {
	return advisory.Advisory{ID: id, Level: level, Affected: []advisory.Affected{{
		Package: advisory.Package{Ecosystem: "npm", Name: name},
		Ranges: []advisory.Range{{Type: advisory.SemVerRange, Events: []advisory.Event{
			{Kind: advisory.Introduced, Version: "0"}, {Kind: advisory.Fixed, Version: fixed},
		}}},
	}}}
}

func minimist() *match.Index {
	return set(advisory.Load{}, fixedIn("GHSA-xvch-5gv4-984h", "minimist", "1.2.6", advisory.Critical))
}

func trust(keys ...*key.Private) verify.Trust {
	var t verify.Trust
	for _, k := range keys {
		t.Keys = append(t.Keys, k.PublicKey())
	}
	return t
}

func image(t *testing.T, x *match.Index, o check.Options, r attach.Reader, s attach.Subject) check.Result {
	t.Helper()
	c, err := check.New(x, o)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Image(t.Context(), r, s)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func want(t *testing.T, res check.Result, outcome check.Outcome, reason check.Reason) {
	t.Helper()
	if res.Outcome != outcome || res.Reason != reason || res.Detail == "" || outcome == check.Undetermined && res.Advice == "" {
		t.Errorf("%s %s (%s; %s), want %s %s", res.Outcome, res.Reason, res.Detail, res.Advice, outcome, reason)
	}
}

const (
	hit  = "pkg:npm/minimist@1.2.5"
	miss = "pkg:npm/minimist@1.2.6"
)

// attestation returns the first attestation of the image, and its bytes.
func attestation(t *testing.T, store *layout.Store, s attach.Subject) (attach.Attachment, []byte) {
	t.Helper()
	list, errs := attach.Collect(t.Context(), store, s, attach.Attestation)
	if len(errs) > 0 || len(list) == 0 {
		t.Fatal(len(list), errs)
	}
	rc, err := store.Open(t.Context(), s, list[0])
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	raw, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	return list[0], raw
}

// transplant hangs the attestation of one image from another.
func transplant(t *testing.T, store *layout.Store, from, to attach.Subject) {
	t.Helper()
	e, raw := attestation(t, store, from)
	content := attach.Content{Kind: attach.Attestation, MediaType: string(e.Desc.MediaType), Annotations: e.Annotations, Body: attach.Bytes(raw)}
	if _, err := store.Put(t.Context(), attach.Parcel{Subject: to, Content: content}); err != nil {
		t.Fatal(err)
	}
}
