package sign_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"io"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/layout"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

const spdx = `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"x","packages":[]}`

// place returns a layout with n images in it.
func place(t *testing.T, n int) (*layout.Store, []attach.Subject) {
	t.Helper()
	s, err := layout.Create(t.Context(), filepath.Join(t.TempDir(), "layout"), layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var subjects []attach.Subject
	for i := range n {
		img, err := random.Image(64, 1)
		if err != nil {
			t.Fatal(err)
		}
		subject, err := s.PutImage(t.Context(), "v"+string(rune('0'+i)), img)
		if err != nil {
			t.Fatal(err)
		}
		subjects = append(subjects, subject)
	}
	return s, subjects
}

func generate(t *testing.T, algorithm key.Algorithm) *key.Private {
	t.Helper()
	k, err := key.Generate(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func entries(t *testing.T, s attach.Store, subject attach.Subject, kinds ...attach.Kind) []attach.Attachment {
	t.Helper()
	all, errs := attach.Collect(t.Context(), s, subject, kinds...)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return all
}

// content returns an entry as the cosign library sees it.
func content(t *testing.T, s attach.Store, subject attach.Subject, a attach.Attachment) oci.Signature {
	t.Helper()
	rc, err := s.Open(t.Context(), subject, a)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := attach.ReadAll(rc, a.Desc, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := static.NewSignature(raw, a.Annotations["dev.cosignproject.cosign/signature"], static.WithLayerMediaType(a.Desc.MediaType), static.WithAnnotations(a.Annotations))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// options are those of `cosign verify --key K --insecure-ignore-tlog`.
func options(t *testing.T, k *key.Private, claims func(oci.Signature, v1.Hash, map[string]interface{}) error) *cosign.CheckOpts {
	t.Helper()
	v, err := signature.LoadVerifier(k.Public(), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return &cosign.CheckOpts{SigVerifier: v, ClaimVerifier: claims, IgnoreTlog: true, IgnoreSCT: true}
}

func TestImageForCosign(t *testing.T) {
	s, subjects := place(t, 2)
	var signers []sign.Signer
	var keys []*key.Private
	for _, algorithm := range []key.Algorithm{key.ECDSAP256, key.ECDSAP384, key.ECDSAP521, key.Ed25519, key.RSA2048} {
		k := generate(t, algorithm)
		keys, signers = append(keys, k), append(signers, k)
	}
	opts := sign.ImageOptions{Annotations: map[string]string{"env": "prod"}}
	receipts, err := sign.Image(t.Context(), s, subjects, signers, opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(receipts) != len(subjects)*len(signers) {
		t.Fatalf("%d receipts", len(receipts))
	}
	for i, r := range receipts {
		subject, k := subjects[i/len(keys)], keys[i%len(keys)]
		if r.Existed || !r.Viewed {
			t.Errorf("receipt %d: %+v", i, r)
		}
		co := options(t, k, cosign.SimpleClaimVerifier)
		co.Annotations = map[string]interface{}{"env": "prod"}
		sig := content(t, s, subject, r.Attachment)
		if _, err := cosign.VerifyImageSignature(t.Context(), sig, subject.Desc.Digest, co); err != nil {
			t.Errorf("cosign, key %s: %v", k.PublicKey().Algorithm(), err)
		}
		if _, err := cosign.VerifyImageSignature(t.Context(), sig, subjects[1-i/len(keys)].Desc.Digest, co); err == nil {
			t.Error("cosign takes the signature for another image")
		}
		raw, err := sig.Payload()
		if err != nil {
			t.Fatal(err)
		}
		p, err := payload.ParseSimpleSigning(raw)
		if err != nil || p.Reference != subject.Repo {
			t.Errorf("%+v, %v", p, err)
		}
	}
	for _, subject := range subjects {
		if n := len(entries(t, s, subject, attach.Signature)); n != len(keys) {
			t.Errorf("%d signatures, %d keys", n, len(keys))
		}
	}
}

// TestTwice signs again and again: only Again, another payload or another key add something.
func TestTwice(t *testing.T) {
	for _, algorithm := range []key.Algorithm{key.ECDSAP256, key.RSAPSS2048, key.Ed25519} {
		s, subjects := place(t, 1)
		k := generate(t, algorithm)
		count := func(what string, want int, signer sign.Signer, opts sign.ImageOptions) {
			t.Helper()
			before := len(entries(t, s, subjects[0], attach.Signature))
			r, err := sign.Image(t.Context(), s, subjects, []sign.Signer{signer}, opts)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(entries(t, s, subjects[0], attach.Signature)); n != want || r[0].Existed != (n == before) {
				t.Errorf("%s, %s: %d signatures, not %d; existed %v", algorithm, what, n, want, r[0].Existed)
			}
		}
		count("first", 1, k, sign.ImageOptions{})
		count("second", 1, k, sign.ImageOptions{})
		count("with random part", 1, randomly{k}, sign.ImageOptions{})
		count("annotated", 2, k, sign.ImageOptions{Annotations: map[string]string{"a": "1"}})
		count("other name", 3, k, sign.ImageOptions{Reference: func(attach.Subject) string { return "registry.example/x" }})
		count("other key", 4, generate(t, algorithm), sign.ImageOptions{})
		count("again", 5, k, sign.ImageOptions{Again: true})
		count("and again", 6, k, sign.ImageOptions{Again: true})
		count("then not", 6, k, sign.ImageOptions{})
	}
}

// randomly signs with a random part where the scheme has one, as most signers
// do. It opens the key by way of PKCS #8.
type randomly struct{ *key.Private }

func (r randomly) Sign(ctx context.Context, message io.Reader) ([]byte, error) {
	text, err := r.Encode(key.FormatPKCS8, nil)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if ec, ok := k.(*ecdsa.PrivateKey); ok && err == nil {
		h := sha256.New()
		if _, err := io.Copy(h, message); err != nil {
			return nil, err
		}
		return ecdsa.SignASN1(rand.Reader, ec, h.Sum(nil))
	}
	return r.Private.Sign(ctx, message)
}

func TestStatementForCosign(t *testing.T) {
	s, subjects := place(t, 2)
	a, b := generate(t, key.ECDSAP256), generate(t, key.Ed25519)
	opts := sign.StatementOptions{PredicateType: "spdxjson", Predicate: payload.Bytes([]byte(spdx))}
	for round := range 2 {
		receipts, err := sign.Statement(t.Context(), s, subjects[0], opts, []sign.Signer{randomly{a}, b})
		if err != nil || len(receipts) != 2 {
			t.Fatal(len(receipts), err)
		}
		for i, r := range receipts {
			if r.Existed != (round == 1) {
				t.Errorf("round %d: %+v", round, r)
			}
			k := []*key.Private{a, b}[i]
			co := options(t, k, cosign.IntotoSubjectClaimVerifier)
			att := content(t, s, subjects[0], r.Attachment)
			if _, err := cosign.VerifyBlobAttestation(t.Context(), att, subjects[0].Desc.Digest, co); err != nil {
				t.Errorf("cosign: %v", err)
			}
			if _, err := cosign.VerifyBlobAttestation(t.Context(), att, subjects[1].Desc.Digest, co); err == nil {
				t.Error("cosign takes the attestation for one of another image")
			}
			if r.Attachment.Type != payload.SPDX {
				t.Errorf("type %q", r.Attachment.Type)
			}
		}
		if n := len(entries(t, s, subjects[0], attach.Attestation)); n != 2 {
			t.Errorf("round %d: %d attestations", round, n)
		}
	}
	opts.Again = true
	if _, err := sign.Statement(t.Context(), s, subjects[0], opts, []sign.Signer{a}); err != nil {
		t.Fatal(err)
	}
	if n := len(entries(t, s, subjects[0], attach.Attestation)); n != 3 {
		t.Errorf("%d attestations after Again", n)
	}
}
