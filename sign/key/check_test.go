//lint:file-ignore SA1019 broken keys can only be made from raw coordinates

package key_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/sigstore/sigstore/pkg/cryptoutils/goodkey"
)

// TestWeakKeys compares the rules with those of the sigstore library.
func TestWeakKeys(t *testing.T) {
	good := mustRSA(t, generated(t, key.RSA2048).PublicKey())
	with := func(n *big.Int, e int) *rsa.PublicKey { return &rsa.PublicKey{N: n, E: e} }
	p, err := rand.Prime(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p.SetBit(p, 1022, 1) // so that its square has 2048 bits; it need not be prime for this
	next := new(big.Int).Add(p, big.NewInt(2))
	cases := map[string]struct {
		pub crypto.PublicKey
		ok  bool
	}{
		"good":                   {good, true},
		"P-384":                  {generated(t, key.ECDSAP384).Public(), true},
		"Ed25519":                {generated(t, key.Ed25519).Public(), true},
		"exponent 3":             {with(good.N, 3), false},
		"exponent 1":             {with(good.N, 1), false},
		"even exponent":          {with(good.N, 65536), false},
		"large exponent":         {with(good.N, 1<<31-1), false},
		"neighbours":             {with(new(big.Int).Mul(p, next), 65537), false},
		"even":                   {with(new(big.Int).Lsh(big.NewInt(1), 2047), 65537), false},
		"small factor":           {with(new(big.Int).Mul(big.NewInt(751), new(big.Int).Rsh(good.N, 9)), 65537), false},
		"CVE-2017-15361":         {with(rocaModulus(t), 65537), false},
		"1024 bits":              {with(new(big.Int).Rsh(good.N, 1024), 65537), false},
		"2047 bits":              {with(new(big.Int).Rsh(good.N, 1), 65537), false},
		"P-224":                  {&mustEC(t, elliptic.P224()).PublicKey, false},
		"off the curve":          {&ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}, false},
		"beyond the field":       {&ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).Lsh(big.NewInt(1), 256), Y: big.NewInt(1)}, false},
		"negative":               {&ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(-1), Y: big.NewInt(1)}, false},
		"infinity":               {&ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int), Y: new(big.Int)}, false},
		"point of another curve": {&ecdsa.PublicKey{Curve: elliptic.P256(), X: mustEC(t, elliptic.P384()).X, Y: mustEC(t, elliptic.P384()).Y}, false},
	}
	for what, c := range cases {
		_, err := key.NewPublic(c.pub)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, key.ErrWeak) && !errors.Is(err, key.ErrFormat) {
			t.Errorf("%s: %v", what, err)
		}
		if theirs := goodkey.ValidatePubKey(c.pub); (theirs == nil) != c.ok {
			t.Errorf("%s: the sigstore library says %v", what, theirs)
		}
	}
	// A square is one step of Fermat's method that the sigstore library does not take.
	if _, err := key.NewPublic(with(new(big.Int).Mul(p, p), 65537)); !errors.Is(err, key.ErrWeak) {
		t.Errorf("square: %v", err)
	}
	for _, pub := range []crypto.PublicKey{nil, (*rsa.PublicKey)(nil), &rsa.PublicKey{}, (*ecdsa.PublicKey)(nil), &ecdsa.PublicKey{}, ed25519.PublicKey(nil), ed25519.PublicKey("short"), "text", *good} {
		if _, err := key.NewPublic(pub); !errors.Is(err, key.ErrFormat) {
			t.Errorf("%T: %v", pub, err)
		}
	}
}

func mustEC(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// rocaModulus returns a number of 2048 bits that is a power of 65537 modulo
// each of the first primes, as moduli of the broken generator are.
func rocaModulus(t *testing.T) *big.Int {
	t.Helper()
	product := big.NewInt(1)
	for n := int64(2); n < 168; n++ {
		if p := big.NewInt(n); p.ProbablyPrime(0) {
			product.Mul(product, p)
		}
	}
	small := big.NewInt(1)
	for n := int64(168); n < 752; n++ {
		if p := big.NewInt(n); p.ProbablyPrime(0) {
			small.Mul(small, p)
		}
	}
	n := new(big.Int).Exp(big.NewInt(65537), big.NewInt(12345), product)
	base := new(big.Int).Lsh(big.NewInt(3), 2046)
	n.Add(n, base.Sub(base, new(big.Int).Mod(base, product)))
	for new(big.Int).GCD(nil, nil, n, small).Cmp(big.NewInt(1)) != 0 {
		n.Add(n, product)
	}
	if n.BitLen() != 2048 {
		t.Fatalf("%d bits", n.BitLen())
	}
	return n
}

// TestSmallOrder refuses the encodings of points of small order, in the list
// that libsodium keeps (ge25519_has_small_order), with either sign.
func TestSmallOrder(t *testing.T) {
	for _, text := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		k, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, sign := range []byte{0, 0x80} {
			k[31] |= sign
			if _, err := key.NewPublic(ed25519.PublicKey(k)); !errors.Is(err, key.ErrWeak) {
				t.Errorf("%x: %v", k, err)
			}
		}
	}
}
