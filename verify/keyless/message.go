package keyless

import (
	"bytes"
	"crypto"
	"io"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// A Message is what a bundle without envelope holds: a signature, and the digest that
// the signed bytes are said to have.
type Message struct {
	Signature []byte
	Hash      crypto.Hash
	Sum       []byte
}

// maxMessage is the size of the largest message signature, in bytes.
const maxMessage = 64 << 10

// ReadMessage reads the JSON of a bundle's message signature.
func ReadMessage(text io.Reader) (Message, error) {
	raw, err := io.ReadAll(io.LimitReader(text, maxMessage+1))
	switch {
	case err != nil:
		return Message{}, err
	case len(raw) > maxMessage:
		return Message{}, refuse(Malformed, "a message signature of more than %d bytes", maxMessage)
	}
	if err := plain(bytes.NewReader(raw)); err != nil {
		return Message{}, refuse(Malformed, "the message signature: %.300v", err)
	}
	var p protocommon.MessageSignature
	if err := protojson.Unmarshal(raw, &p); err != nil {
		return Message{}, refuse(Malformed, "the message signature: %.300v", err)
	}
	m := Message{Signature: p.GetSignature(), Sum: p.GetMessageDigest().GetDigest()}
	h, known := hashNamed(p.GetMessageDigest().GetAlgorithm().String())
	if !known || len(m.Sum) != h.Size() {
		return Message{}, refuse(Malformed, "the digest of the message is missing, or of a hash that is not accepted")
	}
	if len(m.Signature) == 0 {
		return Message{}, refuse(Malformed, "no signature")
	}
	m.Hash = h
	return m, nil
}
