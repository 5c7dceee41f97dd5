package key

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
)

// A Private is a private key, open and ready to sign any number of messages.
// It is safe for concurrent use, so one [Load], and with it one run of the slow
// password function, serves a whole process.
type Private struct {
	signer crypto.Signer
	remote *remote // in place of signer for a key in a key service
	public *Public
	scheme Scheme // what was asked for; empty for the one that cosign verifies
}

// Generate makes a new key. It returns an error that wraps [ErrFormat] for an
// algorithm that is none of [Algorithms].
func Generate(algorithm Algorithm) (*Private, error) {
	signer, pss, err := generate(algorithm)
	if err != nil {
		return nil, err
	}
	return newPrivate(signer, pss)
}

func generate(algorithm Algorithm) (signer crypto.Signer, pss bool, err error) {
	switch algorithm {
	case ECDSAP256:
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ECDSAP384:
		signer, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case ECDSAP521:
		signer, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case Ed25519:
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	case RSA2048, RSAPSS2048:
		signer, err = rsa.GenerateKey(rand.Reader, 2048)
	case RSA3072, RSAPSS3072:
		signer, err = rsa.GenerateKey(rand.Reader, 3072)
	case RSA4096, RSAPSS4096:
		signer, err = rsa.GenerateKey(rand.Reader, 4096)
	default:
		return nil, false, fmt.Errorf("algorithm %q is none of %v: %w", algorithm, Algorithms(), ErrFormat)
	}
	switch algorithm {
	case RSAPSS2048, RSAPSS3072, RSAPSS4096:
		pss = true
	}
	return signer, pss, err
}

// NewPrivate returns the private key, of type *ecdsa.PrivateKey,
// ed25519.PrivateKey or *rsa.PrivateKey. Its public part is held to the rules
// of [NewPublic].
func NewPrivate(signer crypto.Signer) (*Private, error) { return newPrivate(signer, false) }

func newPrivate(signer crypto.Signer, pss bool) (*Private, error) {
	switch signer.(type) {
	case *ecdsa.PrivateKey, *rsa.PrivateKey, ed25519.PrivateKey:
	default:
		return nil, fmt.Errorf("private keys of type %T are not supported: %w", signer, ErrFormat)
	}
	pub, err := newPublic(signer.Public(), pss)
	if err != nil {
		return nil, err
	}
	return &Private{signer: signer, public: pub}, nil
}

// Public returns the public key.
func (p *Private) Public() crypto.PublicKey { return p.public.key }

// PublicKey returns the public key, ready to verify.
func (p *Private) PublicKey() *Public { return p.public }

// ID returns the fingerprint of the public key.
func (p *Private) ID() Fingerprint { return p.public.Fingerprint() }

// Sign reads the message to its end and returns the signature over it: ECDSA
// over the SHA-256 in DER, RSA PKCS #1 v1.5 or PSS over the SHA-256, or plain
// Ed25519, which takes messages of at most [MaxMessage] bytes; or what [Private.With]
// asked for. A key in a key
// service may sign in each way that [Public.VerifyMessage] accepts; what it returns
// is for the caller to verify.
func (p *Private) Sign(ctx context.Context, message io.Reader) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if p.remote != nil {
		sig, err := p.remote.sign(ctx, p, message)
		if err != nil {
			return nil, fmt.Errorf("sign with key %s: %w", p.remote.name, err)
		}
		return sig, nil
	}
	if k, ok := p.signer.(ed25519.PrivateKey); ok && p.plain() {
		return signEd25519(k, message, MaxMessage)
	}
	h := p.Hash().New()
	if _, err := io.Copy(h, message); err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	sig, err := p.signSum(h.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("sign with key %s: %w", p.ID(), err)
	}
	return sig, nil
}

func signEd25519(k ed25519.PrivateKey, message io.Reader, limit int64) ([]byte, error) {
	whole, complete, err := hold(message, limit)
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	if !complete {
		return nil, fmt.Errorf("message of more than %d bytes for an Ed25519 key: %w", limit, ErrLimit)
	}
	return ed25519.Sign(k, whole), nil
}

// signSum signs the hash of a message. Without a source of randomness ECDSA is
// deterministic, as RFC 6979 has it.
func (p *Private) signSum(sum []byte) ([]byte, error) {
	switch {
	case p.public.pss:
		opts := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
		return p.signer.Sign(rand.Reader, sum, opts)
	default:
		return p.signer.Sign(nil, sum, p.Hash())
	}
}
