package cli

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

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
		GroupID: groupAsk,
		Long: `Check that each image is signed by an accepted key, or by an accepted identity:
one whose certificate a trusted authority issued, which a certificate log and a
transparency log saw and a clock dates (see --trusted-root). --evidence asks for
more of these, or for fewer: an answer names what it did not ask for. Of a key
they are asked only where --trusted-root or --evidence is given. Nothing is
asked of the network but the registry, and the hosts that --network names. With
--sbom or --type the image must also carry an SBOM or another attestation by an
accepted key or identity whose statement names the image's digest. With --policy
a file says, for each repository, which keys count and what an image must have.

With --countersigned-by every signature and statement that is counted must in
turn be signed, as it is stored, by one of these keys (see 'hallmark sign
--countersign'): a signature over another entry, or over the object that shows
all entries, does not do. With --attachment the object under cosign's tag is
judged instead of the image; it says who stored it, not which image it is for.
A signature counts in every repository that holds the image, as mirrors need it;
with --check-reference only in the one that its signer named.

Exit code 0 means yes for every image, 1 means a definite no for at least one,
and 2 that no answer could be had: a registry that does not answer is never
taken for a missing signature. Of several images each is answered for in the
order in which they were named, as soon as that is possible, and one that fails
does not keep the others from an answer. Each answer bears a code that stays the
same: verify/REASONS.md in hallmark's repository tells its meaning and what to
do next.`,
		Example: `  hallmark verify registry.example/app:1.0 --key hallmark.pub
  hallmark verify registry.example/app:1.0 --key a.pub --key b.pub --threshold 2
  hallmark verify oci:./layout:1.0 --key hallmark.pub --sbom --deep
  hallmark verify registry.example/app:1.0 --key hallmark.pub --type slsaprovenance1 -a env=prod
  hallmark verify registry.example/app:1.0 --key hallmark.pub --countersigned-by auditor.pub
  hallmark verify registry.example/app:1.0 --policy policy.yaml
  hallmark verify oci:./layout:1.0 --policy policy.yaml --as registry.example/app:1.0
  hallmark verify registry.example/app:1.0 --trusted-root root.json --certificate-identity dev@example.com --certificate-oidc-issuer https://accounts.example
  hallmark verify registry.example/app:1.0 --certificate-identity dev@example.com --certificate-oidc-issuer https://accounts.example --ca-roots ca.pem --timestamp-certificate-chain tsa.pem --evidence certificate-logs=0,logs=0
  hallmark verify --repository registry.example/app --key hallmark.pub -f json
  hallmark verify --from images.txt --key hallmark.pub --parallel 4`,
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd.Context(), args) },
	}
	job.app = app
	job.target.bind(cmd, app)
	job.images.bind(cmd, &job.target)
	job.target.bindPlatform(cmd)
	job.trust.bind(cmd, app)
	job.trust.identity.told = true
	job.out.bind(cmd, app, "text", "json")
	flags := cmd.Flags()
	flags.StringArrayVarP(&job.annotations, "annotations", "a", nil, "name=value that the signed payload must hold; repeatable")
	flags.BoolVar(&job.sbom, "sbom", false, "also ask for an SPDX or CycloneDX attestation")
	flags.StringArrayVar(&job.types, "type", nil, "also ask for an attestation of this type, a name or a URI; repeatable")
	job.policies.bind(cmd, app, &job.target)
	flags.StringVar(&job.as, "as", "", "have the policies judge the image as the one of this name, such as what a layout will be pushed to")
	flags.StringArrayVar(&job.counter, "countersigned-by", nil, "public key that must have counter-signed each entry that counts; repeat to accept several")
	flags.BoolVar(&job.reference, "check-reference", false, "also ask that the signer named the repository of the image")
	bindAttachment(cmd, &job.attachment, "judge")
	flags.BoolVar(&job.deep, "deep", false, "also read every blob of the image and recompute its digest")
	flags.BoolVar(&job.all, "all", false, "read and show every entry, also when fewer would do")
	return cmd
}

// verifyJob is one run of verify.
type verifyJob struct {
	app         *App
	target      target
	images      images
	trust       trust
	out         render
	annotations []string
	types       []string
	policies    policyFiles
	counter     []string
	attachment  string
	as          string
	reference   bool
	sbom        bool
	deep        bool
	all         bool
}

func (j *verifyJob) run(ctx context.Context, args []string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	g, err := j.gate(ctx)
	if err != nil {
		return err
	}
	j.images.skip = func(name string) bool { _, ok := g.known(name); return ok }
	list, err := j.images.names(ctx, args)
	if err == nil && j.as != "" && !j.images.one(list) {
		err = usagef("--as names one image: verify the others for themselves")
	}
	if err != nil {
		return err
	}
	var overall verify.Outcome
	err = j.out.write(func(w io.Writer) error {
		overall, err = j.verifyAll(ctx, g, list, report.StreamVerdicts(w, j.out.format))
		return err
	})
	if err != nil {
		return err
	}
	return outcomeError(overall)
}

