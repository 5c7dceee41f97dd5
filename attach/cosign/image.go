package cosign

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
)

// An Image is the manifest of an image-format object: the entries that it
// holds and what surrounds them.
type Image struct {
	// ArtifactType and Subject are those of the image specification 1.1. They
	// are empty in what cosign writes under its tags.
	ArtifactType string
	Subject      *v1.Descriptor
	Annotations  map[string]string
	Entries      []Entry
}

// An Entry is one layer.
type Entry struct {
	// Desc describes the layer, with its annotations, and with its content in
	// Data where the descriptor carries it. It is empty when Err is set. It is not to
	// be changed in an entry that was read or made here.
	Desc v1.Descriptor
	// Err says why the entry cannot be used. It is never about another entry.
	Err error
	raw json.RawMessage // as it was read, so that it is written back unchanged
	id  attach.ID       // of an entry of this package's, which has it found once; zero for others
}

// NewEntry returns the layer that holds the content. Content of at most
// [attach.MaxData] bytes is read and rides in the descriptor.
func NewEntry(c attach.Content) (Entry, error) {
	d := v1.Descriptor{
		MediaType:   types.MediaType(c.MediaType),
		Size:        c.Body.Size,
		Digest:      c.Body.Digest,
		Annotations: c.Annotations,
	}
	if err := attach.CheckAnnotations(c.Annotations); err != nil {
		return Entry{}, err
	}
	if d.Size > attach.MaxData || d.Size == 0 {
		return Entry{Desc: d}.identified(), nil
	}
	rc, err := c.Body.Open()
	if err != nil {
		return Entry{}, fmt.Errorf("open the content %s: %w", d.Digest, err)
	}
	if rc, err = attach.Check(rc, d); err != nil {
		return Entry{}, err
	}
	if d.Data, err = attach.ReadAll(rc, d, attach.MaxData); err != nil {
		return Entry{}, fmt.Errorf("read the content %s: %w", d.Digest, err)
	}
	return Entry{Desc: d}.identified(), nil
}

// ReadEntry reads one layer of a manifest, or one manifest of an index. Where it is
// malformed or over a limit the entry has Err set. The bytes must not change after
// that.
func ReadEntry(raw json.RawMessage) Entry {
	d, err := attach.ParseDescriptor(raw)
	if err != nil {
		d = v1.Descriptor{}
	}
	return Entry{Desc: d, Err: err, raw: raw}.identified()
}

// MarshalJSON implements [json.Marshaler]. An entry that was read is written back
// as it was, even one that could not be understood.
func (e Entry) MarshalJSON() ([]byte, error) {
	if e.raw != nil {
		return e.raw, nil
	}
	return json.Marshal(e.Desc)
}

// WithoutData returns the entry without content in its descriptor.
func (e Entry) WithoutData() Entry {
	e.Desc.Data, e.raw = nil, nil
	return e
}

// Attachment returns the entry as an attachment of the kind, found at the place. Of
// an entry in strict image form it is what the layer holds, and the place names the
// layer.
func (e Entry) Attachment(k attach.Kind, p attach.Place) attach.Attachment {
	d, strict := e.Inner()
	if strict {
		layer := e.Desc
		p.Layer = &layer
	}
	a := attach.Attachment{
		Kind:        k,
		Desc:        d,
		Type:        string(d.MediaType),
		Annotations: d.Annotations,
		Places:      []attach.Place{p},
	}
	a.Desc.Annotations = nil
	if t := d.Annotations[PredicateTypeAnnotation]; t != "" && k == attach.Attestation {
		a.Type = t
	}
	return a
}

// Size returns about how many bytes the entry takes in a manifest.
func (e Entry) Size() int {
	n := 256 + len(e.raw)
	if e.raw == nil {
		n += len(e.Desc.MediaType) + len(e.Desc.Data)*4/3
		for k, v := range e.Desc.Annotations {
			// JSON escapes the line ends and quotes that certificates are full of.
			n += len(k) + len(v) + strings.Count(v, "\n") + strings.Count(v, "\"") + 8
		}
	}
	return n
}

// ID returns the identity of the entry as it is stored. It is that of the
// attachment, save in strict image form: a layer that claims to hold what another
// is must not be taken for it by who writes. An entry that could not be read is
// identified by its bytes.
func (e Entry) ID() attach.ID {
	if e.id != (attach.ID{}) {
		return e.id
	}
	if e.Err != nil {
		return sha256.Sum256(e.raw)
	}
	return attach.Attachment{Desc: e.Desc, Annotations: e.Desc.Annotations}.ID()
}

// identified returns the entry with its identity, which is asked for often.
func (e Entry) identified() Entry {
	e.id = e.ID()
	return e
}

// Parse reads the manifest of an image-format object, of OCI or of Docker. A
// manifest that is malformed, or has more than [attach.MaxEntries] layers, is
// refused whole. A layer that is malformed or over a limit, or whose data field
// does not match its digest, is returned as an Entry with Err set and does not
// touch the others.
func Parse(raw []byte) (Image, error) {
	img, err := parse(raw)
	if err != nil {
		return Image{}, fmt.Errorf("manifest: %w", err)
	}
	return img, nil
}

