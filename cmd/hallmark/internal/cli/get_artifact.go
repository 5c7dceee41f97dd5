package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
)

func newGetArtifactCmd(app *App) *cobra.Command {
	job := getArtifactJob{app: app}
	cmd := &cobra.Command{
		Use:   "artifact [flags] IMAGE",
		Short: "Fetch the files of an artifact that is attached to an image",
		Long: `Fetch the files of an artifact that refers to an image. Only one that an
accepted key signed ('hallmark sign --countersign --of artifact') is handed
out; with --unverified any, which anyone may have put there. Where several fit,
choose with --type or --digest.`,
		Example: `  hallmark get artifact registry.example/app:1.0 --type application/vnd.example.tests --key hallmark.pub -o tests
  hallmark get artifact registry.example/app:1.0 --unverified -o files`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			changed := cmd.Flags().Changed
			if job.unverified == job.trust.given() || job.unverified && changed("threshold") {
				return usagef("say who must have signed it with --key, or take what is there with --unverified")
			}
			return job.run(cmd.Context(), args[0])
		},
	}
	job.target.bind(cmd, app)
	job.target.bindPlatform(cmd)
	job.trust.bind(cmd, app)
	job.into.bind(cmd, app)
	flags := cmd.Flags()
	flags.StringArrayVar(&job.types, "type", nil, "accepted types of artifact; any when not given")
	flags.StringVar(&job.digest, "digest", "", "choose the artifact whose manifest has this digest")
	flags.BoolVar(&job.unverified, "unverified", false, "hand it out although nobody checked it")
	return cmd
}

type getArtifactJob struct {
	app        *App
	target     target
	trust      trust
	into       unpacking
	types      []string
	digest     string
	unverified bool
}

func (j *getArtifactJob) run(ctx context.Context, arg string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	img, err := j.target.open(ctx, arg)
	if err != nil {
		return err
	}
	a, err := j.choose(ctx, img)
	if err != nil {
		return err
	}
	holder := attach.Subject{Repo: img.subject.Repo, Desc: a.Immutable()[0].Manifest}
	verified, err := j.trust.signed(ctx, img, holder, fmt.Sprintf("artifact %s of %s", a.Type, arg))
	if err != nil {
		return err
	}
	return j.into.unpack(ctx, img, holder.Desc.Digest, verified)
}

// choose returns the one artifact that fits the flags.
func (j *getArtifactJob) choose(ctx context.Context, img image) (attach.Attachment, error) {
	all, errs := attach.Collect(ctx, img, img.subject, attach.Artifact)
	var fit []attach.Attachment
	for _, a := range all {
		wanted := len(j.types) == 0 || slices.Contains(j.types, a.Type)
		if wanted && len(a.Immutable()) > 0 && (j.digest == "" || a.Desc.Digest.String() == j.digest) {
			fit = append(fit, a)
		}
	}
	errs = slices.DeleteFunc(errs, attach.Judged)
	switch {
	case len(fit) == 1 && (len(errs) == 0 || j.digest != ""):
		return fit[0], nil
	case len(errs) > 0:
		return attach.Attachment{}, fmt.Errorf("look for the artifacts of %s: %w", img.subject, errors.Join(errs...))
	case len(fit) == 0:
		j.app.notef("%s has no such artifact", img.name)
		return attach.Attachment{}, codeError(exitNo)
	}
	for _, a := range fit {
		j.app.notef("%s %s", a.Desc.Digest, a.Type)
	}
	return attach.Attachment{}, usagef("%s has %d artifacts: choose one with --type or --digest", img.name, len(fit))
}
