// Package verify is the door to judgement: is this the image that was stamped,
// by whom, and do the attached documents speak of it?
//
// A [Verifier] is made from a [Trust], whom to believe, and a [Policy], what to
// ask for. [Verifier.Verify] reads what is attached to one subject and returns
// a [Verdict]. There is one such function, and every caller uses it.
//
// # Three outcomes
//
// A verdict is Accept, Reject or Undetermined. Undetermined, the zero value,
// means that the verifier could not obtain or finish something that might have
// changed the answer; it is never a yes and never a no. Content that arrived
// and is bad (malformed, oversized, wrongly digested, signed by a stranger)
// rejects the one entry that it is and nothing else: whoever can attach
// something to an image can neither make it pass nor make it fail. The exception is
// a tombstone, the mark of what was removed: it hides an entry from every reader,
// and the verdict names it.
//
// # What counts as evidence
//
// An image signature is a simple-signing payload in a cosign signature entry,
// or a Sigstore bundle whose statement has the predicate type that cosign gives
// to signatures. An attestation never counts as an image signature. An SBOM is
// trusted only through a DSSE statement whose subject is the image's digest; a
// signature over the object that holds an SBOM says who stored it, not which
// image it describes, and satisfies no rule here.
package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/network"
)

// Trust says whose signatures count.
type Trust struct {
	// Keys are the accepted public keys. Any of them may sign; how many
	// distinct ones must is the rule's Threshold. There may be none where every
	// rule has keys of its own.
	Keys []*key.Public
	// Identities are persons and workloads whose short-lived certificates count, as
	// keys do. Root judges the certificates; it must be there where identities are,
	// here or in a rule.
	Identities []keyless.Identity
	Root       *keyless.Root
	// Quorum is how many logs and clocks must vouch for a signature by an identity, by
	// default one of each sort. KeyQuorum is that for keys, by default none: a key is
	// believed by itself, whatever comes with its signature. A rule may say otherwise,
	// number by number.
	Quorum, KeyQuorum keyless.Quorum
	// Validity is when keys count, by the time that a trusted clock tells of the
	// signature, or else by the present one. A key that is not named counts always.
	Validity map[key.Fingerprint]keyless.Validity
	// Hosts are those that may be asked over the network, see package network: logs of
	// the Root for the entries of signatures that came without one. By default nobody is.
	Hosts *network.Hosts
	// Now tells the present time, for signatures that no clock dates; for a [Verifier]
	// that of its [Policy] will do.
	Now func() time.Time
	// Revoked is what counts nowhere, whatever else is said here and in rules.
	Revoked Revocations
}

// Policy says what a subject must have. All rules must accept.
type Policy struct {
	Rules []Rule
	// Deep also reads every blob of the image and recomputes its digest.
	Deep bool
	// Now tells the time. A rule with a MaxAge needs it, and one with a Validity or
	// without clocks does where the Trust has none.
	Now func() time.Time
}

// A Rule asks for one kind of evidence.
//
// The time that MaxAge is measured by is the signer's word: no registry, clock
// or file date has a say. It is read from the predicate: creationInfo.created
// of SPDX 2, metadata.timestamp of CycloneDX, the end of the build or else its
// start in SLSA provenance 0.2 and 1, the end of the scan or else its start in
// a vulnerability report, last_updated or else timestamp of OpenVEX, and
// Timestamp of cosign's custom type.
type Rule struct {
	// Name appears in the verdict: "signature", "attestation spdxjson".
	Name string
	// Kind is attach.Signature or attach.Attestation.
	Kind attach.Kind
	// PredicateTypes are the statement types that an attestation rule takes,
	// as URIs; any one of them will do. A signature rule has none.
	PredicateTypes []string
	// Keys and Identities are those that count for this rule; those of the Trust
	// when both are empty.
	Keys       []*key.Public
	Identities []keyless.Identity
	// Validity is when the Keys of this rule count, see [Trust].
	Validity map[key.Fingerprint]keyless.Validity
	// Root, Quorum and KeyQuorum say what must vouch for signatures under this rule;
	// what is not said here the Trust says.
	Root              *keyless.Root
	Quorum, KeyQuorum keyless.Quorum
	// Threshold is how many distinct keys and identities must have signed, at least 1.
	// See [Tally]; it cannot be above the number of those that count.
	Threshold int
	// OneDocument asks that the keys of the Threshold signed the same document,
	// type and predicate byte for byte. Without it the statement of one key and a
	// different one of another key count together.
	OneDocument bool
	// MaxAge is how old what an attestation says may be, by the time that stands
	// in the signed predicate itself; any age when zero. What tells no time does
	// not count. See [Rule] for where the time stands.
	MaxAge time.Duration
	// Annotations must all stand in the signed payload with these values.
	Annotations map[string]string
	// CheckReference asks that the signer named the repository in which the subject
	// is: the docker-reference of a simple-signing payload, or the name of the subject
	// in a statement. Without it a signature counts in every repository that holds the
	// same image, which is what mirrors need.
	CheckReference bool
	// Counter, when set, asks that every entry that counts is counter-signed.
	Counter *Counter
	// Demands are asked of what each statement says that would count. A signature
	// says nothing beyond its annotations, and has none.
	Demands []Demand
	// Deny lets a Demand reject the subject whatever other statements say. Every entry
	// is read before such a rule accepts.
	Deny bool
	// Exhaustive reads every entry even when the threshold is met early, so that
	// the verdict lists them all.
	Exhaustive bool
	// Take, when set, is called with each accepted attestation as soon as it is
	// accepted, in the order of discovery. The predicate must be read before
	// Take returns. An error ends the verification and is returned by Verify.
	Take func(Statement) error
}

