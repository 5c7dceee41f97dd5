// Package artifact builds manifests that are attached whole: image manifests
// that name their subject and are found among its referrers (image specification
// 1.1, "Guidelines for Artifact Usage").
//
// Two forms exist. In the image form the config is that of an image and every
// layer is a layer of one, so that a registry that knows only images takes it. In
// the artifact form the manifest says by its artifact type what it is, and the
// config is empty or of a type of its own; some registries refuse it.
package artifact

import (
	"encoding/json"
	"fmt"
	"maps"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
)

// ManifestType is the media type of the manifests that Encode returns.
const ManifestType = types.OCIManifestSchema1

// LayerType is the media type of a layer in the image form: a tar archive in gzip.
const LayerType = types.OCILayer

// EmptyType is the media type of the empty JSON object, which stands where a
// descriptor is required and there is nothing to describe.
const EmptyType = "application/vnd.oci.empty.v1+json"

// Empty returns the blob that descriptors of [EmptyType] name.
func Empty() attach.Body { return attach.Bytes([]byte("{}")) }

// A Form says what a manifest looks like to a registry.
type Form string

// The forms.
const (
	ImageForm    Form = "image"    // the config is that of an image
	ArtifactForm Form = "artifact" // an artifact type, and an empty config or one of its own
)

// A Manifest is an image manifest to be written. It needs a Form.
type Manifest struct {
	Form Form
	// Type is the artifact type. The artifact form needs it, unless ConfigType
	// says what the artifact is; the image form may have one.
	Type string
	// ConfigType and Config are the config of the artifact form where it has one
	// of its own. The config is the empty object when ConfigType is "".
	ConfigType string
	Config     attach.Body
	// Layers are in the order of the manifest. The artifact form without layers
	// gets one that is the empty object.
	Layers      []Layer
	Annotations map[string]string
	// Subject is what the manifest refers to; nil where it stands for itself.
	Subject *v1.Descriptor
}

// A Layer is one layer of a manifest.
type Layer struct {
	// MediaType is [LayerType] in the image form.
	MediaType   string
	Annotations map[string]string
	Body        attach.Body
	// DiffID is the digest of the layer without its compression, which the config
	// of the image form lists; the digest of the Body when zero.
	DiffID v1.Hash
}

// encoded has the members of an image manifest in the order in which they are
// written.
type encoded struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     types.MediaType   `json:"mediaType"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        v1.Descriptor     `json:"config"`
	Layers        []v1.Descriptor   `json:"layers"`
	Subject       *v1.Descriptor    `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// Encode returns the bytes of the manifest and its blobs, the config first. They
// depend on nothing but the manifest: equal ones give equal bytes. What breaks the
// rules of the form is refused with [attach.ErrMalformed], and a manifest of more
// than [attach.MaxManifest] bytes with [attach.ErrLimit].
func (m Manifest) Encode() (raw []byte, parts []attach.Body, err error) {
	if err := m.check(); err != nil {
		return nil, nil, fmt.Errorf("manifest in %s form: %w", m.Form, err)
	}
	out := encoded{
		SchemaVersion: 2,
		MediaType:     ManifestType,
		ArtifactType:  m.Type,
		Layers:        []v1.Descriptor{},
		Annotations:   m.Annotations,
	}
	if s := m.Subject; s != nil {
		out.Subject = &v1.Descriptor{MediaType: s.MediaType, Size: s.Size, Digest: s.Digest}
	}
	config, configType, err := m.config()
	if err != nil {
		return nil, nil, err
	}
	out.Config = v1.Descriptor{MediaType: types.MediaType(configType), Size: config.Size, Digest: config.Digest}
	parts = append(parts, config)
	for _, l := range m.layers() {
		out.Layers = append(out.Layers, v1.Descriptor{
			MediaType:   types.MediaType(l.MediaType),
			Size:        l.Body.Size,
			Digest:      l.Body.Digest,
			Annotations: maps.Clone(l.Annotations),
		})
		if l.Body.Digest != config.Digest {
			parts = append(parts, l.Body)
		}
	}
	if raw, err = json.Marshal(out); err != nil {
		return nil, nil, fmt.Errorf("encode the manifest: %w", err)
	}
	if len(raw) > attach.MaxManifest {
		return nil, nil, fmt.Errorf("manifest has %d bytes, the limit is %d: %w", len(raw), attach.MaxManifest, attach.ErrLimit)
	}
	return raw, parts, nil
}

