package check_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strings"
	"sync"
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

// TestSigned goes the main way, in each format.
func TestSigned(t *testing.T) {
	for kind, f := range map[string]format.Format{"spdxjson": format.SPDXJSON, "cyclonedx": format.CycloneDXJSON} {
		store, a, b := place(t)
		k := newKey(t)
		attest(t, store, a, kind, document(t, f, a, hit), k)
		attest(t, store, b, kind, document(t, f, b, miss), k)
		o := check.Options{Trust: trust(k)}
		res := image(t, minimist(), o, store, a)
		want(t, res, check.Affected, check.Found)
		if len(res.Findings) != 1 || res.Findings[0].Fixed[0] != "1.2.6" || res.Unsigned || len(res.SBOMs) != 1 {
			t.Fatalf("%s: %+v", kind, res)
		}
		if s := res.SBOMs[0]; s.Format != f || len(s.Signers) != 1 || s.Signers[0] != k.PublicKey().Fingerprint() || s.Components != 1 ||
			s.Digest != attach.DigestOf(bytes.TrimSpace(document(t, f, a, hit))).String() {
			t.Errorf("SBOM %+v", s)
		}
		want(t, image(t, minimist(), o, store, b), check.NotAffected, check.NothingHits)
	}
}

// TestNotTrusted: whatever else hangs from the image, without an SBOM that an
// accepted key signed for this image there is no answer, and no finding.
func TestNotTrusted(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, store *layout.Store, a, b attach.Subject, k, stranger *key.Private)
		reason  check.Reason
	}{
		"nothing": {func(*testing.T, *layout.Store, attach.Subject, attach.Subject, *key.Private, *key.Private) {}, check.NoSBOM},
		"unsigned": {func(t *testing.T, store *layout.Store, a, _ attach.Subject, _, _ *key.Private) {
			put(t, store, a, document(t, format.SPDXJSON, a, hit))
		}, check.NoSBOM},
		"stranger": {func(t *testing.T, store *layout.Store, a, _ attach.Subject, _, stranger *key.Private) {
			attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, hit), stranger)
		}, check.SBOMUnverified},
		"another image's": {func(t *testing.T, store *layout.Store, a, b attach.Subject, k, _ *key.Private) {
			attest(t, store, b, "spdxjson", document(t, format.SPDXJSON, b, hit), k)
			for e, err := range store.List(t.Context(), b, attach.Attestation) {
				if err != nil {
					t.Fatal(err)
				}
				rc, err := store.Open(t.Context(), b, e)
				if err != nil {
					t.Fatal(err)
				}
				raw, err := io.ReadAll(rc)
				if err != nil {
					t.Fatal(err)
				}
				content := attach.Content{Kind: attach.Attestation, MediaType: string(e.Desc.MediaType), Annotations: e.Annotations, Body: attach.Bytes(raw)}
				if _, err := store.Put(t.Context(), attach.Parcel{Subject: a, Content: content}); err != nil {
					t.Fatal(err)
				}
				break
			}
		}, check.SBOMUnverified},
		"signed by the signer of the object only": {func(t *testing.T, store *layout.Store, a, _ attach.Subject, k, _ *key.Private) {
			put(t, store, a, document(t, format.SPDXJSON, a, hit))
			if _, err := sign.Image(t.Context(), store, []attach.Subject{a}, []sign.Signer{k}, sign.ImageOptions{}); err != nil {
				t.Fatal(err)
			}
		}, check.NoSBOM},
	} {
		t.Run(name, func(t *testing.T) {
			store, a, b := place(t)
			k, stranger := newKey(t), newKey(t)
			c.prepare(t, store, a, b, k, stranger)
			res := image(t, minimist(), check.Options{Trust: trust(k)}, store, a)
			want(t, res, check.Undetermined, c.reason)
			if len(res.Findings) != 0 || len(res.SBOMs) != 0 {
				t.Errorf("%+v", res)
			}
		})
	}
}