func parse(raw []byte) (Image, error) {
	var img Image
	if len(raw) > attach.MaxManifest {
		return img, fmt.Errorf("%d bytes, the limit is %d: %w", len(raw), attach.MaxManifest, attach.ErrLimit)
	}
	m, err := attach.Members(raw)
	if err != nil {
		return img, err
	}
	mt, err := attach.TypeOf(m)
	if err != nil {
		return img, err
	}
	if !mt.IsImage() {
		return img, fmt.Errorf("media type %q is no image manifest: %w", mt, attach.ErrMalformed)
	}
	if err := attach.Member(m, "artifactType", &img.ArtifactType); err != nil {
		return img, err
	}
	if err := attach.Member(m, "annotations", &img.Annotations); err != nil {
		return img, err
	}
	if err := attach.CheckAnnotations(img.Annotations); err != nil {
		return img, err
	}
	if s, ok := m["subject"]; ok && string(s) != "null" {
		d, err := attach.ParseDescriptor(s)
		if err != nil {
			return img, fmt.Errorf("subject: %w", err)
		}
		img.Subject = &d
	}
	err = attach.Elements(m["layers"], attach.MaxEntries, func(e json.RawMessage) {
		entry := ReadEntry(e)
		if entry.Err != nil {
			entry.Err = fmt.Errorf("layer %d: %w", len(img.Entries), entry.Err)
		}
		img.Entries = append(img.Entries, entry)
	})
	img.release(len(raw))
	if err != nil {
		return img, fmt.Errorf("layers: %w", err)
	}
	return img, nil
}

// head and tail have the members of an image manifest in the order in which they
// are written: those before the layers, and those behind them.
type head struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     types.MediaType `json:"mediaType"`
	ArtifactType  string          `json:"artifactType,omitempty"`
	Config        v1.Descriptor   `json:"config"`
}

type tail struct {
	Subject     *v1.Descriptor    `json:"subject,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// encode returns the manifest with the layers between head and tail. What was read
// is not looked at again.
func (i Image) encode(h head) ([]byte, error) {
	front, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	back, err := json.Marshal(tail{i.Subject, i.Annotations})
	if err != nil {
		return nil, err
	}
	size := len(front) + len(back) + 16
	for _, e := range i.Entries {
		size += e.Size()
	}
	raw := append(make([]byte, 0, size), front[:len(front)-1]...)
	raw = append(raw, `,"layers":[`...) // the image specification requires the member
	for n, e := range i.Entries {
		layer, err := e.MarshalJSON()
		if err != nil {
			return nil, err
		}
		if n > 0 {
			raw = append(raw, ',')
		}
		raw = append(raw, layer...)
	}
	raw = append(raw, ']')
	if rest := back[1:]; len(rest) > 1 {
		return append(append(raw, ','), rest...), nil
	}
	return append(raw, '}'), nil
}

// Encode returns the bytes of the manifest and of its config. They depend on
// nothing but the image: equal images give equal bytes. Entries that Parse
// returned are written back as they were, even those it could not read. A
// manifest of more than [attach.MaxManifest] bytes is refused with
// [attach.ErrLimit].
func (i Image) Encode() (manifestBytes, config []byte, err error) {
	diffs := make([]v1.Hash, len(i.Entries))
	for n, e := range i.Entries {
		diffs[n] = e.diffID()
		if e.Err != nil {
			diffs[n] = attach.DigestOf(e.raw)
		}
	}
	// The zero time stands for "created": the bytes must not depend on the clock.
	config, err = json.Marshal(v1.ConfigFile{
		History: make([]v1.History, len(i.Entries)),
		RootFS:  v1.RootFS{Type: "layers", DiffIDs: diffs},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("encode the config: %w", err)
	}
	manifestBytes, err = i.encode(head{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		ArtifactType:  i.ArtifactType,
		Config: v1.Descriptor{
			MediaType: types.OCIConfigJSON,
			Size:      int64(len(config)),
			Digest:    attach.DigestOf(config),
		},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("encode the manifest: %w", err)
	}
	if len(manifestBytes) > attach.MaxManifest {
		return nil, nil, fmt.Errorf("manifest has %d bytes, the limit is %d: %w", len(manifestBytes), attach.MaxManifest, attach.ErrLimit)
	}
	return manifestBytes, config, nil
}

// release lets go of the manifest where its entries are a small part of it: they are
// parts of its text, and whoever keeps one would keep all of it.
func (i *Image) release(size int) {
	sum := 0
	for _, e := range i.Entries {
		sum += len(e.raw)
	}
	if sum >= size/2 {
		return
	}
	for n := range i.Entries {
		i.Entries[n].raw = bytes.Clone(i.Entries[n].raw)
	}
}
