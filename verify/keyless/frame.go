package keyless

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
)

// A frame is a timestamp response without what is signed in it (RFC 3161, section
// 2.4.2; RFC 5652, section 5.1). The signature covers none of it, so that readers
// differ in what of it they look at: here all of it must be as it should be.
type frame struct {
	Status struct {
		Status int
		Text   asn1.RawValue  `asn1:"optional"`
		Fail   asn1.BitString `asn1:"optional"`
	}
	Token struct {
		Type asn1.ObjectIdentifier
		Data struct {
			Version int
			Digests []pkix.AlgorithmIdentifier `asn1:"set"`
			Content struct {
				Type  asn1.ObjectIdentifier
				Bytes []byte `asn1:"explicit,tag:0"`
			}
			Certificates asn1.RawValue `asn1:"optional,tag:0"`
			CRLs         asn1.RawValue `asn1:"optional,tag:1"`
			Signers      []frameSigner `asn1:"set"`
		} `asn1:"explicit,tag:0"`
	}
}

type frameSigner struct {
	Version int
	By      struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
	Digest    pkix.AlgorithmIdentifier
	Signed    asn1.RawValue `asn1:"tag:0"`
	Algorithm pkix.AlgorithmIdentifier
	Signature []byte
	Unsigned  asn1.RawValue `asn1:"optional,tag:1"`
}

// signedData and tstInfo are the identifiers of what a timestamp is: signed content
// (RFC 5652, section 5.1), and in it the time (RFC 3161, section 2.4.2).
func signedData() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2} }
func tstInfo() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
}

// checkFrame checks what surrounds the signed part of a timestamp. It names the
// certificate of its signer, which is compared where it is known.
func checkFrame(token []byte, signer *x509.Certificate) error {
	if err := exact(token, 0); err != nil {
		return fmt.Errorf("frame: %w", err)
	}
	var f frame
	rest, err := asn1.Unmarshal(token, &f)
	if err != nil {
		return fmt.Errorf("frame: %w", err)
	}
	d := f.Token.Data
	switch {
	case len(rest) > 0:
		return fmt.Errorf("frame: %d bytes behind it", len(rest))
	case f.Status.Status != 0 && f.Status.Status != 1:
		return fmt.Errorf("frame: the authority refused, status %d", f.Status.Status)
	case !f.Token.Type.Equal(signedData()) || !d.Content.Type.Equal(tstInfo()):
		return fmt.Errorf("frame: types %v and %v are not those of a timestamp", f.Token.Type, d.Content.Type)
	case d.Version != 3 || len(d.Signers) != 1 || d.Signers[0].Version != 1:
		return fmt.Errorf("frame: version %d with %d signers is not that of a timestamp", d.Version, len(d.Signers))
	case len(d.Signers[0].Unsigned.FullBytes) > 0:
		return fmt.Errorf("frame: the signer has attributes that nobody signed")
	case len(d.CRLs.FullBytes) > 0:
		return fmt.Errorf("frame: it brings revocations, which nobody reads")
	case len(d.Digests) != 1 || !sameAlgorithm(d.Digests[0], d.Signers[0].Digest):
		return fmt.Errorf("frame: the signer's digest is not the one that is announced")
	}
	if again, err := asn1.Marshal(f); err != nil || !bytes.Equal(again, token) {
		return fmt.Errorf("frame: it is not written in the one way of DER")
	}
	if err := checkAttributes(d.Signers[0].Signed.Bytes); err != nil {
		return err
	}
	by := d.Signers[0].By
	if signer != nil && (!bytes.Equal(by.Issuer.FullBytes, signer.RawIssuer) || by.Serial.Cmp(signer.SerialNumber) != 0) {
		return fmt.Errorf("frame: it names certificate %v, and another one signed", by.Serial)
	}
	return nil
}

// checkAttributes checks the form of the signed attributes: each is an identifier with a
// set of values (RFC 5652, section 5.3), for which not every reader looks.
func checkAttributes(raw []byte) error {
	for len(raw) > 0 {
		var a struct {
			Type   asn1.ObjectIdentifier
			Values asn1.RawValue
		}
		rest, err := asn1.Unmarshal(raw, &a)
		if err != nil {
			return fmt.Errorf("frame: signed attributes: %w", err)
		}
		if a.Values.Class != asn1.ClassUniversal || a.Values.Tag != asn1.TagSet || !a.Values.IsCompound {
			return fmt.Errorf("frame: signed attribute %v has no set of values", a.Type)
		}
		raw = rest
	}
	return nil
}

// sameAlgorithm reports whether both name one algorithm. That there are no parameters
// is said in two ways.
func sameAlgorithm(a, b pkix.AlgorithmIdentifier) bool {
	bare := func(v asn1.RawValue) bool { return len(v.FullBytes) == 0 || v.Tag == asn1.TagNull && len(v.Bytes) == 0 }
	return a.Algorithm.Equal(b.Algorithm) && bare(a.Parameters) && bare(b.Parameters)
}

// exact checks that DER is made of values that fill the ones around them: inside of
// what is signed as well, where readers put together anew what they read. The caller
// bounds its size.
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
