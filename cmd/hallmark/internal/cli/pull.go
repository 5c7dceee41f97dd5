package cli

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/verify"
)

func newPullCmd(app *App) *cobra.Command {
	job := pullJob{app: app}
	cmd := &cobra.Command{
		Use:     "pull [flags] REF",
		Short:   "Fetch the files of an artifact into a directory",
		GroupID: groupMove,
		Long: `Fetch the files of an artifact that hallmark, oras, Helm or another tool stored.
Every byte is checked against the digest before any file takes its place; names
that lead out of the directory, links and devices are refused, and files that
exist are left alone unless --force is given.

With --key nothing is fetched unless an accepted key signed the artifact.
Without it the files are those that the tag or digest names, whoever put them
there; a digest names the same files for ever.`,
		Example: `  hallmark pull registry.example/team/policy:1.0 --key hallmark.pub -o policy
  hallmark pull registry.example/charts/web:1.2.3
  hallmark pull oci:./layout:1.0 -o out --force`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("threshold") && !job.trust.given() {
				return usagef("--threshold counts keys: give --key too")
			}
			return job.run(cmd.Context(), args[0])
		},
	}
	job.target.bind(cmd, app)
	job.target.bindPlatform(cmd)
	job.trust.bind(cmd, app)
	job.into.bind(cmd, app)
	return cmd
}

type pullJob struct {
	app    *App
	target target
	trust  trust
	into   unpacking
}

func (j *pullJob) run(ctx context.Context, arg string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	img, err := j.target.open(ctx, arg)
	if err != nil {
		return err
	}
	verified, err := j.trust.signed(ctx, img, img.subject, arg)
	if err != nil {
		return err
	}
	return j.into.unpack(ctx, img, img.subject.Desc.Digest, verified)
}

// signed demands that accepted signers signed the manifest, where any are named. It
// reports whether some were; what is refused is told on stderr.
func (t *trust) signed(ctx context.Context, r attach.Reader, s attach.Subject, name string) (bool, error) {
	if !t.given() {
		return false, nil
	}
	keys, err := t.load(ctx)
	if err != nil {
		return false, err
	}
	v, err := verify.New(keys, verify.Policy{Rules: []verify.Rule{
		{Name: "signature", Kind: attach.Signature, Threshold: t.threshold},
	}})
	if err != nil {
		return false, usagef("%v", err)
	}
	verdict, err := v.Verify(ctx, r, s)
	if err != nil {
		return false, err
	}
	if verdict.Outcome != verify.Accept {
		return false, t.app.refuse(name, verdict)
	}
	return true, nil
}

// unpacking is the group of flags that say where files go.
type unpacking struct {
	render
	dir   string
	force bool
}

func (u *unpacking) bind(cmd *cobra.Command, app *App) {
	u.app, u.output = app, "-"
	enum(cmd, &u.format, "format", "f", []string{"text", "json"}, "shape of the answer")
	cmd.Flags().StringVarP(&u.dir, "output-dir", "o", ".", "directory for the files; it is made where it does not exist")
	cmd.Flags().BoolVar(&u.force, "force", false, "replace files that exist")
}

// unpack fetches the files of an artifact of the image's repository and prints
// what they are.
func (u *unpacking) unpack(ctx context.Context, img image, digest v1.Hash, verified bool) error {
	files, err := artifact.Unpack(ctx, img, img.subject, digest, artifact.Options{Dir: u.dir, Force: u.force})
	if err != nil {
		return fmt.Errorf("pull %s: %w", img.name, err)
	}
	if !verified {
		u.app.notef("nothing here is verified")
	}
	return u.print(report.NewPulled(img.name, digest.String(), u.dir, verified, files))
}
