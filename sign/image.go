package sign

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"
	"unicode/utf8"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

// ImageOptions say how images are signed. The zero value is right for most.
type ImageOptions struct {
	// Annotations are signed along, under "optional".
	Annotations map[string]string
	// Reference returns the docker-reference that is signed along. It is the
	// subject's repository where Reference is nil.
	Reference func(attach.Subject) string
	// Again adds a signature even where the same key signed the same before.
	Again bool
	// Storage is where signatures are kept. As referrers they are Sigstore bundles
	// as cosign 3 writes them; those name no repository.
	Storage attach.Storage
	// Strict has what is kept under tags kept in strict image form; see attach.Content.
	Strict bool
	// TempDir is as in StatementOptions.
	TempDir string
}

// Image signs each subject with each signer and attaches the signatures, all in
// one Put. The receipts stand in the order of the subjects and, for each
// subject, of the signers; of a signer's two, where both storages are wanted, that
// of the tag stands first. Annotations that do not fit into a payload are
// refused with payload.ErrMalformed, and a signature that does not verify with
// key.ErrSignature; in both cases nothing is attached.
func Image(ctx context.Context, w attach.Writer, subjects []attach.Subject, signers []Signer, opts ImageOptions) ([]attach.Receipt, error) {
	list, err := parties(signers)
	if err != nil {
		return nil, err
	}
	if len(subjects) == 0 {
		return nil, fmt.Errorf("no image to sign: %w", ErrUnfit)
	}
	var parcels []attach.Parcel
	for _, s := range subjects {
		if err := checkSubject(s); err != nil {
			return nil, err
		}
		one, err := newImageSigning(s, opts)
		if err != nil {
			return nil, fmt.Errorf("sign %s: %w", s, err)
		}
		for _, p := range list {
			contents, err := one.contents(ctx, p)
			if err != nil {
				return nil, fmt.Errorf("sign %s with key %s: %w", s, p.public.Fingerprint(), err)
			}
			for _, c := range contents {
				parcels = append(parcels, attach.Parcel{Subject: s, Content: c})
			}
		}
	}
	return w.Put(ctx, parcels...)
}

// imageSigning is what is to be signed for one image.
type imageSigning struct {
	opts    ImageOptions
	subject attach.Subject
	raw     []byte     // the simple signing payload
	marked  *statement // that the image is signed, as bundles say it; nil where none is wanted
}

func newImageSigning(s attach.Subject, opts ImageOptions) (*imageSigning, error) {
	one := &imageSigning{opts: opts, subject: s}
	var err error
	if opts.Storage.Tags() {
		one.raw, err = payload.NewSimpleSigning(reference(opts.Reference, s), s.Desc.Digest.String(), opts.Annotations)
	}
	if err == nil && opts.Storage.Referrers() {
		one.marked, err = newMark(s, opts.Annotations)
	}
	return one, err
}

// contents signs, and returns what is to be attached.
func (one *imageSigning) contents(ctx context.Context, p party) ([]attach.Content, error) {
	var all []attach.Content
	if one.opts.Storage.Tags() {
		sig, err := p.sign(ctx, attach.Bytes(one.raw).Open)
		if err != nil {
			return nil, err
		}
		evidence, err := p.vouch(ctx, Signed{Signature: sig, Message: one.raw, Annotated: true})
		if err != nil {
			return nil, err
		}
		c := cosign.NewSignature(one.raw, sig)
		maps.Copy(c.Annotations, evidence.Annotations)
		switch {
		case one.opts.Again:
			markAgain(c)
		case p.witness == nil:
			c.Same = sameSignature(p.public, one.raw)
		}
		c.Strict = one.opts.Strict
		all = append(all, c)
	}
	if one.marked != nil {
		envelope, evidence, err := one.marked.envelope(ctx, p, false)
		if err != nil {
			return nil, err
		}
		c, err := one.marked.bundle(envelope, evidence, p, one.subject, one.opts.Again, one.opts.TempDir)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// newMark returns the statement by which cosign 3 marks an image as signed: it says
// nothing, is of a type of its own, and carries the annotations on its subject.
func newMark(s attach.Subject, annotations map[string]string) (*statement, error) {
	about := payload.Subject{Digest: map[string]string{"sha256": s.Desc.Digest.Hex}}
	for k, v := range annotations {
		if !utf8.ValidString(k) || !utf8.ValidString(v) || k == "" {
			return nil, fmt.Errorf("annotation %q=%q is empty or not UTF-8: %w", k, v, payload.ErrMalformed)
		}
		if about.Annotations == nil {
			about.Annotations = make(map[string]any, len(annotations))
		}
		about.Annotations[k] = v
	}
	return newStatement(payload.StatementV1, payload.Sign, about, payload.Bytes([]byte("{}")))
}

// sameSignature returns the function that knows a good signature by the key
// over the same payload. The entry's digest says that the payload is the same,
// so nothing need be fetched.
func sameSignature(public *key.Public, raw []byte) func(context.Context, attach.Reader, attach.Attachment) bool {
	sum := sha256.Sum256(raw)
	digest := attach.DigestOf(raw)
	return func(_ context.Context, _ attach.Reader, a attach.Attachment) bool {
		if string(a.Desc.MediaType) != cosign.SimpleSigning || a.Desc.Digest != digest || a.Desc.Size != int64(len(raw)) || burdened(a) {
			return false
		}
		sig, err := base64.StdEncoding.Strict().DecodeString(a.Annotations[cosign.SignatureAnnotation])
		if err != nil {
			return false
		}
		return holds(public, sig, sum, func() io.Reader { return bytes.NewReader(raw) })
	}
}

// burdened reports whether the entry carries what may keep a verifier from
// counting it: a certificate, which may be of another key or none at all, or a
// log entry or timestamp that is no JSON object. Such a twin of a good signature,
// which anyone can make, stands for none.
func burdened(a attach.Attachment) bool {
	for _, name := range []string{cosign.CertificateAnnotation, cosign.ChainAnnotation} {
		if _, ok := a.Annotations[name]; ok {
			return true
		}
	}
	for _, name := range []string{cosign.BundleAnnotation, cosign.TimestampAnnotation} {
		text, ok := a.Annotations[name]
		if ok && (!strings.HasPrefix(strings.TrimSpace(text), "{") || !json.Valid([]byte(text))) {
			return true
		}
	}
	return false
}

// holds reports whether the signature verifies, from the digest of the message
// where that is enough.
func holds(public *key.Public, sig []byte, sum [sha256.Size]byte, message func() io.Reader) bool {
	decided, err := public.VerifyDigest(sig, sum)
	if !decided && err != nil {
		err = public.VerifyMessage(sig, message())
	}
	return err == nil
}
