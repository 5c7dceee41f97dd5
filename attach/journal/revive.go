package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/hallmark-oci/hallmark/attach"
)

// revive deletes the tombstones of what this Put puts: an entry that is put again
// is there again. Where the medium does not delete them the entry stays removed,
// which refusals tells.
func (w *writer) revive(ctx context.Context) error {
	for _, u := range w.units {
		if len(u.items) == 0 || u.refused != nil {
			continue // it moves what stands, and puts nothing
		}
		var names, refs []string
		note := func(name string) {
			if at := u.gone[name]; at != nil {
				names, refs = append(names, name), append(refs, at...)
			}
		}
		for _, it := range u.items {
			note(single(u.kind, it.entry.ID()))
		}
		for _, r := range u.records {
			note(r.name)
		}
		if len(refs) == 0 {
			continue
		}
		digest := u.subject.Desc.Digest
		if err := w.medium.Delete(ctx, refs...); err != nil {
			if ctx.Err() != nil {
				return err
			}
			u.refused = err
			continue
		}
		w.revived[digest] = append(w.revived[digest], names...)
	}
	w.tellUnits()
	return nil
}

// refusals returns what Put could not put again.
func (w *writer) refusals() error {
	var errs []error
	for _, u := range w.units {
		if u.refused != nil {
			errs = append(errs, fmt.Errorf("attach the %s to %s, from which it was removed earlier: its tombstone stays: %w: %w",
				u.kind, u.subject, u.refused, attach.ErrRemoved))
		}
	}
	return errors.Join(errs...)
}
