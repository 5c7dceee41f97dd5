package verify

import (
	"errors"
	"fmt"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/key"
)

// certificateIsOf reports whether a certificate that comes with the entry is
// one of the signer's key.
func certificateIsOf(a attach.Attachment, signer *key.Public) error {
	text, ok := a.Annotations[cosign.CertificateAnnotation]
	if !ok {
		return nil
	}
	certs, err := key.ParseCertificates(text)
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
