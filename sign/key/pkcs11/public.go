//go:build pkcs11 && cgo

package pkcs11

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"

	p11 "github.com/miekg/pkcs11"
)

// public returns the public key as PEM: that of the public key object, or else of the
// certificate that lies beside the private key.
func (t *session) public(u URI) ([]byte, error) {
	o, err := t.find(p11.CKO_PUBLIC_KEY, u)
	var pub crypto.PublicKey
	switch {
	case err == nil:
		pub, err = t.publicKey(o)
	case errors.Is(err, errAbsent):
		pub, err = t.certified(u)
	}
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("the public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// certified returns the key of the certificate of that name.
func (t *session) certified(u URI) (crypto.PublicKey, error) {
	o, err := t.find(p11.CKO_CERTIFICATE, u)
	if err != nil {
		return nil, fmt.Errorf("neither a public key nor a certificate is there: %w", err)
	}
	der, err := t.bytes(o, p11.CKA_VALUE)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("the certificate on the token: %w", err)
	}
	return cert.PublicKey, nil
}

func (t *session) publicKey(o p11.ObjectHandle) (crypto.PublicKey, error) {
	kind, err := t.number(o, p11.CKA_KEY_TYPE)
	if err != nil {
		return nil, err
	}
	if kind == p11.CKK_RSA {
		n, err := t.bytes(o, p11.CKA_MODULUS)
		if err != nil {
			return nil, err
		}
		e, err := t.bytes(o, p11.CKA_PUBLIC_EXPONENT)
		if err != nil || len(e) > 4 {
			return nil, fmt.Errorf("an exponent of %d bytes: %w", len(e), err)
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
	}
	point, err := t.bytes(o, p11.CKA_EC_POINT)
	if err != nil {
		return nil, err
	}
	// The point is an OCTET STRING; some tokens leave that out.
	var inner []byte
	if rest, err := asn1.Unmarshal(point, &inner); err == nil && len(rest) == 0 {
		point = inner
	}
	if kind == ckkEdwards {
		if len(point) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("an Edwards point of %d bytes, Ed25519 has 32", len(point))
		}
		return ed25519.PublicKey(point), nil
	}
	params, err := t.bytes(o, p11.CKA_EC_PARAMS)
	if err != nil {
		return nil, err
	}
	for _, c := range curves() {
		if der, err := asn1.Marshal(c.oid); err == nil && string(der) == string(params) {
			return ecdsa.ParseUncompressedPublicKey(c.Curve, point)
		}
	}
	return nil, fmt.Errorf("curve %x is not supported: want P-256, P-384 or P-521", params)
}

type curve struct {
	elliptic.Curve
	name string
	oid  asn1.ObjectIdentifier
}

// curves are those of RFC 5480, section 2.1.1.1, that hallmark verifies with.
func curves() []curve {
	return []curve{
		{elliptic.P256(), "ecdsa-p256", asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}},
		{elliptic.P384(), "ecdsa-p384", asn1.ObjectIdentifier{1, 3, 132, 0, 34}},
		{elliptic.P521(), "ecdsa-p521", asn1.ObjectIdentifier{1, 3, 132, 0, 35}},
	}
}

// generate makes a key pair that never leaves the token.
func (t *session) generate(u URI, algorithm string) error {
	mechanism, kind, err := creation(algorithm)
	if err != nil {
		return err
	}
	id := u.ID
	if len(id) == 0 {
		id = make([]byte, 16)
		if _, err := rand.Read(id); err != nil {
			return err
		}
	}
	common := []*p11.Attribute{p11.NewAttribute(p11.CKA_TOKEN, true), p11.NewAttribute(p11.CKA_ID, id)}
	if u.Object != "" {
		common = append(common, p11.NewAttribute(p11.CKA_LABEL, u.Object))
	}
	public := append([]*p11.Attribute{p11.NewAttribute(p11.CKA_VERIFY, true), p11.NewAttribute(p11.CKA_PRIVATE, false)}, common...)
	private := append([]*p11.Attribute{
		p11.NewAttribute(p11.CKA_SIGN, true), p11.NewAttribute(p11.CKA_PRIVATE, true),
		p11.NewAttribute(p11.CKA_SENSITIVE, true), p11.NewAttribute(p11.CKA_EXTRACTABLE, false),
	}, common...)
	_, _, err = t.GenerateKeyPair(t.handle, []*p11.Mechanism{p11.NewMechanism(mechanism, nil)}, append(public, kind...), private)
	if err != nil {
		return fmt.Errorf("make a key of %s: %w", algorithm, err)
	}
	return nil
}

// creation returns how a key of the algorithm is made.
func creation(algorithm string) (mechanism uint, kind []*p11.Attribute, err error) {
	for _, c := range curves() {
		if c.name == algorithm {
			der, err := asn1.Marshal(c.oid)
			return p11.CKM_EC_KEY_PAIR_GEN, []*p11.Attribute{p11.NewAttribute(p11.CKA_EC_PARAMS, der)}, err
		}
	}
	bits := map[string]int{"rsa-2048": 2048, "rsa-3072": 3072, "rsa-4096": 4096}[algorithm]
	switch {
	case bits > 0:
		return p11.CKM_RSA_PKCS_KEY_PAIR_GEN, []*p11.Attribute{
			p11.NewAttribute(p11.CKA_MODULUS_BITS, bits), p11.NewAttribute(p11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}),
		}, nil
	case algorithm == "ed25519":
		// PrintableString "edwards25519", as PKCS #11 3.0 names the curve.
		return ckmEdwardsKeyPairGen, []*p11.Attribute{p11.NewAttribute(p11.CKA_EC_PARAMS, append([]byte{0x13, 12}, "edwards25519"...))}, nil
	}
	return 0, nil, fmt.Errorf("algorithm %q is not supported", algorithm)
}
