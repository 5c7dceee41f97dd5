package verify

import (
	"bytes"
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/sign/bundle"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// A Blob is a file, or what is known of one by its digest alone.
type Blob struct {
	// Open reads the file from its beginning; nil where only the digest is known.
	Open func() (io.ReadCloser, error)
	// Hash is SHA-256, SHA-384 or SHA-512, and Sum the digest, where Open is nil.
	Hash crypto.Hash
	Sum  []byte
}

// Statements say which in-toto statements about a file are taken. A statement is no
// signature over the file: one that its tests failed is as well signed as one that
// they passed. The zero value takes none, and the signature over the file alone.
type Statements struct {
	// Types are predicate types, as URIs. Where there are any, a statement of one of
	// them is what is asked for, and a signature over the file is not taken for it.
	Types []string
	// Any takes every statement, and a signature over the file as well.
	Any bool
}

// BlobRule is the name of the check on a file.
const BlobRule = "signature"

// VerifyBlob judges a file by the Sigstore bundle that b yields, of size bytes: by a
// signature over it, or by one of the wanted statements. Any one of the trusted keys and identities will do. Where the trust has a root, log entries
// and timestamps are asked for with keys as well; without one a key is believed by itself.
// The error is for a caller's mistake.
func VerifyBlob(ctx context.Context, trust Trust, wanted Statements, blob Blob, b io.Reader, size int64) (Check, error) {
	who, err := trust.authorities(Rule{})
	if err == nil && who.number() == 0 {
		err = fmt.Errorf("no accepted key or identity: %w", ErrConfig)
	}
	if err != nil {
		return Check{}, err
	}
	e := Evidence{Outcome: Reject}
	if size > MaxBundle {
		e.Reason, e.Detail = EntryLimit, fmt.Sprintf("a bundle of %d bytes, at most %d are read", size, MaxBundle)
		return blobCheck(who, e), nil
	}
	parsed, err := bundle.Open(b, size)
	if errors.Is(err, bundle.ErrMalformed) {
		e.Reason, e.Detail = BundleMalformed, err.Error()
		return blobCheck(who, e), nil
	}
	if err != nil {
		return blobCheck(who, unreadable(e, err)), nil
	}
	defer parsed.Close()
	j := &blobJudge{who: who, revoked: trust.Revoked, wanted: wanted, blob: blob, sums: make(map[crypto.Hash][]byte)}
	if err := ctx.Err(); err != nil {
		return blobCheck(who, unreadable(e, err)), nil
	}
	return blobCheck(who, j.standing(j.judge(ctx, e, parsed))), nil
}

// blobCheck is the check that has the one piece of evidence.
func blobCheck(who authorities, e Evidence) Check {
	return Check{Rule: BlobRule, Outcome: e.Outcome, Reason: e.Reason, Detail: e.Detail, Evidence: []Evidence{e}, Waived: who.waived()}
}

// A blobJudge judges one file.
type blobJudge struct {
	who     authorities
	revoked Revocations
	wanted  Statements
	blob    Blob
	sums    map[crypto.Hash][]byte
	searches
}

// errDigestOnly says that the digest that is given does not tell.
var errDigestOnly = errors.New("it cannot be told from the digest that is given; name the file, or give its digest by the hash that was signed")

// sum returns a digest of the file.
func (j *blobJudge) sum(h crypto.Hash) ([]byte, error) {
	if sum, ok := j.sums[h]; ok {
		return sum, nil
	}
	if j.blob.Open == nil {
		if h == j.blob.Hash {
			return j.blob.Sum, nil
		}
		return nil, fmt.Errorf("the %v of the file is asked for: %w", h, errDigestOnly)
	}
	f, err := j.blob.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum, err := digest(h, f)
	if err == nil {
		j.sums[h] = sum
	}
	return sum, err
}

// judge judges what the bundle holds.
func (j *blobJudge) judge(ctx context.Context, e Evidence, b *bundle.Bundle) Evidence {
	m, err := keyless.FromBundle(b.MediaType, b.Material())
	if err != nil {
		return refused(e, err)
	}
	if b.Envelope() == nil && len(j.wanted.Types) > 0 && !j.wanted.Any {
		e.Reason, e.Detail = PayloadType, "the bundle holds a signature over the file, and a statement about it is asked for with --type; leave --type away to take the signature"
		return e
	}
	if b.Envelope() == nil {
		return j.message(ctx, e, b, m)
	}
	text := b.Envelope()
	env, err := dsse.Open(text, text.Size(), dsse.Options{MaxSize: MaxEnvelope})
	if err != nil {
		return unreadable(e, err)
	}
	defer env.Close()
	signed, err := signedEnvelope(env)
	if err != nil {
		e.Reason, e.Detail = SignatureMalformed, err.Error()
		return e
	}
	e, ok := j.signed(ctx, e, b, m, signed)
	if !ok {
		return e
	}
	return j.stated(e, env)
}

// message judges a signature over the file itself.
func (j *blobJudge) message(ctx context.Context, e Evidence, b *bundle.Bundle, m keyless.Material) Evidence {
	msg, err := keyless.ReadMessage(b.Message())
	if err != nil {
		return refused(e, err)
	}
	// What the bundle says of the digest is nobody's word, but the two must agree.
	switch sum, err := j.sum(msg.Hash); {
	case errors.Is(err, errDigestOnly):
		e.Outcome, e.Reason, e.Detail = Undetermined, DigestOnly, err.Error()
		return e
	case err != nil:
		return unreadable(e, err)
	case !bytes.Equal(sum, msg.Sum):
		e.Reason, e.Detail = DigestMismatch, fmt.Sprintf("the bundle is for the digest %x, the file has %x", msg.Sum, sum)
		return e
	}
	signed := keyless.Signed{
		Signature: msg.Signature, Sum: j.sum,
		MadeBy: func(k *key.Public) error { return j.madeBy(k, msg) },
	}
	e, ok := j.signed(ctx, e, b, m, signed)
	if ok {
		e.Outcome, e.Reason = Accept, Accepted
	}
	return e
}

// madeBy judges the signature over the file, or over its digest where that is all.
func (j *blobJudge) madeBy(k *key.Public, msg keyless.Message) error {
	if j.blob.Open != nil {
		f, err := j.blob.Open()
		if err != nil {
			return err
		}
		defer f.Close()
		return k.VerifyMessage(msg.Signature, f)
	}
	decided, err := k.VerifySum(msg.Signature, j.blob.Hash, j.blob.Sum)
	if !decided && err != nil {
		return fmt.Errorf("whether the signature holds: %w", errDigestOnly)
	}
	return err
}

// signed judges who made the signature and tells whether that one counts.
func (j *blobJudge) signed(ctx context.Context, e Evidence, b *bundle.Bundle, m keyless.Material, s keyless.Signed) (Evidence, bool) {
	if b.HasCertificate && len(j.who.identities) > 0 {
		m, err := j.ofIdentity(ctx, j.who, m, s)
		if err != nil {
			return undecided(e, err), false
		}
		signer, err := j.who.root.Verify(m, s, j.who.identities, j.who.terms())
		if err != nil {
			return undecided(e, err), false
		}
		e.Identity = &signer
		if j.revoked.signer(signer) {
			return revoke(e, fmt.Sprintf("signed by %s, whose certificate or key is revoked", signer.Subject)), false
		}
		e.Detail = "signed by " + signer.Subject
		return e, true
	}
	e.Reason, e.Detail = UntrustedKey, "no accepted key made this signature"
	if b.HasCertificate {
		e.Reason, e.Detail = CertificateMismatch, "the bundle comes with a certificate, and only keys are accepted"
	} else if len(j.who.keys) == 0 {
		e.Reason, e.Detail = CertificateMismatch, "the bundle comes without a certificate, and only identities are accepted"
	}
	var open error // of a key of which the digest alone does not tell
	for _, k := range j.who.keys {
		if b.HasCertificate {
			break
		}
		err := s.MadeBy(k)
		if err == nil && j.who.asks(k) {
			var with keyless.Material
			if with, err = j.ofKey(ctx, j.who, m, s, k); err == nil {
				_, err = j.who.dated(k, with, s)
			}
		}
		switch {
		case errors.Is(err, key.ErrSignature):
			continue
		case errors.Is(err, errDigestOnly):
			open = err
			continue
		case err != nil:
			return undecided(e, err), false
		case j.revoked.keys[k.Fingerprint()]:
			return revoke(e, fmt.Sprintf("signed by key %s, which is revoked", k.Fingerprint())), false
		}
		e.Signers, e.Reason, e.Detail = []key.Fingerprint{k.Fingerprint()}, "", "signed by an accepted key"
		return e, true
	}
	if open != nil {
		return undecided(e, open), false
	}
	return e, false
}

// undecided is refused, but for what the digest alone leaves open.
func undecided(e Evidence, err error) Evidence {
	if errors.Is(err, errDigestOnly) {
		e.Outcome, e.Reason, e.Detail = Undetermined, DigestOnly, err.Error()
		return e
	}
	return refused(e, err)
}

// stated judges what a statement with a good signature says of the file.
func (j *blobJudge) stated(e Evidence, env *dsse.Envelope) Evidence {
	if env.Type() != payload.MediaType {
		e.Outcome, e.Reason, e.Detail = Reject, PayloadType, fmt.Sprintf("signed as %q, not as an in-toto statement", env.Type())
		return e
	}
	h, err := payload.ReadHeader(env.Payload())
	if errors.Is(err, payload.ErrMalformed) {
		e.Outcome, e.Reason, e.Detail = Reject, PayloadMalformed, err.Error()
		return e
	}
	if err != nil {
		return unreadable(e, err)
	}
	e.PredicateType = h.PredicateType
	switch {
	case j.wanted.Any || slices.Contains(j.wanted.Types, h.PredicateType):
	case len(j.wanted.Types) > 0:
		e.Outcome, e.Reason, e.Detail = Reject, PredicateType, fmt.Sprintf("the statement is of type %s, which --type does not name", h.PredicateType)
		return e
	default:
		e.Outcome, e.Reason, e.Detail = Reject, PayloadType, fmt.Sprintf("a statement of type %s about the file is no signature over it; to ask for such a statement give --type %s", h.PredicateType, payload.NameOf(h.PredicateType))
		return e
	}
	switch about, err := j.about(h.Subjects); {
	case errors.Is(err, errDigestOnly):
		return undecided(e, err)
	case err != nil:
		return unreadable(e, err)
	case !about:
		e.Outcome, e.Reason, e.Detail = Reject, WrongSubject, "the statement is not about the file"
		return e
	}
	e.Outcome, e.Reason = Accept, Accepted
	if e, err = j.revoked.document(e, h, env); err != nil {
		return unreadable(e, err)
	}
	return e
}

// about reports whether one of the subjects is the file. The error is errDigestOnly
// where none is that can be told, and one is named by other hashes alone.
func (j *blobJudge) about(subjects []payload.Subject) (bool, error) {
	var open error
	for _, s := range subjects {
		told, left := false, error(nil)
		for _, name := range []string{"sha512", "sha384", "sha256"} {
			if s.Digest[name] == "" {
				continue
			}
			sum, err := j.sum(hashNamed(name))
			switch {
			case errors.Is(err, errDigestOnly):
				left = err
			case err != nil:
				return false, err
			case strings.EqualFold(s.Digest[name], hex.EncodeToString(sum)):
				return true, nil
			default:
				told = true
			}
		}
		if !told && left != nil {
			open = left
		}
	}
	return false, open
}

// hashNamed returns the hash of a name that [ParseDigest] knows, 0 for another.
func hashNamed(name string) crypto.Hash {
	switch name {
	case "sha256":
		return crypto.SHA256
	case "sha384":
		return crypto.SHA384
	case "sha512":
		return crypto.SHA512
	}
	return 0
}

// ParseDigest reads "sha256:HEX", "sha384:HEX" or "sha512:HEX".
func ParseDigest(text string) (Blob, error) {
	name, digits, _ := strings.Cut(text, ":")
	h := hashNamed(name)
	if h == 0 {
		return Blob{}, fmt.Errorf("digest %.100q is not of the form sha256:HEX, sha384:HEX or sha512:HEX", text)
	}
	sum, err := hex.DecodeString(digits)
	if err != nil || len(sum) != h.Size() {
		return Blob{}, fmt.Errorf("digest %.200q does not have %d hexadecimal digits", text, 2*h.Size())
	}
	return Blob{Hash: h, Sum: sum}, nil
}
