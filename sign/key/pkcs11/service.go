//go:build pkcs11 && cgo

package pkcs11

import (
	"context"
	"crypto"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"

	_ "crypto/sha256" // for plugin.Message
	_ "crypto/sha512"

	p11 "github.com/miekg/pkcs11"

	"github.com/hallmark-oci/hallmark/sign/key/plugin"
)

// A Service is one key on a token.
type Service struct {
	uri         URI
	module, pin string
}

// Open returns the key that is asked for. The token is not asked yet.
func Open(r plugin.Request, opts Options) (*Service, error) {
	if r.Version != "" {
		return nil, fmt.Errorf("key versions are not known to tokens: %q", r.Version)
	}
	u, err := ParseURI(r.Resource)
	if err != nil {
		return nil, err
	}
	s := &Service{uri: u}
	if s.module, err = opts.module(u); err != nil {
		return nil, err
	}
	s.pin, err = opts.pin(u)
	return s, err
}

// Algorithms implements plugin.Service. Not every token makes all of these.
func (*Service) Algorithms() []string {
	return []string{"ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048", "rsa-3072", "rsa-4096", "ed25519"}
}

// with runs fn on a session with the token, logged in where the PIN is needed.
func (s *Service) with(ctx context.Context, login, write bool, fn func(*session) ([]byte, error)) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t, err := openSession(s.module, s.uri, write)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.uri, err)
	}
	defer t.close()
	if login {
		err = t.login(s.pin)
	}
	var out []byte
	if err == nil {
		out, err = fn(t)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.uri, err)
	}
	return out, nil
}

// PublicKey implements plugin.Service. Public keys and certificates are asked for
// without the PIN first: a wrong PIN counts, and tokens lock themselves.
func (s *Service) PublicKey(ctx context.Context) ([]byte, error) {
	text, err := s.with(ctx, false, false, func(t *session) ([]byte, error) { return t.public(s.uri) })
	if errors.Is(err, errAbsent) && s.pin != "" {
		return s.with(ctx, true, false, func(t *session) ([]byte, error) { return t.public(s.uri) })
	}
	return text, err
}

// CreateKey implements plugin.Service. A key that exists is an error: a token may hold
// two of one label, and then neither can be named.
func (s *Service) CreateKey(ctx context.Context, algorithm string) ([]byte, error) {
	return s.with(ctx, true, true, func(t *session) ([]byte, error) {
		if _, err := t.find(p11.CKO_PRIVATE_KEY, s.uri); !errors.Is(err, errAbsent) {
			return nil, errors.Join(errors.New("a key of this name exists"), err)
		}
		if err := t.generate(s.uri, algorithm); err != nil {
			return nil, err
		}
		return t.public(s.uri)
	})
}

// Sign implements plugin.Service.
func (s *Service) Sign(ctx context.Context, m plugin.Message) ([]byte, error) {
	return s.with(ctx, true, false, func(t *session) ([]byte, error) {
		private, err := t.find(p11.CKO_PRIVATE_KEY, s.uri)
		if err != nil {
			return nil, err
		}
		kind, err := t.number(private, p11.CKA_KEY_TYPE)
		if err != nil {
			return nil, err
		}
		if kind == ckkEdwards {
			return t.signMessage(private, m, s.pin)
		}
		if err := digest(&m); err != nil {
			return nil, err
		}
		switch kind {
		case p11.CKK_EC:
			raw, err := t.sign(private, p11.CKM_ECDSA, m.Digest, s.pin)
			if err != nil {
				return nil, err
			}
			return encodeECDSA(raw)
		case p11.CKK_RSA:
			info, err := digestInfo(m.Hash, m.Digest)
			if err != nil {
				return nil, err
			}
			return t.sign(private, p11.CKM_RSA_PKCS, info, s.pin)
		}
		return nil, fmt.Errorf("keys of type %#x are not supported", kind)
	})
}

// signMessage signs with Ed25519, which takes the message whole.
func (t *session) signMessage(private p11.ObjectHandle, m plugin.Message, pin string) ([]byte, error) {
	if m.Digest != nil {
		return nil, errors.New("an Ed25519 key signs messages, and a digest was given")
	}
	text, err := io.ReadAll(io.LimitReader(m.Text, MaxMessage+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read message: %w", err)
	case len(text) > MaxMessage:
		return nil, fmt.Errorf("a message of more than %d bytes for a token", MaxMessage)
	}
	return t.sign(private, ckmEdDSA, text, pin)
}

// digest hashes the message where that is not done yet.
func digest(m *plugin.Message) error {
	if m.Digest != nil {
		return nil
	}
	if !m.Hash.Available() {
		return fmt.Errorf("hash %d is not known", m.Hash)
	}
	h := m.Hash.New()
	if _, err := io.Copy(h, m.Text); err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	m.Digest = h.Sum(nil)
	return nil
}

// encodeECDSA turns r and s one behind the other into DER.
func encodeECDSA(raw []byte) ([]byte, error) {
	if len(raw) == 0 || len(raw)%2 != 0 {
		return nil, fmt.Errorf("the token's signature has %d bytes", len(raw))
	}
	half := len(raw) / 2
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:])})
}

// digestInfo is what RSA PKCS #1 v1.5 signs (RFC 8017, section 9.2).
func digestInfo(h crypto.Hash, sum []byte) ([]byte, error) {
	last := map[crypto.Hash]int{crypto.SHA256: 1, crypto.SHA384: 2, crypto.SHA512: 3}[h]
	if last == 0 || len(sum) != h.Size() {
		return nil, fmt.Errorf("a digest of %d bytes by hash %d is not signed with RSA", len(sum), h)
	}
	type algorithm struct {
		OID  asn1.ObjectIdentifier
		Null asn1.RawValue
	}
	return asn1.Marshal(struct {
		Algorithm algorithm
		Digest    []byte
	}{algorithm{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, last}, asn1.NullRawValue}, sum})
}
