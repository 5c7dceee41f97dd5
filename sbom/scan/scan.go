// Package scan takes the inventory of an image.
//
// [Image] reads the manifest and the config, then streams each layer once: the
// blob is inflated, its content hashed against the config's diffID, and the
// tar walked from front to back. Files that an extractor asks for are read
// while they go by; nothing is unpacked to disk, and no file is held in memory
// longer than it takes to parse it. Two layers are read at a time. What is
// kept of a layer is the list of its paths, its links, and what the extractors
// read. In the end the layers are laid over each other, bottom up, with their
// whiteouts (OCI image specification, layer.md), and the extractors say what
// the files that are left mean.
//
// The result depends on the image alone: the same image gives the same
// inventory, whatever order the layers arrive in. Each component names the
// files that prove it and the layer that brought them. What was seen but could
// not be read is listed in the inventory's Unknowns.
package scan

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/scan/apk"
	"github.com/hallmark-oci/hallmark/sbom/scan/dpkg"
	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
	"github.com/hallmark-oci/hallmark/sbom/scan/gobinary"
	"github.com/hallmark-oci/hallmark/sbom/scan/npm"
)

// Options are the choices of a scan. The zero value is good.
type Options struct {
	// Tool is named in the inventory as the program that took it.
	Tool sbom.Tool
	// Created is the time of the inventory. Where it is zero the time counts
	// that the image config gives, and 1970 where it gives none.
	Created time.Time
	// Limits bound what is taken from the image.
	Limits Limits
}

// layersAtOnce is how many layers are read at the same time.
const layersAtOnce = 2

// extractors returns one extractor for each ecosystem. The order is that in
// which a file is offered to them; the result does not depend on it.
func extractors() []extract.Extractor {
	return []extract.Extractor{release{}, dpkg.Extractor{}, apk.Extractor{}, gobinary.Extractor{}, npm.Extractor{}}
}

// Image returns the inventory of the image that s names. The subject must be
// the manifest of one image; an index is refused with an error that names its
// platforms, for one of them to be chosen. Every byte comes through r, which
// checks digests; a layer whose content does not have the diffID of the image
// config is an error that wraps [attach.ErrDigest], and what goes over
// [Options.Limits] is one that wraps [attach.ErrLimit].
func Image(ctx context.Context, r attach.Reader, s attach.Subject, o Options) (sbom.Inventory, error) {
	fail := func(err error) (sbom.Inventory, error) {
		return sbom.Inventory{}, fmt.Errorf("scan %s: %w", s, err)
	}
	m, config, err := readImage(ctx, r, s)
	if err != nil {
		return fail(err)
	}
	o.Limits = o.Limits.or()
	list := extractors()
	layers, err := readLayers(ctx, r, s, m, config, list, o.Limits)
	if err != nil {
		return fail(err)
	}
	t := newTree(list)
	for i, l := range layers {
		t.lay(l, i)
	}
	created := o.Created
	if created.IsZero() {
		created = config.Created.Time
	}
	if created.IsZero() {
		created = time.Unix(0, 0)
	}
	inv := sbom.Inventory{
		Subject: sbom.Subject{Name: s.Repo, Digest: s.Desc.Digest.String(), Platform: platform(config.Platform())},
		Tool:    o.Tool,
		Created: created.UTC().Truncate(time.Second),
	}
	if err := assemble(&inv, t, layers, o.Limits.Components); err != nil {
		return fail(err)
	}
	return inv, nil
}

