// Package migrate moves what is attached to an image between the two storages,
// cosign's tags and OCI 1.1 referrers, without signing anything again: an
// attestation is the same DSSE envelope in both, as it is or inside of a Sigstore
// bundle, and an SBOM the same document. What cannot be moved stays, and is said to:
// a simple signing payload can become no bundle, and what carries a certificate or
// an entry of a transparency log would lose it.
package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/bundle"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

// Options say how attachments are moved.
type Options struct {
	// To is where they are moved: attach.InTags or attach.InReferrers.
	To attach.Storage
	// DeleteOld removes each attachment once what it became was confirmed and is
	// seen by other tools. Without it both stand.
	DeleteOld bool
}

// Moved tells what became of one attachment.
type Moved struct {
	From attach.Attachment
	// Receipt is that of what it became; nil where it stays.
	Receipt *attach.Receipt
	// Stays says why it stays as it is, alone or, with DeleteOld, beside what it
	// became; "" where it does not.
	Stays string
	// Bad says that it stays because what it holds is not what it is said to be.
	Bad bool
	// Removal is that of the attachment itself; nil where it was not removed.
	Removal *attach.Removal
}

// A Store is what attachments are moved in.
type Store interface {
	attach.Store
	attach.Keeper
}

// errStays marks the reasons for which an attachment stays.
type errStays struct{ why string }

// Error implements error.
func (e errStays) Error() string { return e.why }

// Image moves what is attached to the subject and has another form in the storage,
// one after the other, and returns what became of each. What is in the storage
// already is not among them. Moving again adds nothing. Bad are entries that were
// listed and are none that can be read: they stay where they are, and what they
// hold, if anything, is not in the other storage. The error tells what could not be
// read or written; what was moved before it stands.
func Image(ctx context.Context, store Store, s attach.Subject, o Options) (out []Moved, bad []error, err error) {
	all, errs := attach.Collect(ctx, store, s)
	for _, err := range errs {
		if !attach.Judged(err) {
			return nil, nil, fmt.Errorf("list what is attached: %w", err)
		}
		bad = append(bad, err)
	}
	m := mover{store: store, subject: s, options: o}
	for _, a := range all {
		if (a.Kind != attach.Artifact) != (o.To == attach.InReferrers) {
			continue // it is there already
		}
		moved, err := m.move(ctx, a)
		if err != nil {
			return out, bad, fmt.Errorf("move the %s %s: %w", a.Kind, a.Desc.Digest, err)
		}
		out = append(out, moved)
	}
	return out, bad, nil
}

type mover struct {
	store   Store
	subject attach.Subject
	options Options
}

// move moves one attachment.
func (m *mover) move(ctx context.Context, a attach.Attachment) (Moved, error) {
	out := Moved{From: a}
	receipt, err := m.convert(ctx, a)
	var stays errStays
	switch {
	case errors.As(err, &stays):
		out.Stays = stays.why
		return out, nil
	case err != nil && (attach.Judged(err) || errors.Is(err, bundle.ErrMalformed) || errors.Is(err, dsse.ErrMalformed) || errors.Is(err, payload.ErrMalformed)):
		out.Stays, out.Bad = err.Error(), !errors.Is(err, attach.ErrForm) // which is the registry's to refuse
		return out, nil
	case err != nil:
		return out, err
	}
	out.Receipt = &receipt
	if !m.options.DeleteOld {
		return out, nil
	}
	if !receipt.Viewed {
		out.Stays = "other tools do not see what it became: " + receipt.Note
		return out, nil
	}
	removals, err := m.store.Remove(ctx, m.subject, a)
	if err != nil {
		return out, err
	}
	out.Removal = &removals[0]
	return out, nil
}

