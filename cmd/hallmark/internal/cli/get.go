package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sign/bundle"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

func newGetCmd(app *App) *cobra.Command {
	return group("get", "Fetch what is attached to an image, once it verified", groupAsk,
		newGetSBOMCmd(app), newGetAttestationCmd(app), newGetSignatureCmd(app), newGetArtifactCmd(app))
}

// getJob is one run of get.
type getJob struct {
	app        *App
	target     target
	trust      trust
	out        render
	kind       attach.Kind
	types      []string
	unverified bool
	inIndex    bool
	digest     string
}

func (j *getJob) bind(cmd *cobra.Command, app *App) *cobra.Command {
	j.app = app
	cmd.Args = cobra.ExactArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := j.contradiction(cmd.Flags().Changed); err != nil {
			return err
		}
		return j.run(cmd.Context(), args[0])
	}
	j.target.bind(cmd, app)
	j.target.bindPlatform(cmd)
	j.trust.bind(cmd, app)
	j.out.bindOutput(cmd, app)
	flags := cmd.Flags()
	flags.BoolVar(&j.unverified, "unverified", false, "hand it out although nobody checked it")
	flags.StringVar(&j.digest, "digest", "", "choose the SBOM, or with --unverified the entry, whose content has this digest")
	return cmd
}

// contradiction refuses flags that would have no effect together.
func (j *getJob) contradiction(changed func(flag string) bool) error {
	switch {
	case j.digest != "" && !j.unverified && j.kind != attach.SBOM:
		return usagef("--digest chooses an SBOM, or with --unverified an entry")
	case j.unverified && (j.trust.given() || changed("threshold")):
		return usagef("--unverified asks nobody's key; leave --key and --threshold away, and whoever else may sign, or --unverified")
	case j.inIndex && !j.unverified:
		return usagef("nobody signed what buildx put into an index: --in-index goes with --unverified")
	case j.unverified && !j.inIndex && j.kind == attach.SBOM && changed("type"):
		return usagef("--type chooses among attested SBOMs; with --unverified choose by --digest")
	}
	return nil
}

func newGetSBOMCmd(app *App) *cobra.Command {
	job := getJob{kind: attach.SBOM}
	cmd := &cobra.Command{
		Use:   "sbom [flags] IMAGE",
		Short: "Print the SBOM of an image, byte for byte as it was attested",
		Long: `Print the SBOM of an image. Only an SBOM in a statement that an accepted key
signed, and that names the image's digest, is handed out; its bytes are those
that were signed. With --unverified the object under cosign's .sbom tag is
printed, which anyone may have put there; with --in-index too, the SBOM that
buildx put into the image's index.`,
		Example: `  hallmark get sbom registry.example/app:1.0 --key hallmark.pub -o app.spdx.json
  hallmark get sbom registry.example/app:1.0 --key hallmark.pub --type cyclonedx
  hallmark get sbom registry.example/app:1.0 --unverified --in-index --platform linux/amd64 -o app.spdx.json`,
	}
	cmd.Flags().StringArrayVar(&job.types, "type", []string{"spdxjson", "cyclonedx"}, "accepted types of document")
	job.bindInIndex(cmd)
	return job.bind(cmd, app)
}

func newGetAttestationCmd(app *App) *cobra.Command {
	job := getJob{kind: attach.Attestation}
	cmd := &cobra.Command{
		Use:   "attestation [flags] IMAGE",
		Short: "Print the attestations of an image as DSSE envelopes, one a line",
		Example: `  hallmark get attestation registry.example/app:1.0 --key hallmark.pub --type slsaprovenance1
  hallmark get attestation registry.example/app:1.0 --unverified`,
	}
	cmd.Flags().StringArrayVar(&job.types, "type", nil, "accepted types of predicate: names or URIs")
	job.bindInIndex(cmd)
	return job.bind(cmd, app)
}

func newGetSignatureCmd(app *App) *cobra.Command {
	job := getJob{kind: attach.Signature}
	cmd := &cobra.Command{
		Use:   "signature [flags] IMAGE",
		Short: "Print the signatures of an image as JSON, one a line",
		Long: `Print the signatures of an image that verify, as JSON, one a line: those under
cosign's tag as cosign prints them, Sigstore bundles as they are.`,
		Example: `  hallmark get signature registry.example/app:1.0 --key hallmark.pub`,
	}
	return job.bind(cmd, app)
}

func (j *getJob) run(ctx context.Context, arg string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	switch {
	case j.inIndex:
		return j.fromIndex(ctx, arg)
	case j.unverified:
		return j.raw(ctx, arg)
	}
	trust, err := j.trust.load(ctx)
	if err != nil {
		return err
	}
	rule, err := j.rule()
	if err != nil {
		return err
	}
	kept, err := newTaken()
	if err != nil {
		return err
	}
	defer kept.close()
	if rule.Kind == attach.Attestation {
		rule.Take = func(s verify.Statement) error { return j.take(kept, s) }
	}
	v, err := verify.New(trust, verify.Policy{Rules: []verify.Rule{rule}})
	if err != nil {
		return usagef("%v", err)
	}
	img, err := j.target.open(ctx, arg)
	if err != nil {
		return err
	}
	verdict, err := v.Verify(ctx, img, img.subject)
	if err != nil {
		return err
	}
	if verdict.Outcome != verify.Accept {
		return j.app.refuse(arg, verdict)
	}
	if j.kind == attach.Signature {
		return j.out.write(func(w io.Writer) error { return j.signatures(ctx, img, verdict, w) })
	}
	return j.handOut(kept.signedBy(j.trust.threshold))
}

