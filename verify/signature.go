package verify

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// simpleSigning judges an entry in cosign's signature format: the descriptor
// names a payload by digest and carries the signature in an annotation. With
// most keys the digest alone tells whether the signature holds, so that the
// payload of a stranger's entry is never fetched. The payload of an entry that
// is counted always is, and its claims are checked.
func (j *judge) simpleSigning(ctx context.Context, a attach.Attachment) Evidence {
	e := Evidence{Attachment: a}
	reject := func(r Reason, format string, args ...any) Evidence {
		e.Outcome, e.Reason, e.Detail = Reject, r, fmt.Sprintf(format, args...)
		return e
	}
	if string(a.Desc.MediaType) != cosign.SimpleSigning {
		return reject(UnsupportedFormat, "entry of type %q is no simple-signing payload", a.Desc.MediaType)
	}
	sig, err := signatureOf(a)
	if err != nil {
		return reject(SignatureMalformed, "%v", err)
	}
	if reason, err := checkExtras(a); err != nil {
		return reject(reason, "%v", err)
	}
	var sum [32]byte
	if n, err := hex.Decode(sum[:], []byte(a.Desc.Digest.Hex)); err != nil || n != len(sum) {
		return reject(EntryMalformed, "digest %q is no SHA-256", a.Desc.Digest)
	}
	signer, undecided := j.byDigest(sig, sum)
	switch {
	case signer == nil && len(undecided) == 0 && !j.who.certified(a):
		return reject(UntrustedKey, "no accepted key made this signature")
	case signer != nil && j.revoked.keys[signer.Fingerprint()]:
		return reject(Revoked, "signed by key %s, which is revoked", signer.Fingerprint())
	}
	var material keyless.Material
	if j.who.certified(a) {
		material, err = annotated(a)
		if err == nil && signer == nil && len(undecided) == 0 {
			err = keyless.Wanted(material, j.who.identities)
		}
		if err != nil {
			return refused(e, err)
		}
	}
	raw, err := j.payload(ctx, a)
	if err != nil {
		return failed(a, fmt.Errorf("payload of signature %s: %w", a.Desc.Digest, err))
	}
	for _, k := range undecided {
		if signer == nil && k.VerifyMessage(sig, bytes.NewReader(raw)) == nil {
			signer = k
		}
	}
	switch {
	case signer == nil && j.who.certified(a):
		e, ok := j.identified(ctx, e, material, signedMessage(sig, raw))
		if !ok {
			return e
		}
		return j.claims(e, raw)
	case signer == nil:
		return reject(UntrustedKey, "no accepted key made this signature")
	case j.revoked.keys[signer.Fingerprint()]:
		return reject(Revoked, "signed by key %s, which is revoked", signer.Fingerprint())
	}
	e.Signers = []key.Fingerprint{signer.Fingerprint()}
	if err := certificateIsOf(a, signer); err != nil {
		return reject(CertificateMismatch, "%v", err)
	}
	if j.who.asks(signer) {
		if material, err = annotated(a); err != nil {
			return refused(e, err)
		}
		var ok bool
		if e, ok = j.dated(ctx, e, material, signedMessage(sig, raw)); !ok {
			return e
		}
	}
	return j.claims(e, raw)
}

// signedMessage is a signature over a small message.
func signedMessage(sig, raw []byte) keyless.Signed {
	return keyless.Signed{
		Signature: sig,
		MadeBy:    func(k *key.Public) error { return k.VerifyMessage(sig, bytes.NewReader(raw)) },
		Sum:       func(h crypto.Hash) ([]byte, error) { return digest(h, bytes.NewReader(raw)) },
	}
}

// byDigest returns the accepted key that made the signature over a message with
// the SHA-256 digest, and the keys that cannot tell without the message.
func (j *judge) byDigest(sig []byte, sum [32]byte) (signer *key.Public, undecided []*key.Public) {
	for _, k := range j.who.keys {
		switch decided, err := k.VerifyDigest(sig, sum); {
		case decided && err == nil:
			return k, nil
		case !decided:
			undecided = append(undecided, k)
		}
	}
	return nil, undecided
}

