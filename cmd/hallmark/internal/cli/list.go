package cli

import (
	"context"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sign/bundle"
)

func newListCmd(app *App) *cobra.Command {
	job := listJob{app: app}
	cmd := &cobra.Command{
		Use:     "list [flags] IMAGE...",
		Aliases: []string{"tree"},
		Short:   "Show everything that is attached to images",
		GroupID: groupAsk,
		Long: `Show everything that is attached to an image: kind, type, size, digest, and
every place where it was found (cosign's tag, a referrer, the journal). Of an
index also the attestations that buildx put into it, and which image they are
about. Nothing that list shows is verified. When a place cannot be read, list
says so and ends with exit code 2.

With --orphans list shows what hangs from images that a repository no longer
has. An image that cannot be looked for is not taken for one that is gone.`,
		Example: `  hallmark list registry.example/app:1.0
  hallmark list oci:./layout:1.0 -f json
  hallmark list registry.example/app:1.0 --recursive
  hallmark list --repository registry.example/app -f json
  hallmark list --orphans registry.example/app`,
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd.Context(), args) },
	}
	job.target.bind(cmd, app)
	job.images.bind(cmd, &job.target)
	job.target.bindPlatform(cmd)
	job.out.bind(cmd, app, "text", "json")
	cmd.Flags().BoolVar(&job.orphans, "orphans", false, "show what hangs from images that the REPOSITORY, named as argument, no longer has")
	cmd.Flags().BoolVarP(&job.recursive, "recursive", "r", false, "also list the counter-signatures of signatures, attestations and artifacts")
	return cmd
}

type listJob struct {
	app    *App
	target target
	images images
	out    render

	recursive bool
	orphans   bool
}

func (j *listJob) run(ctx context.Context, args []string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	if j.orphans {
		if len(args) != 1 || j.images.from != "" || j.images.repository != "" || j.target.platform != "" {
			return usagef("--orphans takes one repository as argument, and none of --from, --repository, --platform")
		}
		return listOrphans(ctx, &j.target, &j.out, args[0])
	}
	list, err := j.images.names(ctx, args)
	if err != nil {
		return err
	}
	complete := true
	if j.images.one(list) {
		img, err := j.target.open(ctx, list[0].name)
		if err != nil {
			return err
		}
		doc := j.one(ctx, img, img, img.name)
		err, complete = j.out.print(doc), doc.Complete
		if err != nil {
			return err
		}
	} else {
		err := j.out.write(func(w io.Writer) error {
			complete, err = j.listAll(ctx, list, report.StreamListings(w, j.out.format))
			return err
		})
		if err != nil {
			return err
		}
	}
	if !complete {
		return codeError(exitUndetermined)
	}
	return nil
}

// listAll lists the images and prints each as soon as it is its turn. When the
// time is up the images that are left are not begun.
func (j *listJob) listAll(ctx context.Context, list []named, out *report.ListingStream) (complete bool, err error) {
	complete = true
	job := func(ctx context.Context, o opened) report.Listing {
		if o.err != nil {
			return report.NewListing(o.at.name, "", nil, []error{o.err})
		}
		return j.one(ctx, o.image, o.reader, o.at.name)
	}
	left := len(list)
	for _, doc := range each(ctx, &j.images, "listing", list, job) {
		left--
		complete = complete && doc.Complete
		if err := out.Add(doc); err != nil {
			return false, err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() == nil {
		left = 0 // what is missing names no image
	}
	return complete && left == 0, out.Close(left)
}

// one lists one image.
func (j *listJob) one(ctx context.Context, img image, r attach.Reader, name string) report.Listing {
	var entries []report.Entry
	var hidden []attach.Attachment
	all, errs := attach.Collect(ctx, r, img.subject, append(attach.Kinds(), attach.Hidden)...)
	for _, a := range all {
		if a.Removed != "" {
			hidden = append(hidden, a)
			continue
		}
		e := report.NewEntry(a)
		holders := a.Places
		if a.Kind != attach.SBOM && !artifact.IsSBOM(a) {
			if holders = nil; j.recursive {
				holders = a.Immutable()
			}
		}
		if len(holders) > 0 {
			inner, more := j.signatures(ctx, img, r, holders)
			e.SignedBy = inner
			errs = append(errs, more...)
		}
		entries = append(entries, e)
	}
	inIndex, more := j.inIndex(ctx, img)
	doc := report.NewListing(name, img.subject.Desc.Digest.String(), entries, append(errs, more...))
	doc.InIndex = inIndex
	for _, a := range hidden {
		doc.Hide(a)
	}
	return doc
}

// inIndex lists the attestations that buildx put into the image's index: of an
// image chosen with --platform those that say they are about it.
func (j *listJob) inIndex(ctx context.Context, img image) ([]report.InIndex, []error) {
	children, err := attach.Children(ctx, img, img.index)
	if err != nil {
		return nil, []error{err}
	}
	platforms := make(map[v1.Hash]string)
	for _, c := range children {
		if c.Platform != nil && !c.Attests() {
			platforms[c.Subject.Desc.Digest] = c.Platform.String()
		}
	}
	children = slices.DeleteFunc(children, func(c attach.Child) bool {
		about, known := c.About()
		return !c.Attests() || j.target.platform != "" && (!known || about != img.subject.Desc.Digest)
	})
	found := make([]report.InIndex, len(children))
	errs := make([]error, len(children))
	var g errgroup.Group
	g.SetLimit(parallelImages)
	for i, c := range children {
		g.Go(func() error {
			statements, err := attach.Statements(ctx, img, c)
			about, _ := c.About()
			found[i], errs[i] = report.NewInIndex(c, platforms[about], statements), err
			return nil
		})
	}
	_ = g.Wait() // no error: each stands in errs
	return found, slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// signatures lists the signatures over objects that hold an entry: seal signs those
// that hold an SBOM, and a counter-signature is one over any.
func (j *listJob) signatures(ctx context.Context, img image, r attach.Reader, holders []attach.Place) ([]report.Signed, []error) {
	var out []report.Signed
	var errs []error
	seen := make(map[v1.Hash]bool)
	for _, p := range holders {
		if seen[p.Manifest.Digest] {
			continue // one object, found by its tag and as a referrer
		}
		seen[p.Manifest.Digest] = true
		holder := attach.Subject{Repo: img.subject.Repo, Desc: p.Manifest}
		inner, more := attach.Collect(ctx, r, holder, attach.Signature, attach.Artifact)
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
