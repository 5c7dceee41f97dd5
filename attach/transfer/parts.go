package transfer

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
)

// parts are the blobs and manifests that a manifest names.
type parts struct {
	blobs     []part // config, layers, and the blobs of the artifact manifests of old
	manifests []part
}

// A part is what a transfer needs of a descriptor. There may be a hundred thousand.
type part struct {
	mediaType types.MediaType
	size      int64
	sum       [32]byte // the sha256 digest
	data      []byte
}

// desc returns the part as a descriptor.
func (p part) desc() v1.Descriptor {
	return v1.Descriptor{
		MediaType: p.mediaType, Size: p.size, Data: p.data,
		Digest: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(p.sum[:])},
	}
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
	var last types.MediaType // most have that of the one before, which is then kept once
	into := func(list *[]part) func(json.RawMessage) {
		return func(e json.RawMessage) {
			d, err := attach.ParseDescriptor(e)
			if err != nil && bad == nil {
				bad = err
			}
			if !d.MediaType.IsDistributable() && len(d.URLs) > 0 {
				return
			}
			if d.MediaType == last {
				d.MediaType = last
			}
			last = d.MediaType
			*list = append(*list, plain(d))
		}
	}
	if config, ok := m["config"]; ok {
		into(&p.blobs)(config)
	}
	for name, list := range map[string]*[]part{"layers": &p.blobs, "blobs": &p.blobs, "manifests": &p.manifests} {
		if err := attach.Elements(m[name], attach.MaxEntries, into(list)); err != nil {
			return p, fmt.Errorf("%s: %w", name, err)
		}
	}
	p.blobs, p.manifests = slices.Clip(p.blobs), slices.Clip(p.manifests)
	return p, bad
}

// plain returns what a transfer needs of a descriptor. Content that rides in it is
// left out where it is large: it is there as a blob.
func plain(d v1.Descriptor) part {
	p := part{mediaType: d.MediaType, size: d.Size}
	hex.Decode(p.sum[:], []byte(d.Digest.Hex)) // it was parsed as a digest
	if len(d.Data) <= attach.MaxData {
		p.data = d.Data
	}
	return p
}
