package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/migrate"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
)

func newMigrateCmd(app *App) *cobra.Command {
	job := migrateJob{app: app}
	cmd := &cobra.Command{
		Use:     "migrate [flags] IMAGE",
		Short:   "Move attestations and SBOMs between cosign's tags and OCI 1.1 referrers",
		GroupID: groupKeep,
		Long: `Move what is attached to an image to the other storage, without signing it
again: attestations become Sigstore bundles among the referrers, or come out of
them, and SBOMs become artifacts, or documents under cosign's tag. Content and
signatures stay the same bytes, so that whoever accepted them still does.

What cannot be moved stays, and migrate says why: a signature under cosign's tag
has another format than one in a bundle, and a certificate or a log entry would
be lost. What is no good entry stays too, is named, and ends in exit code 2.
Nothing is deleted, unless --delete-old is given: then what was moved
goes from where it was, once the new is confirmed and other tools see it.`,
		Example: `  hallmark migrate registry.example/app:1.0 --to referrers
  hallmark migrate registry.example/app:1.0 --to tags --delete-old`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("to") {
				return usagef("say where to: --to tags or --to referrers")
			}
			return job.run(cmd.Context(), args[0])
		},
	}
	job.target.bindWriter(cmd, app)
	job.target.bindPlatform(cmd)
	job.out.bind(cmd, app, "text", "json")
	enum(cmd, &job.to, "to", "", []string{string(attach.InReferrers), string(attach.InTags)}, "storage to move to")
	cmd.Flags().BoolVar(&job.deleteOld, "delete-old", false, "remove what was moved from where it was")
	return cmd
}

type migrateJob struct {
	app       *App
	target    target
	out       render
	to        string
	deleteOld bool
}

func (j *migrateJob) run(ctx context.Context, arg string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	j.target.deletes = j.deleteOld
	img, err := j.target.open(ctx, arg)
	if err != nil {
		return err
	}
	store, ok := img.Store.(migrate.Store)
	if !ok {
		return fmt.Errorf("migrate %s: nothing can be removed from this kind of store", arg)
	}
	to := attach.Storage(j.to)
	warnOfBundles(j.app, to)
	moved, bad, err := migrate.Image(ctx, store, img.subject, migrate.Options{To: to, DeleteOld: j.deleteOld})
	if err != nil {
		return fmt.Errorf("migrate %s: %w", arg, err)
	}
	doc := report.NewMigrated(arg, img.subject, j.to, bad)
	shown := false
	for _, m := range moved {
		doc.Entries = append(doc.Entries, report.NewMigratedOnce(m.From, m.Receipt, m.Stays, m.Removal))
		shown = shown || m.Removal != nil && m.Removal.Shown != ""
		doc.Complete = doc.Complete && !m.Bad
	}
	if err := j.out.print(doc); err != nil {
		return err
	}
	if shown {
		j.app.notef("error: not everything that was moved is gone from where it was")
		return codeError(exitUndetermined)
	}
	if !doc.Complete {
		j.app.notef("error: what is bad was left as it is, nothing stands for it in the other storage; the rest was moved")
		return codeError(exitUndetermined)
	}
	return nil
}
