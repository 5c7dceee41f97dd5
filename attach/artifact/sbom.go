package artifact

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// sbomTypes tells the media types that IANA has for SBOM documents, by those that
// cosign gives them. Other tools look for SBOMs among the referrers by them.
func sbomTypes() map[string]string {
	return map[string]string{
		cosign.SPDXJSON:      "application/spdx+json",
		cosign.SPDXText:      "text/spdx",
		cosign.CycloneDXJSON: "application/vnd.cyclonedx+json",
		cosign.CycloneDXXML:  "application/vnd.cyclonedx+xml",
		cosign.SyftJSON:      "application/vnd.syft+json",
	}
}

// SBOMs returns the contents that keep an SBOM document beside the subject in the
// storage. The media type is cosign's, and the scope as in [cosign.NewSBOM]. As a
// referrer the document is the one layer of a manifest, and its media type, the one
// that IANA has, is the type of both.
func SBOMs(subject attach.Subject, doc attach.Body, mediaType, scope string, in attach.Storage) ([]attach.Content, error) {
	var all []attach.Content
	if in.Tags() {
		all = append(all, cosign.NewSBOM(doc, mediaType, scope))
	}
	if !in.Referrers() {
		return all, nil
	}
	if t, ok := sbomTypes()[mediaType]; ok {
		mediaType = t
	}
	layer := Layer{MediaType: mediaType, Body: doc}
	if scope != "" {
		layer.Annotations = map[string]string{cosign.ScopeAnnotation: scope}
	}
	c, err := Manifest{Form: ArtifactForm, Type: mediaType, Layers: []Layer{layer}, Subject: &subject.Desc}.Content()
	if err != nil {
		return nil, fmt.Errorf("SBOM as a referrer: %w", err)
	}
	return append(all, c), nil
}

// IsSBOM reports whether the attachment is a whole manifest that says it is an SBOM.
func IsSBOM(a attach.Attachment) bool {
	if a.Kind != attach.Artifact || !attach.IsManifest(a.Desc.MediaType) {
		return false
	}
	_, known := SBOMType(a.Type)
	return known
}

// SBOMType returns cosign's media type for a type that documents among the referrers
// have.
func SBOMType(artifactType string) (string, bool) {
	for ours, t := range sbomTypes() {
		if t == artifactType || ours == artifactType {
			return ours, true
		}
	}
	return "", false
}

// OpenSBOM returns the document in a whole manifest that [IsSBOM] found, as an
// attachment that opens as the document. It must be the one layer; anything else is
// [attach.ErrMalformed].
func OpenSBOM(ctx context.Context, r attach.Reader, s attach.Subject, a attach.Attachment) (attach.Attachment, error) {
	layer, err := OnlyLayer(ctx, r, s, a)
	if err != nil {
		return attach.Attachment{}, err
	}
	out := attach.Attachment{
		Kind: attach.SBOM, Desc: layer, Type: string(layer.MediaType), Annotations: layer.Annotations, Places: a.Places,
	}
	if ours, ok := SBOMType(out.Type); ok {
		out.Type, out.Desc.MediaType = ours, types.MediaType(ours)
	}
	out.Desc.Annotations = nil
	return out, nil
}

// OnlyLayer returns the descriptor of the one layer of a whole manifest. A manifest
// of none or several is [attach.ErrMalformed].
func OnlyLayer(ctx context.Context, r attach.Reader, s attach.Subject, a attach.Attachment) (v1.Descriptor, error) {
	m, err := r.Manifest(ctx, s, a.Desc.Digest)
	if err != nil {
		return v1.Descriptor{}, err
	}
	img, err := cosign.Parse(m.Raw)
	switch {
	case err != nil:
		return v1.Descriptor{}, fmt.Errorf("manifest %s: %w", a.Desc.Digest, err)
	case len(img.Entries) != 1:
		return v1.Descriptor{}, fmt.Errorf("manifest %s has %d layers, not one: %w", a.Desc.Digest, len(img.Entries), attach.ErrMalformed)
	case img.Entries[0].Err != nil:
		return v1.Descriptor{}, fmt.Errorf("manifest %s: %w", a.Desc.Digest, img.Entries[0].Err)
	}
	return img.Entries[0].Desc, nil
}
