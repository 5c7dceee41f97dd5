package layout

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// refName is the annotation that makes a tag of a descriptor.
const refName = attach.RefNameAnnotation

// Limits on index.json, which is no registry's manifest and may be larger than one.
const (
	maxIndex   = 64 << 20
	maxEntries = attach.MaxTags
)

// An index is index.json. What other tools put there, fields that this package
// does not know included, is kept as it was written.
type index struct {
	fields  map[string]json.RawMessage // all but manifests
	entries []entry
}

// An entry is one descriptor of index.json.
type entry struct {
	raw json.RawMessage
	// desc is the zero descriptor where raw is none that this package
	// understands, one with another digest algorithm for instance.
	desc v1.Descriptor
}

func (e entry) tag() string { return e.desc.Annotations[refName] }

// parseIndex reads index.json. It refuses with [attach.ErrMalformed] what is
// no index, such as the torn rest of one, and with [attach.ErrLimit] one of
// too many entries. An entry that is not understood is kept and not looked at.
func parseIndex(raw []byte) (*index, error) {
	fields, err := attach.Members(raw)
	if err != nil {
		return nil, err
	}
	list, ok := fields["manifests"]
	if !ok {
		return nil, fmt.Errorf("it has no field manifests: %w", attach.ErrMalformed)
	}
	x := &index{fields: fields}
	delete(x.fields, "manifests")
	err = attach.Elements(list, maxEntries, func(raw json.RawMessage) {
		x.entries = append(x.entries, newEntry(raw))
	})
	if err != nil {
		return nil, fmt.Errorf("manifests: %w", err)
	}
	return x, nil
}

func newEntry(raw json.RawMessage) entry {
	e := entry{raw: raw}
	var d v1.Descriptor
	if err := json.Unmarshal(raw, &d); err != nil {
		return e
	}
	if _, err := blobPath(d.Digest); err == nil && d.Size >= 0 {
		e.desc = d
	}
	return e
}

// encode returns the bytes of index.json.
func (x *index) encode() ([]byte, error) {
	raws := make([]json.RawMessage, len(x.entries))
	for i, e := range x.entries {
		raws[i] = e.raw
	}
	list, err := marshal(raws)
	if err != nil {
		return nil, err
	}
	fields := maps.Clone(x.fields)
	fields["manifests"] = list
	return marshal(fields)
}

// clone returns an index that can be changed without changing this one.
func (x *index) clone() *index {
	return &index{fields: x.fields, entries: slices.Clone(x.entries)}
}

// find returns the first descriptor with the tag.
func (x *index) find(tag string) (v1.Descriptor, bool) {
	i := slices.IndexFunc(x.entries, func(e entry) bool { return tag != "" && e.tag() == tag })
	if i < 0 {
		return v1.Descriptor{}, false
	}
	return x.entries[i].desc, true
}

// put makes the index name the descriptor, under the tag unless that is empty,
// and reports whether that changed anything. The entry that had the tag is
// overwritten, keeping annotations that d has none for; nothing else is touched.
func (x *index) put(d v1.Descriptor, tag string) (changed bool, err error) {
	at := slices.IndexFunc(x.entries, func(e entry) bool {
		if tag != "" {
			return e.tag() == tag
		}
		return e.desc.Digest == d.Digest
	})
	if at >= 0 && x.entries[at].desc.Digest == d.Digest {
		return false, nil
	}
	d.Annotations = maps.Clone(d.Annotations)
	if at >= 0 {
		for k, v := range x.entries[at].desc.Annotations {
			if _, ok := d.Annotations[k]; !ok {
				d.Annotations = with(d.Annotations, k, v)
			}
		}
	}
	if tag != "" {
		d.Annotations = with(d.Annotations, refName, tag)
	}
	raw, err := marshal(d)
	if err != nil {
		return false, err
	}
	e := entry{raw: raw, desc: d}
	if at >= 0 {
		x.entries[at] = e
	} else if len(x.entries) >= maxEntries {
		return false, fmt.Errorf("index.json holds %d entries already: %w", len(x.entries), attach.ErrLimit)
	} else {
		x.entries = append(x.entries, e)
	}
	return true, nil
}

func with(m map[string]string, k, v string) map[string]string {
	if m == nil {
		m = make(map[string]string, 1)
	}
	m[k] = v
	return m
}

// marshal encodes without the escapes that are only good inside of HTML.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
