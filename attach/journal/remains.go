package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// remains deletes the journal entries, and the manifests that are attachments
// themselves, and returns what is left of them. Afterwards it looks whether all
// that is to stay is in the journal still: two who remove at the same time may
// each have counted on a journal entry that the other deleted.
func (r *remover) remains(ctx context.Context, as []attach.Attachment) (map[string]error, error) {
	var refs, manifests []string
	for _, u := range r.units {
		for _, d := range r.tasks[u].doomed {
			if u.kind == whole {
				manifests = append(manifests, d.ref)
			} else {
				refs = append(refs, d.ref)
			}
		}
	}
	for _, a := range as {
		manifests = append(manifests, manifestsOf(a)...)
	}
	strange, err := r.strange(ctx, manifests)
	if err != nil {
		return nil, err
	}
	manifests = slices.DeleteFunc(manifests, func(ref string) bool { return strange[ref] != nil })
	left, err := r.delete(ctx, append(refs, manifests...))
	if err != nil {
		return nil, err
	}
	maps.Copy(left, strange)
	for range maxChecks {
		again := false
		if err := r.list(ctx); err != nil {
			return nil, err
		}
		if _, err := r.delete(ctx, r.overtaken()); err != nil {
			return nil, err
		}
		for _, u := range r.units {
			if err := r.spare(ctx, u, r.tasks[u]); err != nil {
				return nil, err
			}
			again = again || len(u.records) > 0
		}
		if !again {
			break
		}
	}
	return left, nil
}

// strange returns, of the manifests that are attachments themselves, those that do
// not refer to the subject, with what is to be said of that. An index under the
// referrers tag, or a tag of the journal, is anybody's word: what it names may be
// an image that somebody wants to see deleted.
func (r *remover) strange(ctx context.Context, refs []string) (map[string]error, error) {
	all := make(map[string]error)
	for _, ref := range refs {
		m, err := r.medium.Manifest(ctx, ref)
		if err == nil {
			err = refersTo(m.Raw, r.subject.Desc.Digest)
		}
		switch {
		case err == nil, errors.Is(err, attach.ErrNotFound): // what is gone is deleted
		case attach.Judged(err):
			all[ref] = fmt.Errorf("it is listed and does not hang from the image: %w: %w", err, attach.ErrUndeletable)
		default:
			return nil, fmt.Errorf("see what %s is before it is deleted: %w", ref, err)
		}
	}
	return all, nil
}

// refersTo returns an error that wraps [attach.ErrMalformed] unless the manifest, of
// an image or an index, says that the digest is that of its subject.
func refersTo(raw []byte, subject v1.Hash) error {
	m, err := attach.Members(raw)
	if err != nil {
		return err
	}
	if d, err := attach.ParseDescriptor(m["subject"]); err != nil || d.Digest != subject {
		return fmt.Errorf("its subject is not %s: %w", subject, attach.ErrMalformed)
	}
	return nil
}

// overtaken returns the journal entries that this remover wrote to spare what is
// in them, and that another removed meanwhile.
func (r *remover) overtaken() []string {
	var refs []string
	for _, u := range r.units {
		for _, e := range r.tasks[u].others {
			name := single(u.kind, e.ID())
			if ref := r.names[r.subject.Desc.Digest][name]; ref != "" && u.gone[name] != nil {
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

// manifestsOf returns the digests of the manifests that are the attachment itself.
func manifestsOf(a attach.Attachment) []string {
	if keptAs(a) != whole {
		return nil
	}
	return []string{a.Desc.Digest.String()}
}

// delete deletes the references and returns what is left. The subject is never
// among them.
func (s *Store) delete(ctx context.Context, refs []string) (map[string]error, error) {
	slices.Sort(refs)
	refs = slices.Compact(refs)
	left := make(map[string]error)
	if len(refs) == 0 {
		return left, nil
	}
	err := s.medium.Delete(ctx, refs...)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", ctx.Err(), attach.ErrUnconfirmed)
	}
	list, ok := attach.Leftover(err)
	for _, l := range list {
		left[l.Ref] = l.Err
	}
	if !ok {
		for _, ref := range refs {
			left[ref] = err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ref := range refs { // what was put before may have to be put again
		if h, err := v1.NewHash(ref); err == nil {
			delete(s.named, h)
		}
	}
	clear(s.blobs)
	return left, nil
}

// leftOf returns what is left of one attachment.
func (r *remover) leftOf(u *unit, a attach.Attachment, left map[string]error) []attach.Left {
	refs := manifestsOf(a)
	for _, d := range r.tasks[u].doomed {
		if slices.ContainsFunc(storedAs(a), func(id attach.ID) bool { return slices.Contains(d.ids, id) }) {
			refs = append(refs, d.ref)
		}
	}
	slices.Sort(refs)
	var out []attach.Left
	for _, ref := range slices.Compact(refs) {
		if err := left[ref]; err != nil && !errors.Is(err, attach.ErrNotFound) {
			out = append(out, attach.Left{Ref: ref, Err: err})
		}
	}
	return out
}
