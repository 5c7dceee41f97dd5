package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
)

func newRepairCmd(app *App) *cobra.Command {
	job := repairJob{app: app}
	cmd := &cobra.Command{
		Use:     "repair [flags] IMAGE...",
		Short:   "Mend the tags of attachments that another tool wrote over",
		GroupID: groupKeep,
		Long: `Make cosign's tags show again all that hallmark attached, where another tool
wrote over them, and take what other tools put there into hallmark's journal,
so that it cannot be lost any more. Repair tells what was missing, and what
something tells of and nobody holds: that is lost for good.

With --compact entries of the journal that are older than stated are folded
into one, for registries that count tags. Entries that something hangs from,
such as a counter-signature, stay as they are.

Exit code 0 means that all is well now, 1 that something is lost, or with
--dry-run that there is something to mend, and 2 that it could not be told or
not be mended.`,
		Example: `  hallmark repair registry.example/app:1.0
  hallmark repair registry.example/app:1.0 --dry-run
  hallmark repair --repository registry.example/app --compact --older-than 30d`,
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd.Context(), args) },
	}
	job.target.bindWriter(cmd, app)
	job.target.deletes = true
	job.images.bind(cmd, &job.target)
	job.target.bindPlatform(cmd)
	job.out.bind(cmd, app, "text", "json")
	job.age.bind(cmd, "with --compact: fold what is older than this, 720h or 30d; 0s folds all")
	cmd.Flags().BoolVar(&job.compact, "compact", false, "fold old entries of the journal into one")
	cmd.Flags().BoolVar(&job.dry, "dry-run", false, "tell what is to be mended, and write nothing")
	return cmd
}

type repairJob struct {
	app     *App
	target  target
	images  images
	out     render
	age     age
	compact bool
	dry     bool
}

func (j *repairJob) run(ctx context.Context, args []string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	if j.compact != j.age.set {
		return usagef("--compact and --older-than go together: one says that old entries are folded, the other how old")
	}
	list, err := j.images.names(ctx, args)
	if err != nil {
		return err
	}
	doc := report.Repairs{DryRun: j.dry, Images: []report.Repaired{}}
	job := func(ctx context.Context, o opened) report.Repaired {
		if o.err != nil {
			return report.NewRepaired(o.at.name, "", attach.Repaired{}, o.err)
		}
		out, err := keeper(o.Store).Repair(ctx, o.subject, attach.RepairOptions{DryRun: j.dry, Compact: j.compact, OlderThan: j.age.d})
		return report.NewRepaired(o.at.name, o.subject.Desc.Digest.String(), out, err)
	}
	for _, r := range each(ctx, &j.images, "repairing", list, job) {
		doc.Images = append(doc.Images, r)
	}
	if err := j.out.print(doc); err != nil {
		return err
	}
	return j.verdict(doc)
}

// verdict is the exit code: what could not be told weighs more than what is lost.
func (j *repairJob) verdict(doc report.Repairs) error {
	var code codeError
	for _, r := range doc.Images {
		switch {
		case r.Error != "", len(r.Notes) > 0 && !j.dry:
			code = exitUndetermined
		case code == 0 && (len(r.Lost) > 0 || j.dry && !r.Whole()):
			code = exitNo
		}
	}
	if code == 0 {
		return nil
	}
	return code
}
