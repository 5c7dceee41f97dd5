package keyless

import "fmt"

// A Reason says why nothing was signed. Reasons are never renamed.
type Reason string

// The reasons.
const (
	// TokenUnavailable: there is no identity token where it should be.
	TokenUnavailable Reason = "token-unavailable"
	// TokenMalformed: what should be an identity token cannot be read.
	TokenMalformed Reason = "token-malformed"
	// TokenExpired: the token is no longer valid, or not yet.
	TokenExpired Reason = "token-expired"
	// TokenAudience: the token was issued for somebody else.
	TokenAudience Reason = "token-audience"
	// TokenIdentity: the token does not say whose it is, or by whom it was issued.
	TokenIdentity Reason = "token-identity"
	// LoginDenied: the person, or the issuer, said no.
	LoginDenied Reason = "login-denied"
	// LoginExpired: nobody logged in, in the time that there was.
	LoginExpired Reason = "login-expired"
	// LoginInvalid: what came back does not belong to the login that was begun.
	LoginInvalid Reason = "login-invalid"
	// Unusable: the signing configuration or the trusted root cannot be used.
	Unusable Reason = "configuration-unusable"
	// Unreachable: a service could not be asked, or its answer did not arrive.
	Unreachable Reason = "service-unreachable"
	// Denied: a service answered that it will not.
	Denied Reason = "service-denied"
	// Malformed: a service's answer cannot be read, or is beyond the limits.
	Malformed Reason = "answer-malformed"
	// OtherKey: the certificate is of another key.
	OtherKey Reason = "certificate-other-key"
	// OtherIdentity: the certificate names somebody else than the token.
	OtherIdentity Reason = "certificate-other-identity"
	// Untrusted: no trusted authority issued the certificate.
	Untrusted Reason = "certificate-untrusted"
	// NoSCT: no trusted certificate log signed that it saw the certificate.
	NoSCT Reason = "certificate-unlogged"
	// OtherEntry: the log entry is of another signature, key or digest.
	OtherEntry Reason = "log-entry-mismatch"
	// BadEntry: the log's promise or proof does not hold.
	BadEntry Reason = "log-entry-invalid"
	// BadTimestamp: the timestamp is of something else, or by nobody trusted.
	BadTimestamp Reason = "timestamp-invalid"
	// Unverifiable: what came together does not verify as a whole.
	Unverifiable Reason = "signature-unverifiable"
	// TooLarge: what is to be signed is larger than is sent to a log.
	TooLarge Reason = "payload-too-large"
)

// A Refusal says why nothing was signed. Nothing is to be stored then.
type Refusal struct {
	Reason Reason
	// Detail tells what was tried, where, and why it failed. It never holds the token.
	Detail string
	// Err is what was the cause, nil where nothing else was.
	Err error
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Err != nil {
		return fmt.Sprintf("%s: %v (%s)", r.Detail, r.Err, r.Reason)
	}
	return fmt.Sprintf("%s (%s)", r.Detail, r.Reason)
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// refuse returns a Refusal.
func refuse(why Reason, err error, format string, args ...any) *Refusal {
	return &Refusal{Reason: why, Detail: fmt.Sprintf(format, args...), Err: err}
}
