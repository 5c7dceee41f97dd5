package transfer

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/layout"
)

// TestNoNameOfTheirOwn moves an image with a referrer that claims, by its annotations,
// to be what the tag of the image names. Neither a layout nor an archive believes it,
// and it arrives all the same.
func TestNoNameOfTheirOwn(t *testing.T) {
	for name, source := range sites() {
		t.Run(name, func(t *testing.T) {
			src := source(t)
			p := src.open(t)
			m, _ := p.Media()
			image := putImage(t, m, "", "app")
			annotations := map[string]string{
				attach.RefNameAnnotation: "v1", attach.SavedKindAnnotation: attach.SavedKindPrefix + "image", "note": "kept",
			}
			empty := blobDesc("application/vnd.oci.empty.v1+json", []byte("{}"))
			raw := marshal(t, map[string]any{
				"schemaVersion": 2, "mediaType": types.OCIManifestSchema1, "artifactType": "application/vnd.example.note",
				"config": empty, "layers": []v1.Descriptor{empty}, "subject": image, "annotations": annotations,
			})
			note := putRaw(t, m, "", types.OCIManifestSchema1, raw, []byte("{}"))
			listed := note
			listed.ArtifactType, listed.Annotations = "application/vnd.example.note", annotations
			if name == "registry" {
				list := marshal(t, map[string]any{"schemaVersion": 2, "mediaType": types.OCIImageIndex, "manifests": []v1.Descriptor{listed}})
				putRaw(t, m, attach.FallbackTagOf(image.Digest), types.OCIImageIndex, list)
			}
			s := attach.Subject{Repo: src.repo, Desc: image}
			dst := newLayout(t)
			r, err := Copy(t.Context(), p, s, dst.open(t), dst.repo, "v1", Options{Sleep: quick})
			must(t, err)
			clean(t, r)
			packer := NewPacker(Options{})
			must(t, packer.Add(t.Context(), p, s, "v1"))
			path := filepath.Join(t.TempDir(), "x.tar")
			f, err := os.Create(path)
			must(t, err)
			_, err = packer.Write(t.Context(), f)
			must(t, err)
			must(t, f.Close())
			packed, err := layout.Open(path, layout.Options{})
			must(t, err)
			defer packed.Close()
			for where, p := range map[string]Place{"layout": dst.open(t), "archive": packed} {
				got, err := p.Resolve(t.Context(), "v1")
				if err != nil || got.Desc.Digest != image.Digest {
					t.Errorf("%s: v1 is %s, not %s, %v", where, got.Desc.Digest, image.Digest, err)
				}
				all, errs := attach.Collect(t.Context(), p, s)
				if len(all) != 1 || len(errs) > 0 || all[0].Desc.Digest != note.Digest || all[0].Annotations["note"] != "kept" {
					t.Errorf("%s: %+v, %v", where, all, errs)
				}
			}
		})
	}
}

// TestPackAgain packs content of which the first part comes wrong, breaks off, and
// comes again as it should be: the archive must not hold the wrong part.
func TestPackAgain(t *testing.T) {
	good := []byte(strings.Repeat("g", 3*heldBack))
	d := v1.Descriptor{Digest: attach.DigestOf(good), Size: int64(len(good))}
	for _, wrong := range []bool{false, true} {
		tries := 0
		open := func() (io.ReadCloser, error) {
			content := io.Reader(bytes.NewReader(good))
			if tries++; tries == 1 {
				part := bytes.Clone(good[:2*heldBack])
				if wrong {
					part[0] = 'x'
				}
				content = io.MultiReader(bytes.NewReader(part), iotest.ErrReader(errors.New("connection reset")))
			}
			rc, err := attach.Check(io.NopCloser(content), d)
			return &careful{rc: rc, size: heldBack}, err
		}
		var archive bytes.Buffer
		err := NewPacker(Options{}).writeChecked(t.Context(), tar.NewWriter(&archive), "x", d, open)
		if wrong != errors.Is(err, attach.ErrDigest) || !wrong && err != nil || tries != 2 {
			t.Errorf("wrong %v: %v, after %d tries", wrong, err, tries)
		}
	}
}
