package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// Revocations list what no longer counts, whoever vouches for it. Revocation is a
// matter of trust and is kept where trust is: to delete a signature from a
// registry revokes nothing, since whoever kept a copy can put it back. The zero
// value revokes nothing; what was made never changes.
type Revocations struct {
	keys         map[key.Fingerprint]bool
	digests      map[v1.Hash]bool
	certificates map[[sha256.Size]byte]bool
	serials      map[Serial]bool
	identities   map[string]bool // by keyless.Signer.ID
	fresh        []Freshness
	hash         [sha256.Size]byte
}

// Void is what [Revocations] are made of.
type Void struct {
	// Keys are those whose signatures count nowhere; a rule may still name such a
	// key, and its threshold is then the harder to meet. A certificate for such a key
	// counts nowhere either.
	Keys []key.Fingerprint
	// Digests are those of images, which are then rejected, an index also for what
	// it lists itself; of files; of certificates; and of attached entries and attested
	// documents (the bytes of the predicate), which then count as if they were not there.
	//
	// The digest of an entry is that of its layer, or of its manifest where it is a
	// referrer of its own. For a signature of cosign's that is the payload: it goes with
	// every signature over these bytes, whoever made it. An envelope can be written anew
	// with the same signatures in it, and a bundle wrapped again, under another digest:
	// to revoke what an attestation says, name the document, and to revoke all that was
	// signed, the key.
	Digests []v1.Hash
	// Certificates are the SHA-256 of certificates with which nobody signs any more,
	// Serials their numbers.
	Certificates [][sha256.Size]byte
	Serials      []Serial
	// Identities are whose certificates count nowhere, whenever they were issued.
	Identities []Name
	// Fresh says until when this is all that is revoked; nothing does where it is zero.
	Fresh Freshness
}

// A Serial names a certificate as its authority does (RFC 5280, section 4.1.2.2).
type Serial struct {
	Issuer string // the issuer's distinguished name, as x509 writes it (RFC 2253)
	Number string // hexadecimal, lower case, without leading zeros
}

// A Name is whom certificates are issued to, and who vouches for that one.
type Name struct{ Subject, Issuer string }

// Freshness is until when a list of revocations can be believed to be complete.
// Whoever hands it out could withhold a later one, so that a list that is too old
// answers no question: what it does not revoke is undetermined.
type Freshness struct {
	List  string // names the list for people
	Until time.Time
	Now   func() time.Time
}

// stale reports whether the list is too old by now. Without a clock it is.
func (f Freshness) stale() bool { return f.Now == nil || !f.Now().Before(f.Until) }

// Revoke returns revocations of keys and digests, see [Void].
func Revoke(keys []key.Fingerprint, digests []v1.Hash) Revocations {
	return Void{Keys: keys, Digests: digests}.Revocations()
}

// Revocations returns the revocations.
func (v Void) Revocations() Revocations {
	r := Revocations{
		keys: make(map[key.Fingerprint]bool, len(v.Keys)), digests: make(map[v1.Hash]bool, len(v.Digests)),
		certificates: make(map[[sha256.Size]byte]bool), serials: make(map[Serial]bool), identities: make(map[string]bool),
	}
	for _, k := range v.Keys {
		r.keys[k] = true
	}
	for _, d := range v.Digests {
		r.digests[d] = true
	}
	for _, c := range v.Certificates {
		r.certificates[c] = true
	}
	for _, s := range v.Serials {
		r.serials[s] = true
	}
	for _, n := range v.Identities {
		r.identities[keyless.Signer{Subject: n.Subject, Issuer: n.Issuer}.ID()] = true
	}
	if v.Fresh.List != "" || !v.Fresh.Until.IsZero() {
		r.fresh = []Freshness{v.Fresh}
	}
	r.hash = r.sum()
	return r
}

// And returns what either revokes. All lists must be fresh.
func (r Revocations) And(o Revocations) Revocations {
	both := Void{}.Revocations()
	for _, one := range []Revocations{r, o} {
		maps.Copy(both.keys, one.keys)
		maps.Copy(both.digests, one.digests)
		maps.Copy(both.certificates, one.certificates)
		maps.Copy(both.serials, one.serials)
		maps.Copy(both.identities, one.identities)
		both.fresh = append(both.fresh, one.fresh...)
	}
	both.hash = both.sum()
	return both
}

