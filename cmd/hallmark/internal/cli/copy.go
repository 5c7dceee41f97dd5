package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/registry"
	"github.com/hallmark-oci/hallmark/attach/transfer"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/term"
)

func newCopyCmd(app *App) *cobra.Command {
	job := copyJob{app: app}
	cmd := &cobra.Command{
		Use:     "copy [flags] SRC DST",
		Aliases: []string{"cp"},
		Short:   "Copy an image with everything that hangs from it",
		GroupID: groupMove,
		Long: `Copy an image, all images of an index, and everything that hangs from each of
them: what is under cosign's tags, the journal, referrers and what refers to
those, signatures over SBOM objects. Between registries and OCI layouts in every
direction, or to another tag. Manifests move byte for byte, so that what was
signed by digest stays good. What DST has already is kept: entries are added to
it, and none is overwritten.

Without a tag DST gets that of SRC. A tag that names another image is moved, and
that is said; --no-clobber refuses to. The tag is written last. Afterwards
everything is read back from DST; what is missing there, or could not be read
from SRC, is named, with exit code 2. Read back are manifests, lists, and a few
blobs that DST said to have. Of those that it took its word is taken, unless
--deep has every blob read back. Copying again completes a copy that was
interrupted.

COSIGN_REPOSITORY says where SRC has its attachments. At DST they are put beside
the image, unless --attachment-repository names another repository.`,
		Example: `  hallmark copy registry.example/app:1.0 mirror.example/app
  hallmark copy registry.example/app:1.0 oci:./layout:1.0 --platform linux/amd64
  hallmark copy registry.example/app:1.0 mirror.example/app:1.0 --only signature --only attestation`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd.Context(), args[0], args[1]) },
	}
	job.src.app = app
	job.dst.bindBare(cmd, app)
	job.dst.push = true
	job.src.bindPlatform(cmd)
	job.moves.bind(cmd)
	job.out.bind(cmd, app, "text", "json")
	flags := cmd.Flags()
	flags.StringVar(&job.src.attachRepo, "source-attachment-repository", "",
		"look for the attachments of SRC in this repository (default: COSIGN_REPOSITORY)")
	flags.StringVar(&job.dst.attachRepo, "attachment-repository", "",
		"put attachments into this repository instead of that of DST")
	return cmd
}

// moves is the group of flags that say what of an image is moved.
type moves struct {
	only      []string
	noClobber bool
	deep      bool
}

func (m *moves) bind(cmd *cobra.Command) {
	bindOnly(cmd, &m.only)
	cmd.Flags().BoolVar(&m.noClobber, "no-clobber", false, "refuse to move a tag that names another image")
	cmd.Flags().BoolVar(&m.deep, "deep", false, "read every blob back, too")
}

// bindOnly declares --only.
func bindOnly(cmd *cobra.Command, only *[]string) {
	cmd.Flags().StringArrayVar(only, "only", nil,
		"move this part alone: "+strings.Join(partNames(), ", ")+"; repeatable")
}

// partNames returns what --only takes.
func partNames() []string {
	names := []string{"image"}
	for _, k := range attach.Kinds() {
		names = append(names, string(k))
	}
	return names
}

// options turns the flags into those of package transfer.
func (m *moves) options() (transfer.Options, error) {
	o, err := partsOf(m.only)
	o.NoClobber, o.Deep = m.noClobber, m.deep
	return o, err
}

// partsOf reads --only.
func partsOf(only []string) (transfer.Options, error) {
	var o transfer.Options
	for _, part := range only {
		switch {
		case !slices.Contains(partNames(), part):
			return o, usagef("--only %q: it takes %s", part, strings.Join(partNames(), ", "))
		case part == "image":
			o.Images = true
		case !slices.Contains(o.Kinds, attach.Kind(part)):
			o.Kinds = append(o.Kinds, attach.Kind(part))
		}
	}
	return o, nil
}

type copyJob struct {
	app      *App
	src, dst target
	moves    moves
	out      render
}

func (j *copyJob) run(ctx context.Context, from, to string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	opts, err := j.moves.options()
	if err != nil {
		return err
	}
	where, err := j.dst.place(to)
	if err != nil {
		return err
	}
	if err := j.src.sharing(&j.dst); err != nil {
		return err
	}
	img, err := j.src.open(ctx, from)
	if err != nil {
		return err
	}
	src, err := placeOf(img)
	if err != nil {
		return err
	}
	dst, err := j.dst.destination(ctx, where)
	if err != nil {
		return err
	}
	one, err := j.app.move(ctx, from, src, img.subject, dst, tagIn(from), opts)
	if err != nil {
		return err
	}
	return finished(&j.out, report.Copies{Images: []report.Copied{one}})
}

// finished prints what was moved, and tells whether that is all.
func finished(out *render, doc report.Copies) error {
	if err := out.print(doc); err != nil {
		return err
	}
	for _, one := range doc.Images {
		if !one.Complete {
			out.app.notef("error: not everything arrived; run the same command again to complete it")
			return codeError(exitUndetermined)
		}
	}
	return nil
}

// placeOf returns the store of an image as one end of a transfer.
func placeOf(img image) (transfer.Place, error) {
	p, ok := img.Store.(transfer.Place)
	if !ok {
		return nil, fmt.Errorf("%s cannot be copied from", img.name)
	}
	return p, nil
}

// move copies one image to the destination, with a bar, and returns what became
// of it. It gets the given tag where the destination names none.
func (app *App) move(ctx context.Context, name string, src transfer.Place, subject attach.Subject, dst destination, tag string, o transfer.Options) (report.Copied, error) {
	switch {
	case strings.HasPrefix(dst.ref, "sha256:") && dst.ref != subject.Desc.Digest.String():
		return report.Copied{}, usagef("%s is %s, which cannot be stored as %s", name, subject.Desc.Digest, dst.ref)
	case strings.HasPrefix(dst.ref, "sha256:"):
		tag = ""
	case dst.ref != "":
		tag = dst.ref
	}
	var bar *term.Bar
	o.Planned = func(n int) {
		if !app.global.quiet {
			bar = term.NewBar(app.Err, "copying", n)
		}
	}
	o.Step = func() { bar.Step() }
	r, err := transfer.Copy(ctx, src, subject, dst, dst.repo, tag, o)
	bar.Clear()
	full := dst.repo + "@" + subject.Desc.Digest.String()
	if tag != "" {
		full = dst.repo + ":" + tag
	}
	if err != nil {
		return report.Copied{}, fmt.Errorf("copy %s to %s: %w", name, full, err)
	}
	return report.NewCopied(name, full, r), nil
}

// tagIn returns the tag of an IMAGE argument, "" for one by digest and for the
// one image of a layout.
func tagIn(arg string) string {
	ref := ""
	if rest, ok := strings.CutPrefix(arg, layoutPrefix); ok {
		_, ref, _ = splitLayout(arg, rest) // a name without directory was refused before
	} else if _, r, err := registry.Parse(arg); err == nil {
		ref = r
	}
	if strings.HasPrefix(ref, "sha256:") {
		return ""
	}
	return ref
}
