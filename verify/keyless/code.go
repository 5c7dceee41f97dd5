package keyless

import "fmt"

// A Code says why a signature was refused. Codes are never renamed; package verify
// lists them among its reasons.
type Code string

// The codes.
const (
	// Malformed: the material, or a part of it, cannot be read.
	Malformed Code = "bundle-malformed"
	// CertificateMalformed: the certificate cannot be read.
	CertificateMalformed Code = "certificate-malformed"
	// Unfit: the certificate is none for signing, its key is weak, or it does not
	// name one identity.
	Unfit Code = "certificate-unfit"
	// Untrusted: no trusted authority issued the certificate.
	Untrusted Code = "certificate-untrusted"
	// Expired: the certificate, or one above it, was not valid when the signature was made.
	Expired Code = "certificate-expired"
	// KeyExpired: the key that is trusted by itself did not count when the signature was
	// made or, where no clock tells, does not count now.
	KeyExpired Code = "key-expired"
	// NotWanted: the certificate names somebody who is not wanted.
	NotWanted Code = "untrusted-identity"
	// Mismatch: a certificate where a key is trusted, or the reverse.
	Mismatch Code = "certificate-mismatch"
	// NoSCT: too few trusted certificate logs saw the certificate.
	NoSCT Code = "sct-missing"
	// BadSignature: the certificate's key did not make the signature.
	BadSignature Code = "signature-invalid"
	// NoTime: too few trusted clocks tell when the signature was made.
	NoTime Code = "no-signing-time"
	// BadTimestamp: a timestamp is damaged, over something else or by nobody trusted.
	BadTimestamp Code = "timestamp-invalid"
	// NoLogEntry: too few trusted logs hold the signature.
	NoLogEntry Code = "log-entry-missing"
	// BadLogEntry: an entry's promise, proof or checkpoint does not hold.
	BadLogEntry Code = "log-entry-invalid"
	// OtherLogEntry: the entry is of another signature, key or digest, or is not of the
	// kind that it is said to be.
	OtherLogEntry Code = "log-entry-mismatch"
	// LogExpired: the log's key was not in use when the signature was made.
	LogExpired Code = "log-expired"
	// Unwitnessed: too few of the wanted witnesses co-signed the log's checkpoint.
	Unwitnessed Code = "log-unwitnessed"
	// Unsupported: a kind of log entry that is not known.
	Unsupported Code = "unsupported-format"
)

// A Refusal says why a signature is not accepted.
type Refusal struct {
	Code   Code
	Detail string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Detail }

// refuse returns a Refusal.
func refuse(c Code, format string, args ...any) *Refusal {
	return &Refusal{Code: c, Detail: fmt.Sprintf(format, args...)}
}
