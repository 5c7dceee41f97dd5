package transfer

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// child reads a manifest that the object lists.
func (w *walker) child(ctx context.Context, o *object, d v1.Descriptor) (attach.Manifest, error) {
	from := o.from
	if o.image && w.known != nil {
		if k := w.known.by[d.Digest]; k != nil {
			if k.raw != nil {
				return attach.Manifest{Desc: k.desc, Raw: k.raw}, nil
			}
			from = k.from
		}
	}
	return w.read(ctx, from, d.Digest.String())
}

// askedFor reports whether the manifest was read already as one that an index lists,
// and notes that it is: many indexes may list one, and one index may list it often.
func (w *walker) askedFor(digest v1.Hash, image bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, asked := w.asked[digest]
	w.asked[digest] = image || before
	return asked && (before || !image)
}