// readImage reads and checks the manifest and the config of one image.
func readImage(ctx context.Context, r attach.Reader, s attach.Subject) (*v1.Manifest, *v1.ConfigFile, error) {
	raw, err := r.Manifest(ctx, s, s.Desc.Digest)
	if err != nil {
		return nil, nil, fmt.Errorf("read the manifest: %w", err)
	}
	var m struct {
		v1.Manifest
		ArtifactType string          `json:"artifactType"`
		Manifests    []v1.Descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(raw.Raw, &m); err != nil {
		return nil, nil, fmt.Errorf("the manifest is no JSON object: %v: %w", err, attach.ErrMalformed)
	}
	if len(m.Manifests) > 0 || m.MediaType.IsIndex() || s.Desc.MediaType.IsIndex() {
		return nil, nil, fmt.Errorf("this is an index of %d manifests (%s); name one of them", len(m.Manifests), platforms(m.Manifests))
	}
	if len(m.Layers) > maxLayers {
		return nil, nil, fmt.Errorf("%d layers, more than %d: %w", len(m.Layers), maxLayers, attach.ErrLimit)
	}
	blob, err := r.Blob(ctx, s, m.Config)
	if err != nil {
		return nil, nil, fmt.Errorf("read the image config: %w", err)
	}
	raw.Raw, err = attach.ReadAll(blob, m.Config, maxConfig)
	if err != nil {
		return nil, nil, fmt.Errorf("read the image config: %w", err)
	}
	var config v1.ConfigFile
	artifact := m.Config.MediaType != types.OCIConfigJSON && m.Config.MediaType != types.DockerConfigJSON
	err = json.Unmarshal(raw.Raw, &config)
	switch {
	case artifact && (err != nil || len(config.RootFS.DiffIDs) != len(m.Layers)):
		return nil, nil, fmt.Errorf("this is an artifact of type %s, which has no file system to take the inventory of; its files stored with 'hallmark push --as image' have one, and an SBOM of your own goes with 'hallmark seal --sbom': %w",
			cmp.Or(m.ArtifactType, string(m.Config.MediaType)), attach.ErrMalformed)
	case err != nil:
		return nil, nil, fmt.Errorf("%s is no image config: %v: %w", m.Config.Digest, err, attach.ErrMalformed)
	case len(config.RootFS.DiffIDs) != len(m.Layers):
		return nil, nil, fmt.Errorf("this is no image: the manifest has %d layers, its config (%s) names %d: %w",
			len(m.Layers), m.Config.MediaType, len(config.RootFS.DiffIDs), attach.ErrMalformed)
	}
	return &m.Manifest, &config, nil
}

// platforms names the platforms of an index.
func platforms(list []v1.Descriptor) string {
	var names []string
	for _, d := range list {
		if d.Platform != nil {
			names = append(names, platform(d.Platform))
		}
	}
	slices.Sort(names)
	const most = 20
	if len(names) > most {
		names = append(names[:most], "...")
	}
	return cmp.Or(strings.Join(names, ", "), "without platforms")
}

// platform returns os/architecture[/variant], "" when unknown.
func platform(p *v1.Platform) string {
	if p == nil || p.OS == "" {
		return ""
	}
	name := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		name += "/" + p.Variant
	}
	return name
}

// readLayers reads all layers, the bottom one first in the result. A layer
// that is there several times is read once.
func readLayers(ctx context.Context, r attach.Reader, s attach.Subject, m *v1.Manifest, config *v1.ConfigFile,
	list []extract.Extractor, limits Limits) ([]*layer, error) {
	type identity struct{ blob, content v1.Hash }
	first := make(map[identity]int)
	layers := make([]*layer, len(m.Layers))
	b := newBudgets(limits)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(layersAtOnce)
	for i, d := range m.Layers {
		id := identity{d.Digest, config.RootFS.DiffIDs[i]}
		if _, seen := first[id]; seen {
			continue
		}
		first[id] = i
		g.Go(func() error {
			l, err := readLayer(gctx, r, s, d, id.content.String(), list, b)
			if err != nil {
				return fmt.Errorf("layer %d of %d (%s): %w", i+1, len(m.Layers), d.Digest, err)
			}
			layers[i] = l
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, d := range m.Layers {
		layers[i] = layers[first[identity{d.Digest, config.RootFS.DiffIDs[i]}]]
	}
	return layers, nil
}

// readLayer streams one layer, and once more when hard links ask for it.
func readLayer(ctx context.Context, r attach.Reader, s attach.Subject, d v1.Descriptor, diffID string,
	list []extract.Extractor, b *budgets) (*layer, error) {
	w := &walker{layer: &layer{diffID: diffID}, extractors: list, budgets: b,
		buf: make([]byte, readSize), again: make(map[string][]claim)}
	blob, err := r.Blob(ctx, s, d)
	if err != nil {
		return nil, err
	}
	err = w.stream(ctx, blob, w.entry)
	blob.Close()
	if err != nil || len(w.again) == 0 {
		return w.layer, err
	}
	blob, err = r.Blob(ctx, s, d)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	return w.layer, w.relink(ctx, blob)
}

// readSize is how much of a file is read at once.
const readSize = 64 << 10
