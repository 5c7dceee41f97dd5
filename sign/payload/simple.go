package payload

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
)

// SignatureType is the one value of critical.type that is written and accepted.
const SignatureType = "cosign container image signature"

// SimpleSigning is what the payload of an image signature says.
type SimpleSigning struct {
	// Reference is the repository that the signer named. It is a claim that
	// cosign ignores: the digest decides which image is meant.
	Reference string
	// Digest is the digest of the image's manifest, "sha256:<hex>".
	Digest string
	// Optional holds the signer's annotations: strings where cosign or hallmark
	// signed, any JSON value else (numbers are json.Number). It is nil where
	// there are none.
	Optional map[string]any
}

// Annotation returns the annotation if it is there and a string.
func (s SimpleSigning) Annotation(name string) (string, bool) {
	v, ok := s.Optional[name].(string)
	return v, ok
}

// simple is the payload in the order in which it is written.
type simple struct {
	Critical struct {
		Identity struct {
			Reference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			Digest string `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
	Optional map[string]string `json:"optional"`
}

// NewSimpleSigning returns the payload that signs the image of the given
// digest, the same bytes that cosign signs. The same arguments give the same
// bytes: annotations are sorted by name, and without any "optional" is null.
func NewSimpleSigning(reference, digest string, annotations map[string]string) ([]byte, error) {
	if err := checkDigest(digest); err != nil {
		return nil, err
	}
	if !utf8.ValidString(reference) {
		return nil, refuse("reference %q is not UTF-8", reference)
	}
	var s simple
	s.Critical.Identity.Reference = reference
	s.Critical.Image.Digest = digest
	s.Critical.Type = SignatureType
	for name, value := range annotations {
		if name == "" || len(name) > jsonscan.MaxName || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, refuse("annotation %.100q: name and value must be UTF-8, the name 1 to %d bytes", name, jsonscan.MaxName)
		}
	}
	if len(annotations) > jsonscan.MaxMembers {
		return nil, refuse("%d annotations, at most %d are signed", len(annotations), jsonscan.MaxMembers)
	}
	if len(annotations) > 0 {
		s.Optional = annotations
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	if len(raw) > MaxSimpleSigning {
		return nil, refuse("the payload would have %d bytes, at most %d are read", len(raw), MaxSimpleSigning)
	}
	return raw, nil
}

// ParseSimpleSigning reads a payload of at most [MaxSimpleSigning] bytes,
// strictly: exact names, each once and on every level, no unknown member
// outside "optional", critical.type as cosign has it, a sha256 digest, and
// nothing behind the document. "optional" may be null or absent.
func ParseSimpleSigning(raw []byte) (SimpleSigning, error) {
	var p SimpleSigning
	if len(raw) > MaxSimpleSigning {
		return p, refuse("payload of %d bytes, at most %d are read", len(raw), MaxSimpleSigning)
	}
	s := jsonscan.New(bytes.NewReader(raw))
	var kind string
	err := members(s, map[string]func() error{
		"critical": func() error {
			return members(s, map[string]func() error{
				"identity": func() error {
					return members(s, map[string]func() error{"docker-reference": text(s, &p.Reference)}, "docker-reference")
				},
				"image": func() error {
					return members(s, map[string]func() error{"docker-manifest-digest": text(s, &p.Digest)}, "docker-manifest-digest")
				},
				"type": text(s, &kind),
			}, "identity", "image", "type")
		},
		"optional": func() (err error) { p.Optional, err = optional(s); return err },
	}, "critical")
	if err == nil {
		err = s.End()
	}
	if err != nil {
		return SimpleSigning{}, malformed("simple signing payload", err)
	}
	if kind != SignatureType {
		return SimpleSigning{}, refuse("payload of type %.100q, %q expected", kind, SignatureType)
	}
	if err := checkDigest(p.Digest); err != nil {
		return SimpleSigning{}, err
	}
	return p, nil
}

// members reads an object that has only the members named in read, and at
// least those that are required.
func members(s *jsonscan.Scanner, read map[string]func() error, required ...string) error {
	missing := len(required)
	err := s.Object(func(name string) error {
		f, ok := read[name]
		if !ok {
			return refuse("unknown member %.100q before byte %d", name, s.Offset())
		}
		for _, r := range required {
			if r == name {
				missing--
			}
		}
		return f()
	})
	if err == nil && missing > 0 {
		return refuse("one of the members %q is missing before byte %d", required, s.Offset())
	}
	return err
}

// text returns a function that reads a string.
func text(s *jsonscan.Scanner, into *string) func() error {
	return func() (err error) {
		*into, err = s.String(MaxText)
		return err
	}
}

// optional reads an object of any content, or null.
func optional(s *jsonscan.Scanner) (map[string]any, error) {
	v, err := s.Value(MaxSimpleSigning)
	if err != nil || v == nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, refuse(`"optional" is no object`)
	}
	if len(m) == 0 {
		return nil, nil
	}
	return m, nil
}
