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
	stated      types.MediaType // what the member mediaType says, which may be left out
	mediaType   types.MediaType // stated, or what the other members show
	artifact    string
	config      string // media type of the config
	subject     *v1.Descriptor
	annotations map[string]string
	manifests   json.RawMessage
}

// parseHead reads a manifest that is at most [attach.MaxManifest] long. A
// member that is there twice, or of the wrong kind, is [attach.ErrMalformed].
func parseHead(raw []byte) (head, error) {
	m, err := attach.Members(raw)
	if err != nil {
		return head{}, fmt.Errorf("no manifest: %w", err)
	}
	var h head
	var config struct {
		MediaType string `json:"mediaType"`
	}
	for _, f := range []struct {
		name string
		into any
	}{
		{"mediaType", (*string)(&h.stated)}, {"artifactType", &h.artifact}, {"config", &config},
		{"subject", &h.subject}, {"annotations", &h.annotations}, {"manifests", &h.manifests},
	} {
		if err := attach.Member(m, f.name, f.into); err != nil {
			return head{}, fmt.Errorf("no manifest: %w", err)
		}
	}
	h.config = config.MediaType
	if h.mediaType = h.stated; h.mediaType == "" {
		h.mediaType = shown(m)
	}
	if h.mediaType == "" {
		return head{}, fmt.Errorf("no manifest: it has no mediaType, no layers and no manifests: %w", attach.ErrMalformed)
	}
	return h, nil
}

// shown returns the media type that follows from the members of a manifest
// (image specification 1.1 lets mediaType be left out).
func shown(m map[string]json.RawMessage) types.MediaType {
	if _, ok := m["manifests"]; ok {
		return types.OCIImageIndex
	}
	if _, ok := m["layers"]; ok {
		return types.OCIManifestSchema1
	}
	return ""
}

// artifactType returns the type that a list of referrers shows (distribution
// specification 1.1, listing referrers).
func (h head) artifactType() string {
	if h.artifact == "" {
		return h.config
	}
	return h.artifact
}