// convert attaches the attachment in its other form.
func (m *mover) convert(ctx context.Context, a attach.Attachment) (attach.Receipt, error) {
	switch {
	case a.Kind == attach.Signature:
		return attach.Receipt{}, errStays{"a signature over a simple signing payload can become no bundle: sign again with --storage referrers"}
	case a.Kind == attach.Attestation:
		return m.toBundle(ctx, a)
	case a.Kind == attach.SBOM:
		return m.toArtifact(ctx, a)
	case strings.HasPrefix(a.Type, bundle.MediaTypePrefix):
		return m.fromBundle(ctx, a)
	case artifact.IsSBOM(a):
		return m.fromArtifact(ctx, a)
	}
	return attach.Receipt{}, errStays{"it is neither a Sigstore bundle nor an SBOM, and cosign has no tag for it"}
}

func (m *mover) put(ctx context.Context, c attach.Content) (attach.Receipt, error) {
	receipts, err := m.store.Put(ctx, attach.Parcel{Subject: m.subject, Content: c})
	if err != nil {
		return attach.Receipt{}, err
	}
	return receipts[0], nil
}

// body returns the content of an attachment as a body.
func (m *mover) body(ctx context.Context, a attach.Attachment) attach.Body {
	return attach.Body{Digest: a.Desc.Digest, Size: a.Desc.Size, Open: func() (io.ReadCloser, error) {
		return m.store.Open(ctx, m.subject, a)
	}}
}

// loses returns the annotation by which an entry says more than the other form has a
// place for, "" where there is none.
func loses(a attach.Attachment) string {
	for _, name := range []string{
		cosign.CertificateAnnotation, cosign.ChainAnnotation, cosign.BundleAnnotation, cosign.TimestampAnnotation,
	} {
		if _, ok := a.Annotations[name]; ok {
			return name
		}
	}
	return ""
}

// toBundle wraps a DSSE envelope.
func (m *mover) toBundle(ctx context.Context, a attach.Attachment) (attach.Receipt, error) {
	if name := loses(a); name != "" {
		return attach.Receipt{}, errStays{"its annotation " + name + " would be lost"}
	}
	if string(a.Desc.MediaType) != cosign.DSSE {
		return attach.Receipt{}, errStays{fmt.Sprintf("it is of type %q, no DSSE envelope", a.Desc.MediaType)}
	}
	body := m.body(ctx, a)
	said, err := read(body)
	if err != nil {
		return attach.Receipt{}, err
	}
	c, err := sign.Bundle(m.subject.Desc, body, said.keyID, said.predicateType, map[string]string{sign.PayloadAnnotation: said.digest})
	if err != nil {
		return attach.Receipt{}, err
	}
	c.Same = m.bundles(said.digest, body.Digest)
	return m.put(ctx, c)
}

// bundles returns the function that knows a bundle around the very envelope.
func (m *mover) bundles(statement string, envelope v1.Hash) func(context.Context, attach.Reader, attach.Attachment) bool {
	return func(ctx context.Context, _ attach.Reader, a attach.Attachment) bool {
		if !strings.HasPrefix(a.Type, bundle.MediaTypePrefix) || a.Annotations[sign.PayloadAnnotation] != statement {
			return false
		}
		same := false
		err := m.inBundle(ctx, a, func(_ *bundle.Bundle, body attach.Body) error {
			same = body.Digest == envelope
			return nil
		})
		return err == nil && same
	}
}

// inBundle opens a bundle and calls f with the envelope in it.
func (m *mover) inBundle(ctx context.Context, a attach.Attachment, f func(*bundle.Bundle, attach.Body) error) error {
	layer, err := artifact.OnlyLayer(ctx, m.store, m.subject, a)
	if err != nil {
		return err
	}
	if layer.Size > dsse.MaxSize {
		return fmt.Errorf("bundle of %d bytes, the limit is %d: %w", layer.Size, dsse.MaxSize, attach.ErrLimit)
	}
	rc, err := m.store.Blob(ctx, m.subject, layer)
	if err != nil {
		return err
	}
	defer rc.Close()
	b, err := bundle.Open(rc, layer.Size)
	if err != nil {
		return err
	}
	defer b.Close()
	if b.Envelope() == nil {
		return errStays{"the bundle holds no DSSE envelope"}
	}
	body := attach.Body{Size: b.Envelope().Size(), Open: func() (io.ReadCloser, error) { return io.NopCloser(b.Envelope()), nil }}
	if body.Digest, err = digest(b.Envelope()); err != nil {
		return err
	}
	return f(b, body)
}

