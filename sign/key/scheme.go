package key

import (
	"crypto"
	"crypto/ed25519"
	"fmt"
	"strings"
)

// A Scheme is a way of signing, by its name in Sigstore's registry of algorithms.
type Scheme string

// The schemes. Those of P-384 and P-521 over SHA-256 the registry calls deprecated;
// they are what cosign verifies, and so what a key signs with that is not asked for
// another one.
const (
	ECDSAP256SHA256  Scheme = "ecdsa-sha2-256-nistp256"
	ECDSAP384SHA256  Scheme = "ecdsa-sha2-256-nistp384"
	ECDSAP384SHA384  Scheme = "ecdsa-sha2-384-nistp384"
	ECDSAP521SHA256  Scheme = "ecdsa-sha2-256-nistp521"
	ECDSAP521SHA512  Scheme = "ecdsa-sha2-512-nistp521"
	Ed25519Plain     Scheme = "ed25519"
	Ed25519Prehashed Scheme = "ed25519-ph"
	RSA2048PKCS1     Scheme = "rsa-sign-pkcs1-2048-sha256"
	RSA3072PKCS1     Scheme = "rsa-sign-pkcs1-3072-sha256"
	RSA4096PKCS1     Scheme = "rsa-sign-pkcs1-4096-sha256"
	RSA2048PSS       Scheme = "rsa-sign-pss-2048-sha256"
	RSA3072PSS       Scheme = "rsa-sign-pss-3072-sha256"
	RSA4096PSS       Scheme = "rsa-sign-pss-4096-sha256"
)

// Schemes returns the schemes that a key of the algorithm can sign with, first the
// one that it signs with unless another one is asked for.
func Schemes(algorithm Algorithm) []Scheme {
	switch algorithm {
	case ECDSAP256:
		return []Scheme{ECDSAP256SHA256}
	case ECDSAP384:
		return []Scheme{ECDSAP384SHA256, ECDSAP384SHA384}
	case ECDSAP521:
		return []Scheme{ECDSAP521SHA256, ECDSAP521SHA512}
	case Ed25519:
		return []Scheme{Ed25519Plain, Ed25519Prehashed}
	case RSA2048:
		return []Scheme{RSA2048PKCS1, RSA2048PSS}
	case RSA3072:
		return []Scheme{RSA3072PKCS1, RSA3072PSS}
	case RSA4096:
		return []Scheme{RSA4096PKCS1, RSA4096PSS}
	case RSAPSS2048:
		return []Scheme{RSA2048PSS}
	case RSAPSS3072:
		return []Scheme{RSA3072PSS}
	case RSAPSS4096:
		return []Scheme{RSA4096PSS}
	}
	return nil
}

// hash returns the hash of the message that a signature of the scheme is over, 0
// where it is over the message itself.
func (s Scheme) hash() crypto.Hash {
	switch s {
	case Ed25519Plain:
		return 0
	case ECDSAP384SHA384:
		return crypto.SHA384
	case ECDSAP521SHA512, Ed25519Prehashed:
		return crypto.SHA512
	}
	return crypto.SHA256
}

// With returns the key as one that signs with the scheme; an RSA key that is to sign
// with PSS is then marked for it, as its public key must be to verify. The error wraps
// [ErrFormat] where it cannot: each kind of key has its own schemes, see [Schemes],
// and a key service signs no prehashed Ed25519.
func (p *Private) With(s Scheme) (*Private, error) {
	known := Schemes(Algorithm(p.public.Algorithm()))
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = string(k)
		if k != s {
			continue
		}
		if p.remote != nil && s == Ed25519Prehashed {
			return nil, fmt.Errorf("key %s: the protocol of plug-ins has no %s: %w", p.remote.name, s, ErrFormat)
		}
		with := *p
		with.scheme = s
		if s == RSA2048PSS || s == RSA3072PSS || s == RSA4096PSS {
			with.public = p.public.ForPSS()
		}
		return &with, nil
	}
	return nil, fmt.Errorf("scheme %q is none that key %s (%s) signs with: %s: %w", s, p.ID(), p.public.Algorithm(), strings.Join(names, ", "), ErrFormat)
}

// Hash returns the hash of the message that signatures of the key are over; SHA-256
// where they are over the message itself. A key in a key service that was not asked
// for a scheme may choose another one.
func (p *Private) Hash() crypto.Hash {
	if h := p.scheme.hash(); h != 0 {
		return h
	}
	return crypto.SHA256
}

// plain reports whether the key signs the message itself, not a hash of it.
func (p *Private) plain() bool {
	_, ed := p.public.key.(ed25519.PublicKey)
	return ed && p.scheme != Ed25519Prehashed
}
