package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

// document names what an accepted statement says: SHA-256, in hexadecimal, over
// the predicate's type and bytes.
func document(h payload.Header, env *dsse.Envelope) (string, error) {
	body := env.Payload()
	if _, err := io.CopyN(io.Discard, body, h.PredicateOffset); err != nil {
		return "", fmt.Errorf("read the predicate again: %w", err)
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%d:%s,", len(h.PredicateType), h.PredicateType)
	if _, err := io.CopyN(sum, body, h.PredicateLength); err != nil {
		return "", fmt.Errorf("read the predicate again: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// A ballot counts distinct signers: all of them together or, where the rule asks
// for one document, those of each.
type ballot map[string]*Tally

// add counts the signers of accepted evidence.
func (t ballot) add(e Evidence) {
	if t[e.Document] == nil {
		t[e.Document] = new(Tally)
	}
	t[e.Document].Add(e)
}

// most returns how many signers the best document has.
func (t ballot) most() int {
	most := 0
	for _, signers := range t {
		most = max(most, signers.Count())
	}
	return most
}
