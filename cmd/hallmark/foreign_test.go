package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/testscript"
)

// pushBuildx pushes an index as buildx does with --sbom and --provenance: an image
// for linux/amd64 and one for linux/arm64, and for each a manifest of statements
// (BuildKit, docs/attestations/attestation-storage.md): buildx REF [other]. With
// "other" the statements are about another image.
func pushBuildx(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: buildx REF [other]")
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var attested []mutate.IndexAddendum
	for _, arch := range []string{"amd64", "arm64"} {
		img, err := random.Image(256, 1)
		ts.Check(err)
		img = mutate.MediaType(img, types.OCIManifestSchema1)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: arch},
		}})
		digest, err := img.Digest()
		ts.Check(err)
		ts.Setenv("DIGEST_"+arch, digest.String())
		about := digest.Hex
		if len(args) == 2 {
			about = strings.Repeat("0", 64)
		}
		attested = append(attested, mutate.IndexAddendum{Add: statements(ts, about), Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"},
			Annotations: map[string]string{
				"vnd.docker.reference.digest": digest.String(),
				"vnd.docker.reference.type":   "attestation-manifest",
			},
		}})
	}
	index = mutate.AppendManifests(index, attested...)
	ref, err := name.NewTag(args[0])
	ts.Check(err)
	ts.Check(remote.WriteIndex(ref, index))
}

// statements is a manifest that holds in-toto statements about an image.
func statements(ts *testscript.TestScript, about string) v1.Image {
	config, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "unknown", Architecture: "unknown", RootFS: v1.RootFS{Type: "layers"}})
	ts.Check(err)
	img := mutate.ConfigMediaType(mutate.MediaType(config, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, predicate := range []string{"https://spdx.dev/Document", "https://slsa.dev/provenance/v0.2"} {
		text := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v0.1","predicateType":%q,"subject":[{"name":"pkg:docker/app","digest":{"sha256":%q}}],"predicate":{"spdxVersion":"SPDX-2.3"}}`, predicate, about)
		img, err = mutate.Append(img, mutate.Addendum{
			Layer:       static.NewLayer([]byte(text), "application/vnd.in-toto+json"),
			Annotations: map[string]string{"in-toto.io/predicate-type": predicate},
		})
		ts.Check(err)
	}
	return img
}

// pushChart pushes a Helm chart as "helm push" does (helm.sh, "Use OCI-based
// registries"; Helm proposal HIP-6): chart REF NAME VERSION. The chart's file is
// written to NAME-VERSION.tgz too.
func pushChart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: chart REF NAME VERSION")
	}
	meta := fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n", args[1], args[2])
	var file bytes.Buffer
	zw := gzip.NewWriter(&file)
	tw := tar.NewWriter(zw)
	ts.Check(tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: args[1] + "/Chart.yaml", Mode: 0o644, Size: int64(len(meta))}))
	_, err := tw.Write([]byte(meta))
	ts.Check(err)
	ts.Check(tw.Close())
	ts.Check(zw.Close())
	layer := static.NewLayer(file.Bytes(), "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
	config := static.NewLayer(fmt.Appendf(nil, `{"name":%q,"version":%q,"apiVersion":"v2"}`, args[1], args[2]), "application/vnd.cncf.helm.config.v1+json")
	ref, err := name.NewTag(args[0])
	ts.Check(err)
	m := v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Annotations: map[string]string{"org.opencontainers.image.title": args[1], "org.opencontainers.image.version": args[2]},
	}
	for _, l := range []v1.Layer{config, layer} {
		ts.Check(remote.WriteLayer(ref.Context(), l))
		d, err := partial.Descriptor(l)
		ts.Check(err)
		if l == config {
			m.Config = *d
		} else {
			m.Layers = append(m.Layers, *d)
		}
	}
	raw, err := json.Marshal(m)
	ts.Check(err)
	ts.Check(remote.Put(ref, rawManifest(raw)))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]+"-"+args[2]+".tgz"), file.Bytes(), 0o644))
}

// rawManifest is a manifest that is pushed as it is.
type rawManifest []byte

func (r rawManifest) RawManifest() ([]byte, error)        { return r, nil }
func (r rawManifest) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
