package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sbom/format"
	"github.com/hallmark-oci/hallmark/sign"
)

func newAttachCmd(app *App) *cobra.Command {
	return group("attach", "Put existing files beside an image", groupMake,
		newAttachSBOMCmd(app), newAttachSignatureCmd(app), newAttachAttestationCmd(app), newAttachArtifactCmd(app))
}

func newAttachSBOMCmd(app *App) *cobra.Command {
	job := attachJob{app: app}
	cmd := &cobra.Command{
		Use:   "sbom [flags] IMAGE FILE...",
		Short: "Attach SBOM documents to an image",
		Long: `Attach SBOM documents (SPDX or CycloneDX) to an image, beside those that are
there. Each document is read first: a file that is no SBOM, or one that names
another image, is refused.

An attached SBOM is a file that somebody put there. Nobody trusts it until a
statement is signed about it: 'hallmark seal --sbom FILE' does both, and
'hallmark attest --type spdxjson' makes the statement alone.`,
		Example: `  hallmark attach sbom registry.example/app:1.0 app.spdx.json
  hallmark attach sbom oci:./layout:1.0 app.cdx.json --scope all`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd.Context(), args[0], args[1:]) },
	}
	job.target.bindWriter(cmd, app)
	job.target.bindPlatform(cmd)
	job.storage.bind(cmd, app)
	job.out.bind(cmd, app, "text", "json")
	cmd.Flags().StringVar(&job.scope, "scope", "", "what the documents describe: all, layer=sha256:..., or path=/...")
	cmd.Flags().BoolVar(&job.again, "again", false, "attach under cosign's tag even what stands there, or was removed where nothing can be deleted")
	return cmd
}

type attachJob struct {
	app     *App
	target  target
	out     render
	storage storage
	scope   string
	again   bool
}

func (j *attachJob) run(ctx context.Context, arg string, paths []string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	img, err := j.target.open(ctx, arg)
	if err != nil {
		return err
	}
	in, strict, err := j.storage.load()
	if err != nil {
		return err
	}
	var parcels []attach.Parcel
	for _, path := range paths {
		doc, err := readSBOM(path, img.subject)
		if err != nil {
			return err
		}
		contents, err := artifact.SBOMs(img.subject, doc.body, doc.format.MediaType(), j.scope, in)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, c := range contents {
			if j.again && c.Kind == attach.SBOM {
				c.Annotations = maps.Clone(c.Annotations)
				if c.Annotations == nil {
					c.Annotations = make(map[string]string)
				}
				c.Annotations[sign.AgainAnnotation] = rand.Text()
			}
			c.Strict = strict
			parcels = append(parcels, attach.Parcel{Subject: img.subject, Content: c})
		}
	}
	receipts, err := img.Put(ctx, parcels...)
	if err != nil {
		return fmt.Errorf("attach to %s: %w", img.subject, err)
	}
	doc := report.Receipts{Images: []report.Attached{attached(img.name, img.subject, receipts)}}
	return j.out.print(doc)
}

// document is an SBOM file that was read and found to be one.
type document struct {
	body   attach.Body
	format format.Format
}

// readSBOM checks that the file is an SBOM, and none of another image.
func readSBOM(path string, s attach.Subject) (document, error) {
	doc, f, err := ingest(path)
	if err != nil {
		return document{}, err
	}
	if err := format.CheckSubject(doc, s.Desc.Digest.String()); err != nil {
		return document{}, fmt.Errorf("%s: %w", path, err)
	}
	body, err := attach.File(path)
	return document{body: body, format: f}, err
}

// attached turns receipts into what is printed.
func attached(name string, s attach.Subject, receipts []attach.Receipt) report.Attached {
	out := report.Attached{Image: name, Subject: s.Repo, Digest: s.Desc.Digest.String(), Entries: []report.Receipt{}}
	for _, r := range receipts {
		out.Entries = append(out.Entries, report.NewReceipt(r))
	}
	return out
}
