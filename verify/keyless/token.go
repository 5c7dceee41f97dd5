package keyless

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

// wellFormed refuses a timestamp that could be written in another way and mean the
// same: what is not signed in it must say what it has to. Readers of CMS pass over
// lengths that do not fit and over parts that they do not need; a timestamp that was
// changed is not evidence, even where the change is in such a part.
func wellFormed(token []byte) error {
	if err := exact(token, 0); err != nil {
		return err
	}
	var r struct {
		Status struct {
			Status int
			Text   []string `asn1:"optional"`
		}
		Token struct {
			Type asn1.ObjectIdentifier
			Data signedData `asn1:"explicit,tag:0"`
		}
	}
	rest, err := asn1.Unmarshal(token, &r)
	d := r.Token.Data
	switch {
	case err != nil:
		return err
	case len(rest) > 0:
		return errors.New("something stands behind it")
	case r.Status.Status != 0:
		return fmt.Errorf("the authority says %d, not that it granted it", r.Status.Status)
	case !r.Token.Type.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}):
		return errors.New("it holds no signed data")
	case d.Version != 3 || len(d.Signers) != 1 || d.Signers[0].Version != 1:
		return errors.New("it is not signed data of one signer in the version that RFC 3161 has")
	case !d.Content.Type.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}):
		return errors.New("what is signed is no timestamp")
	case len(d.Digests) != 1 || !d.Digests[0].Algorithm.Equal(d.Signers[0].Digest.Algorithm):
		return errors.New("it names other hashes than the signer's")
	case !plainHash(d.Digests[0]) || !plainHash(d.Signers[0].Digest):
		return errors.New("a hash with parameters")
	case len(d.Signers[0].Unsigned.FullBytes) > 0:
		return errors.New("the signer has attributes that nobody signed")
	}
	return attributes(d.Signers[0].Signed.Bytes)
}

// attributes checks the form of the signed attributes: each is an identifier with a set
// of values (RFC 5652, section 5.3), for which not every reader looks.
func attributes(raw []byte) error {
	for len(raw) > 0 {
		var a struct {
			Type   asn1.ObjectIdentifier
			Values asn1.RawValue
		}
		rest, err := asn1.Unmarshal(raw, &a)
		switch {
		case err != nil:
			return fmt.Errorf("the signed attributes: %w", err)
		case a.Values.Class != asn1.ClassUniversal || a.Values.Tag != asn1.TagSet || !a.Values.IsCompound:
			return fmt.Errorf("the signed attribute %v has no set of values", a.Type)
		}
		raw = rest
	}
	return nil
}

// signedData is a part of what RFC 5652 calls SignedData.
type signedData struct {
	Version int
	Digests []pkix.AlgorithmIdentifier `asn1:"set"`
	Content struct {
		Type asn1.ObjectIdentifier
		Data []byte `asn1:"explicit,tag:0"`
	}
	Certificates certificates `asn1:"optional,tag:0"`
	Signers      []signerInfo `asn1:"set"`
}

// certificates are kept as they are.
type certificates struct{ Raw asn1.RawContent }

type signerInfo struct {
	Version int
	Who     struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
	Digest    pkix.AlgorithmIdentifier
	Signed    asn1.RawValue `asn1:"tag:0"`
	Signature pkix.AlgorithmIdentifier
	Value     []byte
	Unsigned  asn1.RawValue `asn1:"optional,tag:1"`
}

// plainHash reports whether the identifier has no parameters but NULL.
func plainHash(a pkix.AlgorithmIdentifier) bool {
	p := a.Parameters
	return len(p.FullBytes) == 0 || p.Class == asn1.ClassUniversal && p.Tag == asn1.TagNull && len(p.Bytes) == 0
}

// maxNesting bounds how deep a timestamp nests.
const maxNesting = 32

// exact checks that DER is made of values that fill the ones around them, with lengths
// in their shortest form. The caller bounds its size.
func exact(der []byte, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("values nested more than %d deep", maxNesting)
	}
	for len(der) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		if err != nil {
			return err
		}
		if v.IsCompound {
			if err := exact(v.Bytes, depth+1); err != nil {
				return err
			}
		}
		der = rest
	}
	return nil
}
