package key

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"math/big"
)

// check refuses keys of kinds that are not supported, keys that are no valid
// keys of their kind, and weak ones.
func check(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		return checkECDSA(k)
	case *rsa.PublicKey:
		return checkRSA(k)
	case ed25519.PublicKey:
		return checkEd25519(k)
	case nil:
		return fmt.Errorf("no key: %w", ErrFormat)
	default:
		return fmt.Errorf("keys of type %T are not supported: %w", pub, ErrFormat)
	}
}

// checkECDSA accepts the three NIST curves that cosign knows, and only points
// on them other than the point at infinity.
func checkECDSA(k *ecdsa.PublicKey) error {
	if k == nil || k.Curve == nil {
		return fmt.Errorf("no key: %w", ErrFormat)
	}
	switch k.Curve {
	case elliptic.P256(), elliptic.P384(), elliptic.P521():
	case elliptic.P224():
		return fmt.Errorf("curve P-224: %w", ErrWeak)
	default:
		return fmt.Errorf("curve %s is not supported: %w", k.Curve.Params().Name, ErrFormat)
	}
	if _, err := k.Bytes(); err != nil {
		return fmt.Errorf("the point is not on curve %s: %w", k.Curve.Params().Name, ErrFormat)
	}
	return nil
}

// checkEd25519 refuses keys of the wrong length and the points of small order,
// under which one signature can verify for many messages. The order of such a
// point divides eight, so that there are eight of them; with the encodings that
// are not canonical that makes twelve.
func checkEd25519(k ed25519.PublicKey) error {
	if len(k) != ed25519.PublicKeySize {
		return fmt.Errorf("ed25519 key of %d bytes: %w", len(k), ErrFormat)
	}
	y := make([]byte, len(k))
	for i := range k {
		y[len(k)-1-i] = k[i]
	}
	y[0] &= 0x7f
	for _, small := range smallOrder() {
		if new(big.Int).SetBytes(y).Cmp(small) == 0 {
			return fmt.Errorf("ed25519 point of small order: %w", ErrWeak)
		}
	}
	return nil
}

// smallOrder returns the y coordinates of the points of small order, each also
// in its form beyond the field's prime where that fits into 255 bits.
func smallOrder() []*big.Int {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	eighth, _ := new(big.Int).SetString("7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7", 16)
	ys := []*big.Int{
		big.NewInt(0), big.NewInt(1), new(big.Int).Sub(p, big.NewInt(1)),
		eighth, new(big.Int).Sub(p, eighth),
	}
	return append(ys, p, new(big.Int).Add(p, big.NewInt(1)))
}

// checkRSA keeps to the rules that certificate authorities apply: 2048 to 4096
// bits, a multiple of eight, the exponent 65537, a modulus without small
// factors, without the mark of a known broken generator, and whose two factors
// do not lie next to each other.
func checkRSA(k *rsa.PublicKey) error {
	if k == nil || k.N == nil || k.N.Sign() <= 0 {
		return fmt.Errorf("no key: %w", ErrFormat)
	}
	bits := k.N.BitLen()
	switch {
	case bits < minRSA:
		return fmt.Errorf("RSA key of %d bits, at least %d are needed: %w", bits, minRSA, ErrWeak)
	case bits > maxRSA:
		return fmt.Errorf("RSA key of %d bits, at most %d are read: %w", bits, maxRSA, ErrLimit)
	case bits%8 != 0:
		return fmt.Errorf("RSA key of %d bits, not a multiple of 8: %w", bits, ErrWeak)
	case k.E != 65537:
		return fmt.Errorf("RSA exponent %d, only 65537 is accepted: %w", k.E, ErrWeak)
	case new(big.Int).GCD(nil, nil, k.N, smallPrimes()).Cmp(big.NewInt(1)) != 0:
		return fmt.Errorf("RSA modulus has a small factor: %w", ErrWeak)
	case roca(k.N):
		return fmt.Errorf("RSA modulus bears the mark of a broken generator (CVE-2017-15361): %w", ErrWeak)
	case fermat(k.N):
		return fmt.Errorf("RSA modulus has two factors next to each other: %w", ErrWeak)
	}
	return nil
}

// smallPrimes returns the product of the primes below 752.
func smallPrimes() *big.Int {
	product := big.NewInt(1)
	for n := int64(2); n < 752; n++ {
		if p := big.NewInt(n); p.ProbablyPrime(0) {
			product.Mul(product, p)
		}
	}
	return product
}

// roca reports whether n looks like the moduli of the generator of
// CVE-2017-15361: modulo each of these primes they are powers of 65537, which
// others are about once in 2^27 times.
func roca(n *big.Int) bool {
	for _, p := range []int64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157} {
		rest := new(big.Int).Mod(n, big.NewInt(p)).Int64()
		power, found := int64(1), false
		for range p {
			found = found || power == rest
			power = power * 65537 % p
		}
		if !found {
			return false
		}
	}
	return true
}

// fermat reports whether Fermat's method factors n in a hundred steps.
func fermat(n *big.Int) bool {
	a := new(big.Int).Sqrt(n)
	if new(big.Int).Mul(a, a).Cmp(n) < 0 {
		a.Add(a, big.NewInt(1))
	}
	rest, root := new(big.Int), new(big.Int)
	for range 100 {
		rest.Sub(rest.Mul(a, a), n)
		root.Sqrt(rest)
		if root.Mul(root, root).Cmp(rest) == 0 {
			return true
		}
		a.Add(a, big.NewInt(1))
	}
	return false
}