// Hash identifies what is revoked, in whatever order it was given; zero where
// nothing is.
func (r Revocations) Hash() [sha256.Size]byte { return r.hash }

// Revokes reports whether signatures by the key count nowhere.
func (r Revocations) Revokes(k key.Fingerprint) bool { return r.keys[k] }

// Counts are how many of each sort [Revocations] revoke, each once.
type Counts struct {
	Keys         int
	Certificates int // SHA-256 and numbers: a list may name a certificate by both
	Identities   int
	Digests      int
}

// Counts counts what is revoked.
func (r Revocations) Counts() Counts {
	return Counts{Keys: len(r.keys), Certificates: len(r.certificates) + len(r.serials), Identities: len(r.identities), Digests: len(r.digests)}
}

func (r Revocations) sum() [sha256.Size]byte {
	var lines []string
	for k := range r.keys {
		lines = append(lines, "key "+k.String())
	}
	for d := range r.digests {
		lines = append(lines, "digest "+d.String())
	}
	for c := range r.certificates {
		lines = append(lines, fmt.Sprintf("certificate %x", c))
	}
	for s := range r.serials {
		lines = append(lines, fmt.Sprintf("serial %q %s", s.Issuer, s.Number))
	}
	for id := range r.identities {
		lines = append(lines, fmt.Sprintf("identity %q", id))
	}
	for _, f := range r.fresh {
		lines = append(lines, fmt.Sprintf("list %q until %d", f.List, f.Until.Unix()))
	}
	if len(lines) == 0 {
		return [sha256.Size]byte{}
	}
	slices.Sort(lines)
	return sha256.Sum256([]byte(strings.Join(lines, "\n")))
}

// asks reports whether there is a check to be made of each subject.
func (r Revocations) asks() bool { return len(r.digests)+len(r.fresh) > 0 }

// Image returns the check on an image by its digest alone: a rejection where that
// is revoked, and an open question where a list is too old to tell.
func (r Revocations) Image(digest v1.Hash) Check {
	if r.digests[digest] {
		return Check{Rule: RevocationRule, Outcome: Reject, Reason: Revoked, Detail: digest.String() + " is revoked"}
	}
	return r.current("no digest of the image is revoked")
}

// current is the check that all lists are fresh.
func (r Revocations) current(detail string) Check {
	c := Check{Rule: RevocationRule, Outcome: Accept, Reason: Accepted, Detail: detail}
	for _, f := range r.fresh {
		until := f.Until.UTC().Format(time.RFC3339)
		if f.stale() {
			return Check{Rule: RevocationRule, Reason: RevocationsStale, Detail: fmt.Sprintf("the revocation list %s held until %s: what was revoked since cannot be told; get the current list", f.List, until)}
		}
		c.Detail += fmt.Sprintf("; the list %s holds until %s", f.List, until)
		c.Until = earliest(c.Until, f.Until)
	}
	return c
}

// RevocationRule is the name of the check that no digest of the image is
// revoked. It is made where any digest is, or where a list must be fresh.
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
		if r.digests[m.Digest] {
			return r.Image(m.Digest)
		}
	}
	return r.Image(s.Desc.Digest)
}

// Lists reports whether the digest of an image is revoked, or of something else: an
// index has to be read to tell whether it lists one.
func (r Revocations) Lists() bool { return len(r.digests) > 0 }

// Subject makes the checks that [Verifier.Verify] begins with and no others, for an image
// of which nothing else is asked: that its manifest is there and has its digest, and that
// neither this digest is revoked nor one that it lists.
func (r Revocations) Subject(ctx context.Context, from attach.Reader, s attach.Subject) []Check {
	there, manifest := checkSubject(ctx, from, s)
	if there.Outcome != Accept {
		return []Check{there}
	}
	return []Check{there, r.subject(s, manifest.Raw)}
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
