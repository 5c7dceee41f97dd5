package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
)

func newDoctorCmd(app *App) *cobra.Command {
	job := doctorJob{app: app}
	cmd := &cobra.Command{
		Use:     "doctor [flags] REPOSITORY",
		Short:   "Find out what a registry can do and how attachments would be kept there",
		GroupID: groupRegistry,
		Long: `Find out what a registry does with attachments: write images that nobody has
into the repository, under tags that begin with hallmark-doctor-, ask for them
in every way, and remove them again. The answer is a table of what the registry
can do, and the plan by which hallmark would keep attachments there, with
reasons. It also works on an OCI layout, oci:DIR. With --deep a manifest of
4 MiB is written too.

Exit code 0 means that attaching works in the form of the plan and nothing gets
lost, 1 that it does not work so, 2 that it could not be found out. Objects that
the registry does not let be removed are named. When --timeout is over, removing
what was written may take as long again.`,
		Example: `  hallmark doctor registry.example/team/app
  hallmark doctor oci:./layout -f json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd.Context(), args[0]) },
	}
	job.target.bindWriter(cmd, app)
	job.out.bind(cmd, app, "text", "json")
	cmd.Flags().BoolVar(&job.deep, "deep", false, "also write a manifest of 4 MiB")
	return cmd
}

type doctorJob struct {
	app    *App
	target target
	out    render
	deep   bool
}

func (j *doctorJob) run(ctx context.Context, arg string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	store, err := j.target.openRepository(arg)
	if err != nil {
		return err
	}
	d, err := store.Diagnose(ctx, j.deep)
	if err != nil {
		for _, l := range d.Left {
			j.app.notef("note: %s in %s could not be removed", l, d.Place)
		}
		return err
	}
	if err := j.out.print(report.NewDiagnosis(d)); err != nil {
		return err
	}
	switch d.Works {
	case attach.Yes:
		return nil
	case attach.No:
		return codeError(exitNo)
	}
	return codeError(exitUndetermined)
}
