package layout

import (
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
)

// artifactManifest is the manifest type that the release candidates of image
// specification 1.1 had, and that layouts of that time hold.
const artifactManifest = types.MediaType("application/vnd.oci.artifact.manifest.v1+json")

// isManifest reports whether content of the media type is a manifest or an index.
func isManifest(mt types.MediaType) bool {
	return mt.IsImage() || mt.IsIndex() || mt == artifactManifest
}

// A head is what index.json wants to know of a manifest or an index.
type head struct {
	MediaType    types.MediaType   `json:"mediaType"`
	ArtifactType string            `json:"artifactType"`
	Subject      *v1.Descriptor    `json:"subject"`
	Annotations  map[string]string `json:"annotations"`
	Config       *struct {
		MediaType string `json:"mediaType"`
	} `json:"config"`
	Manifests []json.RawMessage `json:"manifests"`
	Layers    []json.RawMessage `json:"layers"`
}

// parseHead reads a manifest that is at most [attach.MaxManifest] long.
func parseHead(raw []byte) (head, error) {
	var h head
	if err := json.Unmarshal(raw, &h); err != nil {
		return head{}, fmt.Errorf("no manifest: %v: %w", err, attach.ErrMalformed)
	}
	if h.mediaType() == "" {
		return head{}, fmt.Errorf("no manifest: it has no mediaType, no layers and no manifests: %w", attach.ErrMalformed)
	}
	return h, nil
}

// mediaType returns the media type. The image specification lets manifests
// leave it out; then it follows from what is there.
func (h head) mediaType() types.MediaType {
	switch {
	case h.MediaType != "":
		return h.MediaType
	case h.Manifests != nil:
		return types.OCIImageIndex
	case h.Config != nil || h.Layers != nil:
		return types.OCIManifestSchema1
	}
	return ""
}

// artifactType returns the type that a list of referrers shows (distribution
// specification 1.1, listing referrers).
func (h head) artifactType() string {
	if h.ArtifactType == "" && h.Config != nil {
		return h.Config.MediaType
	}
	return h.ArtifactType
}
