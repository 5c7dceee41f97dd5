package cli

import (
	"context"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sign/bundle"
)

func newListCmd(app *App) *cobra.Command {
	job := listJob{app: app}
	cmd := &cobra.Command{
		Use:     "list [flags] IMAGE",
		Aliases: []string{"tree"},
		Short:   "Show everything that is attached to an image",
		GroupID: groupMain,
		Long: `Show everything that is attached to an image: kind, type, size, digest, and
every place where it was found (cosign's tag, a referrer, the journal). Nothing
that list shows is verified. When a place cannot be read, list says so and ends
with exit code 2.`,
		Example: `  hallmark list registry.example/app:1.0
  hallmark list oci:./layout:1.0 -f json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd.Context(), args[0]) },
	}
	job.target.bind(cmd, app)
	job.target.bindPlatform(cmd)
	job.out.bind(cmd, app, "text", "json")
	return cmd
}

type listJob struct {
	app    *App
	target target
	out    render
}

func (j *listJob) run(ctx context.Context, arg string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	img, err := j.target.open(ctx, arg)
	if err != nil {
		return err
	}
	var entries []report.Entry
	all, errs := attach.Collect(ctx, img, img.subject)
	for _, a := range all {
		e := report.NewEntry(a)
		if a.Kind == attach.SBOM || artifact.IsSBOM(a) {
			inner, more := j.signatures(ctx, img, a)
			e.SignedBy = inner
			errs = append(errs, more...)
		}
		entries = append(entries, e)
	}
	doc := report.NewListing(arg, img.subject.Desc.Digest.String(), entries, errs)
	if err := j.out.print(doc); err != nil {
		return err
	}
	if !doc.Complete {
		return codeError(exitUndetermined)
	}
	return nil
}

// signatures lists what is attached to the objects that hold an SBOM: seal
// signs them.
func (j *listJob) signatures(ctx context.Context, img image, a attach.Attachment) ([]report.Signed, []error) {
	var out []report.Signed
	var errs []error
	seen := make(map[v1.Hash]bool)
	for _, p := range a.Places {
		if seen[p.Manifest.Digest] {
			continue // one object, found by its tag and as a referrer
		}
		seen[p.Manifest.Digest] = true
		holder := attach.Subject{Repo: img.subject.Repo, Desc: p.Manifest}
		inner, more := attach.Collect(ctx, img, holder, attach.Signature, attach.Artifact)
		inner = slices.DeleteFunc(inner, func(a attach.Attachment) bool {
			return a.Kind == attach.Artifact && !strings.HasPrefix(a.Type, bundle.MediaTypePrefix)
		})
		errs = append(errs, more...)
		if len(inner) == 0 {
			continue
		}
		entries := make([]report.Entry, len(inner))
		for i, a := range inner {
			entries[i] = report.NewEntry(a)
		}
		out = append(out, report.NewSigned(p.Manifest.Digest.String(), entries))
	}
	return out, errs
}
