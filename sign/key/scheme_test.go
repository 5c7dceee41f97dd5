package key_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/sigstore/sigstore/pkg/signature"

	v1 "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"

	"github.com/hallmark-oci/hallmark/sign/key"
)

// A kindRow is one kind of key and the scheme that it signs with.
type kindRow struct {
	algorithm key.Algorithm
	scheme    key.Scheme // empty: what it signs with unless asked
	hash      crypto.Hash
}

// nineKinds are the kinds of key that go round: made, kept, read, signing, verified.
func nineKinds() []kindRow {
	return []kindRow{
		{key.ECDSAP256, key.ECDSAP256SHA256, crypto.SHA256},
		{key.ECDSAP384, key.ECDSAP384SHA384, crypto.SHA384},
		{key.ECDSAP521, key.ECDSAP521SHA512, crypto.SHA512},
		{key.Ed25519, key.Ed25519Plain, 0},
		{key.Ed25519, key.Ed25519Prehashed, crypto.SHA512},
		{key.RSA2048, key.RSA2048PKCS1, crypto.SHA256},
		{key.RSA3072, key.RSA3072PKCS1, crypto.SHA256},
		{key.RSA4096, key.RSA4096PKCS1, crypto.SHA256},
		{key.RSAPSS2048, key.RSA2048PSS, crypto.SHA256},
	}
}

// TestNineKinds takes each kind through all formats of key files. The library of
// Sigstore verifies what is signed, as its registry says that the scheme does.
func TestNineKinds(t *testing.T) {
	rows := nineKinds()
	if len(rows) != 9 {
		t.Fatalf("%d kinds", len(rows))
	}
	for _, row := range rows {
		t.Run(string(row.scheme), func(t *testing.T) {
			t.Parallel()
			k := generated(t, row.algorithm)
			for _, format := range key.Formats() {
				password := []byte("pass phrase")
				if format == key.FormatPKCS8 {
					password = nil
				}
				again := throughFile(t, k, format, password)
				with, err := again.With(row.scheme)
				if err != nil {
					t.Fatal(err)
				}
				roundTrip(t, with, row)
			}
			with, err := k.With(row.scheme)
			if err != nil {
				t.Fatal(err)
			}
			sig, err := with.Sign(t.Context(), strings.NewReader("m"))
			if err != nil {
				t.Fatal(err)
			}
			if row.scheme != key.Ed25519Plain { // see TestSignVerify
				flips(t, k.PublicKey(), sig, []byte("m"))
			}
		})
	}
}

