package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/format"
	"github.com/hallmark-oci/hallmark/sbom/scan"
	"github.com/hallmark-oci/hallmark/verify"
)

func newSBOMCmd(app *App) *cobra.Command {
	return group("sbom", "Make, check and translate SBOM documents", groupMake,
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
	target.bindBare(cmd, app)
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
			doc, outcome := validation(args)
			if err := out.print(doc); err != nil {
				return err
			}
			return outcomeError(outcome)
		},
	}
	out.bind(cmd, app, "text", "json")
	return cmd
}

// validation tells of each file whether it is an SBOM. Of a file that cannot be
// read nothing is known.
func validation(paths []string) (report.Validation, verify.Outcome) {
	doc := report.Validation{Valid: true}
	var outcomes []verify.Outcome
	for _, path := range paths {
		file := report.ValidatedFile{File: path, Valid: true}
		outcome := verify.Accept
		sum, f, err := ingest(path)
		switch {
		case err == nil:
			file.Format = f.Title(sum.SpecVersion)
		case errors.Is(err, sbom.ErrInvalid), errors.Is(err, sbom.ErrLimit):
			outcome = verify.Reject
		default:
			file.Unread, outcome = true, verify.Undetermined
		}
		if err != nil {
			file.Valid, file.Error, doc.Valid = false, oneLine(err), false
		}
		doc.Files = append(doc.Files, file)
		outcomes = append(outcomes, outcome)
	}
	return doc, verify.All(outcomes)
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
			info.Format = f.Title(doc.SpecVersion)
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