// TestStrangersChangeNothing: entries by strangers, good or broken, leave an
// answer as it is.
func TestStrangersChangeNothing(t *testing.T) {
	store, a, _ := place(t)
	k, stranger := newKey(t), newKey(t)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, miss), k)
	before := image(t, minimist(), check.Options{Trust: trust(k)}, store, a)
	want(t, before, check.NotAffected, check.NothingHits)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, hit), stranger)
	put(t, store, a, document(t, format.SPDXJSON, a, hit))
	put(t, store, a, []byte("{"))
	after := image(t, minimist(), check.Options{Trust: trust(k)}, store, a)
	want(t, after, check.NotAffected, check.NothingHits)
	if len(after.SBOMs) != 1 || after.Coverage.Components != before.Coverage.Components {
		t.Errorf("%+v", after)
	}
}

// TestThreshold counts the signers of each document, not of all together.
func TestThreshold(t *testing.T) {
	store, a, b := place(t)
	k, l := newKey(t), newKey(t)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, miss), k)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, hit), l)
	o := check.Options{Trust: trust(k, l), Threshold: 2}
	want(t, image(t, minimist(), o, store, a), check.Undetermined, check.SBOMUnverified)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, miss), l)
	res := image(t, minimist(), o, store, a)
	want(t, res, check.NotAffected, check.NothingHits)
	if len(res.SBOMs) != 1 || len(res.SBOMs[0].Signers) != 2 || len(res.Notes) != 1 {
		t.Errorf("%+v %v", res.SBOMs, res.Notes)
	}
	attest(t, store, b, "spdxjson", document(t, format.SPDXJSON, b, miss), k)
	want(t, image(t, minimist(), o, store, b), check.Undetermined, check.SBOMUnverified)
}

// TestAllSBOMsCount: what one accepted SBOM leaves out another may name.
func TestAllSBOMsCount(t *testing.T) {
	store, a, _ := place(t)
	k := newKey(t)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, "pkg:npm/left-pad@1.0.0"), k)
	attest(t, store, a, "cyclonedx", document(t, format.CycloneDXJSON, a, "pkg:npm/left-pad@1.0.0", hit), k)
	res := image(t, minimist(), check.Options{Trust: trust(k)}, store, a)
	want(t, res, check.Affected, check.Found)
	if len(res.SBOMs) != 2 || res.Coverage.Components != 2 {
		t.Errorf("%d SBOMs, %+v", len(res.SBOMs), res.Coverage)
	}
}

// TestGaps: each thing that keeps an answer from being complete is named, and
// no finding then reads as not affected.
func TestGaps(t *testing.T) {
	k := newKey(t)
	bad := advisory.Load{Bad: []advisory.Bad{{Path: "x.json", Reason: "broken"}}}
	gone := fixedIn("X", "minimist", "9.0.0", advisory.High)
	gone.Withdrawn = time.Unix(1, 0)
	npm := fixedIn("X", "minimist", "1.2.6", advisory.High)
	deb := fixedIn("D", "openssl", "9", advisory.High)
	deb.Affected[0].Package.Ecosystem = "Debian:12"
	deb.Affected[0].Ranges[0].Type = advisory.EcosystemRange
	for name, c := range map[string]struct {
		x       *match.Index
		purls   []string
		allow   bool
		outcome check.Outcome
		reason  check.Reason
	}{
		"bad advisory":          {set(bad, npm), []string{miss}, false, check.Undetermined, check.BadAdvisories},
		"bad advisory allowed":  {set(bad, npm), []string{miss}, true, check.NotAffected, check.NothingHits},
		"bad advisory and hit":  {set(bad, npm), []string{hit}, false, check.Affected, check.Found},
		"no advisory":           {set(advisory.Load{}), []string{hit}, false, check.Undetermined, check.NoAdvisories},
		"withdrawn only":        {set(advisory.Load{}, gone), []string{hit}, false, check.Undetermined, check.NoAdvisories},
		"nothing mapped":        {set(advisory.Load{}, npm), []string{"pkg:generic/x@1"}, false, check.Undetermined, check.NothingMapped},
		"empty":                 {set(advisory.Load{}, npm), nil, false, check.Undetermined, check.NothingMapped},
		"other ecosystem":       {set(advisory.Load{}, npm), []string{"pkg:pypi/x@1"}, false, check.NotAffected, check.NothingHits},
		"no version":            {set(advisory.Load{}, npm), []string{"pkg:npm/minimist"}, false, check.Undetermined, check.InDoubt},
		"no release":            {set(advisory.Load{}, deb), []string{"pkg:deb/debian/openssl@3"}, false, check.Undetermined, check.InDoubt},
		"doubt and certainty":   {set(advisory.Load{}, npm, deb), []string{"pkg:deb/debian/openssl@3", hit}, false, check.Affected, check.Found},
		"doubt and bad":         {set(bad, deb), []string{"pkg:deb/debian/openssl@3"}, false, check.Undetermined, check.BadAdvisories},
		"some that are unknown": {set(advisory.Load{}, npm), []string{"pkg:generic/x@1", miss}, false, check.NotAffected, check.NothingHits},
	} {
		t.Run(name, func(t *testing.T) {
			store, a, _ := place(t)
			attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, c.purls...), k)
			want(t, image(t, c.x, check.Options{Trust: trust(k), AllowBad: c.allow}, store, a), c.outcome, c.reason)
		})
	}
}

