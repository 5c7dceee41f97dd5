package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
)

// raw hands out what nobody checked.
func (j *getJob) raw(ctx context.Context, arg string) error {
	rule, err := j.rule()
	if err != nil {
		return err
	}
	img, err := j.target.open(ctx, arg)
	if err != nil {
		return err
	}
	all, errs := j.collect(ctx, img)
	var chosen []attach.Attachment
	for _, a := range all {
		wanted := j.kind != attach.Attestation || len(j.types) == 0 || slices.Contains(rule.PredicateTypes, a.Type)
		if wanted && (j.digest == "" || a.Desc.Digest.String() == j.digest) {
			chosen = append(chosen, a)
		}
	}
	if len(chosen) == 0 {
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("list the attachments of %s: %w", arg, err)
		}
		j.app.notef("%s has no such %s", arg, j.kind)
		return codeError(exitNo)
	}
	if j.kind == attach.SBOM && len(chosen) > 1 {
		for _, a := range chosen {
			j.app.notef("%s %s", a.Desc.Digest, a.Desc.MediaType)
		}
		return usagef("%s has %d SBOMs: choose one with --digest", arg, len(chosen))
	}
	j.app.notef("nothing here is verified")
	return j.out.write(func(w io.Writer) error { return j.copyAll(ctx, img, chosen, w) })
}

// collect lists what is of the kind, SBOMs among the referrers too.
func (j *getJob) collect(ctx context.Context, img image) ([]attach.Attachment, []error) {
	if j.kind != attach.SBOM {
		return attach.Collect(ctx, img, img.subject, j.kind)
	}
	all, errs := attach.Collect(ctx, img, img.subject, attach.SBOM, attach.Artifact)
	var documents []attach.Attachment
	for _, a := range all {
		if a.Kind == attach.Artifact {
			if !artifact.IsSBOM(a) {
				continue
			}
			doc, err := artifact.OpenSBOM(ctx, img, img.subject, a)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			a = doc
		}
		same := func(o attach.Attachment) bool { return o.Desc.Digest == a.Desc.Digest && o.Type == a.Type }
		if !slices.ContainsFunc(documents, same) {
			documents = append(documents, a)
		}
	}
	return documents, errs
}

func (j *getJob) copyAll(ctx context.Context, img image, list []attach.Attachment, w io.Writer) error {
	enc := json.NewEncoder(w)
	for _, a := range list {
		if j.kind == attach.Signature {
			line, err := signatureLine(ctx, img, a)
			if err == nil {
				err = enc.Encode(line)
			}
			if err != nil {
				return err
			}
			continue
		}
		rc, err := img.Open(ctx, img.subject, a)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, rc)
		rc.Close()
		if err == nil && j.kind == attach.Attestation {
			_, err = io.WriteString(w, "\n")
		}
		if err != nil {
			return err
		}
	}
	return nil
}
