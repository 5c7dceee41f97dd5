package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

func newAttestCmd(app *App) *cobra.Command {
	job := attestJob{app: app}
	cmd := &cobra.Command{
		Use:     "attest [flags] IMAGE",
		Short:   "Sign a statement about an image",
		GroupID: groupMake,
		Long: `Sign an in-toto statement about an image and keep it beside the image, where
cosign finds it too. The predicate is checked against its type before anything
is signed. Types: spdx, spdxjson, cyclonedx, slsaprovenance02, slsaprovenance1,
vuln, openvex, link, custom, or any URI. --signing-config signs without a key,
as 'hallmark sign' does.`,
		Example: `  hallmark attest registry.example/app:1.0 --key hallmark.key --type spdxjson --predicate app.spdx.json
  hallmark attest registry.example/app:1.0 --key hallmark.key --type slsaprovenance1 --predicate provenance.json
  hallmark attest registry.example/app:1.0 --type spdxjson --predicate app.spdx.json --signing-config services.json --trusted-root root.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd.Context(), args[0]) },
	}
	job.target.bindWriter(cmd, app)
	job.target.bindPlatform(cmd)
	job.signers.bind(cmd, app)
	job.identity.bind(cmd, app)
	job.storage.bindBundles(cmd, app)
	job.out.bind(cmd, app, "text", "json")
	flags := cmd.Flags()
	flags.StringVar(&job.kind, "type", "", "type of the predicate: a name or a URI")
	flags.StringVar(&job.predicate, "predicate", "", "file with the predicate")
	flags.BoolVar(&job.again, "again", false, "add a statement even where the same one by the same key stands")
	return cmd
}

type attestJob struct {
	app       *App
	target    target
	signers   signers
	identity  bearer
	storage   storage
	out       render
	kind      string
	predicate string
	again     bool
}

func (j *attestJob) run(ctx context.Context, arg string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	switch {
	case j.kind == "":
		return usagef("say what the statement is about: --type spdxjson, slsaprovenance1, ... or a URI")
	case j.predicate == "":
		return usagef("no predicate: give --predicate FILE")
	}
	source, err := fileSource(j.predicate)
	if err != nil {
		return err
	}
	uri, err := payload.TypeURI(j.kind)
	if err != nil {
		return usagef("--type %s: %v", j.kind, err)
	}
	in, strict, err := j.storage.load()
	if err != nil {
		return err
	}
	keys, err := j.identity.or(ctx, &j.signers, in)
	if err != nil {
		return err
	}
	img, err := j.target.open(ctx, arg)
	if err != nil {
		return err
	}
	if uri == payload.SPDX || uri == payload.CycloneDX {
		if _, err := readSBOM(j.predicate, img.subject); err != nil {
			return err
		}
	}
	opts := sign.StatementOptions{PredicateType: j.kind, Predicate: source, Now: j.app.Now(), Again: j.again, Storage: in, Strict: strict}
	list, err := keys(ctx)
	if err != nil {
		return fmt.Errorf("attest %s: %w", arg, err)
	}
	receipts, err := sign.Statement(ctx, img, img.subject, opts, list)
	if err != nil {
		return fmt.Errorf("attest %s with %s as %s: %w", arg, j.predicate, j.kind, err)
	}
	return j.out.print(report.Receipts{Images: []report.Attached{attached(arg, img.subject, receipts)}})
}

// fileSource returns the file as content that can be read again.
func fileSource(path string) (payload.Source, error) {
	body, err := attach.File(path)
	if err != nil {
		return payload.Source{}, err
	}
	return payload.Source{Size: body.Size, Open: body.Open}, nil
}