// TestUnreadable: an SBOM that an accepted key signed and that cannot be read
// leaves the question open, also beside a good one.
func TestUnreadable(t *testing.T) {
	store, a, _ := place(t)
	k := newKey(t)
	twice := `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"x","packages":[{"SPDXID":"SPDXRef-a","name":"a"},{"SPDXID":"SPDXRef-a","name":"b"}]}`
	attest(t, store, a, "spdxjson", []byte(twice), k)
	o := check.Options{Trust: trust(k)}
	want(t, image(t, minimist(), o, store, a), check.Undetermined, check.SBOMUnreadable)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, miss), k)
	want(t, image(t, minimist(), o, store, a), check.Undetermined, check.SBOMUnreadable)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, hit), k)
	res := image(t, minimist(), o, store, a)
	want(t, res, check.Affected, check.Found)
	if len(res.Gaps) != 1 {
		t.Errorf("gaps %+v", res.Gaps)
	}
}

// TestTagValue reads a predicate that is an SPDX document in tag-value form.
func TestTagValue(t *testing.T) {
	store, a, _ := place(t)
	k := newKey(t)
	text := "SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT\nDocumentName: x\nDocumentNamespace: https://x.example/1\n" +
		"Creator: Tool: x\nCreated: 2024-01-01T00:00:00Z\n\nPackageName: minimist\nSPDXID: SPDXRef-a\nPackageVersion: 1.2.5\nPackageDownloadLocation: NONE\n" +
		"ExternalRef: PACKAGE-MANAGER purl " + hit + "\n"
	attest(t, store, a, "spdx", []byte(text), k)
	res := image(t, minimist(), check.Options{Trust: trust(k)}, store, a)
	want(t, res, check.Affected, check.Found)
	if len(res.SBOMs) != 1 || res.SBOMs[0].Format != format.SPDXTagValue {
		t.Errorf("%+v", res.SBOMs)
	}
}

// TestUnsigned takes any SBOM of the image, says so, and leaves out those of
// other images.
func TestUnsigned(t *testing.T) {
	store, a, b := place(t)
	stranger := newKey(t)
	o := check.Options{Unsigned: true}
	want(t, image(t, minimist(), o, store, a), check.Undetermined, check.NoSBOM)
	put(t, store, a, document(t, format.SPDXJSON, b, hit))
	res := image(t, minimist(), o, store, a)
	want(t, res, check.Undetermined, check.NoSBOM)
	if len(res.Notes) != 1 {
		t.Errorf("notes %v", res.Notes)
	}
	put(t, store, a, document(t, format.SPDXJSON, a, miss))
	want(t, image(t, minimist(), o, store, a), check.NotAffected, check.NothingHits)
	attest(t, store, a, "slsaprovenance1", []byte(`{"buildDefinition":{"buildType":"https://x.example/t","externalParameters":{}},"runDetails":{"builder":{"id":"https://x.example/b"}}}`), stranger)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, hit), stranger)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, miss), stranger)
	res = image(t, minimist(), o, store, a)
	want(t, res, check.Affected, check.Found)
	if !res.Unsigned || len(res.SBOMs) != 2 || len(res.SBOMs[0].Signers)+len(res.SBOMs[1].Signers) != 0 || res.Verdict.Outcome == verify.Accept {
		t.Errorf("%+v", res)
	}
}

