// Package cosign knows cosign's object formats: the images under the tags
// sha256-<hex>.sig, .att and .sbom, their layers and the annotations that the
// layers carry.
//
// Cosign keeps entries as layers of an image manifest. A signature is a layer
// that holds the simple signing payload; the signature over it stands in an
// annotation of the layer. An attestation is a layer that holds a DSSE
// envelope. An SBOM is a layer that holds the document. The image config lists
// one diff ID and one history entry for each layer, so that registries and
// tools that know nothing of all this take the image for an image.
//
// The formats are described in cosign's specs folder: SIGNATURE_SPEC.md,
// ATTESTATION_SPEC.md and SBOM_SPEC.md. Hallmark differs in one point that
// readers may ignore: descriptors of small layers carry the content itself in
// their data field (image specification 1.1, "data").
package cosign

import (
	"encoding/base64"

	"github.com/google/go-containerregistry/pkg/v1/types"
	ctypes "github.com/sigstore/cosign/v2/pkg/types"

	"github.com/hallmark-oci/hallmark/attach"
)

// The annotations that layers carry. They are written out here because the
// package of cosign's that names them draws in the models of the transparency
// log, which double the program; a test holds them against cosign's.
const (
	// SignatureAnnotation holds the base64 of the signature over the layer. On
	// attestations it is present and empty.
	SignatureAnnotation = "dev.cosignproject.cosign/signature"
	// CertificateAnnotation holds the signer's certificate in PEM.
	CertificateAnnotation = "dev.sigstore.cosign/certificate"
	// ChainAnnotation holds the certificates above it in PEM, the root last.
	ChainAnnotation = "dev.sigstore.cosign/chain"
	// BundleAnnotation holds the transparency log's promise in JSON.
	BundleAnnotation = "dev.sigstore.cosign/bundle"
	// TimestampAnnotation holds an RFC 3161 timestamp over the signature in JSON.
	TimestampAnnotation = "dev.sigstore.cosign/rfc3161timestamp"
	// PredicateTypeAnnotation holds the predicate type that an attestation
	// claims; nothing vouches for it.
	PredicateTypeAnnotation = "predicateType"
	// ScopeAnnotation says what part of the image an SBOM describes.
	ScopeAnnotation = "dev.sigstore.sbom.scope"
)

// ManifestType is the media type of the manifests that Encode returns.
const ManifestType = types.OCIManifestSchema1

// The media types of layers.
const (
	SimpleSigning = ctypes.SimpleSigningMediaType
	DSSE          = "application/vnd.dsse.envelope.v1+json"
	SPDXJSON      = ctypes.SPDXJSONMediaType
	SPDXText      = ctypes.SPDXMediaType
	CycloneDXJSON = ctypes.CycloneDXJSONMediaType
	CycloneDXXML  = ctypes.CycloneDXXMLMediaType
	SyftJSON      = ctypes.SyftMediaType
)

// NewSignature returns the signature over a simple signing payload, ready to
// be put. The signature is raw: DER for ECDSA.
func NewSignature(payload, sig []byte) attach.Content {
	return attach.Content{
		Kind:        attach.Signature,
		MediaType:   SimpleSigning,
		Annotations: map[string]string{SignatureAnnotation: base64.StdEncoding.EncodeToString(sig)},
		Body:        attach.Bytes(payload),
	}
}

// NewAttestation returns the DSSE envelope, ready to be put. The predicate type
// stands in an annotation so that readers can choose without opening it. The
// caller may add annotations to the content.
func NewAttestation(envelope attach.Body, predicateType string) attach.Content {
	return attach.Content{
		Kind:      attach.Attestation,
		MediaType: DSSE,
		Annotations: map[string]string{
			SignatureAnnotation:     "",
			PredicateTypeAnnotation: predicateType,
		},
		Body: envelope,
	}
}

// NewSBOM returns the SBOM document of the media type, ready to be put. The
// scope is that of the SBOM specification ("all", "layer=<digest>",
// "path=<path>"); an empty one is left out.
func NewSBOM(doc attach.Body, mediaType, scope string) attach.Content {
	c := attach.Content{Kind: attach.SBOM, MediaType: mediaType, Body: doc}
	if scope != "" {
		c.Annotations = map[string]string{ScopeAnnotation: scope}
	}
	return c
}
