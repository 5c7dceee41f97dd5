// Package key creates, reads, writes and names the keys that sign and verify.
//
// A [Private] signs, a [Public] verifies. Both are known by a [Fingerprint],
// the SHA-256 of the public key: one key is one authority, in whatever form
// and under whatever name it was given.
//
// # Where keys come from
//
// [Load] and [LoadPublic] take a name: the path of a file, or env://NAME for
// the environment variable NAME. Any other scheme is that of a key service, which
// a plug-in uses, see package plugin; such a key signs and stays where it is. It is
// refused by name where [Options] do not allow the plug-in.
// A file holds exactly one PEM block, and nothing beside it:
//
//   - ENCRYPTED SIGSTORE PRIVATE KEY and ENCRYPTED COSIGN PRIVATE KEY, the form
//     that cosign writes and reads: PKCS #8 inside NaCl secretbox, the key of
//     which scrypt derives from the password
//   - PRIVATE KEY (PKCS #8, RFC 5958) and ENCRYPTED PRIVATE KEY (PBES2, RFC 8018)
//   - EC PRIVATE KEY (SEC 1, RFC 5915) and RSA PRIVATE KEY (PKCS #1, RFC 8017)
//   - PUBLIC KEY (SubjectPublicKeyInfo, RFC 5280) and RSA PUBLIC KEY (PKCS #1)
//
// Importing a key is a [Load] and a [WritePair]: whatever form it had, it is
// written in the one that is asked for.
//
// A key that is weak, or that is no valid key of its kind, is refused when it
// is read: see [NewPublic].
//
// # What is signed
//
// Cosign 2 and 3 verify with SHA-256 whatever the curve is, and take plain
// Ed25519 (RFC 8032), not Ed25519ph. So that is how a [Private] signs, unless
// [Private.With] asks for the hash that Sigstore's registry of algorithms gives to
// the curve, SHA-384 for P-384 and SHA-512 for P-521, or for Ed25519ph. A
// [Public] accepts each of these, because cosign also writes each. An RSA key
// signs PKCS #1 v1.5, or PSS with a salt as long as the hash where it is marked for
// that (RFC 4055), and accepts what it signs. ECDSA signatures are deterministic
// (RFC 6979), as are Ed25519 and RSA PKCS #1 v1.5: signing the same bytes twice
// gives the same signature. RSASSA-PSS signatures carry a random salt.
package key

import (
	"errors"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrPassword says that a password is missing or does not open the key.
	ErrPassword = errors.New("wrong password")
	// ErrSignature says that a signature does not verify under a key.
	ErrSignature = errors.New("signature does not verify")
	// ErrWeak says that a key is well formed but too weak to be trusted.
	ErrWeak = errors.New("weak key")
	// ErrFormat says that bytes are no key in any form that is read.
	ErrFormat = errors.New("not a usable key")
	// ErrKind says that a private key was given for a public one, or the other way round.
	ErrKind = errors.New("wrong kind of key")
	// ErrScheme says that the name of a key has a scheme that is not known.
	ErrScheme = errors.New("unknown scheme")
	// ErrLimit says that something is larger than is read.
	ErrLimit = errors.New("over the limit")
)

// An Algorithm names a kind of key and how it signs.
type Algorithm string

// The algorithms. ECDSA signs the SHA-256 of the message on every curve.
const (
	ECDSAP256  Algorithm = "ecdsa-p256"
	ECDSAP384  Algorithm = "ecdsa-p384"
	ECDSAP521  Algorithm = "ecdsa-p521"
	Ed25519    Algorithm = "ed25519"
	RSA2048    Algorithm = "rsa-2048"
	RSA3072    Algorithm = "rsa-3072"
	RSA4096    Algorithm = "rsa-4096"
	RSAPSS2048 Algorithm = "rsa-pss-2048"
	RSAPSS3072 Algorithm = "rsa-pss-3072"
	RSAPSS4096 Algorithm = "rsa-pss-4096"
)

// DefaultAlgorithm is what keys are generated with where none is asked for.
const DefaultAlgorithm = ECDSAP256

// Algorithms returns all algorithms that [Generate] knows, the default first.
func Algorithms() []Algorithm {
	return []Algorithm{
		ECDSAP256, ECDSAP384, ECDSAP521, Ed25519,
		RSA2048, RSA3072, RSA4096, RSAPSS2048, RSAPSS3072, RSAPSS4096,
	}
}
