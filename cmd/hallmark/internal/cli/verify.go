package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

func newVerifyCmd(app *App) *cobra.Command {
	var job verifyJob
	cmd := &cobra.Command{
		Use:     "verify [flags] IMAGE...",
		Short:   "Check the signatures of images and of what is attached to them",
		GroupID: groupMain,
		Long: `Check that each image is signed by an accepted key. With --sbom or --type the
image must also carry an SBOM or another attestation by an accepted key whose
statement names the image's digest. With --policy a file says, for each
repository, which keys count and what an image must have.

With --countersigned-by every signature and statement that is counted must in
turn be signed, as it is stored, by one of these keys (see 'hallmark sign
--countersign'): a signature over another entry, or over the object that shows
all entries, does not do. With --attachment the object under cosign's tag is
judged instead of the image; it says who stored it, not which image it is for.

Exit code 0 means yes for every image, 1 means a definite no for at least one,
and 2 that no answer could be had: a registry that does not answer is never
taken for a missing signature.`,
		Example: `  hallmark verify registry.example/app:1.0 --key hallmark.pub
  hallmark verify registry.example/app:1.0 --key a.pub --key b.pub --threshold 2
  hallmark verify oci:./layout:1.0 --key hallmark.pub --sbom --deep
  hallmark verify registry.example/app:1.0 --key hallmark.pub --type slsaprovenance1 -a env=prod
  hallmark verify registry.example/app:1.0 --key hallmark.pub --countersigned-by auditor.pub
  hallmark verify registry.example/app:1.0 --policy policy.yaml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd.Context(), args) },
	}
	job.app = app
	job.target.bind(cmd, app)
	job.target.bindPlatform(cmd)
	job.trust.bind(cmd, app)
	job.out.bind(cmd, app, "text", "json")
	flags := cmd.Flags()
	flags.StringArrayVarP(&job.annotations, "annotations", "a", nil, "name=value that the signed payload must hold; repeatable")
	flags.BoolVar(&job.sbom, "sbom", false, "also ask for an SPDX or CycloneDX attestation")
	flags.StringArrayVar(&job.types, "type", nil, "also ask for an attestation of this type, a name or a URI; repeatable")
	job.policies.bind(cmd, app)
	flags.StringArrayVar(&job.counter, "countersigned-by", nil, "public key that must have counter-signed each entry that counts; repeat to accept several")
	bindAttachment(cmd, &job.attachment, "judge")
	flags.BoolVar(&job.deep, "deep", false, "also read every blob of the image and recompute its digest")
	flags.BoolVar(&job.all, "all", false, "read and show every entry, also when fewer would do")
	return cmd
}

// verifyJob is one run of verify.
type verifyJob struct {
	app         *App
	target      target
	trust       trust
	out         render
	annotations []string
	types       []string
	policies    policyFiles
	counter     []string
	attachment  string
	sbom        bool
	deep        bool
	all         bool
}

// parallelImages is how many images of one command line are worked on at once.
const parallelImages = 8

func (j *verifyJob) run(ctx context.Context, args []string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	g, err := j.gate(ctx)
	if err != nil {
		return err
	}
	doc := report.Verdicts{Images: make([]report.Verdict, len(args))}
	outcomes := make([]verify.Outcome, len(args))
	var group errgroup.Group
	group.SetLimit(parallelImages)
	for i, arg := range args {
		group.Go(func() error {
			var err error
			doc.Images[i], outcomes[i], err = j.one(ctx, g, arg)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	overall := verify.All(outcomes)
	doc.Outcome = overall.String()
	if err := j.out.print(doc); err != nil {
		return err
	}
	return outcomeError(overall)
}

// one verifies one image. An image that cannot be resolved is an undetermined
// verdict of its own, so that it does not hide the others; a wrong name is an error.
func (j *verifyJob) one(ctx context.Context, g gate, arg string) (report.Verdict, verify.Outcome, error) {
	if verdict, ok := g.known(arg); ok {
		return report.NewVerdict(arg, verdict), j.app.passes(arg, verdict), nil
	}
	img, err := j.target.open(ctx, arg)
	if errors.Is(err, errUsage) {
		return report.Verdict{}, verify.Undetermined, err
	}
	if err != nil {
		j.app.notef("error: %s", oneLine(err))
		if hint := hintFor(nil, err); hint != "" {
			j.app.notef("hint: %s", hint)
		}
		verdict, outcome := unresolved(arg, err)
		return verdict, outcome, nil
	}
	of := ""
	if j.attachment != "" {
		t, err := viewOf(ctx, img, j.attachment)
		switch {
		case errors.Is(err, errUsage):
			return report.Verdict{}, verify.Undetermined, err
		case errors.Is(err, attach.ErrNotFound):
			return refused(arg, "attachment", verify.NoAttachment, err), verify.Reject, nil
		case err != nil:
			verdict, outcome := unresolved(arg, err)
			return verdict, outcome, nil
		}
		img.subject, of = t.subject, t.of
	}
	verdict, err := g.judge(ctx, img, img.subject, arg)
	if err != nil {
		return report.Verdict{}, verify.Undetermined, err
	}
	doc := report.NewVerdict(arg, verdict)
	doc.Of = of
	return doc, j.app.passes(arg, verdict), nil
}

// unresolved is the verdict on an image that could not be resolved. A manifest
// that came whole and has another digest than it should is a definite no;
// everything else leaves the question open.
func unresolved(arg string, err error) (report.Verdict, verify.Outcome) {
	if !errors.Is(err, attach.ErrDigest) {
		return report.Verdict{Image: arg, Outcome: verify.Undetermined.String(), Error: oneLine(err), Checks: []report.Check{}}, verify.Undetermined
	}
	return refused(arg, "subject", verify.SubjectDigest, err), verify.Reject
}

// refused is the verdict on an image of which the error tells enough to say no.
func refused(arg, rule string, reason verify.Reason, err error) report.Verdict {
	no := verify.Reject.String()
	return report.Verdict{Image: arg, Outcome: no, Error: oneLine(err), Checks: []report.Check{
		{Rule: rule, Outcome: no, Reason: string(reason), Detail: oneLine(err)},
	}}
}

// gate returns what judges: policy files, or keys and what flags ask for.
func (j *verifyJob) gate(ctx context.Context) (gate, error) {
	if j.attachment != "" && (j.sbom || len(j.types) > 0 || j.deep || len(j.policies.paths) > 0) {
		return nil, usagef("--attachment asks who signed the object that holds attachments: it goes with none of --sbom, --type, --deep, --policy")
	}
	if len(j.policies.paths) > 0 {
		if len(j.counter) > 0 {
			return nil, usagef("a policy file says whose signatures count: --policy goes without --countersigned-by")
		}
		if len(j.trust.keys) > 0 || len(j.annotations) > 0 || len(j.types) > 0 || j.sbom || j.deep || j.all || j.trust.threshold != 1 {
			return nil, usagef("a policy file says which keys count and what is asked for: --policy goes with none of --key, --threshold, -a, --sbom, --type, --deep, --all")
		}
		set, err := j.policies.load(ctx)
		return policyGate{set}, err
	}
	trust, err := j.trust.load(ctx)
	if err != nil {
		return nil, err
	}
	rules, err := j.rules()
	if err != nil {
		return nil, err
	}
	counter, err := j.app.countersigners(ctx, j.counter)
	if err != nil {
		return nil, err
	}
	for i := range rules.Rules {
		rules.Rules[i].Counter = counter
	}
	v, err := verify.New(trust, rules)
	if err != nil {
		return nil, usagef("%v", err)
	}
	return keyGate{v}, nil
}

// rules turns the flags into rules.
func (j *verifyJob) rules() (verify.Policy, error) {
	want, err := annotations(j.annotations)
	if err != nil {
		return verify.Policy{}, err
	}
	p := verify.Policy{Deep: j.deep}
	p.Rules = append(p.Rules, verify.Rule{
		Name: "signature", Kind: attach.Signature, Threshold: j.trust.threshold,
		Annotations: want, Exhaustive: j.all,
	})
	if j.sbom {
		rule := j.attestation("sbom", sbomTypes())
		rule.OneDocument = true // two keys behind two SBOMs vouch for neither
		p.Rules = append(p.Rules, rule)
	}
	for _, name := range j.types {
		uri, err := payload.TypeURI(name)
		if err != nil {
			return verify.Policy{}, usagef("--type %s: %v", name, err)
		}
		p.Rules = append(p.Rules, j.attestation("attestation "+name, []string{uri}))
	}
	return p, nil
}

func (j *verifyJob) attestation(name string, types []string) verify.Rule {
	return verify.Rule{
		Name: name, Kind: attach.Attestation, PredicateTypes: types,
		Threshold: j.trust.threshold, Exhaustive: j.all,
	}
}

// sbomTypes are the predicate types of SBOMs that hallmark reads.
func sbomTypes() []string { return []string{payload.SPDX, payload.CycloneDX} }

// outcomeError turns the outcome of a gate into the exit code.
func outcomeError(o verify.Outcome) error {
	switch o {
	case verify.Accept:
		return nil
	case verify.Reject:
		return codeError(exitNo)
	case verify.Undetermined:
		return codeError(exitUndetermined)
	}
	return codeError(exitUndetermined)
}