func TestDocument(t *testing.T) {
	_, a, _ := place(t)
	c, err := check.New(minimist(), check.Options{Unsigned: true})
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Document(t.Context(), "x.json", bytes.NewReader(document(t, format.CycloneDXJSON, a, hit)))
	if err != nil || !res.Unsigned || res.Name != "x.json" {
		t.Fatalf("%+v, %v", res, err)
	}
	want(t, res, check.Affected, check.Found)
	if res, err = c.Document(t.Context(), "x", strings.NewReader("no SBOM")); err != nil {
		t.Fatal(err)
	}
	want(t, res, check.Undetermined, check.SBOMUnreadable)
	if _, err = c.Document(t.Context(), "x", io.MultiReader(strings.NewReader("{"), failing{})); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// cut is a store that stops answering.
type cut struct {
	attach.Reader
	list bool
}

func (c cut) List(ctx context.Context, s attach.Subject, kinds ...attach.Kind) iter.Seq2[attach.Attachment, error] {
	if !c.list {
		return c.Reader.List(ctx, s, kinds...)
	}
	return func(yield func(attach.Attachment, error) bool) { yield(attach.Attachment{}, io.ErrClosedPipe) }
}

func (c cut) Open(context.Context, attach.Subject, attach.Attachment) (io.ReadCloser, error) {
	return nil, io.ErrClosedPipe
}

func TestUnreachable(t *testing.T) {
	store, a, _ := place(t)
	k := newKey(t)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, miss), k)
	put(t, store, a, document(t, format.SPDXJSON, a, miss))
	for _, r := range []cut{{store, true}, {store, false}} {
		want(t, image(t, minimist(), check.Options{Trust: trust(k)}, r, a), check.Undetermined, check.SBOMUnreachable)
		want(t, image(t, minimist(), check.Options{Unsigned: true}, r, a), check.Undetermined, check.SBOMUnreachable)
	}
}

func TestNewRefuses(t *testing.T) {
	k := newKey(t)
	for name, o := range map[string]check.Options{
		"no key": {}, "keys and unsigned": {Trust: trust(k), Unsigned: true}, "threshold": {Trust: trust(k), Threshold: 2},
		"negative": {Trust: trust(k), Threshold: -1}, "one key twice": {Trust: trust(k, k), Threshold: 2}, "age without a clock": {Trust: trust(k), MaxAge: time.Hour},
	} {
		if _, err := check.New(minimist(), o); !errors.Is(err, verify.ErrConfig) {
			t.Errorf("%s: error %v, want ErrConfig", name, err)
		}
	}
}

// TestAge refuses an SBOM that is too old by its own words.
func TestAge(t *testing.T) {
	store, a, _ := place(t)
	k := newKey(t)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, miss), k)
	o := check.Options{Trust: trust(k), MaxAge: time.Hour}
	for _, c := range []struct {
		after   time.Duration
		outcome check.Outcome
	}{{time.Minute, check.NotAffected}, {2 * time.Hour, check.Undetermined}} {
		o.Now = func() time.Time { return time.Unix(1700000000, 0).Add(c.after) }
		if res := image(t, minimist(), o, store, a); res.Outcome != c.outcome {
			t.Errorf("after %s: %s %s", c.after, res.Outcome, res.Detail)
		}
	}
}

