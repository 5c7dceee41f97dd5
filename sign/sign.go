// Package sign is the door to signing: images, statements about images, and
// the objects that hang from them.
package sign

import (
	"context"
	"crypto"
	"io"
)

// A Signer makes signatures with one key.
type Signer interface {
	// Sign reads the message to its end and returns the signature over it: DER
	// for ECDSA, raw for Ed25519, PKCS #1 v1.5 or PSS for RSA. It hashes the
	// message itself.
	Sign(ctx context.Context, message io.Reader) ([]byte, error)
	// Public returns the public key.
	Public() crypto.PublicKey
}
