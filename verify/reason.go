package verify

import (
	"context"
	"errors"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// A Reason is a stable, machine-readable code that says why a check or a piece
// of evidence came out as it did. Codes are never renamed; new ones may come.
type Reason string

// The reasons for acceptance and for a rule's outcome.
const (
	Accepted        Reason = "accepted"          // what was asked for holds
	NoSignature     Reason = "no-signature"      // nothing of the kind is attached
	NoAttestation   Reason = "no-attestation"    // nothing of the wanted type is attached
	NoAttachment    Reason = "no-attachment"     // the attached object that was asked about is not there
	NoneAccepted    Reason = "none-accepted"     // entries exist, none counts
	ThresholdNotMet Reason = "threshold-not-met" // some count, too few distinct signers
)

// The reasons about the subject and its content.
const (
	SubjectMissing Reason = "subject-missing" // the store says that it has no such image
	SubjectDigest  Reason = "subject-digest"  // the manifest that came has another digest than was asked for, or cannot be read
	BlobMissing    Reason = "blob-missing"    // the image names a blob that the store does not have
	BlobDigest     Reason = "blob-digest"     // a blob, or a manifest below an index, is not what its digest says
	ContentLimit   Reason = "content-limit"   // the image has more blobs, or deeper indexes, than are read
)

// The reasons why one entry does not count.
const (
	UntrustedKey         Reason = "untrusted-key"         // no accepted key made the signature
	SignatureMalformed   Reason = "signature-malformed"   // no signature, or not base64
	CertificateMalformed Reason = "certificate-malformed" // a certificate is attached that cannot be read
	CertificateMismatch  Reason = "certificate-mismatch"  // the attached certificate has another key than the signer
	BundleMalformed      Reason = "bundle-malformed"      // a log entry, timestamp or bundle that cannot be read
	EntryMalformed       Reason = "entry-malformed"       // the entry breaks the format of its manifest
	EntryLimit           Reason = "entry-limit"           // the entry is larger or more complex than is read
	EntryDigest          Reason = "entry-digest"          // the content is not what the descriptor names
	PayloadMalformed     Reason = "payload-malformed"     // signed, but not in the format that its type asks for
	PayloadType          Reason = "payload-type"          // signed, but as something else than this rule asks for
	PredicateType        Reason = "predicate-type"        // a statement of another type
	WrongSubject         Reason = "wrong-subject"         // signed for another image
	WrongReference       Reason = "wrong-reference"       // the signer named another repository, or none, and the rule asks for this one
	AnnotationMismatch   Reason = "annotation-mismatch"   // the payload lacks a wanted annotation
	UnsupportedFormat    Reason = "unsupported-format"    // a format that hallmark does not judge
	TooOld               Reason = "too-old"               // what the statement says was made too long ago
	NoTime               Reason = "no-time"               // an age is asked for, and the statement tells no time
	FromFuture           Reason = "from-future"           // the statement claims to be made at a time yet to come
	Revoked              Reason = "revoked"               // a key, an image or a document that counts nowhere any more
	Removed              Reason = "removed"               // it would count, but a tombstone hides it
	NoCountersignature   Reason = "no-countersignature"   // it would count, but the keys that are to counter-sign it did not
)

// The reasons why what a statement says is not what a rule asks for.
const (
	ConditionNotMet Reason = "condition-not-met" // a condition over the predicate does not hold
	ConditionFailed Reason = "condition-failed"  // a condition cannot be answered for this predicate
	SBOMFormat      Reason = "sbom-format"       // an SBOM in another format or version than is asked for
	SBOMQuality     Reason = "sbom-quality"      // an SBOM that says too little of its components
	SBOMUnreadable  Reason = "sbom-unreadable"   // an SBOM that breaks its format or is beyond the limits
	OtherAdvisories Reason = "other-advisories"  // a scan with other advisories, or older ones, than are asked for
	ScanUnreadable  Reason = "scan-unreadable"   // a vulnerability report that cannot be read
	ScanFindings    Reason = "scan-findings"     // a vulnerability report tells of something as grave as denies the image
	Exempted        Reason = "exempted"          // a rule that does not hold, and an exception that says it need not
)

// The reasons why a certificate, and what logs and clocks say of it, do not vouch for
// a signature. See verify/keyless for what each means.
const (
	UntrustedIdentity    = Reason(keyless.NotWanted)     // the certificate names somebody who is not accepted
	CertificateUnfit     = Reason(keyless.Unfit)         // none for signing, a weak key, or not one name
	CertificateUntrusted = Reason(keyless.Untrusted)     // no trusted authority issued the certificate
	CertificateExpired   = Reason(keyless.Expired)       // not valid, or one above it, when the signature was made
	SCTMissing           = Reason(keyless.NoSCT)         // too few trusted certificate logs saw the certificate
	SignatureInvalid     = Reason(keyless.BadSignature)  // not by the certificate's key, or over something else
	NoSigningTime        = Reason(keyless.NoTime)        // too few trusted clocks tell when the signature was made
	TimestampInvalid     = Reason(keyless.BadTimestamp)  // a timestamp is damaged, over something else or by nobody trusted
	LogEntryMissing      = Reason(keyless.NoLogEntry)    // too few trusted logs hold the signature
	LogEntryInvalid      = Reason(keyless.BadLogEntry)   // promise, inclusion proof or checkpoint do not hold
	LogEntryMismatch     = Reason(keyless.OtherLogEntry) // the entry is of another signature, key or digest
	KeyExpired           = Reason(keyless.KeyExpired)    // the key did not count when the signature was made, or does not now
	LogUnwitnessed       = Reason(keyless.Unwitnessed)   // too few of the wanted witnesses co-signed the log's checkpoint
	LogExpired           = Reason(keyless.LogExpired)    // the log was not in use when the signature was made
)

// The reasons about files that are signed by themselves.
const (
	DigestMismatch Reason = "digest-mismatch" // the bundle names another digest than the file has
	DigestOnly     Reason = "digest-only"     // what was signed cannot be told from the digest that is given
)

// The reasons that policies give, see verify/policy.
const (
	NoPolicy             Reason = "no-policy"             // no policy speaks of the image
	BadReference         Reason = "bad-reference"         // the name of the image cannot be read
	DigestRequired       Reason = "digest-required"       // the image is named without digest, and none was found
	StaticPass           Reason = "static-pass"           // a policy exempts the image
	StaticFail           Reason = "static-fail"           // a policy forbids the image
	AuthorityUnsupported Reason = "authority-unsupported" // a policy asks for what is not verified here
	NoTrustedRoot        Reason = "no-trusted-root"       // who may vouch for identities stands in a trusted root that is not at hand
	ReferenceMissing     Reason = "reference-missing"     // a policy refers to a key or a text that is not at hand
	PolicyUnsupported    Reason = "policy-unsupported"    // a policy has a part in a language that is not run here
	PolicyNotMet         Reason = "policy-not-met"        // a part in CUE or Rego says no
	PolicyBroken         Reason = "policy-broken"         // a part in CUE or Rego cannot be compiled
	PolicyProgram        Reason = "policy-program"        // the program that runs CUE and Rego is missing, failed or did not finish
	ObjectUnknown        Reason = "object-unknown"        // a policy is for some kinds of object, and there is none
)

// The reasons for an open question.
const (
	Unreachable   Reason = "unreachable"    // the registry did not answer, or broke off
	AccessDenied  Reason = "access-denied"  // the registry refused the credentials
	Deadline      Reason = "deadline"       // time ran out
	CounterLimit  Reason = "counter-limit"  // more places may be counter-signed than are asked
	ContentAbsent Reason = "content-absent" // listed, but the store says it is not there
	NetworkLimit  Reason = "network-limit"  // more would have to be asked of the network than is asked
	Overloaded    Reason = "overloaded"     // too much is under way already
	Internal      Reason = "internal-error" // the verifier itself failed
)

// The reasons why a list of revocations cannot be used, see verify/revocation: what it
// would revoke cannot be told.
const (
	RevocationsStale     Reason = "revocations-stale"     // the list is older than it may be, or is from the future
	RevocationsUntrusted Reason = "revocations-untrusted" // no accepted key signed the list
	RevocationsOld       Reason = "revocations-old"       // the list has a lower number than is asked for
	RevocationsMalformed Reason = "revocations-malformed" // the list is no such document, or another list
)

// unobtainable returns the reason for an error that left a question open.
func unobtainable(err error) Reason {
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Deadline
	case errors.Is(err, attach.ErrDenied):
		return AccessDenied
	case errors.Is(err, attach.ErrNotFound):
		return ContentAbsent
	case errors.Is(err, errSearches):
		return NetworkLimit
	}
	return Unreachable
}

// badEntry returns the reason for content that arrived and is bad.
func badEntry(err error) Reason {
	switch {
	case errors.Is(err, attach.ErrDigest):
		return EntryDigest
	case errors.Is(err, attach.ErrLimit):
		return EntryLimit
	}
	return EntryMalformed
}

// failed turns an error from reading an entry into evidence: bad content
// rejects the entry, content that could not be had leaves it open. Content that
// is listed but authoritatively absent rejects: it can never be evidence.
func failed(a attach.Attachment, err error) Evidence {
	e := Evidence{Attachment: a, Detail: err.Error()}
	switch {
	case attach.Judged(err):
		e.Outcome, e.Reason = Reject, badEntry(err)
	case errors.Is(err, attach.ErrNotFound):
		e.Outcome, e.Reason = Reject, ContentAbsent
	default:
		e.Outcome, e.Reason = Undetermined, unobtainable(err)
	}
	return e
}
