package sign

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

// A Given is an image signature that was made elsewhere: by a key that this
// program cannot reach, or by another tool.
type Given struct {
	// Payload is the simple signing payload, byte for byte as it was signed.
	Payload []byte
	// Signature is raw: DER for ECDSA.
	Signature []byte
	// Certificate and Chain are PEM, "" where there are none: the signer's
	// certificate, and those above it up to the root.
	Certificate, Chain string
}

// Content checks the signature and returns it ready to be put beside the subject.
// A payload that speaks of another image is refused with ErrUnfit, and so is what
// no verifier could count: a payload out of format, a certificate that cannot be
// read or whose key did not make the signature. Where keys are given, one of them
// must have made it: else the error wraps key.ErrSignature.
func (g Given) Content(s attach.Subject, by ...*key.Public) (attach.Content, error) {
	said, err := payload.ParseSimpleSigning(g.Payload)
	switch {
	case err != nil:
		return attach.Content{}, fmt.Errorf("the payload: %w", err)
	case said.Digest != s.Desc.Digest.String():
		return attach.Content{}, fmt.Errorf("the payload speaks of %s, not of %s: %w", said.Digest, s.Desc.Digest, ErrUnfit)
	case len(g.Signature) == 0:
		return attach.Content{}, fmt.Errorf("the signature is empty: %w", ErrUnfit)
	case g.Chain != "" && g.Certificate == "":
		return attach.Content{}, fmt.Errorf("a chain of certificates without the signer's: %w", ErrUnfit)
	}
	c := cosign.NewSignature(g.Payload, g.Signature)
	if g.Certificate != "" {
		certs, err := key.ParseCertificates(g.Certificate)
		if err != nil {
			return attach.Content{}, fmt.Errorf("the certificate: %v: %w", err, ErrUnfit)
		}
		signer, err := key.NewPublic(certs[0].PublicKey)
		if err != nil {
			return attach.Content{}, fmt.Errorf("the certificate's key: %w", err)
		}
		if !g.madeBy(signer) {
			return attach.Content{}, fmt.Errorf("the certificate's key %s did not make the signature: %w", signer.Fingerprint(), key.ErrSignature)
		}
		c.Annotations[cosign.CertificateAnnotation] = g.Certificate
	}
	if g.Chain != "" {
		if _, err := key.ParseCertificates(g.Chain); err != nil {
			return attach.Content{}, fmt.Errorf("the chain: %v: %w", err, ErrUnfit)
		}
		c.Annotations[cosign.ChainAnnotation] = g.Chain
	}
	if len(by) > 0 && !slices.ContainsFunc(by, g.madeBy) {
		return attach.Content{}, fmt.Errorf("none of the given keys made the signature: %w", key.ErrSignature)
	}
	return c, nil
}

func (g Given) madeBy(k *key.Public) bool {
	return holds(k, g.Signature, sha256.Sum256(g.Payload), func() io.Reader { return bytes.NewReader(g.Payload) })
}

// GivenStatement checks a DSSE envelope that was made elsewhere and returns it
// ready to be put beside the subject, byte for byte. It must hold an in-toto
// statement that names the subject's digest, or it is refused with ErrUnfit. Where
// keys are given, one of them must have signed it: else the error wraps
// key.ErrSignature. A large envelope is kept in TempDir while it is read, the
// system's directory where that is "".
func GivenStatement(s attach.Subject, envelope attach.Body, tempDir string, by ...*key.Public) (attach.Content, error) {
	rc, err := envelope.Open()
	if err != nil {
		return attach.Content{}, err
	}
	defer rc.Close()
	env, err := dsse.Open(rc, envelope.Size, dsse.Options{TempDir: tempDir})
	if err != nil {
		return attach.Content{}, fmt.Errorf("the envelope: %w", err)
	}
	defer env.Close()
	if env.Type() != payload.MediaType {
		return attach.Content{}, fmt.Errorf("the envelope holds %q, no in-toto statement: %w", env.Type(), ErrUnfit)
	}
	header, err := payload.ReadHeader(env.Payload())
	if err != nil {
		return attach.Content{}, fmt.Errorf("the statement: %w", err)
	}
	about := func(sub payload.Subject) bool { return sub.Digest[s.Desc.Digest.Algorithm] == s.Desc.Digest.Hex }
	if !slices.ContainsFunc(header.Subjects, about) {
		return attach.Content{}, fmt.Errorf("the statement does not speak of %s: %w", s.Desc.Digest, ErrUnfit)
	}
	sum, err := env.Sum()
	if err != nil {
		return attach.Content{}, err
	}
	signed := func(k *key.Public) bool {
		return slices.ContainsFunc(env.Signatures(), func(sig dsse.Signature) bool { return holds(k, sig.Sig, sum, env.PAE) })
	}
	if len(by) > 0 && !slices.ContainsFunc(by, signed) {
		return attach.Content{}, fmt.Errorf("none of the given keys signed the statement: %w", key.ErrSignature)
	}
	inside, err := digest(func() (io.ReadCloser, error) { return io.NopCloser(env.Payload()), nil })
	if err != nil {
		return attach.Content{}, err
	}
	c := cosign.NewAttestation(envelope, header.PredicateType)
	c.Annotations[PayloadAnnotation] = inside.String()
	return c, nil
}