// payload returns the entry's payload, checked against its descriptor.
func (j *judge) payload(ctx context.Context, a attach.Attachment) ([]byte, error) {
	if a.Desc.Size > MaxPayload {
		return nil, fmt.Errorf("%d bytes, the limit is %d: %w", a.Desc.Size, MaxPayload, attach.ErrLimit)
	}
	rc, err := j.Open(ctx, j.subject, a)
	if err != nil {
		return nil, err
	}
	return attach.ReadAll(rc, a.Desc, MaxPayload)
}

// claims checks what a payload with a good signature says.
func (j *judge) claims(e Evidence, raw []byte) Evidence {
	p, err := payload.ParseSimpleSigning(raw)
	if err != nil {
		e.Outcome, e.Reason, e.Detail = Reject, PayloadMalformed, err.Error()
		return e
	}
	e.Annotations = texts(p.Optional)
	if p.Digest != j.subject.Desc.Digest.String() {
		e.Outcome, e.Reason = Reject, WrongSubject
		e.Detail = fmt.Sprintf("signed for %s", p.Digest)
		return e
	}
	if e, ok := j.reference(e, p.Reference); !ok {
		return e
	}
	return j.annotations(e)
}

// annotations checks the wanted annotations and accepts the entry.
func (j *judge) annotations(e Evidence) Evidence {
	for k, want := range j.rule.Annotations {
		got, ok := e.Annotations[k]
		if !ok || got != want {
			e.Outcome, e.Reason = Reject, AnnotationMismatch
			e.Detail = fmt.Sprintf("annotation %q is %q, not %q", k, got, want)
			if !ok {
				e.Detail = fmt.Sprintf("annotation %q is missing", k)
			}
			return e
		}
	}
	e.Outcome, e.Reason = Accept, Accepted
	return e
}

// texts returns the annotations that are strings. Others cannot be asked for.
func texts(values map[string]any) map[string]string {
	out := make(map[string]string, len(values))
	for k, v := range values {
		if s, ok := v.(string); ok {
			out[k] = s
		}
	}
	return out
}

// signatureOf returns the signature in the entry's annotation.
func signatureOf(a attach.Attachment) ([]byte, error) {
	text, ok := a.Annotations[cosign.SignatureAnnotation]
	switch {
	case !ok || text == "":
		return nil, fmt.Errorf("the entry has no signature")
	case len(text) > MaxSignature:
		return nil, fmt.Errorf("the signature has %d characters, the limit is %d", len(text), MaxSignature)
	}
	sig, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("the signature is not base64: %v", err)
	}
	return sig, nil
}

// checkExtras refuses an entry whose certificate, chain, log entry or timestamp
// cannot even be read. Keys are trusted by themselves here, so that none of
// these lends the entry weight; but an entry that was tampered with is not
// evidence, and the untouched one stands beside it.
func checkExtras(a attach.Attachment) (Reason, error) {
	for _, name := range []string{cosign.CertificateAnnotation, cosign.ChainAnnotation} {
		text, ok := a.Annotations[name]
		if !ok {
			continue
		}
		if _, err := key.ParseCertificates(text); err != nil {
			return CertificateMalformed, fmt.Errorf("annotation %s: %v", name, err)
		}
	}
	for _, name := range []string{cosign.BundleAnnotation, cosign.TimestampAnnotation} {
		if text, ok := a.Annotations[name]; ok && !isJSONObject(text) {
			return BundleMalformed, fmt.Errorf("annotation %s is no JSON object", name)
		}
	}
	return "", nil
}

func isJSONObject(text string) bool {
	text = string(bytes.TrimSpace([]byte(text)))
	return len(text) > 0 && text[0] == '{' && json.Valid([]byte(text))
}