// fromBundle takes the envelope out of a bundle.
func (m *mover) fromBundle(ctx context.Context, a attach.Attachment) (receipt attach.Receipt, err error) {
	err = m.inBundle(ctx, a, func(b *bundle.Bundle, body attach.Body) error {
		if b.HasCertificate || b.LogEntries > 0 || b.Timestamps > 0 {
			return errStays{"its certificate, log entries or timestamps would be lost"}
		}
		said, err := read(body)
		if err != nil {
			return err
		}
		if said.predicateType == payload.Sign {
			return errStays{"it marks the image as signed, which under cosign's tag is a signature of another format: sign again"}
		}
		c := cosign.NewAttestation(body, said.predicateType)
		c.Annotations[sign.PayloadAnnotation] = said.digest
		c.Same = func(_ context.Context, _ attach.Reader, o attach.Attachment) bool {
			return o.Desc.Digest == body.Digest && string(o.Desc.MediaType) == cosign.DSSE && loses(o) == "" &&
				o.Annotations[cosign.PredicateTypeAnnotation] == said.predicateType
		}
		receipt, err = m.put(ctx, c)
		return err
	})
	return receipt, err
}

// toArtifact makes a referrer of an SBOM.
func (m *mover) toArtifact(ctx context.Context, a attach.Attachment) (attach.Receipt, error) {
	for name := range a.Annotations {
		if name != cosign.ScopeAnnotation {
			return attach.Receipt{}, errStays{"its annotation " + name + " would be lost"}
		}
	}
	contents, err := artifact.SBOMs(m.subject, m.body(ctx, a), string(a.Desc.MediaType), a.Annotations[cosign.ScopeAnnotation], attach.InReferrers)
	if err != nil {
		return attach.Receipt{}, err
	}
	return m.put(ctx, contents[0])
}

// fromArtifact puts the document of a referrer under cosign's tag.
func (m *mover) fromArtifact(ctx context.Context, a attach.Attachment) (attach.Receipt, error) {
	doc, err := artifact.OpenSBOM(ctx, m.store, m.subject, a)
	if err != nil {
		return attach.Receipt{}, err
	}
	return m.put(ctx, cosign.NewSBOM(m.body(ctx, doc), doc.Type, doc.Annotations[cosign.ScopeAnnotation]))
}

// spoken is what an envelope says of itself.
type spoken struct {
	predicateType, digest, keyID string
}

// read reads an envelope whose payload is an in-toto statement. Whether a signature
// in it is good is not looked at.
func read(body attach.Body) (spoken, error) {
	if body.Size > dsse.MaxSize {
		return spoken{}, fmt.Errorf("envelope of %d bytes, the limit is %d: %w", body.Size, dsse.MaxSize, attach.ErrLimit)
	}
	rc, err := body.Open()
	if err != nil {
		return spoken{}, err
	}
	defer rc.Close()
	env, err := dsse.Open(rc, body.Size, dsse.Options{})
	if err != nil {
		return spoken{}, err
	}
	defer env.Close()
	if env.Type() != payload.MediaType {
		return spoken{}, errStays{fmt.Sprintf("its payload is of type %q, no in-toto statement", env.Type())}
	}
	h, err := payload.ReadHeader(env.Payload())
	if err != nil {
		return spoken{}, err
	}
	sum, err := digest(env.Payload())
	if err != nil {
		return spoken{}, err
	}
	out := spoken{predicateType: h.PredicateType, digest: sum.String()}
	for _, s := range env.Signatures() {
		if out.keyID == "" {
			out.keyID = s.KeyID
		}
	}
	return out, nil
}

func digest(r io.Reader) (v1.Hash, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return v1.Hash{}, err
	}
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}, nil
}
