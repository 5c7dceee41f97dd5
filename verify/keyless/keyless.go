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
// How many are enough a [Quorum] says: one of each, where nobody says otherwise. For a
// key that is trusted by itself, which [Root.VerifyKey] judges, nobody need vouch where
// nobody says that somebody must; it may count for a time only, a [Validity].
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
	// Dating tells when the signature was made.
	Dating
	// Workflow is what the certificate says of a run of GitHub Actions; empty for others.
	Workflow Workflow
	// Fits are the wanted identities that the signer is, each by its [Identity.ID].
	Fits []string
}

// ID names the signer: the same for the same issuer and subject, and for no others.
func (s Signer) ID() string { return fmt.Sprintf("%d:%s %s", len(s.Issuer), s.Issuer, s.Subject) }

// Verify returns who made the signature, where it is one of the identities and all
// that the terms ask for holds. A refusal is an error of type [*Refusal]; another
// error means that what was signed could not be read.
func (r *Root) Verify(m Material, s Signed, wanted []Identity, t Terms) (Signer, error) {
	if err := t.Quorum.Check(); err != nil {
		return Signer{}, err
	}
	q := t.Quorum.forCertificate()
	leaf, signer, err := readLeaf(m.Certificate)
	if err != nil {
		return signer, err
	}
	if signer.Fits, err = matches(wanted, signer, leaf); err != nil {
		return signer, err
	}
	signer.Workflow = workflow(leaf)
	if err := s.by(signer.Key); err != nil {
		return signer, err
	}
	times, dating, err := r.observed(m, s, author{leaf: leaf, key: signer.Key}, q, t)
	if err != nil {
		return signer, err
	}
	chains, err := r.chains(leaf, times)
	if err != nil {
		return signer, err
	}
	if q.certificateLogs > 0 {
		if err := r.seenByLogs(chains, q.certificateLogs); err != nil {
			return signer, err
		}
	}
	if dating.Time.IsZero() {
		dating.Until = endOf(chains)
	}
	signer.Dating = dating
	return signer, nil
}

// VerifyKey judges a signature by a key that is trusted by itself, with the log entries
// and timestamps that it came with, and tells when it was made. A certificate that comes
// with it must be one of that key, and is believed nothing.
func (r *Root) VerifyKey(m Material, s Signed, k *key.Public, t Terms) (Dating, error) {
	err := t.Quorum.Check()
	if err == nil {
		err = t.Validity.Check()
	}
	if err != nil {
		return Dating{}, err
	}
	a, err := owner(m.Certificate, k)
	if err != nil {
		return Dating{}, err
	}
	if err := s.by(k); err != nil {
		return Dating{}, err
	}
	times, dating, err := r.observed(m, s, a, t.Quorum.forKey(), t)
	if err != nil {
		return dating, err
	}
	if dating.Time.IsZero() {
		dating.Until = t.Validity.changes(times[0])
	}
	for _, at := range times {
		if !t.Validity.holds(at) {
			return dating, refuse(KeyExpired, "the signature %s, and its key counts %s", madeAt(at, dating), t.Validity)
		}
	}
	return dating, nil
}

// madeAt says in words when a signature was made.
func madeAt(at time.Time, d Dating) string {
	if d.Time.IsZero() {
		return "is dated by no trusted clock, so that it is judged at the present time, " + at.UTC().Format(time.RFC3339)
	}
	return "was made at " + at.UTC().Format(time.RFC3339)
}

// owner returns the key as the author, and the certificate of it where one came along.
func owner(certificate []byte, k *key.Public) (author, error) {
	if len(certificate) == 0 {
		return author{key: k}, nil
	}
	leaf, err := parseLeaf(certificate)
	if err != nil {
		return author{}, err
	}
	of, err := key.NewPublic(leaf.PublicKey)
	if err != nil || of.Fingerprint() != k.Fingerprint() {
		return author{}, refuse(Mismatch, "a key is trusted, and the signature comes with a certificate of another one")
	}
	return author{key: k, leaf: leaf, either: true}, nil
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
	leaf   *x509.Certificate // nil for a key that is trusted by itself
	key    *key.Public
	either bool // the key is trusted by itself, and leaf is a certificate of it
}

// observed judges the log entries and timestamps and returns the times that count.
func (r *Root) observed(m Material, s Signed, a author, q quorum, t Terms) ([]time.Time, Dating, error) {
	logs, err := r.logs(m.entries, s, a)
	if err != nil {
		return nil, Dating{}, err
	}
	if n := logs.distinct(); n < q.logs {
		return nil, Dating{}, refuse(NoLogEntry, "%d of the trusted transparency logs hold the signature, %d are wanted", n, q.logs)
	}
	clocks, err := r.clocks(m.Timestamps, s)
	if err != nil {
		return nil, Dating{}, err
	}
	if n := len(clocks); n < q.timestamps {
		return nil, Dating{}, refuse(NoTime, "%d of the trusted timestamp authorities tell when the signature was made, %d are wanted", n, q.timestamps)
	}
	if n := len(clocks) + len(logs.promised); n < q.clocks {
		return nil, Dating{}, refuse(NoTime, "%d of the trusted clocks tell when the signature was made, %d are wanted", n, q.clocks)
	}
	var told []time.Time
	for _, times := range clocks {
		told = append(told, times...)
	}
	for _, at := range logs.promised {
		told = append(told, at)
	}
	times, dating, err := t.dated(told)
	if err != nil {
		return nil, dating, err
	}
	return times, dating, logs.within(times)
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
