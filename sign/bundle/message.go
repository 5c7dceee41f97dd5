package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"unicode/utf8"
)

// Message returns the bundle around a signature over a plain message with this
// SHA-256. The hint names the public key, as for [Wrap].
func Message(hint string, sum [sha256.Size]byte, sig []byte) ([]byte, error) {
	if len(hint) > MaxHint || !utf8.ValidString(hint) {
		return nil, refuse("hint %.100q is too long or not UTF-8", hint)
	}
	type object = map[string]any
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		MediaType string `json:"mediaType"`
		Material  object `json:"verificationMaterial"`
		Message   object `json:"messageSignature"`
	}{
		MediaType, object{"publicKey": object{"hint": hint}},
		object{"messageDigest": object{"algorithm": "SHA2_256", "digest": sum[:]}, "signature": sig},
	})
	return out.Bytes(), err
}
