package keyless

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/tlog"
	"golang.org/x/mod/sumdb/note"
)

// A Witness is somebody who follows a log and co-signs its checkpoints, so that the
// log cannot show one tree to some and another to others (C2SP tlog-witness).
type Witness struct {
	name string
	hash uint32 // by which signature lines name the key
	key  ed25519.PublicKey
}

// algCosignature is the type of a key whose signatures are cosignatures (C2SP
// signed-note, "Signature types").
const algCosignature = 4

// ParseWitness reads the key of a witness in the form NAME+HASH+KEY of C2SP
// signed-note, an Ed25519 key of type 0x04 (timestamped cosignature) or 0x01, as which
// the keys of witnesses are handed out as well. The error wraps [ErrRoot].
func ParseWitness(text string) (Witness, error) {
	v, err := parseWitness(text)
	if err != nil {
		return Witness{}, fmt.Errorf("the key of a witness, %.200q: %w: %w", text, err, ErrRoot)
	}
	return v, nil
}

func parseWitness(text string) (Witness, error) {
	name, rest, _ := strings.Cut(text, "+")
	sum, b64, ok := strings.Cut(rest, "+")
	if !ok || len(text) > maxWitness {
		return Witness{}, fmt.Errorf("it is not of the form NAME+HASH+KEY")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(b64)
	if err != nil {
		return Witness{}, err
	}
	given, err := strconv.ParseUint(sum, 16, 32)
	switch {
	case name == "" || strings.ContainsAny(text, " \t\r\n"):
		return Witness{}, fmt.Errorf("it has no name")
	case len(raw) != 1+ed25519.PublicKeySize || raw[0] != algCosignature && raw[0] != 1:
		return Witness{}, fmt.Errorf("it is no Ed25519 key of type 1 or 4")
	case err != nil || len(sum) != 8 || uint32(given) != keyHash(name, raw):
		return Witness{}, fmt.Errorf("its hash is not that of name and key")
	}
	key := slices.Clone(raw)
	key[0] = algCosignature // which is what cosignature lines are named by
	return Witness{name: name, hash: keyHash(name, key), key: key[1:]}, nil
}

// keyHash is how signature lines name a key (C2SP signed-note).
func keyHash(name string, key []byte) uint32 {
	sum := sha256.Sum256([]byte(name + "\n" + string(key)))
	return binary.BigEndian.Uint32(sum[:4])
}

// Name implements [note.Verifier].
func (w Witness) Name() string { return w.name }

// KeyHash implements [note.Verifier].
func (w Witness) KeyHash() uint32 { return w.hash }

// Verify implements [note.Verifier]: the signature is the time, eight bytes, and an
// Ed25519 signature over that time and the checkpoint (C2SP tlog-cosignature).
func (w Witness) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	text := fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), msg)
	return ed25519.Verify(w.key, text, sig[8:])
}

// Witnessed returns the root with the demand that so many of the witnesses co-signed
// the checkpoint of every log entry that counts. Entries of Rekor 1, whose checkpoints
// nobody witnesses, then count no more. A threshold below 1 or above the number of
// witnesses is refused with [ErrRoot], and so is a name or a key that stands there
// twice: witnesses are counted, not signatures.
func (r *Root) Witnessed(threshold int, witnesses []Witness) (*Root, error) {
	if len(witnesses) > maxWitnesses {
		return nil, fmt.Errorf("%d witnesses, at most %d are read: %w", len(witnesses), maxWitnesses, ErrRoot)
	}
	for i, w := range witnesses {
		if slices.ContainsFunc(witnesses[:i], func(o Witness) bool { return o.name == w.name || o.key.Equal(w.key) }) {
			return nil, fmt.Errorf("the witness %s stands there twice: %w", w.name, ErrRoot)
		}
	}
	if threshold < 1 || threshold > len(witnesses) {
		return nil, fmt.Errorf("%d of %d witnesses are asked for: %w", threshold, len(witnesses), ErrRoot)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%x witnessed by %d of\n", r.sum, threshold)
	for _, w := range witnesses {
		fmt.Fprintf(h, "%q %x\n", w.name, w.key)
	}
	out := &Root{trusted: r.trusted, witnesses: slices.Clone(witnesses), threshold: threshold}
	h.Sum(out.sum[:0])
	return out, nil
}

// cosigned checks that enough of the witnesses co-signed the checkpoint. One whose
// signature does not hold is a refusal, also where enough others' do.
func (r *Root) cosigned(e *tlog.Entry) error {
	if r.threshold == 0 {
		return nil
	}
	var known []note.Verifier
	for _, w := range r.witnesses {
		known = append(known, w)
	}
	checkpoint := e.TransparencyLogEntry().GetInclusionProof().GetCheckpoint().GetEnvelope()
	n, err := note.Open([]byte(checkpoint), note.VerifierList(known...))
	if _, none := err.(*note.UnverifiedNoteError); none || checkpoint == "" {
		return refuse(Unwitnessed, "none of the witnesses co-signed the checkpoint, %d are wanted", r.threshold)
	}
	if err != nil {
		return refuse(BadLogEntry, "the checkpoint: %v", err)
	}
	if len(n.Sigs) < r.threshold { // Open counts each verifier once
		return refuse(Unwitnessed, "%d of the witnesses co-signed the checkpoint, %d are wanted", len(n.Sigs), r.threshold)
	}
	return nil
}
