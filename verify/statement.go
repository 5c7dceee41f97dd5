package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

// A Statement is an in-toto statement that was accepted.
type Statement struct {
	Evidence Evidence
	Header   payload.Header
	// Predicate reads the predicate's JSON as it was signed.
	Predicate io.Reader
	// Envelope is the DSSE envelope, written anew in the form that cosign
	// writes: payload and signatures are the same bytes.
	Envelope dsse.Sealed
}

// attestation judges a DSSE envelope in cosign's attestation format.
func (j *judge) attestation(ctx context.Context, a attach.Attachment) (Evidence, error) {
	e := Evidence{Attachment: a, Outcome: Reject}
	if string(a.Desc.MediaType) != cosign.DSSE {
		e.Reason, e.Detail = UnsupportedFormat, fmt.Sprintf("entry of type %q is no DSSE envelope", a.Desc.MediaType)
		return e, nil
	}
	if claimed := a.Annotations[cosign.PredicateTypeAnnotation]; claimed != "" && !j.wants(claimed) {
		e.Reason, e.Detail = PredicateType, "the entry is marked as "+claimed
		return e, nil
	}
	if reason, err := checkExtras(a); err != nil {
		e.Reason, e.Detail = reason, err.Error()
		return e, nil
	}
	if a.Desc.Size > MaxEnvelope {
		e.Reason, e.Detail = EntryLimit, fmt.Sprintf("%d bytes, the limit is %d", a.Desc.Size, MaxEnvelope)
		return e, nil
	}
	rc, err := j.Open(ctx, j.subject, a)
	if err != nil {
		return failed(a, fmt.Errorf("attestation %s: %w", a.Desc.Digest, err)), nil
	}
	defer rc.Close()
	return j.envelope(ctx, e, rc, a.Desc.Size, reading{j.who.certified(a), func() (evidenceOf, error) {
		m, err := annotated(a)
		return evidenceOf{m, func() (io.Reader, error) { return j.Open(ctx, j.subject, a) }}, err
	}})
}

// envelope judges the envelope that r yields: the signatures first, over the
// bytes as they are, and only then what they say. Where no key that counts made one,
// what came with the envelope may tell of an identity that does.
func (j *judge) envelope(ctx context.Context, e Evidence, r io.Reader, size int64, came reading) (Evidence, error) {
	env, err := dsse.Open(r, size, dsse.Options{MaxSize: MaxEnvelope})
	if err != nil {
		return unreadable(e, err), nil
	}
	defer env.Close()
	signers, err := j.madeBy(env)
	if err != nil {
		return unreadable(e, err), nil
	}
	var revoked []key.Fingerprint
	e.Signers, revoked = j.revoked.standing(signers)
	switch {
	case len(signers) == 0 && came.certified:
		var ok bool
		if e, ok = j.certifiedEnvelope(ctx, e, env, came); !ok {
			return e, nil
		}
		return j.stated(ctx, e, env)
	case len(signers) == 0:
		e.Reason, e.Detail = UntrustedKey, "no accepted key signed this statement"
		return e, nil
	case len(e.Signers) == 0:
		return revoke(e, fmt.Sprintf("signed by key %s, which is revoked", revoked[0])), nil
	}
	if err := j.certificateMatches(e); err != nil {
		e.Reason, e.Detail = CertificateMismatch, err.Error()
		return e, nil
	}
	e, ok := j.datedEnvelope(ctx, e, env, came)
	if !ok {
		return e, nil
	}
	return j.stated(ctx, e, env)
}

// stated judges what an envelope with a good signature says.
func (j *judge) stated(ctx context.Context, e Evidence, env *dsse.Envelope) (Evidence, error) {
	if env.Type() != payload.MediaType {
		e.Reason, e.Detail = PayloadType, fmt.Sprintf("signed as %q, not as an in-toto statement", env.Type())
		return e, nil
	}
	header, err := payload.ReadHeader(env.Payload())
	if err != nil {
		if errors.Is(err, payload.ErrMalformed) {
			e.Reason, e.Detail = PayloadMalformed, err.Error()
			return e, nil
		}
		return unreadable(e, err), nil
	}
	e = j.statement(e, header)
	if e.Outcome == Accept {
		if e, err = j.revoked.document(e, header, env); err != nil {
			return unreadable(e, err), nil
		}
	}
	if e.Outcome == Accept && j.rule.MaxAge > 0 {
		e = j.age(e, header, env)
	}
	if e.Outcome == Accept && len(j.rule.Demands) > 0 {
		if e, err = j.demands(ctx, e, header, env); err != nil {
			return unreadable(e, err), nil
		}
	}
	if e.Outcome == Accept && j.rule.OneDocument {
		if e.Document, err = document(header, env); err != nil {
			return unreadable(e, err), nil
		}
	}
	if e.Outcome == Accept && j.rule.Take != nil {
		return e, j.take(e, header, env)
	}
	return e, nil
}

