package dsse

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"
)

// Sealed is an envelope that is produced whenever it is read.
type Sealed struct {
	Size int64
	Open func() (io.ReadCloser, error)
}

// Seal returns the envelope of the payload with the signatures, in the form in
// which cosign writes it. At most [MaxSignatures] signatures are possible, and
// at least one is needed.
func Seal(p Payload, signatures ...Signature) (Sealed, error) {
	if n := len(signatures); n == 0 || n > MaxSignatures {
		return Sealed{}, refuse("%d signatures, 1 to %d are possible", n, MaxSignatures)
	}
	if p.Type == "" || len(p.Type) > MaxText || !utf8.ValidString(p.Type) {
		return Sealed{}, refuse("payload type %.100q", p.Type)
	}
	type signature struct {
		KeyID string `json:"keyid"`
		Sig   []byte `json:"sig"`
	}
	list := make([]signature, len(signatures))
	for i, s := range signatures {
		if len(s.Sig) == 0 || base64.StdEncoding.EncodedLen(len(s.Sig)) > MaxSignature || len(s.KeyID) > MaxText || !utf8.ValidString(s.KeyID) {
			return Sealed{}, refuse("signature %d of %d bytes with key ID %.100q", i, len(s.Sig), s.KeyID)
		}
		list[i] = signature(s)
	}
	payloadType, err := json.Marshal(p.Type)
	if err != nil {
		return Sealed{}, err
	}
	tail, err := json.Marshal(list)
	if err != nil {
		return Sealed{}, err
	}
	head, end := `{"payloadType":`+string(payloadType)+`,"payload":"`, `","signatures":`+string(tail)+`}`
	return Sealed{
		Size: int64(len(head)) + (p.Size+2)/3*4 + int64(len(end)),
		Open: func() (io.ReadCloser, error) {
			rc, err := p.Open()
			if err != nil {
				return nil, err
			}
			return readCloser{io.MultiReader(strings.NewReader(head), &encoder{r: exactly(rc, p.Size)}, strings.NewReader(end)), rc}, nil
		},
	}, nil
}
