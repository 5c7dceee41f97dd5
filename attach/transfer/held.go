package transfer

import (
	"encoding/json"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// A found is a manifest with what it is to the object that led to it. It is parsed
// as soon as it was read: many are read at once, and few are kept as they are.
type found struct {
	desc    v1.Descriptor
	raw     []byte // nil where it is not kept
	from    journal.Medium
	image   bool
	parts   parts
	broken  error
	hang    *hang
	entries []cosign.Entry // that it holds, as what it hangs as
	record  string
	bad     error // why it does not hold what it should
}

// About how many bytes are taken by an entry beside its annotations, by a part of a
// manifest, and by the manifest itself.
const (
	weightOf     = 256
	partWeight   = 96
	objectWeight = 1024
)

// found parses a manifest that was read.
func (w *walker) found(m attach.Manifest, from journal.Medium, image bool, h *hang) *found {
	f := &found{desc: m.Desc, from: from, image: image, hang: h}
	f.parts, f.broken = partsOf(m.Raw)
	weight := objectWeight + partWeight*(len(f.parts.blobs)+len(f.parts.manifests))
	if h != nil {
		f.entries, f.record, f.bad = w.entriesOf(m, *h)
		for _, e := range f.entries {
			weight += weightOf + e.Size()
		}
		weight += len(h.annotations)
	}
	w.mu.Lock()
	if w.kept += len(m.Raw); w.kept <= maxKept {
		f.raw = m.Raw
	}
	f.desc.MediaType = types.MediaType(w.word(string(f.desc.MediaType)))
	if h != nil {
		h.artifactType = w.word(h.artifactType)
	}
	w.mu.Unlock()
	w.hold(weight)
	return f
}

// Notes are annotations as they are held: a map of one takes as much as one of eight.
type notes string

// newNotes returns the annotations to be held, "" for none at all.
func newNotes(all map[string]string) notes {
	if all == nil {
		return ""
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err) // strings have a form
	}
	return notes(text)
}

// all returns the annotations.
func (n notes) all() map[string]string {
	if n == "" {
		return nil
	}
	var all map[string]string
	if err := json.Unmarshal([]byte(n), &all); err != nil {
		panic(err) // newNotes wrote it
	}
	return all
}

// A listing is a descriptor of a list of referrers as it is held.
type listing struct {
	part
	artifactType string
	annotations  notes
}

// desc returns the descriptor.
func (l listing) desc() v1.Descriptor {
	d := l.part.desc()
	d.ArtifactType, d.Annotations = l.artifactType, l.annotations.all()
	return d
}

// wordOf is word for who does not hold the lock.
func (w *walker) wordOf(s string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.word(s)
}

// word returns the text as it was first seen: most manifests have the types of others.
// The caller holds the lock.
func (w *walker) word(s string) string {
	if known, ok := w.words[s]; ok {
		return known
	}
	if len(w.words) < maxWords {
		w.words[s] = s
	}
	return s
}

// hold notes that so many bytes more are held, and ends the walk when those are
// too many.
func (w *walker) hold(weight int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held += weight; w.held > maxHeld {
		w.stop(fmt.Errorf("what its manifests say takes more than %d bytes: %w", maxHeld, attach.ErrLimit))
	}
}

// entriesOf returns the entries that a manifest holds as what it hangs as, and the
// tag that it has as a journal entry where there are no referrers.
func (w *walker) entriesOf(m attach.Manifest, h hang) (entries []cosign.Entry, record string, err error) {
	switch h.role {
	case journal.View:
		img, err := cosign.Parse(m.Raw)
		return img.Entries, "", err
	case journal.Entry:
		r, err := journal.ReadRecord(m, h.tag, h.subject)
		w.mu.Lock()
		gone := w.tree.graves[h.subject]
		w.mu.Unlock()
		entries := slices.DeleteFunc(r.Entries, func(e cosign.Entry) bool { return e.Err == nil && gone.HoldEntry(r.Kind, e) })
		return entries, r.Tag, err
	}
	return nil, "", nil
}