// throughFile writes the key in the format and reads it again.
func throughFile(t *testing.T, k *key.Private, format key.Format, password []byte) *key.Private {
	t.Helper()
	path := t.TempDir() + "/k.key"
	if err := key.WritePair(path, k, key.WriteOptions{Format: format, Password: password}); err != nil {
		t.Fatal(err)
	}
	again, err := key.Load(t.Context(), path, key.Options{
		Password: func(context.Context, string) ([]byte, error) { return password, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	pub, err := key.LoadPublic(t.Context(), key.PublicPath(path), key.Options{})
	if err != nil || pub.Fingerprint() != k.ID() || again.ID() != k.ID() || pub.Algorithm() != again.PublicKey().Algorithm() {
		t.Fatalf("%s: %v", format, err)
	}
	return again
}

func roundTrip(t *testing.T, k *key.Private, row kindRow) {
	t.Helper()
	message := []byte("assayed and found true")
	sig, err := k.Sign(t.Context(), bytes.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	if err := k.PublicKey().VerifyMessage(sig, bytes.NewReader(message)); err != nil {
		t.Error(err)
	}
	if err := registered(t, k, row.scheme).VerifySignature(bytes.NewReader(sig), bytes.NewReader(message)); err != nil {
		t.Errorf("Sigstore's library: %v", err)
	}
	if row.hash == 0 {
		return
	}
	if k.Hash() != row.hash {
		t.Errorf("hash %v", k.Hash())
	}
	h := row.hash.New()
	h.Write(message)
	if decided, err := k.PublicKey().VerifySum(sig, row.hash, h.Sum(nil)); !decided || err != nil {
		t.Errorf("by the %v alone: %v, %v", row.hash, decided, err)
	}
}

// registered returns the verifier that Sigstore's registry of algorithms has for the scheme.
func registered(t *testing.T, k *key.Private, s key.Scheme) signature.Verifier {
	t.Helper()
	id, err := signature.ParseSignatureAlgorithmFlag(string(s))
	if err != nil {
		t.Fatal(err)
	}
	details, err := signature.GetAlgorithmDetails(id)
	if err != nil {
		t.Fatal(err)
	}
	var v signature.Verifier
	switch {
	case id == v1.PublicKeyDetails_PKIX_ED25519_PH:
		v, err = signature.LoadED25519phVerifier(k.Public().(ed25519.PublicKey))
	case strings.Contains(string(s), "-pss-"):
		v, err = signature.LoadRSAPSSVerifier(k.Public().(*rsa.PublicKey), details.GetHashType(), &rsa.PSSOptions{SaltLength: details.GetHashType().Size()})
	default:
		v, err = signature.LoadVerifier(k.Public(), details.GetHashType())
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSchemes: the names are those of the registry, each kind of key signs first as
// cosign verifies, and no key signs with a scheme of another kind.
func TestSchemes(t *testing.T) {
	seen := 0
	for _, a := range key.Algorithms() {
		schemes := key.Schemes(a)
		if len(schemes) == 0 {
			t.Errorf("%s signs with nothing", a)
		}
		for _, s := range schemes {
			id, err := signature.ParseSignatureAlgorithmFlag(string(s))
			if err != nil || id == v1.PublicKeyDetails_PUBLIC_KEY_DETAILS_UNSPECIFIED {
				t.Errorf("%s: %v", s, err)
			}
			seen++
		}
	}
	if seen != 16 { // 13, of which those of PSS are for keys of two kinds
		t.Errorf("%d schemes", seen)
	}
	for _, a := range kinds() {
		k := generated(t, a)
		for _, b := range key.Algorithms() {
			for _, s := range key.Schemes(b) {
				fits := slices.Contains(key.Schemes(a), s)
				if _, err := k.With(s); (err == nil) != fits || err != nil && !errors.Is(err, key.ErrFormat) {
					t.Errorf("%s with %s: %v", a, s, err)
				}
			}
		}
		if _, err := k.With("none"); !errors.Is(err, key.ErrFormat) {
			t.Errorf("%s: %v", a, err)
		}
	}
}

// TestPrehashedIsAnother: a signature of Ed25519ph is none of plain Ed25519 and the
// other way round, and a large message is signed as a stream.
func TestPrehashedIsAnother(t *testing.T) {
	k := generated(t, key.Ed25519)
	ph, err := k.With(key.Ed25519Prehashed)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := k.Sign(t.Context(), strings.NewReader("m"))
	if err != nil {
		t.Fatal(err)
	}
	hashed, err := ph.Sign(t.Context(), strings.NewReader("m"))
	if err != nil {
		t.Fatal(err)
	}
	for what, sig := range map[string][]byte{"plain": plain, "prehashed": hashed} {
		if err := registered(t, k, key.Ed25519Plain).VerifySignature(bytes.NewReader(sig), strings.NewReader("m")); (err == nil) != (what == "plain") {
			t.Errorf("%s as plain: %v", what, err)
		}
		if err := registered(t, k, key.Ed25519Prehashed).VerifySignature(bytes.NewReader(sig), strings.NewReader("m")); (err == nil) != (what == "prehashed") {
			t.Errorf("%s as prehashed: %v", what, err)
		}
	}
	large := func() io.Reader { return io.LimitReader(zeros{}, key.MaxMessage+1) }
	if _, err := k.Sign(t.Context(), large()); !errors.Is(err, key.ErrLimit) {
		t.Errorf("plain over a large message: %v", err)
	}
	sig, err := ph.Sign(t.Context(), large())
	if err != nil {
		t.Fatal(err)
	}
	if err := ph.PublicKey().VerifyMessage(sig, large()); err != nil {
		t.Error(err)
	}
}

// zeros reads zeros without end.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestAskedForPSS: an RSA key that is asked to sign with PSS is marked for it from then
// on, and what it signs counts under the marked key alone.
func TestAskedForPSS(t *testing.T) {
	k := generated(t, key.RSA2048)
	pss, err := k.With(key.RSA2048PSS)
	if err != nil {
		t.Fatal(err)
	}
	if pss.PublicKey().Algorithm() != "rsa-pss-2048" || k.PublicKey().Algorithm() != "rsa-2048" || pss.ID() != k.ID() {
		t.Errorf("%s, %s", pss.PublicKey().Algorithm(), k.PublicKey().Algorithm())
	}
	sig, err := pss.Sign(t.Context(), strings.NewReader("m"))
	if err != nil {
		t.Fatal(err)
	}
	marked, err := key.ParsePublic(pss.PublicKey().PEM())
	if err != nil {
		t.Fatal(err)
	}
	if err := marked.VerifyMessage(sig, strings.NewReader("m")); err != nil {
		t.Error(err)
	}
	if err := k.PublicKey().VerifyMessage(sig, strings.NewReader("m")); !errors.Is(err, key.ErrSignature) {
		t.Errorf("under the unmarked key: %v", err)
	}
	if ec := generated(t, key.ECDSAP256).PublicKey(); ec.ForPSS().Algorithm() != "ecdsa-p256" {
		t.Error("an ECDSA key was marked for PSS")
	}
}
