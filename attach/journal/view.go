package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// viewRoom is how large a view is made, in bytes. The rest up to
// [attach.MaxManifest] is for foreign writers.
const viewRoom = attach.MaxManifest - 128<<10

// A view is what stood under cosign's tag, or in the list of referrers, when it was
// last read.
type view struct {
	desc  v1.Descriptor
	image cosign.Image // of a list of referrers the entries alone
	index index        // what surrounds the entries of the index under the referrers tag
	ids   map[attach.ID]bool
	names map[string]bool // of the journal entries that it shows whole
}

// look reads the view and remembers all that it shows. A tag that holds
// something else than an image manifest freezes the view: it is left alone.
func (w *writer) look(ctx context.Context, u *unit) error {
	switch {
	case u.frozen != "":
		return nil
	case u.tag == "" && u.kind == whole:
		return w.lookNative(ctx, u)
	case u.tag == "":
		u.read = true
		return nil
	}
	u.wrote = false
	m, err := w.medium.Manifest(ctx, u.tag)
	if errors.Is(err, attach.ErrNotFound) {
		u.read, u.view = true, view{}
		return nil
	}
	if err == nil && u.read && m.Desc.Digest == u.view.desc.Digest {
		return nil // all that it shows is known
	}
	var img cosign.Image
	var x index
	switch {
	case err != nil:
	case u.kind == whole:
		x, img.Entries, err = readIndex(m, u.subject.Desc.Digest)
	default:
		img, err = cosign.Parse(m.Raw)
	}
	switch {
	case errors.Is(err, attach.ErrMalformed), errors.Is(err, attach.ErrLimit):
		u.read = true
		u.frozen = fmt.Sprintf("what stands under the tag %s cannot be added to: %v", u.tag, err)
		return nil
	case err != nil:
		return fmt.Errorf("read %s:%s: %w", w.repo, u.tag, err)
	}
	u.show(m.Desc, img)
	u.view.index = x
	return nil
}

// show takes over what was read as the view.
func (u *unit) show(d v1.Descriptor, img cosign.Image) {
	u.read = true
	u.view = view{
		desc: d, image: img,
		ids: make(map[attach.ID]bool, len(img.Entries)), names: coveredBy(u.kind, img),
	}
	for _, e := range img.Entries {
		u.view.ids[e.ID()] = true
		u.seen[e.ID()] = e
	}
	for _, ids := range readGroups(img) {
		u.groups[nameOf(u.kind, ids)] = ids
	}
}

// missing returns the entries that the view should show and does not, ours
// first, the others in the order of identities.
func (u *unit) missing() []cosign.Entry {
	if u.tag == "" || u.frozen != "" {
		return nil
	}
	mine := make(map[attach.ID]bool, len(u.items))
	for _, it := range u.items {
		mine[it.entry.ID()] = true
	}
	var ours, others []cosign.Entry
	for id, e := range u.seen {
		switch {
		case u.view.ids[id], u.gone.holds(u.kind, id):
		case mine[id]:
			ours = append(ours, e)
		default:
			others = append(others, e)
		}
	}
	order := func(a, b cosign.Entry) int { return compareIDs(a.ID(), b.ID()) }
	slices.SortFunc(ours, order)
	slices.SortFunc(others, order)
	return append(ours, others...)
}

// merge returns the view with what is missing, as far as there is room, and
// without what was removed, and how many entries that changed. All else that the
// view shows stays, in its order.
func (u *unit) merge() (img cosign.Image, changed int) {
	img = u.view.image
	img.Entries = slices.DeleteFunc(slices.Clone(img.Entries), func(e cosign.Entry) bool {
		return e.Err == nil && u.gone.holds(u.kind, e.ID())
	})
	dropped := len(u.view.image.Entries) - len(img.Entries)
	size := 4096 + attach.MaxAnnotation
	for _, e := range img.Entries {
		size += e.Size()
	}
	missing := u.missing()
	added := 0
	for _, e := range missing {
		if len(img.Entries) >= attach.MaxView {
			break
		}
		if size+e.Size() > viewRoom {
			continue
		}
		size += e.Size()
		img.Entries = append(img.Entries, e)
		added++
	}
	u.left = len(missing) - added
	annotate(&img, u.subject.Desc.Digest, u.groups)
	return img, added + dropped + len(regrouped(u, img))
}

// regrouped returns the groups that the view does not tell of and is to.
func regrouped(u *unit, img cosign.Image) map[string]bool {
	if !u.regroup {
		return nil
	}
	names := coveredBy(u.kind, img)
	maps.DeleteFunc(names, func(name string, _ bool) bool { return u.view.names[name] })
	return names
}

