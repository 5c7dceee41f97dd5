package key

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
)

// oidPSS names RSA keys that are for PSS only (RFC 4055, section 1.2).
func oidPSS() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10} }

func isRSA(signer crypto.Signer) bool {
	_, ok := signer.(*rsa.PrivateKey)
	return ok
}

// pkcs8 is PrivateKeyInfo of RFC 5958 without its optional parts.
type pkcs8 struct {
	Version   int
	Algorithm pkix.AlgorithmIdentifier
	Key       []byte
}

// spki is SubjectPublicKeyInfo of RFC 5280.
type spki struct {
	Algorithm pkix.AlgorithmIdentifier
	Key       asn1.BitString
}

// parsePKCS8 returns the key and whether it is marked for PSS.
func parsePKCS8(der []byte) (crypto.Signer, bool, error) {
	var info pkcs8
	if rest, err := asn1.Unmarshal(der, &info); err == nil && len(rest) == 0 && info.Algorithm.Algorithm.Equal(oidPSS()) {
		if err := checkPSS(info.Algorithm); err != nil {
			return nil, false, err
		}
		k, err := x509.ParsePKCS1PrivateKey(info.Key)
		if err != nil {
			return nil, false, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return k, true, nil
	}
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	signer, ok := k.(crypto.Signer)
	if !ok {
		return nil, false, fmt.Errorf("keys of type %T do not sign: %w", k, ErrFormat)
	}
	return signer, false, nil
}

// parseSPKI returns the key and whether it is marked for PSS.
func parseSPKI(der []byte) (crypto.PublicKey, bool, error) {
	var info spki
	if rest, err := asn1.Unmarshal(der, &info); err == nil && len(rest) == 0 && info.Algorithm.Algorithm.Equal(oidPSS()) {
		if err := checkPSS(info.Algorithm); err != nil {
			return nil, false, err
		}
		k, err := x509.ParsePKCS1PublicKey(info.Key.RightAlign())
		if err != nil {
			return nil, false, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return k, true, nil
	}
	pub, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return pub, false, nil
}

// pssHash is the part of RSASSA-PSS-params that matters here.
type pssHash struct {
	Hash pkix.AlgorithmIdentifier `asn1:"explicit,tag:0,optional"`
	MGF  asn1.RawValue            `asn1:"explicit,tag:1,optional"`
	Salt int                      `asn1:"explicit,tag:2,optional,default:20"`
	Tail int                      `asn1:"explicit,tag:3,optional,default:1"`
}

// checkPSS accepts keys that are free in their parameters and those bound to SHA-256.
func checkPSS(algorithm pkix.AlgorithmIdentifier) error {
	params := algorithm.Parameters
	if len(params.FullBytes) == 0 || params.Tag == asn1.TagNull {
		return nil
	}
	var p pssHash
	if rest, err := asn1.Unmarshal(params.FullBytes, &p); err != nil || len(rest) > 0 {
		return fmt.Errorf("parameters of RSASSA-PSS: %w", ErrFormat)
	}
	if sha256 := (asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}); !p.Hash.Algorithm.Equal(sha256) {
		return fmt.Errorf("the RSASSA-PSS key is bound to another hash than SHA-256: %w", ErrFormat)
	}
	if p.Salt > 32 {
		return fmt.Errorf("the RSASSA-PSS key asks for a salt of %d bytes, 32 are used: %w", p.Salt, ErrFormat)
	}
	return nil
}

// marshalPKCS8 encodes the private key, with the mark for PSS where it has one.
func (p *Private) marshalPKCS8() ([]byte, error) {
	if k, ok := p.signer.(*rsa.PrivateKey); ok && p.public.pss {
		return asn1.Marshal(pkcs8{
			Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidPSS()},
			Key:       x509.MarshalPKCS1PrivateKey(k),
		})
	}
	return x509.MarshalPKCS8PrivateKey(p.signer)
}

// markSPKI encodes an RSA public key with the mark for PSS.
func markSPKI(k *rsa.PublicKey) []byte {
	bits := x509.MarshalPKCS1PublicKey(k)
	der, err := asn1.Marshal(spki{
		Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidPSS()},
		Key:       asn1.BitString{Bytes: bits, BitLength: 8 * len(bits)},
	})
	if err != nil { // not for a structure of these types
		return nil
	}
	return der
}