// verifyAll verifies the images and prints each verdict as soon as it is its turn.
// When the time is up the images that are left are not begun.
func (j *verifyJob) verifyAll(ctx context.Context, g gate, list []named, out *report.VerdictStream) (verify.Outcome, error) {
	job := func(ctx context.Context, o opened) judged { return j.judge(ctx, g, o) }
	var outcomes []verify.Outcome
	left := len(list)
	for _, r := range each(ctx, &j.images, "verifying", list, job) {
		if r.fatal && j.images.one(list) {
			return verify.Undetermined, r.err
		}
		if r.err != nil {
			j.app.complain(r.err)
		}
		for _, w := range r.warnings {
			j.app.notef("%s", w)
		}
		outcomes = append(outcomes, r.outcome)
		if err := out.Add(r.verdict); err != nil {
			return verify.Undetermined, err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if left -= out.Len(); ctx.Err() == nil {
		left = 0 // what is missing names no image
	} else if left > 0 {
		outcomes = append(outcomes, verify.Undetermined)
	}
	overall := verify.All(outcomes)
	return overall, out.Close(overall.String(), left)
}

// judged is the answer for one image.
type judged struct {
	verdict  report.Verdict
	outcome  verify.Outcome
	warnings []string
	err      error // why there is no verdict but that nobody could tell
	fatal    bool  // the fault is the caller's
}

// judge verifies one image. An image that cannot be resolved is an undetermined
// verdict of its own, so that it does not hide the others.
func (j *verifyJob) judge(ctx context.Context, g gate, o opened) judged {
	verdict, ok := g.known(o.at.name)
	err, of := o.err, ""
	if !ok && err == nil && j.attachment != "" {
		var t signTarget
		if t, err = viewOf(ctx, o.image, j.attachment); errors.Is(err, attach.ErrNotFound) {
			return judged{verdict: refused(o.at.name, "attachment", verify.NoAttachment, err), outcome: verify.Reject}
		}
		if o.err = err; err == nil {
			o.subject, of = t.subject, t.of
		}
	}
	if !ok && err == nil {
		verdict, err = g.judge(ctx, o.reader, o.subject, o.at.name)
	}
	if err != nil {
		v, outcome := unresolved(o.at.name, err)
		return judged{verdict: v, outcome: outcome, err: err, fatal: o.err == nil || errors.Is(err, errUsage)}
	}
	outcome, warnings := passes(o.at.name, verdict)
	doc := report.NewVerdict(o.at.name, verdict)
	doc.Of = of
	return judged{verdict: doc, outcome: outcome, warnings: warnings}
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
	if j.attachment != "" && (j.sbom || j.reference || len(j.types) > 0 || j.deep || len(j.policies.paths) > 0) {
		return nil, usagef("--attachment asks who signed the object that holds attachments: it goes with none of --sbom, --type, --deep, --policy, --check-reference")
	}
	if len(j.policies.paths) > 0 {
		if len(j.counter) > 0 {
			return nil, usagef("a policy file says whose signatures count: --policy goes without --countersigned-by")
		}
		if j.trust.named() || len(j.annotations) > 0 || len(j.types) > 0 || j.sbom || j.deep || j.all || j.reference || j.trust.threshold != 1 {
			return nil, usagef("a policy file says which keys count and what is asked for: --policy goes with none of --key, --certificate-identity, --revocations, --threshold, -a, --sbom, --type, --deep, --all, --check-reference")
		}
		j.policies.root = j.trust.identity.root
		if err := checkScheme(j.as); err != nil {
			return nil, err
		}
		if strings.HasPrefix(j.as, layoutPrefix) {
			return nil, usagef("--as %s: give a name in a registry, registry/repository:tag", j.as)
		}
		set, err := j.policies.load(ctx)
		return policyGate{set, j.as}, err
	}
	if j.as != "" {
		return nil, usagef("--as is the name that policies know the image by: give --policy FILE too")
	}
	trust, err := j.trust.load(ctx)
	if err != nil {
		return nil, err
	}
	if err := j.policies.network.join(&trust); err != nil {
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
		rules.Rules[i].Counter, rules.Rules[i].CheckReference = counter, j.reference
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
	uris, err := typeURIs(j.types)
	if err != nil {
		return verify.Policy{}, err
	}
	for i, name := range j.types {
		p.Rules = append(p.Rules, j.attestation("attestation "+name, uris[i:i+1]))
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
