// Package keyless decides whether a short-lived certificate of a person or a
// workload, together with what logs and clocks say of it, vouches for a signature.
//
// Everything that Sigstore's formats carry beside a signature is brought into one
// form, [Material], whether it stood in a bundle ([FromBundle]) or in the
// annotations of a cosign signature ([FromAnnotations]), and [Root.Verify] alone
// judges it. It needs no network: who is to be believed stands in a [Root], the
// content of a trusted_root.json file.
//
// # What must hold
//
//  1. The certificate is one for signing code, names one identity, and that
//     identity is wanted.
//  2. Its key made the signature.
//  3. Enough transparency logs that are trusted hold an entry of this signature:
//     each entry's promise and inclusion proof hold, its body is the one that is
//     logged and speaks of this signature, key and digest.
//  4. Enough clocks that are trusted say when the signature was there: timestamp
//     authorities, or a log whose promise covers the time.
//  5. At every one of these times the whole chain up to the trusted root was valid.
//  6. Enough trusted certificate logs signed that they saw the certificate.
//
// What is there and does not hold is a refusal also where enough else would do:
// evidence that was tampered with is none. Only entries of logs that the root does
// not know are passed over. Authorities are counted, not entries: one log that
// speaks twice is one.
package keyless

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hallmark-oci/hallmark/sign/key"
)

// Material is what comes with a signature to tell who made it and when. Nothing
// in it is to be believed before it was verified.
type Material struct {
	// Certificate is the signer's, in DER; empty where a key is known by itself.
	Certificate []byte
	// Timestamps are RFC 3161 responses, in DER.
	Timestamps [][]byte

	entries []logged
}

// Signed is a signature and what it is over, in the forms that evidence speaks of.
// The functions are called when they are needed.
type Signed struct {
	Signature []byte
	// MadeBy returns nil when the key made the signature, an error that wraps
	// [key.ErrSignature] when it did not, and another one when it could not be told.
	MadeBy func(*key.Public) error
	// Sum returns a digest of the signed bytes; for an envelope those of its
	// pre-authentication encoding.
	Sum func(crypto.Hash) ([]byte, error)
	// Payload returns the SHA-256 of an envelope's payload; nil for a plain message.
	Payload func() ([]byte, error)
	// Stamped reads what the timestamps are over; nil where it is the signature.
	Stamped func() (io.Reader, error)
}

// Policy says how many authorities of each sort must vouch.
type Policy struct {
	// CertificateLogs is how many must have signed that they saw the certificate.
	CertificateLogs int
	// Logs is how many transparency logs must hold the signature.
	Logs int
	// Clocks is how many must tell when the signature was made: timestamp
	// authorities and logs whose promise covers the time.
	Clocks int
}

// DefaultPolicy asks for one of each.
func DefaultPolicy() Policy { return Policy{CertificateLogs: 1, Logs: 1, Clocks: 1} }

// check refuses a policy that asks for nothing.
func (p Policy) check() error {
	if p.CertificateLogs < 1 || p.Logs < 1 || p.Clocks < 1 {
		return fmt.Errorf("%d certificate logs, %d logs, %d clocks: at least one of each is to vouch", p.CertificateLogs, p.Logs, p.Clocks)
	}
	return nil
}

// Signer is whom a verified certificate names.
type Signer struct {
	// Subject is the certificate's one name: an e-mail address, a URI, or the user
	// name of an issuer's own kind. Issuer is who vouches for it, a URL.
	Subject, Issuer string
	// Key is the certificate's key, made for few signatures or for one.
	Key *key.Public
	// Certificate is the SHA-256 of the certificate.
	Certificate [32]byte
	// Authority is the distinguished name of who issued the certificate (RFC 2253),
	// Serial the number that it has there, in hexadecimal.
	Authority, Serial string
	// Time is the earliest of the times that trusted clocks tell.
	Time time.Time
	// Fits are the wanted identities that the signer is, each by its [Identity.ID].
	Fits []string
}

