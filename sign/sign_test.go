package sign_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

func entries(t *testing.T, s attach.Store, subject attach.Subject, kind attach.Kind) []attach.Attachment {
	t.Helper()
	all, errs := attach.Collect(t.Context(), s, subject, kind)
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
		count("again, other bytes", 4+btoi(algorithm != key.Ed25519), randomly{k}, sign.ImageOptions{Again: true})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
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
	if _, err := sign.Statement(t.Context(), s, subjects[0], opts, []sign.Signer{randomly{a}}); err != nil {
		t.Fatal(err)
	}
	if n := len(entries(t, s, subjects[0], attach.Attestation)); n != 3 {
		t.Errorf("%d attestations after Again", n)
	}
}

// TestClaimsDoNotCount plants an attestation that claims to hold the statement.
func TestClaimsDoNotCount(t *testing.T) {
	s, subjects := place(t, 1)
	k, thief := generate(t, key.ECDSAP256), generate(t, key.ECDSAP256)
	opts := sign.StatementOptions{PredicateType: "spdxjson", Predicate: payload.Bytes([]byte(spdx))}
	// by another key, over the same statement
	if _, err := sign.Statement(t.Context(), s, subjects[0], opts, []sign.Signer{thief}); err != nil {
		t.Fatal(err)
	}
	good := entries(t, s, subjects[0], attach.Attestation)[0]
	// garbage under the same annotations
	junk := attach.Content{Kind: attach.Attestation, MediaType: string(good.Desc.MediaType), Annotations: good.Annotations, Body: attach.Bytes([]byte("{}"))}
	if _, err := s.Put(t.Context(), attach.Parcel{Subject: subjects[0], Content: junk}); err != nil {
		t.Fatal(err)
	}
	r, err := sign.Statement(t.Context(), s, subjects[0], opts, []sign.Signer{k})
	if err != nil || r[0].Existed {
		t.Errorf("%+v, %v", r, err)
	}
}

// broken signs something else than it was given.
type broken struct{ *key.Private }

func (b broken) Sign(ctx context.Context, message io.Reader) ([]byte, error) {
	return b.Private.Sign(ctx, io.MultiReader(message, strings.NewReader("x")))
}

// other presents a key that is not the one that signs.
type other struct {
	*key.Private
	shown crypto.PublicKey
}

func (o other) Public() crypto.PublicKey { return o.shown }

// none counts what is put: nothing may be.
type none struct{ t *testing.T }

func (n none) Put(context.Context, ...attach.Parcel) ([]attach.Receipt, error) {
	n.t.Error("something was put")
	return nil, errors.New("put")
}

