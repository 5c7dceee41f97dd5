package cosign_test

import (
	"testing"

	"github.com/sigstore/cosign/v2/pkg/oci/static"

	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// TestAnnotationNames holds the names that are written out against cosign's own.
func TestAnnotationNames(t *testing.T) {
	for ours, theirs := range map[string]string{
		cosign.SignatureAnnotation:   static.SignatureAnnotationKey,
		cosign.CertificateAnnotation: static.CertificateAnnotationKey,
		cosign.ChainAnnotation:       static.ChainAnnotationKey,
		cosign.BundleAnnotation:      static.BundleAnnotationKey,
		cosign.TimestampAnnotation:   static.RFC3161TimestampAnnotationKey,
	} {
		if ours != theirs {
			t.Errorf("%q is %q in cosign", ours, theirs)
		}
	}
}
