package bundle

import (
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"
)

// MediaType is the media type of the bundles that Wrap returns, version 0.3 of the
// format: the one that cosign 3 writes.
const MediaType = MediaTypePrefix + ".v0.3+json"

// Wrapped is a bundle that is produced whenever it is read.
type Wrapped struct {
	Size int64
	Open func() (io.ReadCloser, error)
}

// KeyMaterial returns the verification material that names a public key by a hint,
// "" where it is not known; cosign takes the base64 of the SHA-256 of its DER.
func KeyMaterial(hint string) ([]byte, error) {
	if len(hint) > MaxHint || !utf8.ValidString(hint) {
		return nil, refuse("hint %.100q is too long or not UTF-8", hint)
	}
	name, err := json.Marshal(hint)
	return []byte(`{"publicKey":{"hint":` + string(name) + `}}`), err
}

// Wrap returns the bundle of the verification material, a JSON object, around a
// DSSE envelope of size bytes, which open yields each time anew. The envelope is
// taken over as it is and never in memory whole.
func Wrap(material []byte, size int64, open func() (io.ReadCloser, error)) Wrapped {
	head := `{"mediaType":"` + MediaType + `","verificationMaterial":` + string(material) + `,"dsseEnvelope":`
	const tail = "}"
	return Wrapped{
		Size: int64(len(head)) + size + int64(len(tail)),
		Open: func() (io.ReadCloser, error) {
			rc, err := open()
			if err != nil {
				return nil, err
			}
			return struct {
				io.Reader
				io.Closer
			}{io.MultiReader(strings.NewReader(head), rc, strings.NewReader(tail)), rc}, nil
		},
	}
}