func TestNothingBadIsPut(t *testing.T) {
	_, subjects := place(t, 1)
	k := generate(t, key.ECDSAP256)
	weird := subjects[0]
	weird.Desc.Digest.Algorithm = "sha512"
	fit := []attach.Subject{subjects[0]}
	statement := func(document string) sign.StatementOptions {
		return sign.StatementOptions{PredicateType: "spdxjson", Predicate: payload.Bytes([]byte(document)), Now: time.Unix(0, 0)}
	}
	cases := map[string]struct {
		subjects []attach.Subject
		signers  []sign.Signer
		opts     sign.ImageOptions
		document string
		want     error
	}{
		"no signer":         {fit, nil, sign.ImageOptions{}, spdx, sign.ErrUnfit},
		"same key twice":    {fit, []sign.Signer{k, k}, sign.ImageOptions{}, spdx, sign.ErrUnfit},
		"digest of sha512":  {[]attach.Subject{weird}, []sign.Signer{k}, sign.ImageOptions{}, spdx, sign.ErrUnfit},
		"no subject":        {[]attach.Subject{{}}, []sign.Signer{k}, sign.ImageOptions{}, spdx, sign.ErrUnfit},
		"broken signer":     {fit, []sign.Signer{broken{k}}, sign.ImageOptions{}, spdx, key.ErrSignature},
		"one broken of two": {fit, []sign.Signer{generate(t, key.Ed25519), broken{k}}, sign.ImageOptions{}, spdx, key.ErrSignature},
		"other key":         {fit, []sign.Signer{other{k, generate(t, key.ECDSAP256).Public()}}, sign.ImageOptions{}, spdx, key.ErrSignature},
		"no public key":     {fit, []sign.Signer{other{k, nil}}, sign.ImageOptions{}, spdx, key.ErrFormat},
		"bad annotation":    {fit, []sign.Signer{k}, sign.ImageOptions{Annotations: map[string]string{"a": "\xff"}}, "not json", payload.ErrMalformed},
		"garbage":           {fit, []sign.Signer{k}, sign.ImageOptions{Annotations: map[string]string{"": ""}}, `{"hello":1}`, payload.ErrMalformed},
	}
	for what, c := range cases {
		if _, err := sign.Image(t.Context(), none{t}, c.subjects, c.signers, c.opts); !errors.Is(err, c.want) {
			t.Errorf("image, %s: %v", what, err)
		}
		if _, err := sign.Statement(t.Context(), none{t}, c.subjects[0], statement(c.document), c.signers); !errors.Is(err, c.want) {
			t.Errorf("statement, %s: %v", what, err)
		}
	}
	if _, err := sign.Image(t.Context(), none{t}, nil, []sign.Signer{k}, sign.ImageOptions{}); !errors.Is(err, sign.ErrUnfit) {
		t.Error(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sign.Image(cancelled, none{t}, fit, []sign.Signer{k}, sign.ImageOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestChangingDocument gives a document that differs each time it is read.
func TestChangingDocument(t *testing.T) {
	_, subjects := place(t, 1)
	for stays := range 8 {
		reads := 0
		document := payload.Source{Size: int64(len(spdx)), Open: func() (io.ReadCloser, error) {
			reads++
			text := spdx
			if reads > stays {
				text = strings.Replace(spdx, `"x"`, `"y"`, 1)
			}
			return io.NopCloser(strings.NewReader(text)), nil
		}}
		caught := &catch{}
		opts := sign.StatementOptions{PredicateType: "spdxjson", Predicate: document}
		k := generate(t, key.ECDSAP256)
		_, err := sign.Statement(t.Context(), caught, subjects[0], opts, []sign.Signer{k})
		if err != nil {
			continue
		}
		for _, p := range caught.parcels {
			rc, err := p.Content.Body.Open()
			if err != nil {
				t.Fatal(err)
			}
			raw, err := io.ReadAll(rc)
			if err != nil {
				t.Fatal(err)
			}
			if attach.DigestOf(raw) != p.Content.Body.Digest {
				continue // the store refuses it
			}
			sig, err := static.NewSignature(raw, "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := cosign.VerifyBlobAttestation(t.Context(), sig, subjects[0].Desc.Digest, options(t, k, cosign.IntotoSubjectClaimVerifier)); err != nil {
				t.Errorf("changed after %d reads: %v", stays, err)
			}
		}
	}
}

type catch struct{ parcels []attach.Parcel }

func (c *catch) Put(_ context.Context, parcels ...attach.Parcel) ([]attach.Receipt, error) {
	c.parcels = append(c.parcels, parcels...)
	return make([]attach.Receipt, len(parcels)), nil
}

// TestReproducible builds the same parcels twice.
func TestReproducible(t *testing.T) {
	_, subjects := place(t, 1)
	k := generate(t, key.ECDSAP256)
	one, two := &catch{}, &catch{}
	for _, c := range []*catch{one, two} {
		if _, err := sign.Image(t.Context(), c, subjects, []sign.Signer{k}, sign.ImageOptions{Annotations: map[string]string{"b": "1", "a": "2"}}); err != nil {
			t.Fatal(err)
		}
		opts := sign.StatementOptions{PredicateType: "custom", Predicate: payload.Bytes([]byte("x")), Now: time.Unix(1, 0)}
		if _, err := sign.Statement(t.Context(), c, subjects[0], opts, []sign.Signer{k}); err != nil {
			t.Fatal(err)
		}
	}
	for i, p := range one.parcels {
		if p.Content.ID() != two.parcels[i].Content.ID() {
			t.Errorf("parcel %d differs", i)
		}
	}
	if len(one.parcels) != 2 {
		t.Errorf("%d parcels", len(one.parcels))
	}
}
