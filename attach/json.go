package attach

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
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
// and 9). The values are parts of raw, which must not change after that.
func Members(raw []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(raw) {
		return nil, fmt.Errorf("not valid JSON, which is UTF-8: %w", ErrMalformed)
	}
	t := text{raw: raw}
	if t.next() != '{' {
		return nil, fmt.Errorf("not a JSON object: %w", ErrMalformed)
	}
	m := make(map[string]json.RawMessage)
	err := t.object(func(name string, value json.RawMessage) { m[name] = value })
	if err == nil {
		err = t.end()
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Member decodes the member of that exact name into v. An absent or null member
// leaves v alone.
func Member(m map[string]json.RawMessage, name string, v any) error {
	raw, ok := m[name]
	if !ok || string(raw) == "null" {
		return nil
	}
	if plainly(raw, v) {
		return nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("member %q: %v: %w", name, err, ErrMalformed)
	}
	return nil
}

// plainly decodes what manifests are made of, and reports whether it could: it
// takes a fraction of the time that reflection takes, and what it does not
// understand is left alone.
func plainly(raw json.RawMessage, into any) bool {
	switch v := into.(type) {
	case *string:
		s, ok := plainString(raw)
		if ok {
			*v = s
		}
		return ok
	case *int64:
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err == nil {
			*v = n
		}
		return err == nil
	case *[]byte:
		s, ok := plainString(raw)
		if !ok {
			return false
		}
		data, err := base64.StdEncoding.DecodeString(s)
		if err == nil {
			*v = data
		}
		return err == nil
	case *map[string]string:
		return plainMap(raw, v)
	}
	return false
}

// plainMap decodes an object of strings.
func plainMap(raw json.RawMessage, into *map[string]string) bool {
	t := text{raw: raw}
	if t.next() != '{' || *into != nil {
		return false
	}
	m, good := make(map[string]string), true
	err := t.object(func(name string, value json.RawMessage) {
		s, ok := plainString(value)
		if !ok && len(value) > 0 && value[0] == '"' {
			ok = json.Unmarshal(value, &s) == nil
		}
		m[name], good = s, good && ok
	})
	if err != nil || !good || t.end() != nil {
		return false
	}
	*into = m
	return true
}

// Elements calls visit for each element of the JSON array raw, which may be
// null or empty. More than limit elements are refused with [ErrLimit], after
// at most limit were visited. What it passes are parts of raw.
func Elements(raw json.RawMessage, limit int, visit func(json.RawMessage)) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	t := text{raw: raw}
	if t.next() != '[' {
		return fmt.Errorf("not a JSON array: %w", ErrMalformed)
	}
	n := 0
	err := t.array(func(e json.RawMessage) error {
		if n == limit {
			return fmt.Errorf("more than %d elements: %w", limit, ErrLimit)
		}
		n++
		visit(e)
		return nil
	})
	if err != nil {
		return err
	}
	return t.end()
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
