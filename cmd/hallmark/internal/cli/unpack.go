package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach/layout"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
)

func newUnpackCmd(app *App) *cobra.Command {
	job := unpackJob{app: app}
	cmd := &cobra.Command{
		Use:     "unpack [flags] FILE.tar DST",
		Short:   "Put the images of a packed file into a registry or a layout",
		GroupID: groupMove,
		Long: `Put all images of a file that 'hallmark pack' made, with everything that hangs
from them, into a repository or an OCI layout, as 'hallmark copy' does: what is
there is kept, what arrived is read back, a tag is written last. Any OCI layout
in a tar file, or in a directory, is taken, such as one that 'cosign save' made.

Each image gets its own tag. A tag in DST is for the one image of a file.`,
		Example: `  hallmark unpack app.tar registry.internal/app
  hallmark unpack app.tar oci:./layout
  hallmark unpack saved.tar registry.internal/app:1.0`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd.Context(), args[0], args[1]) },
	}
	job.dst.bindWriter(cmd, app)
	job.moves.bind(cmd)
	job.out.bind(cmd, app, "text", "json")
	return cmd
}

type unpackJob struct {
	app   *App
	dst   target
	moves moves
	out   render
}

func (j *unpackJob) run(ctx context.Context, file, to string) error {
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
	src, err := layout.Open(strings.TrimPrefix(file, layoutPrefix), layout.Options{})
	if err != nil {
		return err
	}
	defer src.Close()
	images, err := src.Images(ctx)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", file, err)
	}
	if err := where.fits(file, images); err != nil {
		return err
	}
	dst, err := j.dst.destination(ctx, where)
	if err != nil {
		return err
	}
	var doc report.Copies
	for _, img := range images {
		name := img.Subject.String()
		if img.Tag != "" {
			name = img.Subject.Repo + ":" + img.Tag
		}
		one, err := j.app.move(ctx, name, src, img.Subject, dst, img.Tag, opts)
		if err != nil {
			return err
		}
		doc.Images = append(doc.Images, one)
	}
	return finished(&j.out, doc)
}
