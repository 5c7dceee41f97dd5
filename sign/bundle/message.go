package bundle

import (
	"bytes"
	"crypto"
	"encoding/json"
	"unicode/utf8"
)

// Message returns the bundle around a signature over a plain message with this
// digest, by SHA-256, SHA-384 or SHA-512. The hint names the public key, as for [Wrap].
func Message(hint string, h crypto.Hash, sum, sig []byte) ([]byte, error) {
	names := map[crypto.Hash]string{crypto.SHA256: "SHA2_256", crypto.SHA384: "SHA2_384", crypto.SHA512: "SHA2_512"}
	if names[h] == "" || len(sum) != h.Size() {
		return nil, refuse("a digest of %d bytes by %v cannot stand in a bundle", len(sum), h)
	}
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
		object{"messageDigest": object{"algorithm": names[h], "digest": sum}, "signature": sig},
	})
	return out.Bytes(), err
}
