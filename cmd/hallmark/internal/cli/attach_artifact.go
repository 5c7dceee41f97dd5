package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
)

func newAttachArtifactCmd(app *App) *cobra.Command {
	job := attachArtifactJob{app: app}
	cmd := &cobra.Command{
		Use:   "artifact [flags] IMAGE FILE[:TYPE]...",
		Short: "Attach files to an image as an artifact that refers to it",
		Long: `Attach files and directories to an image: test reports, policies, anything that
has no place of its own. They become one artifact that refers to the image and
that other tools find among its referrers; where the registry keeps no list of
them, hallmark keeps one under the referrers tag, and loses none of the entries
that others write at the same time. The forms are those of 'hallmark push'.

'hallmark get artifact' fetches the files. 'hallmark sign --countersign --of
artifact' signs the artifact.`,
		Example: `  hallmark attach artifact registry.example/app:1.0 report.html coverage/ --type application/vnd.example.tests
  hallmark attach artifact registry.example/app:1.0 policy.rego:text/plain --as artifact --type application/vnd.example.policy`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd.Context(), args[0], args[1:]) },
	}
	job.target.bindWriter(cmd, app)
	job.target.bindPlatform(cmd)
	job.pack.bind(cmd)
	job.out.bind(cmd, app, "text", "json")
	return cmd
}

type attachArtifactJob struct {
	app    *App
	target target
	pack   packing
	out    render
}

func (j *attachArtifactJob) run(ctx context.Context, arg string, files []string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	if j.pack.kind == "" {
		return usagef("say what is attached with --type MEDIATYPE: readers choose by it")
	}
	img, err := j.target.open(ctx, arg)
	if err != nil {
		return err
	}
	m, err := j.pack.manifest(ctx, files, &img.subject.Desc)
	if err != nil {
		return err
	}
	content, err := m.Content()
	if err != nil {
		return err
	}
	receipts, err := img.Put(ctx, attach.Parcel{Subject: img.subject, Content: content})
	if err != nil {
		return fmt.Errorf("attach to %s: %w", img.subject, j.pack.refused(err))
	}
	return j.out.print(report.Receipts{Images: []report.Attached{attached(arg, img.subject, receipts)}})
}
