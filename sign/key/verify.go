package key

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
)

// VerifyDigest judges a signature from the SHA-256 of the message alone, as far
// as the key's scheme allows. Where decided is true, err is nil for a good
// signature and wraps [ErrSignature] for a bad one. Where decided is false, the
// message itself is needed, see [Public.VerifyMessage]: always for Ed25519, and
// for P-384 and P-521 unless the signature is one over the SHA-256, and for a key that
// [Public.ForHash] holds to another hash.
func (p *Public) VerifyDigest(sig []byte, sha256sum [sha256.Size]byte) (decided bool, err error) {
	if p.hash != 0 {
		return p.verifyOwn(sig, crypto.SHA256, sha256sum[:])
	}
	switch k := p.key.(type) {
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(k, sha256sum[:], sig) {
			return true, nil
		}
		return k.Curve == elliptic.P256(), p.bad()
	case *rsa.PublicKey:
		if p.verifyRSA(k, crypto.SHA256, sha256sum[:], sig) {
			return true, nil
		}
		return true, p.bad()
	default:
		return false, p.bad()
	}
}

// VerifySum judges a signature from a digest of the message: SHA-256, SHA-384 or
// SHA-512. Where decided is false the signature may be over another hash or over the
// message itself, and the digest cannot tell.
func (p *Public) VerifySum(sig []byte, h crypto.Hash, sum []byte) (decided bool, err error) {
	if len(sum) != h.Size() {
		return false, fmt.Errorf("a digest of %d bytes, %v has %d", len(sum), h, h.Size())
	}
	if p.hash != 0 {
		return p.verifyOwn(sig, h, sum)
	}
	if h == crypto.SHA256 {
		return p.VerifyDigest(sig, [sha256.Size]byte(sum))
	}
	if k, ok := p.key.(ed25519.PublicKey); ok && h == crypto.SHA512 {
		if ed25519.VerifyWithOptions(k, sum, sig, &ed25519.Options{Hash: crypto.SHA512}) == nil {
			return true, nil
		}
	}
	if p.curveHash() == h && p.verifySum(h, sum, sig) {
		return true, nil
	}
	return false, p.bad()
}

// verifyOwn judges a signature of a key that is held to one hash.
func (p *Public) verifyOwn(sig []byte, h crypto.Hash, sum []byte) (decided bool, err error) {
	if h == p.hash && p.verifySum(h, sum, sig) {
		return true, nil
	}
	return h == p.hash, p.bad()
}

// VerifyMessage reads the message to its end and judges the signature over it.
// It returns nil for a good signature, an error that wraps [ErrSignature] for
// a bad one, and the reader's own error where the message cannot be read.
//
// Accepted are ECDSA (in DER) over the SHA-256 of the message or over the hash
// that fits the curve (SHA-384, SHA-512), RSA over the SHA-256, Ed25519 and
// Ed25519ph. An RSA key that is marked for PSS (RFC 4055) accepts PSS with a salt as
// long as the hash, any other one PKCS #1 v1.5: a key has one scheme, so that what was
// signed in the other is no signature. A key that [Public.ForHash] holds to a hash
// accepts what is over that one alone.
// The message is read as a stream; for Ed25519 up to [MaxMessage] bytes of it are
// held in memory, and beyond that only Ed25519ph is tried.
func (p *Public) VerifyMessage(sig []byte, message io.Reader) error {
	if k, ok := p.key.(ed25519.PublicKey); ok {
		return p.verifyEd25519(k, sig, message, MaxMessage)
	}
	hashes := []crypto.Hash{crypto.SHA256}
	if own := p.curveHash(); own != crypto.SHA256 {
		hashes = append(hashes, own)
	}
	if p.hash != 0 {
		hashes = []crypto.Hash{p.hash}
	}
	states := make([]hash.Hash, len(hashes))
	writers := make([]io.Writer, len(hashes))
	for i, h := range hashes {
		states[i] = h.New()
		writers[i] = states[i]
	}
	if _, err := io.Copy(io.MultiWriter(writers...), message); err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	for i, h := range hashes {
		if p.verifySum(h, states[i].Sum(nil), sig) {
			return nil
		}
	}
	return p.bad()
}

// curveHash returns the hash that fits the key: that of its curve's size.
func (p *Public) curveHash() crypto.Hash {
	if k, ok := p.key.(*ecdsa.PublicKey); ok {
		switch k.Curve {
		case elliptic.P384():
			return crypto.SHA384
		case elliptic.P521():
			return crypto.SHA512
		}
	}
	return crypto.SHA256
}

func (p *Public) verifySum(h crypto.Hash, sum, sig []byte) bool {
	switch k := p.key.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, sum, sig)
	case *rsa.PublicKey:
		return p.verifyRSA(k, h, sum, sig)
	}
	return false
}

func (p *Public) verifyRSA(k *rsa.PublicKey, h crypto.Hash, sum, sig []byte) bool {
	if !p.pss {
		return rsa.VerifyPKCS1v15(k, h, sum, sig) == nil
	}
	// The salt is as long as the hash, as the key services make it and FIPS 186-5 bounds
	// it: a verifier of any length takes many signatures for one.
	return rsa.VerifyPSS(k, h, sum, sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
}

func (p *Public) verifyEd25519(k ed25519.PublicKey, sig []byte, message io.Reader, limit int64) error {
	prehash := crypto.SHA512.New()
	whole, complete, err := hold(io.TeeReader(message, prehash), limit)
	if err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	if complete && ed25519.Verify(k, whole, sig) {
		return nil
	}
	if ed25519.VerifyWithOptions(k, prehash.Sum(nil), sig, &ed25519.Options{Hash: crypto.SHA512}) == nil {
		return nil
	}
	if !complete {
		return fmt.Errorf("no Ed25519ph signature, and plain Ed25519 takes messages of at most %d bytes: %w: %w", limit, ErrLimit, p.bad())
	}
	return p.bad()
}

// hold reads the message to its end and returns it where it is complete within
// limit bytes.
func hold(message io.Reader, limit int64) (whole []byte, complete bool, err error) {
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(message, limit)); err != nil {
		return nil, false, err
	}
	rest, err := io.Copy(io.Discard, message)
	if err != nil || rest > 0 {
		return nil, false, err
	}
	return b.Bytes(), true, nil
}

func (p *Public) bad() error {
	switch {
	case p.hash != 0:
		return fmt.Errorf("key %s (%s, over %v): %w", p.Fingerprint(), p.Algorithm(), p.hash, ErrSignature)
	case p.pss:
		return fmt.Errorf("key %s (%s, with a salt as long as the hash): %w", p.Fingerprint(), p.Algorithm(), ErrSignature)
	}
	return fmt.Errorf("key %s (%s): %w", p.Fingerprint(), p.Algorithm(), ErrSignature)
}