// A Verdict is the judgement on one subject.
type Verdict struct {
	Subject attach.Subject
	Outcome Outcome
	Checks  []Check
}

// Until returns the earliest moment at which time alone may change the verdict;
// zero when it never does.
func (v Verdict) Until() time.Time {
	var first time.Time
	for _, c := range v.Checks {
		first = earliest(first, c.Until)
	}
	return first
}

// earliest returns the earlier of two moments, of which zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// A Check is the judgement on one rule.
type Check struct {
	Rule     string
	Outcome  Outcome
	Reason   Reason
	Detail   string
	Evidence []Evidence
	// Until is the earliest moment at which time alone may change the outcome;
	// zero when it never does.
	Until time.Time
	// Waived names, in words for people, what is asked of signatures by identities
	// where nobody says otherwise and this rule does not ask for, see [keyless.Quorum].
	Waived []string
	// Exception is what a policy says of the rule for this image: that it need not hold
	// until a time. It may have ended, or not be needed.
	Exception *Exception
	// Warn says that the rule comes from a policy that only warns. The outcome is
	// what it is all the same; a gate may let pass in spite of it.
	Warn bool
}

// An Exception says that a rule need not hold for a subject, for a time.
type Exception struct {
	// Where it stands: "policy.yaml:30".
	Where string
	// Reason is why, in the words of who made it.
	Reason string
	// Until is when it ends.
	Until time.Time
	// Applied says that the check accepts for the exception alone, and Instead what its
	// reason would be without it. Expired says that it has ended and counts for nothing.
	Applied, Expired bool
	Instead          Reason
}

// Evidence is what was found on one attachment.
type Evidence struct {
	Outcome    Outcome
	Reason     Reason
	Detail     string
	Attachment attach.Attachment
	// Signers are the accepted keys whose signature over this entry holds. They
	// are given for entries that were rejected for another reason too.
	Signers []key.Fingerprint
	// Identity is whom the certificate names that the signature was made with, where
	// the entry was judged by that and all of it holds.
	Identity *keyless.Signer
	// PredicateType is the type that the signed statement itself names.
	PredicateType string
	// Document names what an accepted statement says, the same for the same type
	// and predicate. It is set for rules with OneDocument.
	Document string
	// Annotations are those of the signed payload, set when a signer's signature holds.
	Annotations map[string]string
	// Counter tells of the counter-signatures of the entry, for rules that ask
	// for some: one for each manifest that was looked at.
	Counter []Countersigned
	// Denies says that the subject is rejected for what this statement says, see
	// [Ruling].
	Denies bool
	// Time is when what the statement says was made, as the signer wrote into it.
	// It is read only for rules with a MaxAge.
	Time time.Time
}

// ErrConfig says that a Trust or a Policy cannot be used.
var ErrConfig = errors.New("unusable trust or policy")

// A Verifier judges subjects. It is safe for concurrent use as far as the
// Take functions of its rules are.
type Verifier struct {
	who     []authorities // of each rule
	policy  Policy
	revoked Revocations
}

// New returns a Verifier. A rule without a key that counts, a policy without
// rules, a rule without threshold or one that no number of keys can meet is
// refused with ErrConfig: nothing is accepted for want of a question.
func New(trust Trust, policy Policy) (*Verifier, error) {
	if len(policy.Rules) == 0 {
		return nil, fmt.Errorf("no rule: %w", ErrConfig)
	}
	if trust.Now == nil {
		trust.Now = policy.Now
	}
	policy.Rules = slices.Clone(policy.Rules)
	v := &Verifier{policy: policy, revoked: trust.Revoked}
	for i, r := range policy.Rules {
		who, err := trust.authorities(r)
		if err == nil {
			err = r.check(who.number())
		}
		if err == nil && r.MaxAge > 0 && policy.Now == nil {
			err = fmt.Errorf("an age is asked for and no clock is given: %w", ErrConfig)
		}
		if err == nil && r.Counter != nil {
			r.Counter, err = r.Counter.check(who, r)
			v.policy.Rules[i].Counter = r.Counter
		}
		if err != nil {
			return nil, fmt.Errorf("rule %q: %w", r.Name, err)
		}
		v.who = append(v.who, who)
	}
	return v, nil
}

