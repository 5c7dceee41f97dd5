package artifact

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
)

// The media types of Helm charts in registries (helm.sh, "Use OCI-based
// registries"). Their layers have no titles.
const (
	helmConfig     = "application/vnd.cncf.helm.config.v1+json"
	helmChart      = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	helmProvenance = "application/vnd.cncf.helm.chart.provenance.v1.prov"
)

// parts is a manifest as it is to be unpacked.
type parts struct {
	config v1.Descriptor
	layers []part
}

// A part is one layer.
type part struct {
	desc   v1.Descriptor
	name   string // of the file, "" while it has none
	unpack bool   // it is an archive that holds the files
}

// parseParts reads the manifest of an artifact.
func parseParts(raw []byte) (parts, error) {
	m, err := attach.Members(raw)
	if err != nil {
		return parts{}, fmt.Errorf("manifest: %w", err)
	}
	if _, ok := m["manifests"]; ok {
		return parts{}, fmt.Errorf("this is an index of several manifests, not an artifact; name one of them by digest: %w", attach.ErrMalformed)
	}
	var p parts
	if config, ok := m["config"]; ok {
		if p.config, err = attach.ParseDescriptor(config); err != nil {
			return parts{}, fmt.Errorf("config: %w", err)
		}
	}
	image := p.config.MediaType == types.OCIConfigJSON || p.config.MediaType == types.DockerConfigJSON
	list := m["layers"]
	if list == nil {
		list = m["blobs"] // the artifact manifest that came before image specification 1.1
	}
	var bad error
	err = attach.Elements(list, attach.MaxEntries, func(e json.RawMessage) {
		l, err := newPart(e, image)
		switch {
		case err != nil && bad == nil:
			bad = err
		case l.desc.MediaType != EmptyType:
			p.layers = append(p.layers, l)
		}
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return parts{}, fmt.Errorf("layers: %w", err)
	}
	if len(p.layers) == 0 {
		return parts{}, fmt.Errorf("the manifest has no layers, so there are no files in it: %w", attach.ErrMalformed)
	}
	return p, nil
}

func newPart(raw json.RawMessage, image bool) (part, error) {
	d, err := attach.ParseDescriptor(raw)
	if err != nil {
		return part{}, err
	}
	l := part{desc: d, name: d.Annotations[TitleAnnotation]}
	l.unpack = image && isArchive(d.MediaType) || d.Annotations[UnpackAnnotation] == "true"
	if l.name != "" && !l.unpack {
		err = CheckName(l.name)
	}
	return l, err
}

// dockerZstd is what BuildKit calls layers that are compressed with zstd where it is to
// write the types of Docker.
const dockerZstd = "application/vnd.docker.image.rootfs.diff.tar.zstd"

// isArchive reports whether layers of the type are tar archives, compressed or not.
func isArchive(t types.MediaType) bool {
	switch t {
	case types.OCILayer, types.OCIUncompressedLayer, types.OCILayerZStd, types.DockerLayer, types.DockerUncompressedLayer, dockerZstd:
		return true
	}
	return false
}

// nameAll gives the layers names that have none.
func (p *parts) nameAll(open func(v1.Descriptor) (io.ReadCloser, error)) error {
	chart := ""
	if p.config.MediaType == helmConfig {
		var err error
		if chart, err = chartName(p.config, open); err != nil {
			return fmt.Errorf("config of the Helm chart: %w", err)
		}
	}
	for i := range p.layers {
		l := &p.layers[i]
		if l.name != "" || l.unpack {
			continue
		}
		switch {
		case chart != "" && l.desc.MediaType == helmChart:
			l.name = chart + ".tgz"
		case chart != "" && l.desc.MediaType == helmProvenance:
			l.name = chart + ".tgz.prov"
		default:
			l.name = l.desc.Digest.Algorithm + "-" + l.desc.Digest.Hex
		}
	}
	return nil
}

// chartName returns the name of a Helm chart's file without its ending:
// NAME-VERSION, as "helm pull" has it.
func chartName(config v1.Descriptor, open func(v1.Descriptor) (io.ReadCloser, error)) (string, error) {
	if config.Size > maxConfig {
		return "", fmt.Errorf("%d bytes, the limit is %d: %w", config.Size, maxConfig, attach.ErrLimit)
	}
	rc, err := open(config)
	if err != nil {
		return "", err
	}
	raw, err := attach.ReadAll(rc, config, maxConfig)
	if err != nil {
		return "", err
	}
	m, err := attach.Members(raw)
	if err != nil {
		return "", err
	}
	var name, version string
	if err := attach.Member(m, "name", &name); err != nil {
		return "", err
	}
	if err := attach.Member(m, "version", &version); err != nil {
		return "", err
	}
	file := name + "-" + version
	if name == "" || version == "" || strings.Contains(file, "/") {
		return "", fmt.Errorf("name %q and version %q make no file name: %w", name, version, attach.ErrMalformed)
	}
	return file, CheckName(file)
}
