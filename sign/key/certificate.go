package key

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// MaxCertificates bounds the certificates of one chain.
const MaxCertificates = 10

// ParseCertificates parses a PEM sequence of certificates and nothing else, at
// least one and at most [MaxCertificates], the signer's first. A bare
// public key in the place of a certificate is refused: key material that comes
// with an artifact never becomes trust.
func ParseCertificates(text string) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	rest := []byte(text)
	for len(strings.TrimSpace(string(rest))) > 0 {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		switch {
		case block == nil:
			return nil, errors.New("not PEM")
		case block.Type != "CERTIFICATE":
			return nil, fmt.Errorf("a PEM block of type %q where a certificate belongs", block.Type)
		case len(certs) == MaxCertificates:
			return nil, fmt.Errorf("more than %d certificates", MaxCertificates)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("no certificate")
	}
	return certs, nil
}
