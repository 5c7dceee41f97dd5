package key_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/sign/key"
)

// vector returns a signature of RFC 6979.
func vector(t *testing.T, r, s string) []byte {
	t.Helper()
	number := func(s string) *big.Int { n, _ := new(big.Int).SetString(s, 16); return n }
	sig, err := asn1.Marshal(struct{ R, S *big.Int }{number(r), number(s)})
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// judged holds all ways of verifying against what is expected of the key.
func judged(t *testing.T, k *key.Public, sig []byte, message string, over crypto.Hash, good bool) {
	t.Helper()
	if err := k.VerifyMessage(sig, strings.NewReader(message)); (err == nil) != good || err != nil && !errors.Is(err, key.ErrSignature) {
		t.Errorf("%s: message: %v, want %v", k.Algorithm(), err, good)
	}
	h := over.New()
	h.Write([]byte(message))
	if decided, err := k.VerifySum(sig, over, h.Sum(nil)); (decided && err == nil) != good {
		t.Errorf("%s: %v: %v %v, want %v", k.Algorithm(), over, decided, err, good)
	}
}

// TestForHash has signatures over each hash by one key of P-256, from RFC 6979, section
// A.2.5, and by one of RSA: a key that is held to a hash accepts the one, any other key
// the one over SHA-256.
func TestForHash(t *testing.T) {
	d, err := hex.DecodeString("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		t.Fatal(err)
	}
	number, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	hashes := []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}
	signed := map[*key.Public][][]byte{}
	public := func(k crypto.PublicKey) *key.Public {
		p, err := key.NewPublic(k)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	signed[public(curve.Public())] = [][]byte{
		vector(t, "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716", "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"),
		vector(t, "0EAFEA039B20E9B42309FB1D89E213057CBF973DC0CFC8F129EDDDC800EF7719", "4861F0491E6998B9455193E34E7B0D284DDD7149A74B95B9261F13ABDE940954"),
		vector(t, "8496A60B5E9B47C825488827E0495B0E3FA109EC4568FD3F8D1097678EB97F00", "2362AB1ADBE2B8ADF9CB9EDAB740EA6049C028114F2460F96554F61FAE3302FE"),
	}
	modulus := public(number.Public())
	for _, h := range hashes {
		sum := h.New()
		sum.Write([]byte("sample"))
		sig, err := rsa.SignPKCS1v15(nil, number, h, sum.Sum(nil))
		if err != nil {
			t.Fatal(err)
		}
		signed[modulus] = append(signed[modulus], sig)
	}
	for k, sigs := range signed {
		for i, held := range hashes {
			only, err := k.ForHash(held)
			if err != nil || only.Fingerprint() != k.Fingerprint() {
				t.Fatal(err)
			}
			for j, sig := range sigs {
				judged(t, only, sig, "sample", hashes[j], i == j)
			}
			judged(t, k, sigs[i], "sample", held, held == crypto.SHA256)
			judged(t, only, sigs[i], "Sample", held, false)
		}
		for _, h := range []crypto.Hash{0, crypto.SHA1, crypto.SHA224} {
			if _, err := k.ForHash(h); !errors.Is(err, key.ErrWeak) {
				t.Errorf("%v: %v", h, err)
			}
		}
	}
}

// TestForHashElse: Ed25519 has a hash of its own, and a key of P-384 that is held to
// one hash accepts no other, though it fits the curve.
func TestForHashElse(t *testing.T) {
	pub, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := key.NewPublic(pub)
	if err != nil {
		t.Fatal(err)
	}
	if k, err = k.ForHash(crypto.SHA256); err != nil || k.VerifyMessage(ed25519.Sign(ed, []byte("m")), strings.NewReader("m")) != nil {
		t.Errorf("Ed25519: %v", err)
	}
	priv, err := key.Generate(key.ECDSAP384)
	if err != nil {
		t.Fatal(err)
	}
	long, err := priv.With(key.ECDSAP384SHA384)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := long.Sign(t.Context(), strings.NewReader("m"))
	if err != nil {
		t.Fatal(err)
	}
	for h, want := range map[crypto.Hash]bool{crypto.SHA256: false, crypto.SHA384: true, crypto.SHA512: false} {
		only, err := priv.PublicKey().ForHash(h)
		if err != nil {
			t.Fatal(err)
		}
		judged(t, only, sig, "m", crypto.SHA384, want)
	}
}