// Content returns the manifest with its blobs, ready to be put beside its
// subject.
func (m Manifest) Content() (attach.Content, error) {
	if m.Subject == nil {
		return attach.Content{}, fmt.Errorf("manifest without a subject cannot be attached: %w", attach.ErrMalformed)
	}
	raw, parts, err := m.Encode()
	if err != nil {
		return attach.Content{}, err
	}
	return attach.Content{
		Kind:      attach.Artifact,
		MediaType: string(ManifestType),
		Body:      attach.Bytes(raw),
		Parts:     parts,
	}, nil
}

func (m Manifest) check() error {
	if err := attach.CheckAnnotations(m.Annotations); err != nil {
		return err
	}
	if len(m.Layers) > attach.MaxEntries {
		return fmt.Errorf("%d layers, the limit is %d: %w", len(m.Layers), attach.MaxEntries, attach.ErrLimit)
	}
	for i, l := range m.Layers {
		if l.MediaType == "" || l.Body.Open == nil {
			return fmt.Errorf("layer %d has no media type or no body: %w", i, attach.ErrMalformed)
		}
		if m.Form == ImageForm && types.MediaType(l.MediaType) != LayerType {
			return fmt.Errorf("layer %d is of type %q, not %q: %w", i, l.MediaType, LayerType, attach.ErrMalformed)
		}
		if err := attach.CheckAnnotations(l.Annotations); err != nil {
			return fmt.Errorf("layer %d: %w", i, err)
		}
	}
	switch {
	case m.Form == ImageForm && m.ConfigType != "":
		return fmt.Errorf("config of type %q: %w", m.ConfigType, attach.ErrMalformed)
	case m.Form == ArtifactForm && m.Type == "" && m.ConfigType == "":
		return fmt.Errorf("no artifact type: %w", attach.ErrMalformed)
	case m.Form == ArtifactForm && m.ConfigType != "" && m.Config.Open == nil:
		return fmt.Errorf("config of type %q without a body: %w", m.ConfigType, attach.ErrMalformed)
	case m.Form != ImageForm && m.Form != ArtifactForm:
		return fmt.Errorf("unknown form: %w", attach.ErrMalformed)
	}
	return nil
}

// layers returns the layers as they are written.
func (m Manifest) layers() []Layer {
	if len(m.Layers) == 0 && m.Form == ArtifactForm {
		return []Layer{{MediaType: EmptyType, Body: Empty()}}
	}
	return m.Layers
}

// config returns the config blob and its media type.
func (m Manifest) config() (attach.Body, string, error) {
	switch {
	case m.Form == ArtifactForm && m.ConfigType == "":
		return Empty(), EmptyType, nil
	case m.Form == ArtifactForm:
		return m.Config, m.ConfigType, nil
	}
	diffs := make([]v1.Hash, len(m.Layers))
	for i, l := range m.Layers {
		if diffs[i] = l.DiffID; l.DiffID == (v1.Hash{}) {
			diffs[i] = l.Body.Digest
		}
	}
	// The zero time stands for "created": the bytes must not depend on the clock.
	raw, err := json.Marshal(v1.ConfigFile{
		History: make([]v1.History, len(diffs)),
		RootFS:  v1.RootFS{Type: "layers", DiffIDs: diffs},
	})
	if err != nil {
		return attach.Body{}, "", fmt.Errorf("encode the config: %w", err)
	}
	return attach.Bytes(raw), string(types.OCIConfigJSON), nil
}
