// Package sign is the door to signing: images, statements about images, and
// the objects that hang from them.
package sign

import (
	"context"
	"crypto"
)

// A Signer makes signatures with one key.
type Signer interface {
	// Sign returns the signature over message: DER for ECDSA, raw for Ed25519,
	// PKCS #1 v1.5 or PSS for RSA. It hashes the message itself.
	Sign(ctx context.Context, message []byte) ([]byte, error)
	// Public returns the public key.
	Public() crypto.PublicKey
}