func TestAtLeast(t *testing.T) {
	f := func(l advisory.Level, c match.Class) match.Finding { return match.Finding{Severity: l, Class: c} }
	affected := func(list ...match.Finding) check.Result {
		return check.Result{Outcome: check.Affected, Reason: check.Found, Findings: list}
	}
	gap := check.Gap{Reason: check.BadAdvisories}
	for name, c := range map[string]struct {
		res     check.Result
		level   advisory.Level
		outcome check.Outcome
	}{
		"zero":               {check.Result{}, advisory.High, check.Undetermined},
		"clean":              {check.Result{Outcome: check.NotAffected}, advisory.High, check.NotAffected},
		"at":                 {affected(f(advisory.High, match.Affected)), advisory.High, check.Affected},
		"below":              {affected(f(advisory.Medium, match.Affected)), advisory.High, check.NotAffected},
		"any":                {affected(f(advisory.Unknown, match.Affected)), advisory.Unknown, check.Affected},
		"unrated":            {affected(f(advisory.Unknown, match.Affected)), advisory.High, check.Undetermined},
		"unrated and over":   {affected(f(advisory.Unknown, match.Affected), f(advisory.Critical, match.Affected)), advisory.High, check.Affected},
		"doubt":              {check.Result{Reason: check.InDoubt, Findings: []match.Finding{f(advisory.High, match.UnknownDistro)}}, advisory.High, check.Undetermined},
		"doubt, any":         {check.Result{Reason: check.InDoubt, Findings: []match.Finding{f(advisory.Low, match.UnknownDistro)}}, advisory.Unknown, check.Undetermined},
		"doubt below":        {check.Result{Reason: check.InDoubt, Findings: []match.Finding{f(advisory.Low, match.UnknownVersion)}}, advisory.High, check.NotAffected},
		"below, and a gap":   {check.Result{Outcome: check.Affected, Gaps: []check.Gap{gap}, Findings: []match.Finding{f(advisory.Low, match.Affected)}}, advisory.High, check.Undetermined},
		"over, and a gap":    {check.Result{Outcome: check.Affected, Gaps: []check.Gap{gap}, Findings: []match.Finding{f(advisory.High, match.Affected)}}, advisory.High, check.Affected},
		"no SBOM, any level": {check.Result{Reason: check.NoSBOM, Gaps: []check.Gap{{Reason: check.NoSBOM}}}, advisory.Unknown, check.Undetermined},
	} {
		if got, reason := c.res.AtLeast(c.level); got != c.outcome || reason == "" && name != "zero" {
			t.Errorf("%s: %s %s, want %s", name, got, reason, c.outcome)
		}
	}
}

// TestParallel: one checker answers for many images at once.
func TestParallel(t *testing.T) {
	store, a, b := place(t)
	k := newKey(t)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, hit), k)
	attest(t, store, b, "spdxjson", document(t, format.SPDXJSON, b, miss), k)
	c, err := check.New(minimist(), check.Options{Trust: trust(k)})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		s, outcome := a, check.Affected
		if i%2 == 1 {
			s, outcome = b, check.NotAffected
		}
		wg.Go(func() {
			if res, err := c.Image(t.Context(), store, s); err != nil || res.Outcome != outcome {
				t.Errorf("%s: %s, %v, want %s", s, res.Outcome, err, outcome)
			}
		})
	}
	wg.Wait()
}

// TestFlippedByte: whatever byte of the envelope is changed, the SBOM in it
// never counts.
func TestFlippedByte(t *testing.T) {
	store, a, b := place(t)
	k := newKey(t)
	attest(t, store, b, "spdxjson", document(t, format.SPDXJSON, b, miss), k)
	var raw []byte
	var entry attach.Attachment
	for e, err := range store.List(t.Context(), b, attach.Attestation) {
		if err != nil {
			t.Fatal(err)
		}
		rc, err := store.Open(t.Context(), b, e)
		if err == nil {
			raw, err = io.ReadAll(rc)
		}
		if err != nil {
			t.Fatal(err)
		}
		entry = e
		break
	}
	if !json.Valid(raw) {
		t.Fatal("no envelope")
	}
	for i := 0; i < len(raw); i += 1 + len(raw)/24 {
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		content := attach.Content{Kind: attach.Attestation, MediaType: string(entry.Desc.MediaType), Annotations: entry.Annotations, Body: attach.Bytes(changed)}
		if _, err := store.Put(t.Context(), attach.Parcel{Subject: a, Content: content}); err != nil {
			t.Fatal(err)
		}
	}
	res := image(t, minimist(), check.Options{Trust: trust(k)}, store, a)
	if res.Outcome != check.Undetermined || len(res.SBOMs) != 0 {
		t.Errorf("%s, %d SBOMs: %s", res.Outcome, len(res.SBOMs), fmt.Sprint(res.SBOMs))
	}
}