// handOut writes the documents: of SBOMs the one that --digest names, or else
// that of the smallest digest. Its choice does not depend on the order in which
// a registry lists them, which anyone who can push may change.
func (j *getJob) handOut(docs []*takenDoc) error {
	slices.SortFunc(docs, func(a, b *takenDoc) int { return strings.Compare(a.digest(), b.digest()) })
	if j.kind == attach.SBOM && j.digest != "" {
		i := slices.IndexFunc(docs, func(d *takenDoc) bool { return d.digest() == j.digest })
		if i < 0 {
			return usagef("no attested SBOM that verified has the digest %s: %s", j.digest, digests(docs))
		}
		docs = docs[i : i+1]
	}
	if j.kind == attach.SBOM && len(docs) > 1 {
		j.app.notef("%d attested SBOMs verified; this is %s (choose with --type or --digest: %s)", len(docs), docs[0].digest(), digests(docs))
		docs = docs[:1]
	}
	var parts []io.Reader
	for _, d := range docs {
		parts = append(parts, d.parts...)
	}
	return j.out.write(func(w io.Writer) error {
		_, err := io.Copy(w, io.MultiReader(parts...))
		return err
	})
}

// rule asks for what is to be handed out.
func (j *getJob) rule() (verify.Rule, error) {
	rule := verify.Rule{Name: string(j.kind), Kind: j.kind, Threshold: j.trust.threshold, Exhaustive: true}
	if j.kind == attach.Signature {
		return rule, nil
	}
	rule.Kind, rule.OneDocument = attach.Attestation, true
	var err error
	if rule.PredicateTypes, err = typeURIs(j.types); err != nil {
		return rule, err
	}
	if len(rule.PredicateTypes) == 0 {
		for _, t := range payload.TypeNames() {
			rule.PredicateTypes = append(rule.PredicateTypes, t.URI)
		}
	}
	return rule, nil
}

// take keeps an accepted statement until the verdict is known: of SBOMs each
// document once, of attestations each envelope.
func (j *getJob) take(kept *taken, s verify.Statement) error {
	doc, first := kept.add(s.Evidence)
	if j.kind == attach.SBOM {
		if !first {
			return nil
		}
		return kept.keep(doc, s.Predicate)
	}
	envelope, err := s.Envelope.Open()
	if err != nil {
		return err
	}
	defer envelope.Close()
	return kept.keep(doc, io.MultiReader(envelope, strings.NewReader("\n")))
}

// signatures writes each accepted signature as a line of JSON.
func (j *getJob) signatures(ctx context.Context, img image, v verify.Verdict, w io.Writer) error {
	enc := json.NewEncoder(w)
	for _, c := range v.Checks {
		for _, e := range c.Evidence {
			if e.Outcome != verify.Accept {
				continue
			}
			var line any
			var err error
			switch e.Attachment.Kind {
			case attach.Signature:
				line, err = signatureLine(ctx, img, e.Attachment)
			case attach.Artifact:
				line, err = bundleLine(ctx, img, e.Attachment)
			default:
				continue
			}
			if err == nil {
				err = enc.Encode(line)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// A signedPayload is a signature as get prints it. The names are cosign's.
type signedPayload struct {
	Base64Signature string `json:"Base64Signature"`
	Payload         string `json:"Payload"` // base64
}

func signatureLine(ctx context.Context, img image, a attach.Attachment) (signedPayload, error) {
	rc, err := img.Open(ctx, img.subject, a)
	if err != nil {
		return signedPayload{}, err
	}
	raw, err := attach.ReadAll(rc, a.Desc, verify.MaxPayload)
	return signedPayload{
		Base64Signature: a.Annotations[cosign.SignatureAnnotation],
		Payload:         base64.StdEncoding.EncodeToString(raw),
	}, err
}

// bundleLine returns a Sigstore bundle that was accepted as a signature, as it is.
func bundleLine(ctx context.Context, img image, a attach.Attachment) (json.RawMessage, error) {
	layer, err := artifact.OnlyLayer(ctx, img, img.subject, a)
	if err != nil {
		return nil, err
	}
	rc, err := img.Blob(ctx, img.subject, layer)
	if err != nil {
		return nil, err
	}
	return attach.ReadAll(rc, layer, bundle.MaxMemory)
}

// refuse prints why nothing is handed out.
func (app *App) refuse(arg string, v verify.Verdict) error {
	doc := report.NewVerdicts(v.Outcome.String(), report.NewVerdict(arg, v))
	if err := report.Write(app.Err, "text", doc); err != nil {
		return err
	}
	app.notef("nothing was written")
	return outcomeError(v.Outcome)
}
