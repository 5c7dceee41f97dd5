package policy_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

// TestHashAlgorithm has an image that a key of P-256 signed over SHA-512, by the standard
// library: the hash that the policy names is the one that counts.
func TestHashAlgorithm(t *testing.T) {
	f := newFixture(t)
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if f.none, err = key.NewPrivate(priv); err != nil {
		t.Fatal(err)
	}
	raw, err := payload.NewSimpleSigning("r.example/app", f.bare.Desc.Digest.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := crypto.SHA512.New()
	sum.Write(raw)
	sig, err := ecdsa.SignASN1(rand.Reader, priv, sum.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.Put(t.Context(), attach.Parcel{Subject: f.bare, Content: cosign.NewSignature(raw, sig)}); err != nil {
		t.Fatal(err)
	}
	for spec, want := range map[string]string{
		"{data: K3, hashAlgorithm: sha512}": "accept subject=accepted c/authority-0/signature=accepted",
		"{hashAlgorithm: SHA512, data: K3}": "accept subject=accepted c/authority-0/signature=accepted",
		"{data: K3, hashAlgorithm: sha384}": "reject c/authority-0/signature=none-accepted",
		"{data: K3, hashAlgorithm: sha256}": "reject c/authority-0/signature=none-accepted",
		"{data: K3}":                        "reject c/authority-0/signature=none-accepted",
		"{data: K2, hashAlgorithm: sha512}": "reject c/authority-0/signature=none-accepted",
	} {
		v, err := f.policy(t, made, cluster("authorities: [{key: "+spec+"}]")).Verify(t.Context(), f.store, f.bare, "r.example/app")
		if err != nil {
			t.Fatal(err)
		}
		if got := say(v); got != want {
			t.Errorf("%s: %s, want %s", spec, got, want)
		}
	}
}
