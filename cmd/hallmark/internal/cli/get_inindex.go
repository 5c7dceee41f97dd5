package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

// bindInIndex declares --in-index, for what buildx puts into an index.
func (j *getJob) bindInIndex(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&j.inIndex, "in-index", false,
		"with --unverified, what buildx put into the image's index; choose the image with --platform")
}

// fromIndex hands out the statements that buildx put into the index of the image,
// or the SBOM in one of them. Nobody signed them; that a statement is about the
// image is its own word, which is looked at.
func (j *getJob) fromIndex(ctx context.Context, arg string) error {
	rule, err := j.rule()
	if err != nil {
		return err
	}
	img, err := j.target.open(ctx, arg)
	if err != nil {
		return err
	}
	if img.subject.Desc.Digest == img.index.Desc.Digest {
		return usagef("--in-index: choose an image of the index %s with --platform", arg)
	}
	chosen, err := j.statements(ctx, img, rule.PredicateTypes)
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		j.app.notef("the index of %s holds no such %s", arg, j.kind)
		return codeError(exitNo)
	}
	if j.kind == attach.SBOM && len(chosen) > 1 {
		for _, d := range chosen {
			j.app.notef("%s %s", d.Digest, d.Annotations[attach.PredicateAnnotation])
		}
		return usagef("the index of %s holds %d SBOMs of it: choose one with --digest", arg, len(chosen))
	}
	j.app.notef("nothing here is verified")
	return j.out.write(func(w io.Writer) error {
		for _, d := range chosen {
			if err := j.copyStatement(ctx, img, d, rule.PredicateTypes, w); err != nil {
				return fmt.Errorf("statement %s in the index of %s: %w", d.Digest, arg, err)
			}
		}
		return nil
	})
}

// statements returns the statements about the image, of the types, that the index
// lists.
func (j *getJob) statements(ctx context.Context, img image, types []string) ([]v1.Descriptor, error) {
	children, err := attach.Children(ctx, img, img.index)
	if err != nil {
		return nil, err
	}
	var chosen []v1.Descriptor
	var errs []error
	for _, c := range children {
		if about, ok := c.About(); !ok || about != img.subject.Desc.Digest {
			continue
		}
		list, err := attach.Statements(ctx, img, c)
		if err != nil {
			errs = append(errs, err)
		}
		for _, d := range list {
			if slices.Contains(types, d.Annotations[attach.PredicateAnnotation]) && (j.digest == "" || j.digest == d.Digest.String()) {
				chosen = append(chosen, d)
			}
		}
	}
	return chosen, errors.Join(errs...)
}

// copyStatement writes the statement, or of an SBOM the document that it holds.
// The statement is read once to see what it is, and once to be written.
func (j *getJob) copyStatement(ctx context.Context, img image, d v1.Descriptor, types []string, w io.Writer) error {
	if d.Size > verify.MaxEnvelope {
		return fmt.Errorf("%d bytes, the limit is %d: %w", d.Size, verify.MaxEnvelope, attach.ErrLimit)
	}
	rc, err := img.Blob(ctx, img.index, d)
	if err != nil {
		return err
	}
	header, err := payload.ReadHeader(rc)
	rc.Close()
	if err != nil {
		return err
	}
	about := func(s payload.Subject) bool { return s.Digest["sha256"] == img.subject.Desc.Digest.Hex }
	switch {
	case !slices.Contains(types, header.PredicateType):
		return fmt.Errorf("it is of type %q, which its annotation does not say: %w", header.PredicateType, attach.ErrMalformed)
	case !slices.ContainsFunc(header.Subjects, about):
		return fmt.Errorf("it does not speak of %s: %w", img.subject.Desc.Digest, attach.ErrMalformed)
	}
	if rc, err = img.Blob(ctx, img.index, d); err != nil {
		return err
	}
	defer rc.Close()
	if j.kind == attach.SBOM {
		if _, err = io.CopyN(io.Discard, rc, header.PredicateOffset); err == nil {
			_, err = io.CopyN(w, rc, header.PredicateLength)
		}
		if err == nil {
			_, err = io.Copy(io.Discard, rc) // to the end, where the digest is checked
		}
		return err
	}
	if _, err := io.Copy(w, rc); err != nil {
		return err
	}
	_, err = io.WriteString(w, "\n")
	return err
}
