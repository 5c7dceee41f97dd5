package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

// unsigned gathers every SBOM that hangs from the image, as a document or in an
// attestation whose signature nobody looks at. One that says it describes
// another image is left out. The error says that the list could not be read.
func (c *Checker) unsigned(ctx context.Context, r attach.Reader, s attach.Subject, g *gathering) error {
	seen := make(map[attach.ID]bool)
	for a, err := range r.List(ctx, s, attach.SBOM, attach.Attestation, attach.Artifact) {
		if err == nil && a.Kind == attach.Artifact {
			if !artifact.IsSBOM(a) {
				continue
			}
			a, err = artifact.OpenSBOM(ctx, r, s, a)
		}
		if err != nil {
			if !attach.Judged(err) {
				return err
			}
			g.notes = append(g.notes, err.Error())
			continue
		}
		if seen[a.ID()] || a.Kind == attach.Attestation && !c.mayHold(a) {
			continue
		}
		d, err := c.open(ctx, r, s, a)
		var input *inputError
		switch {
		case errors.As(err, &input) && !attach.Judged(err):
			return fmt.Errorf("%s %s: %w", a.Kind, a.Desc.Digest, err)
		case err != nil:
			g.problems = append(g.problems, fmt.Sprintf("%s %s: %v", a.Kind, a.Desc.Digest, err))
		case d == nil:
		case len(d.subjects) > 0 && !slices.Contains(d.subjects, s.Desc.Digest.String()):
			g.notes = append(g.notes, fmt.Sprintf("SBOM %s describes another image and was not used", d.Digest))
		default:
			g.add(d)
		}
		seen[a.ID()] = true
	}
	return nil
}

// mayHold reports whether an attestation is marked as holding an SBOM, or not
// marked at all.
func (c *Checker) mayHold(a attach.Attachment) bool {
	claimed := a.Annotations[cosign.PredicateTypeAnnotation]
	return string(a.Desc.MediaType) == cosign.DSSE && (claimed == "" || slices.Contains(c.o.Types, claimed))
}

// open reads the SBOM in an attachment; nil for an attestation of something else.
func (c *Checker) open(ctx context.Context, r attach.Reader, s attach.Subject, a attach.Attachment) (*document, error) {
	rc, err := r.Open(ctx, s, a)
	if err != nil {
		return nil, &inputError{err}
	}
	defer rc.Close()
	if a.Kind == attach.SBOM {
		return read(rc)
	}
	env, err := dsse.Open(rc, a.Desc.Size, dsse.Options{MaxSize: verify.MaxEnvelope})
	if err != nil {
		if errors.Is(err, dsse.ErrMalformed) {
			return nil, err
		}
		return nil, &inputError{err}
	}
	defer env.Close()
	if env.Type() != payload.MediaType {
		return nil, nil
	}
	h, err := payload.ReadHeader(env.Payload())
	if err != nil {
		return nil, err
	}
	about := func(x payload.Subject) bool { return x.Digest["sha256"] == s.Desc.Digest.Hex }
	if !slices.Contains(c.o.Types, h.PredicateType) || !slices.ContainsFunc(h.Subjects, about) {
		return nil, nil
	}
	body := env.Payload()
	if _, err := io.CopyN(io.Discard, body, h.PredicateOffset); err != nil {
		return nil, &inputError{err}
	}
	d, err := read(io.LimitReader(body, h.PredicateLength))
	if err == nil {
		d.PredicateType = h.PredicateType
	}
	return d, err
}
