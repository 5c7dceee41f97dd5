package verify

import (
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// authorities are those whose signatures count for a rule.
type authorities struct {
	keys       []*key.Public
	identities []keyless.Identity
	root       *keyless.Root // set where there are identities
}

// authorities returns who counts for the rule: those that it names itself, or those
// of the trust. Identities without a root to judge their certificates by are refused.
func (t Trust) authorities(r Rule) (authorities, error) {
	a := authorities{keys: distinct(r.Keys), identities: r.Identities, root: t.Root}
	if len(r.Keys) == 0 && len(r.Identities) == 0 {
		a.keys, a.identities = distinct(t.Keys), t.Identities
	}
	if len(a.identities) > 0 && a.root == nil {
		return a, fmt.Errorf("an identity is accepted, and no trusted root says who may vouch for it: %w", ErrConfig)
	}
	return a, nil
}

// number returns how many distinct authorities there are, as a [Tally] counts them.
func (a authorities) number() int {
	identities := make(map[string]bool)
	for _, id := range a.identities {
		identities[id.ID()] = true
	}
	return len(a.keys) + len(identities)
}

// certified reports whether the entry comes with a certificate, and identities count.
func (a authorities) certified(at attach.Attachment) bool {
	return len(a.identities) > 0 && at.Annotations[cosign.CertificateAnnotation] != ""
}

// identified judges a signature by the certificate, log entries and timestamps that
// came with it, and tells whether it is by an identity that counts.
func (j *judge) identified(e Evidence, m keyless.Material, s keyless.Signed) (Evidence, bool) {
	signer, err := j.who.root.Verify(m, s, j.who.identities, keyless.DefaultPolicy())
	if err != nil {
		return refused(e, err), false
	}
	e.Identity = &signer
	if j.revoked.signer(signer) {
		return revoke(e, fmt.Sprintf("signed by %s, who is revoked, or whose certificate or key is", signer.Subject)), false
	}
	return e, true
}

// refused turns a refusal of the evidence into that of the entry. Other errors mean
// that the entry could not be read.
func refused(e Evidence, err error) Evidence {
	var r *keyless.Refusal
	if errors.As(err, &r) {
		e.Outcome, e.Reason, e.Detail = Reject, Reason(r.Code), r.Detail
		return e
	}
	return unreadable(e, err)
}

// signer reports whether the key of the certificate is revoked, whom it names, or
// the certificate itself.
func (r Revocations) signer(s keyless.Signer) bool {
	return r.keys[s.Key.Fingerprint()] || r.identities[s.ID()] || r.certificates[s.Certificate] ||
		r.serials[Serial{Issuer: s.Authority, Number: s.Serial}] ||
		r.digests[v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", s.Certificate)}]
}

// annotated reads what cosign keeps beside a signature in annotations.
func annotated(a attach.Attachment) (keyless.Material, error) {
	return keyless.FromAnnotations(keyless.Annotations{
		Certificate: a.Annotations[cosign.CertificateAnnotation],
		Bundle:      a.Annotations[cosign.BundleAnnotation],
		Timestamp:   a.Annotations[cosign.TimestampAnnotation],
	})
}

// signedBy names the authorities that were counted, in words.
func (a authorities) signedBy(n int) string {
	if len(a.identities) > 0 {
		return count(n, "accepted signer", "accepted signers")
	}
	return count(n, "accepted key", "accepted keys")
}

// holds reports whether the key is among those that count.
func (a authorities) holds(id key.Fingerprint) bool {
	return slices.ContainsFunc(a.keys, func(k *key.Public) bool { return k.Fingerprint() == id })
}
