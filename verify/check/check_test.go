package check_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/layout"
	"github.com/hallmark-oci/hallmark/sbom/format"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/check"
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
			transplant(t, store, b, a)
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

// twice is valid as a predicate, but two packages have one ID.
const twice = `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"x","packages":[{"SPDXID":"SPDXRef-a","name":"a"},{"SPDXID":"SPDXRef-a","name":"b"}]}`

// TestThreshold counts the signers of each document, not of all together.
func TestThreshold(t *testing.T) {
	store, a, b := place(t)
	k, l := newKey(t), newKey(t)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, miss), k)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, hit), l)
	o := check.Options{Trust: trust(k, l), Threshold: 2}
	want(t, image(t, minimist(), o, store, a), check.Undetermined, check.SBOMUnverified)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, miss), l)
	attest(t, store, a, "spdxjson", []byte(twice), l) // cannot be read, and by one key only
	res := image(t, minimist(), o, store, a)
	want(t, res, check.NotAffected, check.NothingHits)
	if len(res.SBOMs) != 1 || len(res.SBOMs[0].Signers) != 2 || len(res.Notes) != 2 || len(res.Gaps) != 0 {
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

// TestUnreadable: an SBOM that an accepted key signed and that cannot be read
// leaves the question open, also beside a good one.
func TestUnreadable(t *testing.T) {
	store, a, _ := place(t)
	k := newKey(t)
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
	entry, raw := attestation(t, store, b)
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
