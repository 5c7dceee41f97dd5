package sign_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	sbundle "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	sverify "github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/layout"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/bundle"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

// bundleIn returns the bundle that a whole manifest holds, and the manifest.
func bundleIn(t *testing.T, s attach.Store, subject attach.Subject, a attach.Attachment) ([]byte, v1.Manifest) {
	t.Helper()
	m, err := s.Manifest(t.Context(), subject, a.Desc.Digest)
	if err != nil {
		t.Fatal(err)
	}
	var parsed v1.Manifest
	if err := json.Unmarshal(m.Raw, &parsed); err != nil || len(parsed.Layers) != 1 {
		t.Fatalf("%s, %v", m.Raw, err)
	}
	rc, err := s.Blob(t.Context(), subject, parsed.Layers[0])
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	raw, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	return raw, parsed
}

// sigstore has sigstore-go verify the bundle under the key for the digest, and
// returns the statement.
func sigstore(t *testing.T, raw []byte, public crypto.PublicKey, digest string) (*sverify.VerificationResult, error) {
	t.Helper()
	var b sbundle.Bundle
	if err := b.UnmarshalJSON(raw); err != nil {
		t.Fatalf("sigstore-go: %v: %s", err, raw)
	}
	v, err := signature.LoadVerifier(public, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	material := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) {
		return root.NewExpiringKey(v, time.Time{}, time.Time{}), nil
	})
	judge, err := sverify.NewVerifier(material, sverify.WithNoObserverTimestamps())
	if err != nil {
		t.Fatal(err)
	}
	sum, err := hex.DecodeString(digest)
	if err != nil {
		t.Fatal(err)
	}
	return judge.Verify(&b, sverify.NewPolicy(sverify.WithArtifactDigest("sha256", sum), sverify.WithKey()))
}

// TestBundlesForSigstore has sigstore-go, which cosign 3 verifies bundles with,
// judge what is attached as referrers.
func TestBundlesForSigstore(t *testing.T) {
	for _, algorithm := range []key.Algorithm{key.ECDSAP256, key.Ed25519, key.RSA2048} {
		s, subjects := place(t, 2)
		k := generate(t, algorithm)
		signed, err := sign.Image(t.Context(), s, subjects[:1], []sign.Signer{k}, sign.ImageOptions{
			Annotations: map[string]string{"env": "prod"}, Storage: attach.InReferrers,
		})
		if err != nil {
			t.Fatal(err)
		}
		said, err := sign.Statement(t.Context(), s, subjects[0], sign.StatementOptions{
			PredicateType: "spdxjson", Predicate: payload.Bytes([]byte(spdx)), Storage: attach.InReferrers,
		}, []sign.Signer{k})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(entries(t, s, subjects[0])); n != 2 {
			t.Errorf("%d attachments, want the two bundles", n)
		}
		for i, r := range append(signed, said...) {
			kind := []string{payload.Sign, payload.SPDX}[i]
			if !r.Viewed || r.Existed || r.Attachment.Type != bundle.MediaType || r.Attachment.Annotations["dev.sigstore.bundle.predicateType"] != kind {
				t.Errorf("%s: %+v", kind, r)
			}
			raw, m := bundleIn(t, s, subjects[0], r.Attachment)
			// What cosign 3.1.3 was seen to write (cosign's specs/BUNDLE_SPEC.md).
			if m.ArtifactType != "application/vnd.dev.sigstore.bundle.v0.3+json" || string(m.Layers[0].MediaType) != m.ArtifactType ||
				m.Config.MediaType != "application/vnd.oci.empty.v1+json" || m.Config.Size != 2 ||
				m.Annotations["dev.sigstore.bundle.content"] != "dsse-envelope" || m.Subject.Digest != subjects[0].Desc.Digest {
				t.Errorf("%s: manifest %+v", kind, m)
			}
			result, err := sigstore(t, raw, k.Public(), subjects[0].Desc.Digest.Hex)
			if err != nil {
				t.Fatalf("%s, %s: sigstore-go: %v", algorithm, kind, err)
			}
			if result.Statement.GetPredicateType() != kind {
				t.Errorf("predicate type %q", result.Statement.GetPredicateType())
			}
			if _, err := sigstore(t, raw, k.Public(), subjects[1].Desc.Digest.Hex); err == nil {
				t.Errorf("%s: sigstore-go takes it for one of another image", kind)
			}
			if _, err := sigstore(t, raw, generate(t, algorithm).Public(), subjects[0].Desc.Digest.Hex); err == nil {
				t.Errorf("%s: sigstore-go takes another key", kind)
			}
			if about := result.Statement.GetSubject()[0]; i == 0 && (about.GetAnnotations().GetFields()["env"].GetStringValue() != "prod" || about.GetName() != "") {
				t.Errorf("subject %v", about)
			}
			der, err := x509.MarshalPKIXPublicKey(k.Public())
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(der)
			if hint := base64.StdEncoding.EncodeToString(sum[:]); !strings.Contains(string(raw), `"publicKey":{"hint":"`+hint+`"}`) {
				t.Errorf("the hint is not %s: %s", hint, raw)
			}
		}
	}
}

