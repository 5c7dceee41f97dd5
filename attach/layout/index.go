package layout

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
)

// refName is the annotation that makes a tag of a descriptor.
const refName = attach.RefNameAnnotation

// Limits on index.json, which is no registry's manifest and may be larger than one.
const (
	maxIndex   = attach.MaxIndex
	maxEntries = 100_000
)

// An index is index.json. What other tools put there, fields that this package
// does not know included, is kept as it was written.
type index struct {
	fields  map[string]json.RawMessage // all but manifests
	entries []entry
	// file is where the texts of the entries stand that are not held; see forget.
	file io.ReaderAt
}

// An entry is one descriptor of index.json. There may be many, so that only what
// they are looked for by is taken out of them at once.
type entry struct {
	raw    json.RawMessage // nil where it is read again from the file
	at, of uint32          // where it begins there, and its length
	// known is false, and what follows is empty, where raw is no descriptor that
	// this package understands, one with another digest algorithm for instance.
	known bool
	sum   sum
	tag   string
	kind  string // what "cosign save" says that it is
}

// A sum is a sha256 digest.
type sum [32]byte

// sumOf returns the digest, and false where it is none of sha256.
func sumOf(h v1.Hash) (s sum, ok bool) {
	if _, err := blobPath(h); err != nil {
		return s, false
	}
	_, err := hex.Decode(s[:], []byte(h.Hex))
	return s, err == nil
}

func (s sum) compare(other sum) int { return bytes.Compare(s[:], other[:]) }

// hash returns the digest as descriptors have it.
func (s sum) hash() v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(s[:])} }

// is reports whether the entry has the digest.
func (e *entry) is(h v1.Hash) bool {
	s, ok := sumOf(h)
	return ok && e.known && e.sum == s
}

// desc returns the descriptor of an entry, the zero one where it is not understood. An
// entry that was understood and cannot be read any more is an error: what it names is
// there, as far as anybody knows.
func (x *index) desc(e entry) (v1.Descriptor, error) {
	if !e.known {
		return v1.Descriptor{}, nil
	}
	if e.raw == nil {
		e.raw = make([]byte, e.of)
		if _, err := x.file.ReadAt(e.raw, int64(e.at)); err != nil {
			return v1.Descriptor{}, fmt.Errorf("read index.json again: %w", err)
		}
	}
	var d v1.Descriptor
	if err := json.Unmarshal(e.raw, &d); err != nil {
		return v1.Descriptor{}, fmt.Errorf("index.json is another than when it was read first: %w", err)
	}
	d.MediaType = common(d.MediaType)
	return d, nil
}

// common returns the media type as a constant where it is that of a manifest, so that
// the many that have one do not hold as many texts.
func common(mt types.MediaType) types.MediaType {
	for _, c := range []types.MediaType{types.OCIManifestSchema1, types.OCIImageIndex, types.DockerManifestSchema2, types.DockerManifestList} {
		if mt == c {
			return c
		}
	}
	return mt
}

// forget lets go of the text that the index was parsed from, which stands in a file
// that nobody writes to. Such an index is only read.
func (x *index) forget(raw []byte, file io.ReaderAt) {
	at := 0
	for i := range x.entries {
		e := &x.entries[i]
		at += bytes.Index(raw[at:], e.raw)
		e.at, e.of = uint32(at), uint32(len(e.raw))
		at += len(e.raw)
		e.raw = nil
	}
	x.fields, x.file = nil, file
}

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
	n := 0
	if err := attach.Elements(list, maxEntries, func(json.RawMessage) { n++ }); err != nil {
		return nil, fmt.Errorf("manifests: %w", err)
	}
	x.entries = make([]entry, 0, n)
	err = attach.Elements(list, maxEntries, func(raw json.RawMessage) {
		x.entries = append(x.entries, newEntry(raw))
	})
	return x, err
}

func newEntry(raw json.RawMessage) entry {
	e := entry{raw: raw}
	var d v1.Descriptor
	if err := json.Unmarshal(raw, &d); err != nil {
		return e
	}
	if s, ok := sumOf(d.Digest); ok && d.Size >= 0 {
		e.known, e.sum = true, s
		e.tag, e.kind = d.Annotations[refName], savedAs(d.Annotations[kindName])
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

// tagged reports whether an entry has the tag.
func (x *index) tagged(tag string) bool {
	return slices.ContainsFunc(x.entries, func(e entry) bool { return tag != "" && e.tag == tag })
}

// find returns the first descriptor with the tag.
func (x *index) find(tag string) (d v1.Descriptor, ok bool, err error) {
	i := slices.IndexFunc(x.entries, func(e entry) bool { return tag != "" && e.tag == tag })
	if i < 0 {
		return d, false, nil
	}
	d, err = x.desc(x.entries[i])
	return d, err == nil, err
}

// put makes the index name the descriptor, under the tag unless that is empty,
// and reports whether that changed anything. The entry that had the tag is
// overwritten, keeping annotations that d has none for; nothing else is touched.
func (x *index) put(d v1.Descriptor, tag string) (changed bool, err error) {
	s, ok := sumOf(d.Digest)
	at := slices.IndexFunc(x.entries, func(e entry) bool {
		if tag != "" {
			return e.tag == tag
		}
		return ok && e.known && e.sum == s
	})
	if at >= 0 && x.entries[at].is(d.Digest) {
		return false, nil
	}
	d.Annotations = maps.Clone(d.Annotations)
	if at >= 0 {
		was, err := x.desc(x.entries[at])
		if err != nil {
			return false, err
		}
		for k, v := range was.Annotations {
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
	e := newEntry(raw)
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
