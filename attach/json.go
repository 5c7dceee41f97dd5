package attach

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxNesting is how deep objects and arrays of a manifest may be nested.
const maxNesting = 128

// Members checks that raw is one JSON object in which no object names a member
// twice, and returns the members of the outermost object by their exact names.
// Two readers of a document that says a thing twice may disagree on what it
// says, so such a document is refused with [ErrMalformed] whole. So are text
// that is no UTF-8 and more than 128 levels of nesting (RFC 8259, sections 4, 8
// and 9).
func Members(raw []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return nil, fmt.Errorf("not valid JSON: %w", ErrMalformed)
	}
	if err := unique(raw); err != nil {
		return nil, err
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil || m == nil {
		return nil, fmt.Errorf("not a JSON object: %w", ErrMalformed)
	}
	return m, nil
}

// unique looks for members named twice. The text must be valid JSON.
func unique(raw []byte) error {
	var open []map[string]bool // one for each open object or array
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '{', '[':
			if len(open) == maxNesting {
				return fmt.Errorf("JSON is nested deeper than %d levels: %w", maxNesting, ErrMalformed)
			}
			open = append(open, nil)
		case '}', ']':
			open = open[:len(open)-1]
		case '"':
			end := stringEnd(raw, i)
			if rest := bytes.TrimLeft(raw[end:], " \t\r\n"); len(rest) > 0 && rest[0] == ':' {
				key := string(raw[i+1 : end-1])
				if strings.Contains(key, `\`) {
					if err := json.Unmarshal(raw[i:end], &key); err != nil {
						return fmt.Errorf("member name %s: %w", raw[i:end], ErrMalformed)
					}
				}
				top := len(open) - 1
				if open[top] == nil {
					open[top] = make(map[string]bool)
				}
				if open[top][key] {
					return fmt.Errorf("JSON member %q is there twice: %w", key, ErrMalformed)
				}
				open[top][key] = true
			}
			i = end - 1
		}
	}
	return nil
}

// stringEnd returns the index behind the string that begins at i.
func stringEnd(raw []byte, i int) int {
	for i++; raw[i] != '"'; i++ {
		if raw[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// Member decodes the member of that exact name into v. An absent or null member
// leaves v alone.
func Member(m map[string]json.RawMessage, name string, v any) error {
	raw, ok := m[name]
	if !ok || string(raw) == "null" {
		return nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("member %q: %v: %w", name, err, ErrMalformed)
	}
	return nil
}

// Elements calls visit for each element of the JSON array raw, which may be
// null or empty. More than limit elements are refused with [ErrLimit], after
// at most limit were visited.
func Elements(raw json.RawMessage, limit int, visit func(json.RawMessage)) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return fmt.Errorf("not a JSON array: %w", ErrMalformed)
	}
	for n := 0; dec.More(); n++ {
		if n == limit {
			return fmt.Errorf("more than %d elements: %w", limit, ErrLimit)
		}
		var e json.RawMessage
		if err := dec.Decode(&e); err != nil {
			return fmt.Errorf("element %d: %v: %w", n, err, ErrMalformed)
		}
		visit(e)
	}
	return nil
}

// ParseDescriptor reads a content descriptor (image specification 1.1,
// descriptor.md). Digest and size are required, and only sha256 is understood.
// At most [MaxAnnotations] annotations of at most [MaxAnnotation] bytes are
// accepted. A data field that does not match digest and size is [ErrDigest].
func ParseDescriptor(raw json.RawMessage) (v1.Descriptor, error) {
	d, err := descriptor(raw)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("descriptor: %w", err)
	}
	return d, nil
}

func descriptor(raw json.RawMessage) (v1.Descriptor, error) {
	m, err := Members(raw)
	if err != nil {
		return v1.Descriptor{}, err
	}
	var d v1.Descriptor
	var digest string
	size := int64(-1)
	for _, f := range []struct {
		name string
		into any
	}{
		{"mediaType", (*string)(&d.MediaType)}, {"digest", &digest}, {"size", &size},
		{"data", &d.Data}, {"urls", &d.URLs}, {"annotations", &d.Annotations},
		{"platform", &d.Platform}, {"artifactType", &d.ArtifactType},
	} {
		if err := Member(m, f.name, f.into); err != nil {
			return d, err
		}
	}
	if d.Digest, err = v1.NewHash(digest); err != nil || d.Digest.Algorithm != "sha256" {
		return d, fmt.Errorf("digest %q is no sha256 digest: %w", digest, ErrMalformed)
	}
	if d.Size = size; size < 0 {
		return d, fmt.Errorf("size of %s is missing or negative: %w", digest, ErrMalformed)
	}
	if d.Data != nil && (int64(len(d.Data)) != size || DigestOf(d.Data) != d.Digest) {
		return d, fmt.Errorf("data field of %s does not match its digest and size: %w", digest, ErrDigest)
	}
	return d, CheckAnnotations(d.Annotations)
}

// CheckAnnotations applies the limits on the annotations of one descriptor or
// manifest.
func CheckAnnotations(annotations map[string]string) error {
	if len(annotations) > MaxAnnotations {
		return fmt.Errorf("%d annotations, the limit is %d: %w", len(annotations), MaxAnnotations, ErrLimit)
	}
	for k, v := range annotations {
		if len(k)+len(v) > MaxAnnotation {
			return fmt.Errorf("annotation of %d bytes, the limit is %d: %w", len(k)+len(v), MaxAnnotation, ErrLimit)
		}
	}
	return nil
}

// ManifestType returns the media type that a manifest states, or, where it
// states none, the one that its members show: an index has "manifests", an
// image manifest has "layers". It is "" when neither is known.
func ManifestType(raw []byte) (types.MediaType, error) {
	m, err := Members(raw)
	if err != nil {
		return "", err
	}
	return TypeOf(m)
}

// TypeOf is [ManifestType] of a manifest whose members were read.
func TypeOf(m map[string]json.RawMessage) (types.MediaType, error) {
	var mt string
	if err := Member(m, "mediaType", &mt); err != nil {
		return "", err
	}
	if mt != "" {
		return types.MediaType(mt), nil
	}
	if _, ok := m["manifests"]; ok {
		return types.OCIImageIndex, nil
	}
	if _, ok := m["layers"]; ok {
		return types.OCIManifestSchema1, nil
	}
	return "", nil
}