// madeBy returns the accepted keys that made one of the envelope's signatures.
// The error is for an envelope that cannot be read, not for a bad signature.
func (j *judge) madeBy(env *dsse.Envelope) ([]key.Fingerprint, error) {
	sum, err := env.Sum()
	if err != nil {
		return nil, err
	}
	var made []key.Fingerprint
	for _, k := range j.who.keys {
		for _, s := range env.Signatures() {
			decided, err := k.VerifyDigest(s.Sig, sum)
			if !decided {
				err = k.VerifyMessage(s.Sig, env.PAE())
			}
			if err == nil {
				made = append(made, k.Fingerprint())
				break
			}
		}
	}
	return made, nil
}

// statement checks what a statement with a good signature says.
func (j *judge) statement(e Evidence, h payload.Header) Evidence {
	e.PredicateType = h.PredicateType
	signature := h.PredicateType == payload.Sign
	switch {
	case j.rule.Kind == attach.Signature && !signature:
		e.Reason, e.Detail = PayloadType, "an attestation of type "+h.PredicateType+" is no image signature"
		return e
	case j.rule.Kind == attach.Attestation && !slices.Contains(j.rule.PredicateTypes, h.PredicateType):
		e.Reason, e.Detail = PredicateType, "the statement is of type "+h.PredicateType
		return e
	}
	i := slices.IndexFunc(h.Subjects, func(s payload.Subject) bool {
		return s.Digest["sha256"] == j.subject.Desc.Digest.Hex
	})
	if i < 0 {
		e.Reason, e.Detail = WrongSubject, "the statement is about "+subjects(h)
		return e
	}
	e.Annotations = texts(h.Subjects[i].Annotations)
	if e, ok := j.reference(e, h.Subjects[i].Name); !ok {
		return e
	}
	return j.annotations(e)
}

// subjects names the first few subjects of a statement.
func subjects(h payload.Header) string {
	if len(h.Subjects) == 0 {
		return "no subject"
	}
	var names []string
	for i, s := range h.Subjects {
		if i == 3 {
			names = append(names, fmt.Sprintf("and %d more", len(h.Subjects)-i))
			break
		}
		names = append(names, "sha256:"+s.Digest["sha256"])
	}
	return strings.Join(names, ", ")
}

// take hands an accepted statement to the rule's Take.
func (j *judge) take(e Evidence, h payload.Header, env *dsse.Envelope) error {
	body := env.Payload()
	if _, err := io.CopyN(io.Discard, body, h.PredicateOffset); err != nil {
		return fmt.Errorf("read the predicate again: %w", err)
	}
	sealed, err := dsse.Seal(dsse.Payload{
		Type: env.Type(), Size: env.Size(),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(env.Payload()), nil },
	}, env.Signatures()...)
	if err != nil {
		return fmt.Errorf("write the envelope again: %w", err)
	}
	return j.rule.Take(Statement{
		Evidence: e, Header: h,
		Predicate: io.LimitReader(body, h.PredicateLength),
		Envelope:  sealed,
	})
}

// wants reports whether an attestation that is marked with the type is worth opening.
func (j *judge) wants(predicateType string) bool {
	return slices.Contains(j.rule.PredicateTypes, predicateType)
}

// certificateMatches checks an attached certificate against the signers.
func (j *judge) certificateMatches(e Evidence) error {
	var err error
	for _, k := range j.who.keys {
		if slices.Contains(e.Signers, k.Fingerprint()) {
			if err = certificateIsOf(e.Attachment, k); err == nil {
				return nil
			}
		}
	}
	return err
}

// unreadable turns an error from reading an envelope into evidence.
func unreadable(e Evidence, err error) Evidence {
	if errors.Is(err, dsse.ErrMalformed) {
		e.Outcome, e.Reason, e.Detail = Reject, EntryMalformed, err.Error()
		return e
	}
	return failed(e.Attachment, err)
}