// TestStorageTwice signs again in each storage: nothing is added, but by Again.
func TestStorageTwice(t *testing.T) {
	for _, algorithm := range []key.Algorithm{key.ECDSAP256, key.RSAPSS2048, key.Ed25519} {
		for in, want := range map[attach.Storage]int{attach.InTags: 1, attach.InReferrers: 1, attach.InBoth: 2} {
			k := generate(t, algorithm)
			for name, put := range map[string]func(*layout.Store, attach.Subject, sign.Signer, bool) ([]attach.Receipt, error){
				"signature": func(s *layout.Store, to attach.Subject, by sign.Signer, again bool) ([]attach.Receipt, error) {
					return sign.Image(t.Context(), s, []attach.Subject{to}, []sign.Signer{by}, sign.ImageOptions{Storage: in, Again: again})
				},
				"statement": func(s *layout.Store, to attach.Subject, by sign.Signer, again bool) ([]attach.Receipt, error) {
					return sign.Statement(t.Context(), s, to, sign.StatementOptions{
						PredicateType: "spdxjson", Predicate: payload.Bytes([]byte(spdx)), Storage: in, Again: again,
					}, []sign.Signer{by})
				},
			} {
				s, subjects := place(t, 1)
				for round, c := range []struct {
					by    sign.Signer
					again bool
					total int
				}{{k, false, 1}, {k, false, 1}, {randomly{k}, false, 1}, {generate(t, algorithm), false, 2}, {k, true, 3}, {k, false, 3}} {
					before := len(entries(t, s, subjects[0]))
					receipts, err := put(s, subjects[0], c.by, c.again)
					if err != nil || len(receipts) != want {
						t.Fatalf("%s, %s, %s: %d receipts, %v", name, in, algorithm, len(receipts), err)
					}
					got := len(entries(t, s, subjects[0]))
					if got != want*c.total {
						t.Errorf("%s, %s, %s, round %d: %d entries, want %d", name, in, algorithm, round, got, want*c.total)
					}
					for _, r := range receipts {
						if r.Existed != (got == before) {
							t.Errorf("%s, %s, round %d: %+v", name, in, round, r)
						}
					}
				}
			}
		}
	}
}

// TestClaimedBundle plants a bundle that claims to hold the statement: it does not
// stand for the real one.
func TestClaimedBundle(t *testing.T) {
	s, subjects := place(t, 1)
	k, thief := generate(t, key.ECDSAP256), generate(t, key.ECDSAP256)
	sub := func(by sign.Signer) []attach.Receipt {
		r, err := sign.Image(t.Context(), s, subjects, []sign.Signer{by}, sign.ImageOptions{Storage: attach.InReferrers})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	good := sub(thief)[0].Attachment
	for name, envelope := range map[string]string{"garbage": "{}", "no signature": `{"payload":"e30=","payloadType":"t","signatures":[]}`} {
		c, err := sign.Bundle(subjects[0].Desc, attach.Bytes([]byte(envelope)), "k", payload.Sign, good.Annotations)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(t.Context(), attach.Parcel{Subject: subjects[0], Content: c}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if r := sub(k)[0]; r.Existed {
		t.Errorf("%+v", r)
	}
	if n := len(entries(t, s, subjects[0])); n != 4 {
		t.Errorf("%d bundles", n)
	}
}

// TestBundleAnnotations refuses what no bundle can say.
func TestBundleAnnotations(t *testing.T) {
	_, subjects := place(t, 1)
	for _, bad := range []map[string]string{{"": "x"}, {"a": "\xff"}, {"\xff": "a"}} {
		opts := sign.ImageOptions{Annotations: bad, Storage: attach.InReferrers}
		if _, err := sign.Image(context.Background(), none{t}, subjects, []sign.Signer{generate(t, key.Ed25519)}, opts); err == nil {
			t.Errorf("%q was signed", bad)
		}
	}
}
