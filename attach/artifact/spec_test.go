package artifact_test

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	gcr "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
	"github.com/hallmark-oci/hallmark/attach/layout"
)

// publish packs a file and a directory, puts them into a layout, and opens what is
// there with go-containerregistry.
func publish(t *testing.T, form artifact.Form) (v1.Image, attach.Subject) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"d/sub/b", "d/a", "f"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sources := []artifact.Source{{Path: filepath.Join(dir, "f"), Name: "f", MediaType: "text/plain"}, {Path: filepath.Join(dir, "d"), Name: "d"}}
	m := artifact.Manifest{Form: form, Type: "application/vnd.example.files"}
	pack := artifact.PackArchives
	if form == artifact.ArtifactForm {
		pack = artifact.PackFiles
	}
	var err error
	if m.Layers, err = pack(t.Context(), sources); err != nil {
		t.Fatal(err)
	}
	raw, parts, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "layout")
	store, err := layout.Create(t.Context(), path, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s, err := store.Publish(t.Context(), "1", attach.Manifest{Raw: raw, Desc: v1.Descriptor{MediaType: artifact.ManifestType}}, parts...)
	if err != nil {
		t.Fatal(err)
	}
	index, err := gcr.ImageIndexFromPath(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := index.Image(s.Desc.Digest)
	if err != nil {
		t.Fatal(err)
	}
	return img, s
}

// TestImageFormIsAnImage: another library finds every digest, size and diff ID of
// the image form right, and the files in its file system.
func TestImageFormIsAnImage(t *testing.T) {
	img, _ := publish(t, artifact.ImageForm)
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	m, err := img.Manifest()
	if err != nil || m.Config.MediaType != types.OCIConfigJSON || len(m.Layers) != 2 || m.Layers[0].MediaType != types.OCILayer {
		t.Fatalf("%+v, %v", m, err)
	}
	rc := mutate.Extract(img)
	defer rc.Close()
	files := make(map[string]string)
	for tr := tar.NewReader(rc); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			files[h.Name] = string(raw)
		}
	}
	for _, name := range []string{"f", "d/a", "d/sub/b"} {
		if files[name] != name {
			t.Errorf("%s holds %q", name, files[name])
		}
	}
}

// TestArtifactFormIsOfTheSpecification checks the rules of the image specification
// 1.1 for artifacts without config ("Guidelines for Artifact Usage") and what oras
// writes on layers.
func TestArtifactFormIsOfTheSpecification(t *testing.T) {
	img, s := publish(t, artifact.ArtifactForm)
	raw, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		SchemaVersion int
		MediaType     string
		ArtifactType  string
		Config        v1.Descriptor
		Layers        []v1.Descriptor
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	const empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" // of {}, as the specification gives it
	if m.SchemaVersion != 2 || m.MediaType != "application/vnd.oci.image.manifest.v1+json" || m.ArtifactType != "application/vnd.example.files" ||
		m.Config.MediaType != "application/vnd.oci.empty.v1+json" || m.Config.Digest.String() != empty || m.Config.Size != 2 {
		t.Errorf("%s", raw)
	}
	if got := attach.DigestOf(raw); got != s.Desc.Digest || len(m.Layers) != 2 {
		t.Fatalf("%s, %d layers", got, len(m.Layers))
	}
	file, dir := m.Layers[0], m.Layers[1]
	if file.MediaType != "text/plain" || file.Digest != attach.DigestOf([]byte("f")) || file.Annotations["org.opencontainers.image.title"] != "f" {
		t.Errorf("%+v", file)
	}
	var keys []string
	for k := range dir.Annotations {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	if dir.MediaType != types.OCILayer || dir.Annotations["io.deis.oras.content.unpack"] != "true" ||
		!slices.Equal(keys, []string{"io.deis.oras.content.digest", "io.deis.oras.content.unpack", "org.opencontainers.image.title"}) {
		t.Errorf("%+v", dir)
	}
}
