package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach/transfer"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/term"
)

func newPackCmd(app *App) *cobra.Command {
	job := packJob{app: app}
	cmd := &cobra.Command{
		Use:     "pack [flags] -o FILE.tar IMAGE...",
		Short:   "Pack images with everything that hangs from them into one file",
		GroupID: groupMove,
		Long: `Pack images, with everything that 'hallmark copy' would copy, into one file that
can be carried to where no network reaches: an OCI layout in a tar file, which
other tools read too. The same content gives the same bytes. Content goes from
the registry straight into the file, which takes its name when it is whole.

'hallmark unpack' puts the images into a registry or a layout. Until then every
command that reads takes the file as oci:FILE.tar:TAG.`,
		Example: `  hallmark pack -o app.tar registry.example/app:1.0
  hallmark pack -o two.tar registry.example/app:1.0 oci:./layout:2.0 --only image --only signature`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd.Context(), args) },
	}
	job.target.bind(cmd, app)
	job.target.bindPlatform(cmd)
	bindOnly(cmd, &job.only)
	enum(cmd, &job.format, "format", "f", []string{"text", "json"}, "shape of the answer, which tells what was packed")
	cmd.Flags().StringVarP(&job.file, "output", "o", "", "file for the archive; - is standard output, and nothing tells what was packed")
	return cmd
}

type packJob struct {
	app    *App
	target target
	only   []string
	format string
	file   string
}

func (j *packJob) run(ctx context.Context, args []string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	if j.file == "" || j.file == "-" && term.Is(j.app.Out) {
		return usagef("name the file to pack into: -o FILE.tar")
	}
	opts, err := partsOf(j.only)
	if err != nil {
		return err
	}
	var bar *term.Bar
	opts.Planned = func(n int) {
		if !j.app.global.quiet {
			bar = term.NewBar(j.app.Err, "packing", n)
		}
	}
	opts.Step = func() { bar.Step() }
	p := transfer.NewPacker(opts)
	for _, arg := range args {
		if err := j.add(ctx, p, arg); err != nil {
			return err
		}
	}
	var results []transfer.Result
	archive := render{app: j.app, output: j.file}
	err = archive.write(func(w io.Writer) (err error) {
		results, err = p.Write(ctx, w)
		return err
	})
	bar.Clear()
	if err != nil {
		return err
	}
	doc := report.Copies{}
	for i, r := range results {
		to := layoutPrefix + j.file
		if r.Tag != "" {
			to += ":" + r.Tag
		}
		doc.Images = append(doc.Images, report.NewCopied(args[i], to, r))
	}
	out := render{app: j.app, format: j.format, output: "-"}
	if j.file == "-" {
		out.discard = true
	}
	return finished(&out, doc)
}

// add packs one image.
func (j *packJob) add(ctx context.Context, p *transfer.Packer, arg string) error {
	img, err := j.target.open(ctx, arg)
	if err != nil {
		return err
	}
	src, err := placeOf(img)
	if err != nil {
		return err
	}
	err = p.Add(ctx, src, img.subject, tagIn(arg))
	if errors.Is(err, transfer.ErrTagTaken) {
		return usagef("%v: pack them into two files", err)
	}
	if err != nil {
		return fmt.Errorf("pack %s: %w", arg, err)
	}
	return nil
}
