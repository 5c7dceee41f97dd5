package attach

import (
	"context"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The annotations by which buildx marks, in an index, the manifests that hold
// what it has to say of an image of that index (BuildKit, "Image attestation
// storage"). Nobody signs them.
const (
	inIndexType   = "vnd.docker.reference.type"
	inIndexDigest = "vnd.docker.reference.digest"
	inIndexIs     = "attestation-manifest"
	// PredicateAnnotation tells, on a layer of such a manifest, the predicate type
	// of the in-toto statement that the layer is.
	PredicateAnnotation = "in-toto.io/predicate-type"
)

// Attests reports whether the child is no image but holds attestations of one, as
// buildx puts them into an index. It has the platform unknown/unknown, so that
// nobody runs it.
func (c Child) Attests() bool {
	return c.about != "" || c.Platform != nil && c.Platform.OS == "unknown" && c.Platform.Architecture == "unknown"
}

// About returns the digest of the image that the attestations in the child say
// they are of. ok is false where they do not say, or the child is an image. It is
// a claim of the index; nobody vouches for it.
func (c Child) About() (image v1.Hash, ok bool) {
	h, err := v1.NewHash(c.about)
	return h, err == nil && h.Algorithm == "sha256"
}

// aboutOf returns what a descriptor of an index says that the manifest attests.
func aboutOf(d v1.Descriptor) string {
	if d.Annotations[inIndexType] != inIndexIs {
		return ""
	}
	if about := d.Annotations[inIndexDigest]; about != "" {
		return about
	}
	return "unknown"
}

// Statements returns the descriptors of the in-toto statements that a child with
// attestations holds, of which annotations tell the type ([PredicateAnnotation]).
// At most [MaxEntries] are read.
func Statements(ctx context.Context, r Reader, c Child) ([]v1.Descriptor, error) {
	m, err := r.Manifest(ctx, c.Subject, c.Subject.Desc.Digest)
	if err != nil {
		return nil, fmt.Errorf("read the attestations %s: %w", c.Subject, err)
	}
	list, err := statementsIn(m.Raw)
	if err != nil {
		return nil, fmt.Errorf("read the attestations %s: %w", c.Subject, err)
	}
	return list, nil
}

// statementsIn reads the manifest of such a child.
func statementsIn(raw []byte) ([]v1.Descriptor, error) {
	members, err := Members(raw)
	if err != nil {
		return nil, err
	}
	var list []v1.Descriptor
	var bad error
	err = Elements(members["layers"], MaxEntries, func(e json.RawMessage) {
		d, err := ParseDescriptor(e)
		if err != nil && bad == nil {
			bad = err
		}
		list = append(list, d)
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return nil, fmt.Errorf("layers: %w", err)
	}
	return list, nil
}
