package layout

import (
	"context"
	"os"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// Media returns the layout, which keeps images and attachments alike, for who
// moves what it holds.
func (s *Store) Media() (images, attachments journal.Medium) { return s.medium, s.medium }

// FirstTags returns all tags.
func (m *medium) FirstTags(ctx context.Context) (tags []string, whole bool, err error) {
	tags, err = m.Tags(ctx, "")
	return tags, err == nil, err
}

// Same reports whether the other medium is the same directory. Two archives are
// never taken for one.
func (m *medium) Same(other journal.Medium) bool {
	o, ok := other.(*medium)
	if !ok {
		return false
	}
	if m == o || m.dir.root == nil || o.dir.root == nil {
		return m == o
	}
	mine, err := m.dir.root.Stat(".")
	if err != nil {
		return false
	}
	theirs, err := o.dir.root.Stat(".")
	return err == nil && os.SameFile(mine, theirs)
}

// Beside reports whether the other medium is the same directory: two have nothing to
// do with each other.
func (m *medium) Beside(other journal.Medium) bool { return m.Same(other) }

// CopyBlob stores a blob that the other medium holds.
func (m *medium) CopyBlob(ctx context.Context, b attach.Body, from journal.Medium) (mounted bool, err error) {
	if m.Same(from) {
		return true, nil
	}
	return false, m.PutBlob(ctx, b)
}

// SendBlob stores a blob.
func (m *medium) SendBlob(ctx context.Context, b attach.Body) error { return m.PutBlob(ctx, b) }

// PutChild stores a manifest that is kept by its digest alone, such as those
// that an index lists. Index.json does not name it.
func (m *medium) PutChild(ctx context.Context, mediaType string, raw []byte) error {
	return m.PutBlob(ctx, attach.Bytes(raw))
}