func (r Rule) check(keys int) error {
	switch {
	case keys == 0:
		return fmt.Errorf("no accepted key or identity: %w", ErrConfig)
	case r.Threshold < 1:
		return fmt.Errorf("threshold %d is below 1: %w", r.Threshold, ErrConfig)
	case r.Threshold > keys:
		return fmt.Errorf("threshold %d is above the number of distinct keys and identities, %d: %w", r.Threshold, keys, ErrConfig)
	case r.Kind == attach.Signature && len(r.PredicateTypes) > 0:
		return fmt.Errorf("a signature has no predicate type: %w", ErrConfig)
	case r.Kind == attach.Signature && r.MaxAge != 0:
		return fmt.Errorf("a signature tells no time, an age cannot be asked for: %w", ErrConfig)
	case r.Kind == attach.Signature && r.OneDocument:
		return fmt.Errorf("a signature holds no document: %w", ErrConfig)
	case r.Kind == attach.Signature && (len(r.Demands) > 0 || r.Deny):
		return fmt.Errorf("a signature makes no statement that something could be demanded of: %w", ErrConfig)
	case r.MaxAge < 0:
		return fmt.Errorf("maximum age %v is negative: %w", r.MaxAge, ErrConfig)
	case r.Kind == attach.Attestation && len(r.PredicateTypes) == 0:
		return fmt.Errorf("no predicate type is named: %w", ErrConfig)
	case r.Kind != attach.Signature && r.Kind != attach.Attestation:
		return fmt.Errorf("kind %q cannot be verified: %w", r.Kind, ErrConfig)
	}
	return nil
}

// distinct drops keys that are given twice: a threshold counts authorities.
func distinct(keys []*key.Public) []*key.Public {
	var out []*key.Public
	for _, k := range keys {
		if k == nil {
			continue
		}
		same := func(o *key.Public) bool { return o.Fingerprint() == k.Fingerprint() }
		if !slices.ContainsFunc(out, same) {
			out = append(out, k)
		}
	}
	return out
}

// Verify judges the subject by what r holds. It first obtains the subject's own
// manifest and recomputes its digest, then applies each rule. The error is for
// a caller's mistake or a failing Take; a registry that does not answer is an
// Undetermined verdict.
func (v *Verifier) Verify(ctx context.Context, r attach.Reader, s attach.Subject) (Verdict, error) {
	verdict := Verdict{Subject: s}
	subject, manifest := checkSubject(ctx, r, s)
	verdict.Checks = append(verdict.Checks, subject)
	if subject.Outcome == Accept {
		if v.revoked.asks() {
			verdict.Checks = append(verdict.Checks, v.revoked.subject(s, manifest.Raw))
		}
		for i, rule := range v.policy.Rules {
			j := &judge{Reader: r, subject: s, who: v.who[i], revoked: v.revoked, rule: rule, now: v.policy.Now}
			check, err := j.check(ctx)
			if err != nil {
				return Verdict{Subject: s}, fmt.Errorf("verify %s: %w", s, err)
			}
			verdict.Checks = append(verdict.Checks, check)
		}
		if v.policy.Deep {
			verdict.Checks = append(verdict.Checks, checkContent(ctx, r, s, manifest))
		}
	}
	outcomes := make([]Outcome, len(verdict.Checks))
	for i, c := range verdict.Checks {
		outcomes[i] = c.Outcome
	}
	verdict.Outcome = All(outcomes)
	return verdict, nil
}

// SubjectRule is the name of the check that the subject's manifest is there and
// has its digest. It is made first.
const SubjectRule = "subject"

// checkSubject obtains the subject's manifest and recomputes its digest.
func checkSubject(ctx context.Context, r attach.Reader, s attach.Subject) (Check, attach.Manifest) {
	check := Check{Rule: SubjectRule}
	m, err := r.Manifest(ctx, s, s.Desc.Digest)
	if err == nil && attach.DigestOf(m.Raw) != s.Desc.Digest {
		err = fmt.Errorf("manifest has digest %s, not %s: %w", attach.DigestOf(m.Raw), s.Desc.Digest, attach.ErrDigest)
	}
	if err != nil {
		return Unresolved(err), m
	}
	check.Outcome, check.Reason = Accept, Accepted
	check.Detail = "the manifest has the digest " + s.Desc.Digest.String()
	return check, m
}

// Unresolved returns the check on a subject whose manifest could not be
// resolved or read: a rejection where the store says that it is not there or
// where it is bad, else an open question.
func Unresolved(err error) Check {
	check := Check{Rule: SubjectRule, Outcome: Reject, Detail: err.Error()}
	switch {
	case errors.Is(err, attach.ErrNotFound):
		check.Reason = SubjectMissing
	case attach.Judged(err):
		check.Reason = SubjectDigest
	default:
		check.Outcome, check.Reason = Undetermined, unobtainable(err)
	}
	return check
}
