// Package kmstest holds stand-ins for key services: servers on loopback that speak
// the protocol of HashiCorp Vault's transit engine and that of AWS KMS, and sign
// with real keys. They are strict: what the real service refuses, they refuse. It
// is for tests.
package kmstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
)

// newKey makes a key of the algorithm.
func newKey(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case "ecdsa-p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ecdsa-p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ecdsa-p521":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "ed25519":
		_, p, err := ed25519.GenerateKey(rand.Reader)
		return p, err
	case "rsa-2048", "rsa-3072", "rsa-4096":
		var bits int
		if _, err := fmt.Sscanf(algorithm, "rsa-%d", &bits); err != nil {
			return nil, err
		}
		return rsa.GenerateKey(rand.Reader, bits)
	}
	return nil, fmt.Errorf("unknown key type %v", algorithm)
}
