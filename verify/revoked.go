package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

// Revocations list what no longer counts, whoever vouches for it. Revocation is a
// matter of trust and is kept where trust is: to delete a signature from a
// registry revokes nothing, since whoever kept a copy can put it back. The zero
// value revokes nothing; what was made never changes.
type Revocations struct {
	keys    map[key.Fingerprint]bool
	digests map[v1.Hash]bool
	hash    [sha256.Size]byte
}

// Revoke returns revocations. Keys are those whose signatures count nowhere; a
// rule may still name such a key, and its threshold is then the harder to meet.
// Digests are those of images, which are then rejected, an index also for what
// it lists itself; and of attached entries and attested documents (the bytes of
// the predicate), which then count as if they were not there.
//
// The digest of an entry is that of its layer, or of its manifest where it is a
// referrer of its own. For a signature of cosign's that is the payload: it goes with
// every signature over these bytes, whoever made it. An envelope can be written anew
// with the same signatures in it, and a bundle wrapped again, under another digest:
// to revoke what an attestation says, name the document, and to revoke all that was
// signed, the key.
func Revoke(keys []key.Fingerprint, digests []v1.Hash) Revocations {
	r := Revocations{keys: make(map[key.Fingerprint]bool, len(keys)), digests: make(map[v1.Hash]bool, len(digests))}
	for _, k := range keys {
		r.keys[k] = true
	}
	for _, d := range digests {
		r.digests[d] = true
	}
	if len(keys)+len(digests) > 0 {
		r.hash = r.sum()
	}
	return r
}

// Hash identifies what is revoked, in whatever order it was given.
func (r Revocations) Hash() [sha256.Size]byte { return r.hash }

func (r Revocations) sum() [sha256.Size]byte {
	var lines []string
	for k := range r.keys {
		lines = append(lines, "key "+k.String())
	}
	for d := range r.digests {
		lines = append(lines, "digest "+d.String())
	}
	slices.Sort(lines)
	return sha256.Sum256([]byte(strings.Join(lines, "\n")))
}

// Image returns the check on an image by its digest alone.
func (r Revocations) Image(digest v1.Hash) Check {
	if r.digests[digest] {
		return Check{Rule: RevocationRule, Outcome: Reject, Reason: Revoked, Detail: digest.String() + " is revoked"}
	}
	return Check{Rule: RevocationRule, Outcome: Accept, Reason: Accepted, Detail: "no digest of the image is revoked"}
}

// RevocationRule is the name of the check that no digest of the image is
// revoked. It is made where any digest is.
const RevocationRule = "revocation"

// subject checks the subject's digest and, for an index, those that it lists.
func (r Revocations) subject(s attach.Subject, manifest []byte) Check {
	if c := r.Image(s.Desc.Digest); c.Outcome != Accept {
		return c
	}
	// The media type is the registry's word; what lists manifests is an index.
	index, err := v1.ParseIndexManifest(bytes.NewReader(manifest))
	if err != nil {
		return Check{Rule: RevocationRule, Outcome: Reject, Reason: EntryMalformed, Detail: "the image's manifest: " + err.Error()}
	}
	for _, m := range index.Manifests {
		if c := r.Image(m.Digest); c.Outcome != Accept {
			return c
		}
	}
	return r.Image(s.Desc.Digest)
}

// standing divides signers in those that count and those that are revoked.
func (r Revocations) standing(signers []key.Fingerprint) (count, revoked []key.Fingerprint) {
	for _, s := range signers {
		if r.keys[s] {
			revoked = append(revoked, s)
		} else {
			count = append(count, s)
		}
	}
	return count, revoked
}

// document rejects a statement whose predicate is a revoked document.
func (r Revocations) document(e Evidence, h payload.Header, env *dsse.Envelope) (Evidence, error) {
	if len(r.digests) == 0 {
		return e, nil
	}
	body := env.Payload()
	if _, err := io.CopyN(io.Discard, body, h.PredicateOffset); err != nil {
		return e, fmt.Errorf("read the predicate again: %w", err)
	}
	sum := sha256.New()
	if _, err := io.CopyN(sum, body, h.PredicateLength); err != nil {
		return e, fmt.Errorf("read the predicate again: %w", err)
	}
	digest := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
	if r.digests[digest] {
		return revoke(e, "the document "+digest.String()+" is revoked"), nil
	}
	return e, nil
}

// revoke rejects evidence.
func revoke(e Evidence, why string) Evidence {
	e.Outcome, e.Reason, e.Detail = Reject, Revoked, why
	return e
}
