package sign_test

import (
	"context"
	"crypto"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/oci/static"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

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

// TestTwinsDoNotCount: a twin of a good signature that verifiers do not count,
// for what was hung on it, does not keep a new one from being attached.
func TestTwinsDoNotCount(t *testing.T) {
	k := generate(t, key.Ed25519) // whose signatures are the same each time
	for name, c := range map[string]struct {
		annotation, value string
		counts            bool
	}{
		"certificate":      {"dev.sigstore.cosign/certificate", "none", false},
		"chain":            {"dev.sigstore.cosign/chain", "none", false},
		"log entry":        {"dev.sigstore.cosign/bundle", "none", false},
		"timestamp":        {"dev.sigstore.cosign/rfc3161timestamp", "[]", false},
		"good log entry":   {"dev.sigstore.cosign/bundle", ` {"SignedEntryTimestamp":""}`, true},
		"something else":   {"org.example.note", "none", true},
		"empty, but there": {"dev.sigstore.cosign/certificate", "", false},
	} {
		s, subjects := place(t, 1)
		put := func(w attach.Writer, kind attach.Kind) {
			var err error
			if kind == attach.Signature {
				_, err = sign.Image(t.Context(), w, subjects, []sign.Signer{k}, sign.ImageOptions{})
			} else {
				predicate := payload.Source{Size: int64(len(spdx)), Open: attach.Bytes([]byte(spdx)).Open}
				_, err = sign.Statement(t.Context(), w, subjects[0], sign.StatementOptions{PredicateType: "spdxjson", Predicate: predicate}, []sign.Signer{k})
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		for _, kind := range []attach.Kind{attach.Signature, attach.Attestation} {
			var made catch
			put(&made, kind)
			for _, p := range made.parcels {
				p.Content.Annotations[c.annotation], p.Content.Same = c.value, nil
				if _, err := s.Put(t.Context(), p); err != nil {
					t.Fatal(err)
				}
			}
			put(s, kind)
			if n := len(entries(t, s, subjects[0], kind)); (n == 1) != c.counts {
				t.Errorf("%s: %d entries of kind %s", name, n, kind)
			}
		}
	}
}
