package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/seal"
	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/format"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
)

func newSealCmd(app *App) *cobra.Command {
	job := sealJob{app: app}
	cmd := &cobra.Command{
		Use:     "seal [flags] IMAGE",
		Short:   "Take the inventory of an image, attach and attest it, sign the image, verify the result",
		GroupID: groupMake,
		Long: `The main job. seal takes the inventory of an image and attaches it as an SBOM,
signs a statement that binds the SBOM to the image's digest, signs the image
and the objects that hold the SBOM, and then verifies all that from where it
was stored. Sealing again adds nothing that stands already.

Of an index every image is sealed, each with an SBOM of its own, and then the
index is signed; --platform seals one image alone. --signing-config seals
without a key, as 'hallmark sign' signs.`,
		Example: `  hallmark seal registry.example/app:1.0 --key hallmark.key
  hallmark seal oci:./layout:1.0 --key hallmark.key --sbom-format cyclonedx-json
  hallmark seal registry.example/app:1.0 --key hallmark.key --sbom app.spdx.json
  hallmark seal registry.example/app:1.0 --identity-token token --signing-config services.json --trusted-root root.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if job.sbom != "" && cmd.Flags().Changed("sbom-format") {
				return usagef("--sbom-format is for an SBOM that is made; --sbom brings its own (see 'hallmark sbom convert')")
			}
			return job.run(cmd.Context(), args[0])
		},
	}
	job.target.bindWriter(cmd, app)
	job.target.bindPlatform(cmd)
	job.signers.bind(cmd, app)
	job.bearer.bind(cmd, app)
	job.storage.bindBundles(cmd, app)
	job.out.bind(cmd, app, "text", "json")
	flags := cmd.Flags()
	flags.StringVar(&job.sbom, "sbom", "", "use this SBOM document instead of taking the inventory")
	enum(cmd, &job.format, "sbom-format", "", formatNames(), "format of the SBOM that is made")
	flags.StringArrayVarP(&job.annotations, "annotations", "a", nil, "name=value to sign along with the image; repeatable")
	flags.BoolVar(&job.again, "again", false, "add signatures and statements even where the same stand")
	return cmd
}

// formatNames returns the formats that hallmark writes, the default first.
func formatNames() []string {
	var names []string
	for _, f := range format.Formats() {
		if f.Writes {
			names = append(names, string(f.Format))
		}
	}
	return names
}

type sealJob struct {
	app         *App
	target      target
	signers     signers
	bearer      bearer
	by          []sign.Signer // who signed last
	storage     storage
	out         render
	sbom        string
	format      string
	annotations []string
	again       bool
}

func (j *sealJob) run(ctx context.Context, arg string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	opts, err := j.options(ctx)
	if err != nil {
		return err
	}
	img, err := j.target.open(ctx, arg)
	if err != nil {
		return err
	}
	doc := report.Sealed{Image: arg, Digest: img.subject.Desc.Digest.String()}
	var outcomes []verify.Outcome
	add := func(s seal.Sealed, platform string) {
		doc.Images = append(doc.Images, sealedOne(arg, s, platform))
		doc.Verdicts = append(doc.Verdicts, report.NewVerdict(arg, s.Verdict))
		outcomes = append(outcomes, s.Verdict.Outcome)
	}
	if err := j.all(ctx, img, opts, add); err != nil {
		return fmt.Errorf("seal %s: %w", arg, err)
	}
	overall := verify.All(outcomes)
	if overall == verify.Accept {
		doc.Next = j.next(img)
	}
	if err := j.out.print(doc); err != nil {
		return err
	}
	if overall != verify.Accept {
		j.app.notef("error: what was sealed does not verify from the store; run seal again, and look at 'hallmark verify --all'")
	}
	return outcomeError(overall)
}

// all seals the image, or each image of an index and then the index.
func (j *sealJob) all(ctx context.Context, img image, opts seal.Options, add func(seal.Sealed, string)) error {
	if !img.subject.Desc.MediaType.IsIndex() {
		if err := j.document(img.subject, &opts); err != nil {
			return err
		}
		s, err := seal.Image(ctx, img, img.subject, opts)
		if err == nil {
			add(s, "")
		}
		return err
	}
	if j.sbom != "" {
		return usagef("an SBOM describes one image, not an index: choose the image with --platform")
	}
	children, err := attach.Children(ctx, img, img.subject)
	if err != nil {
		return err
	}
	for _, c := range children {
		if c.Attests() {
			continue
		}
		platform := ""
		if c.Platform != nil {
			platform = c.Platform.String()
		}
		s, err := seal.Image(ctx, img, c.Subject, opts)
		if err != nil {
			return fmt.Errorf("image %s (%s): %w", c.Subject.Desc.Digest, platform, err)
		}
		add(s, platform)
	}
	s, err := seal.Index(ctx, img, img.subject, opts)
	if err == nil {
		add(s, "")
	}
	return err
}

// options turns the flags into those of package seal.
func (j *sealJob) options(ctx context.Context) (seal.Options, error) {
	f, err := format.Parse(j.format)
	if err != nil {
		return seal.Options{}, usagef("--sbom-format: %v", err)
	}
	opts := seal.Options{Format: f, Again: j.again, Tool: j.app.tool()}
	if opts.Storage, opts.Strict, err = j.storage.load(); err != nil {
		return opts, err
	}
	if opts.Annotations, err = annotations(j.annotations); err != nil {
		return opts, err
	}
	if opts.Created, err = j.app.sourceDate(); err != nil {
		return opts, err
	}
	from, err := j.bearer.or(ctx, &j.signers, opts.Storage)
	opts.Trust = trustOf
	opts.Signers = func(ctx context.Context) ([]sign.Signer, error) {
		j.by, err = from(ctx)
		return j.by, err
	}
	return opts, err
}

// document reads the SBOM that --sbom names.
func (j *sealJob) document(s attach.Subject, opts *seal.Options) error {
	if j.sbom == "" {
		return nil
	}
	doc, err := readSBOM(j.sbom, s)
	if err != nil {
		return err
	}
	if doc.format != format.SPDXJSON && doc.format != format.CycloneDXJSON {
		return usagef("%s is %s: a statement needs a JSON document; see 'hallmark sbom convert'", j.sbom, doc.format.Title(""))
	}
	opts.Document = &seal.Document{Body: doc.body, Format: doc.format}
	return nil
}

// tool is how SBOMs name this program.
func (app *App) tool() sbom.Tool { return sbom.Tool{Name: "hallmark", Version: app.Version.Version} }

// sourceDate reads SOURCE_DATE_EPOCH, zero where it is not set
// (https://reproducible-builds.org/specs/source-date-epoch).
func (app *App) sourceDate() (time.Time, error) {
	v, ok := app.LookupEnv("SOURCE_DATE_EPOCH")
	if !ok || v == "" {
		return time.Time{}, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 || n > 253402300799 {
		return time.Time{}, usagef("SOURCE_DATE_EPOCH is %q, not a number of seconds since 1970", v)
	}
	return time.Unix(n, 0).UTC(), nil
}

// next tells what another person runs to check the work: with what it takes to
// get at the image, and first how to make the public keys that are in no file.
func (j *sealJob) next(img image) []string {
	var lines []string
	line := fmt.Sprintf("hallmark verify %s --sbom", img.subject)
	for _, name := range j.signers.loaded {
		file := key.PublicPath(name)
		if variable, ok := strings.CutPrefix(name, "env://"); ok {
			file = variable + ".pub"
			lines = append(lines, fmt.Sprintf("hallmark key public %s -o %s", name, file))
		}
		line += " --key " + file
	}
	line += j.bearer.toVerify(j.by)
	if n := len(j.signers.loaded); n > 1 {
		line += fmt.Sprintf(" --threshold %d", n)
	}
	if repo := j.target.attachments(); repo != "" {
		line += " --attachment-repository " + repo
	}
	if j.target.insecure {
		line += " --allow-insecure-registry"
	}
	return append(lines, line)
}

// sealedOne turns what was done for one manifest into what is printed.
func sealedOne(name string, s seal.Sealed, platform string) report.SealedOne {
	receipts := slices.Concat(s.SBOMs, s.Statements, s.Signatures)
	one := report.SealedOne{Attached: attached(name, s.Subject, receipts), Platform: platform}
	for _, h := range s.Holders {
		one.SignedObjects = append(one.SignedObjects, h.Desc.Digest.String())
	}
	if s.Inventory != nil {
		one.Inventory = report.NewInventoryInfo(*s.Inventory)
	}
	return one
}
