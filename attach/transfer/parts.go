package transfer

import (
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// parts are the blobs and manifests that a manifest names.
type parts struct {
	blobs     []v1.Descriptor // config, layers, and the blobs of the artifact manifests of old
	manifests []v1.Descriptor
}

// partsOf reads what a manifest names. One malformed descriptor spoils it all: a
// manifest without one of its parts is not the manifest. Blobs that stand
// elsewhere by right, such as the base layers of Windows, are left out.
func partsOf(raw []byte) (parts, error) {
	var p parts
	m, err := attach.Members(raw)
	if err != nil {
		return p, fmt.Errorf("no manifest: %w", err)
	}
	var bad error
	into := func(list *[]v1.Descriptor) func(json.RawMessage) {
		return func(e json.RawMessage) {
			d, err := attach.ParseDescriptor(e)
			if err != nil && bad == nil {
				bad = err
			}
			if !d.MediaType.IsDistributable() && len(d.URLs) > 0 {
				return
			}
			*list = append(*list, plain(d))
		}
	}
	if config, ok := m["config"]; ok {
		into(&p.blobs)(config)
	}
	for name, list := range map[string]*[]v1.Descriptor{"layers": &p.blobs, "blobs": &p.blobs, "manifests": &p.manifests} {
		if err := attach.Elements(m[name], attach.MaxEntries, into(list)); err != nil {
			return p, fmt.Errorf("%s: %w", name, err)
		}
	}
	return p, bad
}

// plain returns what a transfer needs of a descriptor. Content that rides in it is
// left out where it is large: it is there as a blob.
func plain(d v1.Descriptor) v1.Descriptor {
	out := v1.Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest}
	if len(d.Data) <= attach.MaxData {
		out.Data = d.Data
	}
	return out
}
