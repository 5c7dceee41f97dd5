package key

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// A Public is a public key that was found fit to verify with. It is safe for
// concurrent use.
type Public struct {
	key  crypto.PublicKey
	pss  bool        // marked for RSASSA-PSS only
	hash crypto.Hash // that signatures must be over; 0 for those of VerifyMessage
	spki []byte
}

// NewPublic returns the public key, of type *ecdsa.PublicKey (curves P-256,
// P-384, P-521), ed25519.PublicKey or *rsa.PublicKey (2048 to 4096 bits). It
// returns an error that wraps [ErrWeak] or [ErrFormat] for a key that no one
// should trust: short or easily factored RSA moduli, exponents other than
// 65537, points that are not on their curve or of small order.
func NewPublic(pub crypto.PublicKey) (*Public, error) { return newPublic(pub, false) }

func newPublic(pub crypto.PublicKey, pss bool) (*Public, error) {
	if err := check(pub); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return &Public{key: pub, pss: pss, spki: der}, nil
}

// ForPSS returns the key as one that is marked for PSS where it is an RSA key, and any
// other key as it is.
func (p *Public) ForPSS() *Public {
	_, ok := p.key.(*rsa.PublicKey)
	return &Public{key: p.key, pss: ok, hash: p.hash, spki: p.spki}
}

// ForHash returns the key as one whose signatures count only where they are over the
// hash of the message: SHA-256, SHA-384 or SHA-512, whatever the size of the key. An
// Ed25519 key has its hash inside of the scheme and is returned as it is. Other hashes
// are [ErrWeak].
func (p *Public) ForHash(h crypto.Hash) (*Public, error) {
	if h != crypto.SHA256 && h != crypto.SHA384 && h != crypto.SHA512 {
		return nil, fmt.Errorf("signatures over %v: %w", h, ErrWeak)
	}
	with := *p
	if _, ed := p.key.(ed25519.PublicKey); !ed {
		with.hash = h
	}
	return &with, nil
}

// LoadPublic reads the public key of the given name: a file, env://NAME, or the
// name of a key in a key service. A private key or a certificate in a file is
// refused with [ErrKind].
func LoadPublic(ctx context.Context, name string, opts Options) (*Public, error) {
	if IsRemote(name) {
		r, err := openRemote(ctx, name, opts)
		if err != nil {
			return nil, err
		}
		p, err := r.public(ctx)
		if err != nil {
			return nil, fmt.Errorf("public key %s: %w", name, err)
		}
		return p, nil
	}
	text, err := read(ctx, name, opts)
	if err != nil {
		return nil, err
	}
	p, err := ParsePublic(text)
	if err != nil {
		return nil, fmt.Errorf("public key %s: %w", name, err)
	}
	return p, nil
}

// ParsePublic returns the public key in text, which holds exactly one PEM
// block of at most [MaxPEM] bytes.
func ParsePublic(text []byte) (*Public, error) {
	block, err := decodePEM(text)
	if err != nil {
		return nil, err
	}
	switch block.Type {
	case pemPublic:
		pub, pss, err := parseSPKI(block.Bytes)
		if err != nil {
			return nil, err
		}
		return newPublic(pub, pss)
	case pemRSAPublic:
		pub, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return newPublic(pub, false)
	}
	if isPrivate(block.Type) {
		return nil, fmt.Errorf("this is a private key (%s), a public key is wanted here: %w", block.Type, ErrKind)
	}
	if block.Type == "CERTIFICATE" {
		return nil, fmt.Errorf("this is a certificate, a public key is wanted here: %w", ErrKind)
	}
	return nil, fmt.Errorf("PEM block %q holds no public key: %w", block.Type, ErrFormat)
}

// Key returns the key: *ecdsa.PublicKey, ed25519.PublicKey or *rsa.PublicKey.
func (p *Public) Key() crypto.PublicKey { return p.key }

// Fingerprint returns the identity of the key.
func (p *Public) Fingerprint() Fingerprint { return sha256.Sum256(p.spki) }

// Algorithm returns the name of the key's algorithm, as in [Algorithms] for
// the sizes that stand there.
func (p *Public) Algorithm() string {
	switch k := p.key.(type) {
	case *ecdsa.PublicKey:
		return fmt.Sprintf("ecdsa-p%d", k.Curve.Params().BitSize)
	case ed25519.PublicKey:
		return string(Ed25519)
	case *rsa.PublicKey:
		if p.pss {
			return fmt.Sprintf("rsa-pss-%d", k.N.BitLen())
		}
		return fmt.Sprintf("rsa-%d", k.N.BitLen())
	}
	return ""
}

// PEM returns the key as a PEM block PUBLIC KEY. An RSA key that is marked for
// PSS keeps the mark (RFC 4055), which cosign does not read.
func (p *Public) PEM() []byte {
	der := p.spki
	if p.pss {
		der = markSPKI(p.key.(*rsa.PublicKey))
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: der})
}
