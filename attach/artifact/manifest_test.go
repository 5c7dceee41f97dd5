package artifact

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
)

func subject() *v1.Descriptor {
	return &v1.Descriptor{MediaType: types.OCIManifestSchema1, Size: 3, Digest: attach.DigestOf([]byte("abc"))}
}

// TestForms reads with go-containerregistry what Encode writes.
func TestForms(t *testing.T) {
	text := Layer{MediaType: "text/plain", Body: attach.Bytes([]byte("hi")), Annotations: map[string]string{"org.opencontainers.image.title": "hi.txt"}}
	tar := Layer{MediaType: string(LayerType), Body: attach.Bytes([]byte("tgz")), DiffID: attach.DigestOf([]byte("tar"))}
	own := attach.Bytes([]byte(`{"a":1}`))
	for name, c := range map[string]struct {
		in             Manifest
		config, layers string // media types
		parts          int
	}{
		"artifact": {Manifest{Form: ArtifactForm, Type: "a/b", Layers: []Layer{text}}, EmptyType, "text/plain", 2},
		"bare":     {Manifest{Form: ArtifactForm, Type: "a/b"}, EmptyType, EmptyType, 1},
		"config":   {Manifest{Form: ArtifactForm, ConfigType: "c/d", Config: own, Layers: []Layer{text}}, "c/d", "text/plain", 2},
		"image":    {Manifest{Form: ImageForm, Layers: []Layer{tar}}, "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip", 2},
	} {
		c.in.Subject = subject()
		c.in.Annotations = map[string]string{"b": "1", "a": "2"}
		raw, parts, err := c.in.Encode()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m, err := v1.ParseManifest(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if m.SchemaVersion != 2 || m.MediaType != types.OCIManifestSchema1 || m.Subject.Digest != c.in.Subject.Digest || m.ArtifactType != c.in.Type || len(m.Annotations) != 2 {
			t.Errorf("%s: %s", name, raw)
		}
		if string(m.Config.MediaType) != c.config || len(m.Layers) != 1 || string(m.Layers[0].MediaType) != c.layers || len(parts) != c.parts {
			t.Errorf("%s: %d parts, %s", name, len(parts), raw)
		}
		named := map[v1.Hash]int64{m.Config.Digest: m.Config.Size, m.Layers[0].Digest: m.Layers[0].Size}
		for _, p := range parts {
			if size, ok := named[p.Digest]; !ok || size != p.Size {
				t.Errorf("%s: part %s is not named", name, p.Digest)
			}
		}
		again, _, _ := c.in.Encode()
		if !bytes.Equal(raw, again) {
			t.Errorf("%s: other bytes the second time", name)
		}
		content, err := c.in.Content()
		if err != nil || content.Body.Digest != attach.DigestOf(raw) || content.Kind != attach.Artifact || content.Annotations != nil {
			t.Errorf("%s: %+v, %v", name, content, err)
		}
		if name != "image" {
			continue
		}
		rc, _ := parts[0].Open()
		config, _ := io.ReadAll(rc)
		var file v1.ConfigFile
		if err := json.Unmarshal(config, &file); err != nil || len(file.RootFS.DiffIDs) != 1 || file.RootFS.DiffIDs[0] != tar.DiffID || len(file.History) != 1 {
			t.Errorf("config %s, %v", config, err)
		}
	}
}

func TestRefuses(t *testing.T) {
	layer := Layer{MediaType: "text/plain", Body: attach.Bytes(nil)}
	many := make([]Layer, attach.MaxEntries+1)
	for name, c := range map[string]struct {
		in   Manifest
		want error
	}{
		"no form":             {Manifest{Type: "a/b"}, attach.ErrMalformed},
		"no type":             {Manifest{Form: ArtifactForm, Layers: []Layer{layer}}, attach.ErrMalformed},
		"config without body": {Manifest{Form: ArtifactForm, ConfigType: "c/d"}, attach.ErrMalformed},
		"layer without type":  {Manifest{Form: ArtifactForm, Type: "a/b", Layers: []Layer{{Body: layer.Body}}}, attach.ErrMalformed},
		"layer without body":  {Manifest{Form: ArtifactForm, Type: "a/b", Layers: []Layer{{MediaType: "a"}}}, attach.ErrMalformed},
		"image of other type": {Manifest{Form: ImageForm, Layers: []Layer{layer}}, attach.ErrMalformed},
		"image with config":   {Manifest{Form: ImageForm, ConfigType: "c/d"}, attach.ErrMalformed},
		"many layers":         {Manifest{Form: ArtifactForm, Type: "a/b", Layers: many}, attach.ErrLimit},
	} {
		if _, _, err := c.in.Encode(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (Manifest{Form: ArtifactForm, Type: "a/b"}).Content(); !errors.Is(err, attach.ErrMalformed) {
		t.Errorf("content without subject: %v", err)
	}
}
