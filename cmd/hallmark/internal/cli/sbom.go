package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/format"
	"github.com/hallmark-oci/hallmark/sbom/scan"
)

func newSBOMCmd(app *App) *cobra.Command {
	return group("sbom", "Make, check and translate SBOM documents", groupTools,
		newSBOMGenerateCmd(app), newSBOMConvertCmd(app), newSBOMValidateCmd(app), newSBOMShowCmd(app))
}

func newSBOMGenerateCmd(app *App) *cobra.Command {
	var target target
	var out render
	cmd := &cobra.Command{
		Use:   "generate [flags] IMAGE",
		Short: "Take the inventory of an image and print it; nothing is attached",
		Example: `  hallmark sbom generate registry.example/app:1.0
  hallmark sbom generate oci:./layout:1.0 -f cyclonedx-json -o app.cdx.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := app.context(cmd.Context())
			defer cancel()
			inv, err := app.inventory(ctx, &target, args[0])
			if err != nil {
				return err
			}
			return out.document(inv)
		},
	}
	target.bind(cmd, app)
	target.bindPlatform(cmd)
	out.bind(cmd, app, formatNames()...)
	return cmd
}

// inventory scans the image that the argument names.
func (app *App) inventory(ctx context.Context, t *target, arg string) (sbom.Inventory, error) {
	created, err := app.sourceDate()
	if err != nil {
		return sbom.Inventory{}, err
	}
	img, err := t.open(ctx, arg)
	if err != nil {
		return sbom.Inventory{}, err
	}
	inv, err := scan.Image(ctx, img, img.subject, scan.Options{Tool: app.tool(), Created: created})
	if err != nil {
		return inv, fmt.Errorf("take the inventory of %s: %w", arg, err)
	}
	for _, u := range inv.Unknowns {
		app.notef("not understood: %s: %s", u.Path, u.Reason)
	}
	return inv, nil
}

// document writes the inventory in the format that --format names.
func (r *render) document(inv sbom.Inventory) error {
	f, err := format.Parse(r.format)
	if err != nil {
		return usagef("--format: %v", err)
	}
	return r.write(func(w io.Writer) error { return format.Encode(w, f, inv) })
}

func newSBOMConvertCmd(app *App) *cobra.Command {
	var out render
	cmd := &cobra.Command{
		Use:   "convert [flags] FILE",
		Short: "Translate an SBOM into another format, and say what is lost",
		Example: `  hallmark sbom convert app.cdx.json -f spdx-json
  hallmark sbom convert app.spdx -f cyclonedx-json -o app.cdx.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			doc, _, err := decodeSBOM(args[0])
			if err != nil {
				return err
			}
			for _, l := range doc.Lost {
				app.notef("lost: %s", lossLine(l))
			}
			return out.document(doc.Inventory)
		},
	}
	out.bind(cmd, app, formatNames()...)
	return cmd
}

// lossLine tells what the new format has no place for.
func lossLine(l sbom.Loss) string {
	line := fmt.Sprintf("%s, %d of them", l.Field, l.Count)
	if l.Example != "" {
		line += ", such as " + l.Example
	}
	return line
}

func newSBOMValidateCmd(app *App) *cobra.Command {
	var out render
	cmd := &cobra.Command{
		Use:   "validate [flags] FILE...",
		Short: "Say whether files are SBOMs that follow their format",
		Example: `  hallmark sbom validate app.spdx.json app.cdx.json
  hallmark sbom validate app.spdx.json -f json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			doc := validation(args)
			if err := out.print(doc); err != nil {
				return err
			}
			if !doc.Valid {
				return codeError(exitNo)
			}
			return nil
		},
	}
	out.bind(cmd, app, "text", "json")
	return cmd
}

// validation tells of each file whether it is an SBOM.
func validation(paths []string) report.Validation {
	doc := report.Validation{Valid: true}
	for _, path := range paths {
		file := report.ValidatedFile{File: path, Valid: true}
		_, f, err := ingest(path)
		if err != nil {
			file.Valid, file.Error, doc.Valid = false, oneLine(err), false
		} else {
			file.Format = f.Title()
		}
		doc.Files = append(doc.Files, file)
	}
	return doc
}

// ingest reads an SBOM file that must follow its format.
func ingest(path string) (sbom.Document, format.Format, error) {
	file, err := os.Open(path)
	if err != nil {
		return sbom.Document{}, "", err
	}
	defer file.Close()
	doc, f, err := format.Ingest(file)
	if err != nil {
		return doc, f, fmt.Errorf("%s is no SBOM that hallmark can use: %w", path, err)
	}
	return doc, f, nil
}

func newSBOMShowCmd(app *App) *cobra.Command {
	var out render
	cmd := &cobra.Command{
		Use:     "show [flags] FILE",
		Short:   "Sum an SBOM document up",
		Example: `  hallmark sbom show app.spdx.json`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			doc, f, err := decodeSBOM(args[0])
			if err != nil {
				return err
			}
			info := report.NewInventoryInfo(doc.Inventory)
			info.Format = f.Title()
			if len(doc.Subjects) > 0 {
				info.Subject = doc.Subjects[0]
			}
			return out.print(info)
		},
	}
	out.bind(cmd, app, "text", "json")
	return cmd
}

// decodeSBOM reads an SBOM file.
func decodeSBOM(path string) (sbom.Document, format.Format, error) {
	file, err := os.Open(path)
	if err != nil {
		return sbom.Document{}, "", err
	}
	defer file.Close()
	doc, f, err := format.Decode(file)
	if err != nil {
		return doc, f, fmt.Errorf("%s is no SBOM that hallmark can use: %w", path, err)
	}
	return doc, f, nil
}