// write merges what is missing into the view and writes it. A tag that may not
// be overwritten freezes the view. A view that nothing is left in is deleted; where
// that is refused it stays, with nothing in it.
func (w *writer) write(ctx context.Context, u *unit) error {
	if u.tag == "" || u.frozen != "" {
		return nil
	}
	img, changed := u.merge()
	if changed == 0 {
		return nil
	}
	if len(img.Entries) == 0 && w.medium.Delete(ctx, u.tag) == nil {
		u.wrotes[v1.Hash{}], u.wrote = true, true // no view is what it wrote
		return nil
	}
	var m attach.Manifest
	var err error
	if u.kind == whole {
		m, err = w.putIndex(ctx, u.tag, u.view.index, img.Entries)
	} else {
		m, err = w.putImage(ctx, u.tag, img)
	}
	if m.Raw != nil {
		u.wrotes[m.Desc.Digest] = true // whatever was answered
	}
	switch {
	case errors.Is(err, attach.ErrImmutable), errors.Is(err, attach.ErrDenied):
		// What was read may be older than what others, or an answer of ours
		// that was lost, made of it.
		if err := w.look(ctx, u); err != nil {
			return err
		}
		if _, changed := u.merge(); changed > 0 {
			u.frozen = fmt.Sprintf("the tag %s may not be written again (%v)", u.tag, err)
		}
		return nil
	case errors.Is(err, attach.ErrNotFound):
		// Of two that write one tag at a time there are registries that answer
		// so to one. The next look decides what is to be done. A registry that
		// goes on so although nobody writes does not take the tag.
		if u.lostAt != u.view.desc.Digest {
			u.lostAt, u.lost = u.view.desc.Digest, 0
		}
		if u.lost++; u.lost >= maxLost {
			u.frozen = fmt.Sprintf("the registry does not take the tag %s (%v)", u.tag, err)
		}
		return nil
	case err != nil:
		return fmt.Errorf("show it under the tag %s: %w: %w", u.tag, err, attach.ErrUnconfirmed)
	}
	u.wrote, u.lost = true, 0
	u.noteDropped()
	return nil
}

// noteDropped notes what the view that was written does not show any more. Whoever
// may write to the repository may have put the tombstone, so the user is told.
func (u *unit) noteDropped() {
	for id := range u.view.ids {
		if !u.gone.holds(u.kind, id) {
			continue
		}
		if u.dropped == nil {
			u.dropped = make(map[attach.ID]string)
		}
		u.dropped[id] = u.gone.of(single(u.kind, id))
	}
}

// droppedNote tells of that, "" when there is nothing to tell.
func (u *unit) droppedNote() string {
	if len(u.dropped) == 0 {
		return ""
	}
	stones := slices.Sorted(maps.Values(u.dropped))
	return fmt.Sprintf("the tag %s no longer shows %d that tombstones mark as removed (%s): if nobody removed them, sign or attach them again", u.tag, len(stones), stones[0])
}

// placeInView returns where an entry of the view stands.
func (u *unit) placeInView(e cosign.Entry) attach.Place {
	switch {
	case u.kind != whole:
		return attach.Place{Scheme: attach.CosignTag, Manifest: u.view.desc, Tag: u.tag}
	case u.tag == "":
		return attach.Place{Scheme: attach.Referrers, Manifest: plain(e.Desc)}
	}
	return attach.Place{Scheme: attach.FallbackTag, Manifest: plain(e.Desc)}
}

// receipt tells what became of an item.
func (w *writer) receipt(u *unit, it *item) attach.Receipt {
	id := it.entry.ID()
	unasked := it.early && u.tag == "" // where there is a view, early manifests are not in it
	r := attach.Receipt{
		Attachment: attachment(u.kind, it.entry, it.place),
		Existed:    it.existed && !unasked,
		Unasked:    it.existed && unasked,
		Viewed:     u.view.ids[id] || it.place.Scheme == attach.Referrers,
	}
	if r.Viewed && u.tag != "" {
		r.Attachment.Places = append(r.Attachment.Places, u.placeInView(it.entry))
	}
	shown, all := len(u.view.ids), len(u.seen)+u.unknown
	readers := "cosign sees"
	if u.kind == whole {
		readers = "other tools see"
	}
	switch {
	case u.tag == "" && u.kind == whole:
	case u.tag == "":
		r.Note = "cosign has no tag for this kind: it is kept in the journal alone"
	case u.frozen != "":
		r.Note = fmt.Sprintf("%s: %s %d of %d entries, hallmark sees all of them", u.frozen, readers, shown, all)
	case !r.Viewed && u.left > 0:
		r.Note = fmt.Sprintf("the tag %s is full: %s %d entries, hallmark sees this one too", u.tag, readers, shown)
	case !r.Viewed:
		r.Note = fmt.Sprintf("the tag %s did not come to rest: %s %d of %d entries until the next write", u.tag, readers, shown, all)
	case w.blind != nil:
		r.Note = fmt.Sprintf("the tags of %s cannot be listed (%v): whether %s shows the entries of all others is not known", w.repo, w.blind, u.tag)
	case u.kind == attach.SBOM && shown > 1:
		r.Note = fmt.Sprintf("the tag %s holds %d SBOMs: hallmark reads them all, 'cosign download sbom' reads an object of one; cosign reads each as an attestation", u.tag, shown)
	}
	if note := u.droppedNote(); note != "" && u.items[0] == it {
		r.Note = strings.TrimPrefix(r.Note+"; "+note, "; ")
	}
	return r
}
