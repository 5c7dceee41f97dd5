package verify

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/key"
)

// certificates parses a PEM sequence of certificates and nothing else. A bare
// public key in the place of a certificate is refused: key material that comes
// with an artifact never becomes trust.
func certificates(text string) ([]*x509.Certificate, error) {
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
		case len(certs) == maxCertificates:
			return nil, fmt.Errorf("more than %d certificates", maxCertificates)
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

// certificateIsOf reports whether a certificate that comes with the entry is
// one of the signer's key.
func certificateIsOf(a attach.Attachment, signer *key.Public) error {
	text, ok := a.Annotations[cosign.CertificateAnnotation]
	if !ok {
		return nil
	}
	certs, err := certificates(text)
	if err != nil {
		return err
	}
	public, err := key.NewPublic(certs[0].PublicKey)
	if err != nil {
		return fmt.Errorf("the attached certificate's key: %v", err)
	}
	if public.Fingerprint() != signer.Fingerprint() {
		return errors.New("the attached certificate is of another key than the signature")
	}
	return nil
}
