package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/network"
)

// authorities are those whose signatures count for a rule, and what must vouch for
// them.
type authorities struct {
	keys       []*key.Public
	identities []keyless.Identity
	root       *keyless.Root // set where there are identities, or where keys are asked for more
	quorum     keyless.Quorum
	keyQuorum  keyless.Quorum
	validity   map[key.Fingerprint]keyless.Validity
	now        func() time.Time
	hosts      *network.Hosts // that may be asked for log entries
}

// authorities returns who counts for the rule: those that it names itself, or those
// of the trust. Identities without a root to judge their certificates by are refused.
func (t Trust) authorities(r Rule) (authorities, error) {
	a := authorities{
		keys: distinct(r.Keys), identities: r.Identities, root: r.Root, now: t.Now, hosts: t.Hosts, validity: r.Validity,
		quorum: r.Quorum.Or(t.Quorum), keyQuorum: r.KeyQuorum.Or(t.KeyQuorum),
	}
	if len(r.Keys) == 0 && len(r.Identities) == 0 {
		a.keys, a.identities, a.validity = distinct(t.Keys), t.Identities, t.Validity
	}
	if a.root == nil {
		a.root = t.Root
	}
	return a, a.check()
}

// check refuses what nobody could judge.
func (a *authorities) check() error {
	asked := a.keyQuorum.AsksOfKeys()
	for _, err := range []error{a.quorum.Check(), a.keyQuorum.Check()} {
		if err != nil {
			return fmt.Errorf("%w: %w", err, ErrConfig)
		}
	}
	for _, v := range a.validity {
		if err := v.Check(); err != nil {
			return fmt.Errorf("%w: %w", err, ErrConfig)
		}
	}
	switch {
	case len(a.identities) > 0 && a.root == nil:
		return fmt.Errorf("an identity is accepted, and no trusted root says who may vouch for it: %w", ErrConfig)
	case len(a.keys) > 0 && asked && a.root == nil:
		return fmt.Errorf("logs or clocks must vouch for signatures by keys, and no trusted root says which: %w", ErrConfig)
	case a.keyQuorum.CertificateLogs > 0:
		return fmt.Errorf("certificate logs are asked for a key, which has no certificate: %w", ErrConfig)
	case a.now == nil && (len(a.identities) > 0 && a.quorum.Clocks == keyless.None || len(a.validity) > 0 || asked):
		return fmt.Errorf("a signature may have to be judged at the present time, and no clock is given: %w", ErrConfig)
	}
	if a.root == nil {
		a.root = keyless.Compose(nil, nil, nil) // believes nobody
	}
	return nil
}

// terms are those for signatures with a certificate.
func (a authorities) terms() keyless.Terms { return keyless.Terms{Quorum: a.quorum, Now: a.now} }

// asks reports whether more than the signature itself is asked of the key.
func (a authorities) asks(k *key.Public) bool {
	_, limited := a.validity[k.Fingerprint()]
	return limited || a.keyQuorum.AsksOfKeys()
}

// asksAny reports whether it is of some key.
func (a authorities) asksAny() bool { return slices.ContainsFunc(a.keys, a.asks) }

// dated judges what came with a signature by the key, where more than the signature is
// asked of it, and tells when it was made.
func (a authorities) dated(k *key.Public, m keyless.Material, s keyless.Signed) (keyless.Dating, error) {
	return a.root.VerifyKey(m, s, k, keyless.Terms{Quorum: a.keyQuorum, Validity: a.validity[k.Fingerprint()], Now: a.now})
}

// waived names what the default asks of identities and this rule does not.
func (a authorities) waived() []string {
	if len(a.identities) == 0 {
		return nil
	}
	return a.quorum.Waived()
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
func (j *judge) identified(ctx context.Context, e Evidence, m keyless.Material, s keyless.Signed) (Evidence, bool) {
	m, err := j.searches.ofIdentity(ctx, j.who, m, s)
	if err != nil {
		return refused(e, err), false
	}
	signer, err := j.who.root.Verify(m, s, j.who.identities, j.who.terms())
	if err != nil {
		return refused(e, err), false
	}
	e.Identity = &signer
	j.until = earliest(j.until, signer.Until)
	if j.revoked.signer(signer) {
		return revoke(e, fmt.Sprintf("signed by %s, who is revoked, or whose certificate or key is", signer.Subject)), false
	}
	return e, true
}

// dated judges what came with a signature by accepted keys, those that it is said to be
// by, and leaves those for which it vouches.
func (j *judge) dated(ctx context.Context, e Evidence, m keyless.Material, s keyless.Signed) (Evidence, bool) {
	var standing []key.Fingerprint
	var why error
	for _, k := range j.who.keys {
		if !slices.Contains(e.Signers, k.Fingerprint()) {
			continue
		}
		if !j.who.asks(k) {
			standing = append(standing, k.Fingerprint())
			continue
		}
		m, err := j.searches.ofKey(ctx, j.who, m, s, k)
		if err != nil {
			why = err
			continue
		}
		d, err := j.who.dated(k, m, s)
		j.until = earliest(j.until, d.Until)
		if err != nil {
			why = err
			continue
		}
		standing = append(standing, k.Fingerprint())
	}
	if len(standing) == 0 {
		return refused(e, why), false
	}
	e.Signers = standing
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