// ID names the signer: the same for the same issuer and subject, and for no others.
func (s Signer) ID() string { return fmt.Sprintf("%d:%s %s", len(s.Issuer), s.Issuer, s.Subject) }

// Verify returns who made the signature, where it is one of the identities and all
// that the policy asks for holds. A refusal is an error of type [*Refusal]; another
// error means that what was signed could not be read.
func (r *Root) Verify(m Material, s Signed, wanted []Identity, p Policy) (Signer, error) {
	if err := p.check(); err != nil {
		return Signer{}, err
	}
	leaf, signer, err := readLeaf(m.Certificate)
	if err != nil {
		return signer, err
	}
	if signer.Fits, err = matches(wanted, signer, leaf); err != nil {
		return signer, err
	}
	if err := s.by(signer.Key); err != nil {
		return signer, err
	}
	times, err := r.observed(m, s, author{leaf: leaf, key: signer.Key}, p)
	if err != nil {
		return signer, err
	}
	chains, err := r.chains(leaf, times)
	if err != nil {
		return signer, err
	}
	if err := r.seenByLogs(chains, p.CertificateLogs); err != nil {
		return signer, err
	}
	signer.Time = earliest(times)
	return signer, nil
}

// VerifyKey judges the log entries and timestamps of a signature by a key that is
// trusted by itself, and returns the earliest time that a trusted clock tells.
func (r *Root) VerifyKey(m Material, s Signed, k *key.Public, p Policy) (time.Time, error) {
	if err := p.check(); err != nil {
		return time.Time{}, err
	}
	if len(m.Certificate) > 0 {
		return time.Time{}, refuse(Mismatch, "a key is trusted, and the signature comes with a certificate")
	}
	if err := s.by(k); err != nil {
		return time.Time{}, err
	}
	times, err := r.observed(m, s, author{key: k}, p)
	if err != nil {
		return time.Time{}, err
	}
	return earliest(times), nil
}

// by checks that the key made the signature.
func (s Signed) by(k *key.Public) error {
	err := s.MadeBy(k)
	if errors.Is(err, key.ErrSignature) {
		return refuse(BadSignature, "the signature is not by the key of the certificate, or over something else: %v", err)
	}
	return err
}

// author is who is said to have made the signature.
type author struct {
	leaf *x509.Certificate // nil for a key that is trusted by itself
	key  *key.Public
}

// observed judges the log entries and timestamps and returns the times that count.
func (r *Root) observed(m Material, s Signed, a author, p Policy) ([]time.Time, error) {
	logs, err := r.logs(m.entries, s, a)
	if err != nil {
		return nil, err
	}
	if len(logs.seen) < p.Logs {
		return nil, refuse(NoLogEntry, "%d of the trusted transparency logs hold the signature, %d are wanted", len(logs.seen), p.Logs)
	}
	clocks, err := r.clocks(m.Timestamps, s)
	if err != nil {
		return nil, err
	}
	if n := len(clocks) + len(logs.promised); n < p.Clocks {
		return nil, refuse(NoTime, "%d of the trusted clocks tell when the signature was made, %d are wanted", n, p.Clocks)
	}
	var times []time.Time
	for _, told := range clocks {
		times = append(times, told...)
	}
	for _, t := range logs.promised {
		times = append(times, t)
	}
	return times, logs.within(times)
}

// earliest returns the earliest of times, of which there is at least one.
func earliest(times []time.Time) time.Time {
	first := times[0]
	for _, t := range times[1:] {
		if t.Before(first) {
			first = t
		}
	}
	return first
}

// Wanted refuses material whose certificate, whoever issued it, does not name one of
// the identities. It tells without much work what need not be looked at further.
func Wanted(m Material, identities []Identity) error {
	leaf, signer, err := readLeaf(m.Certificate)
	if err != nil {
		return err
	}
	_, err = matches(identities, signer, leaf)
	return err
}
