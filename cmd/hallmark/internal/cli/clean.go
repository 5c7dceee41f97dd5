package cli

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/bundle"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

func newCleanCmd(app *App) *cobra.Command {
	job := cleanJob{app: app}
	cmd := &cobra.Command{
		Use:     "clean [flags] IMAGE",
		Short:   "Remove what is attached to an image, by kind, key or age",
		GroupID: groupKeep,
		Long: `Remove what is attached to an image: by kind, by the key that signed it, by
age, or everything with --all. What several of these name is what each of them
names. The image itself stays, and so does all else, also what shares a
manifest with what goes. A mark is left behind, so that a command that writes
at the same time does not bring back what was removed; attaching the same
again takes the mark away.

Removed is not revoked: whoever has a copy can attach it again. A key that must
not count any more is revoked: see 'hallmark revoke'.

With --orphans clean deletes what 'hallmark list --orphans' lists: what hangs
from images that the repository no longer has. Do not use that while images are
being copied there: some tools copy the signature first.`,
		Example: `  hallmark clean registry.example/app:1.0 --kind sbom
  hallmark clean registry.example/app:1.0 --key old.pub --dry-run
  hallmark clean oci:./layout:1.0 --kind attestation --older-than 90d
  hallmark clean --orphans registry.example/app --dry-run`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd.Context(), args[0]) },
	}
	job.target.bindWriter(cmd, app)
	job.target.deletes = true
	job.target.bindPlatform(cmd)
	job.trust.bindKeys(cmd, app, "remove what this public key signed: a file, env://NAME or SCHEME://KEY; repeatable")
	job.out.bind(cmd, app, "text", "json")
	job.age.bind(cmd, "remove what is older than this, 720h or 30d, where that is known")
	flags := cmd.Flags()
	flags.StringArrayVar(&job.kinds, "kind", nil, "remove what is of this kind: "+allKinds()+"; repeatable")
	flags.BoolVar(&job.all, "all", false, "remove everything")
	flags.BoolVar(&job.orphans, "orphans", false, "delete what hangs from images that the repository no longer has")
	flags.BoolVar(&job.dry, "dry-run", false, "tell what would be removed, and remove nothing")
	return cmd
}

type cleanJob struct {
	app     *App
	target  target
	trust   trust
	out     render
	kinds   []string
	age     age
	all     bool
	orphans bool
	dry     bool
}

// allKinds lists the kinds of attachments for people.
func allKinds() string {
	var words []string
	for _, k := range attach.Kinds() {
		words = append(words, string(k))
	}
	return strings.Join(words, ", ")
}

// age is a flag that takes an age: a duration, or a number of days with d.
type age struct {
	d   time.Duration
	set bool
}

func (a *age) bind(cmd *cobra.Command, usage string) {
	cmd.Flags().Var(a, "older-than", usage)
}

var _ pflag.Value = (*age)(nil)

// String implements pflag.Value.
func (a *age) String() string {
	if !a.set {
		return ""
	}
	return report.Age(a.d)
}

// Set implements pflag.Value.
func (a *age) Set(s string) error {
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		if n > 100*365 {
			err = strconv.ErrRange
		}
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d < 0 {
		return errors.New("want an age such as 720h or 30d")
	}
	a.d, a.set = d, true
	return nil
}

// Type implements pflag.Value.
func (a *age) Type() string { return "age" }

// keeper is a store that removes and mends, as every store here does.
func keeper(s attach.Store) attach.Keeper { return s.(attach.Keeper) }

func (j *cleanJob) run(ctx context.Context, arg string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	selects := len(j.kinds) > 0 || len(j.trust.keys) > 0 || j.age.set
	switch {
	case j.orphans && (selects || j.all || j.target.platform != ""):
		return usagef("--orphans goes with none of --kind, --key, --older-than, --all, --platform")
	case j.orphans:
		return sweepOrphans(ctx, &j.target, &j.out, arg, j.dry)
	case selects == j.all && j.all:
		return usagef("--all goes with none of --kind, --key, --older-than")
	case selects == j.all:
		return usagef("nothing says what to remove: give --kind, --key or --older-than, or --all for everything")
	}
	for _, k := range j.kinds {
		if !slices.Contains(attach.Kinds(), attach.Kind(k)) {
			return usagef("--kind %q: must be one of %s", k, allKinds())
		}
	}
	var keys verify.Trust
	if len(j.trust.keys) > 0 {
		var err error
		if keys, err = j.trust.load(ctx); err != nil {
			return err
		}
	}
	img, err := j.target.open(ctx, arg)
	if err != nil {
		return err
	}
	return j.clean(ctx, img, keys)
}

// clean removes what is selected and prints what became of it.
func (j *cleanJob) clean(ctx context.Context, img image, keys verify.Trust) error {
	all, errs := attach.Collect(ctx, img, img.subject)
	s := selection{job: j, img: img, errs: errs}
	if len(keys.Keys) > 0 {
		if err := s.signedBy(ctx, keys, all); err != nil {
			return err
		}
	}
	chosen := slices.DeleteFunc(slices.Clone(all), func(a attach.Attachment) bool { return !s.takes(ctx, a) })
	doc := report.Cleaned{
		Image: img.name, Digest: img.subject.Desc.Digest.String(), DryRun: j.dry,
		Removed: []report.Removed{}, Kept: len(all) - len(chosen), Ageless: s.ageless,
	}
	removals := make([]attach.Removal, len(chosen))
	for i, a := range chosen {
		removals[i] = attach.Removal{Attachment: a}
	}
	if !j.dry {
		var err error
		if removals, err = keeper(img.Store).Remove(ctx, img.subject, chosen...); err != nil {
			return err
		}
	}
	unsure := len(s.errs) > 0
	for _, r := range removals {
		unsure = unsure || r.Shown != ""
		doc.Removed = append(doc.Removed, report.NewRemoved(r))
	}
	for _, err := range s.errs {
		doc.Errors = append(doc.Errors, oneLine(err))
	}
	doc.Sort()
	if err := j.out.print(doc); err != nil {
		return err
	}
	if unsure {
		return codeError(exitUndetermined)
	}
	return nil
}

// A selection says what clean removes.
type selection struct {
	job     *cleanJob
	img     image
	signed  map[attach.ID]bool // what a key of the command line signed; nil where none was given
	ageless int
	errs    []error
}

// signedBy notes what the keys signed. It is for verify to say; what could not be
// judged is not removed, and told of.
func (s *selection) signedBy(ctx context.Context, keys verify.Trust, all []attach.Attachment) error {
	s.signed = make(map[attach.ID]bool)
	policy := verify.Policy{Rules: []verify.Rule{{Name: "signature", Kind: attach.Signature, Threshold: 1, Exhaustive: true}}}
	if types := predicateTypes(all); len(types) > 0 {
		policy.Rules = append(policy.Rules, verify.Rule{
			Name: "attestation", Kind: attach.Attestation, PredicateTypes: types, Threshold: 1, Exhaustive: true,
		})
	}
	v, err := verify.New(keys, policy)
	if err != nil {
		return usagef("%v", err)
	}
	verdict, err := v.Verify(ctx, s.img, s.img.subject)
	if err != nil {
		return err
	}
	for _, c := range verdict.Checks {
		for _, e := range c.Evidence {
			switch {
			case len(e.Signers) > 0:
				s.signed[e.Attachment.ID()] = true
			case e.Outcome == verify.Undetermined:
				s.errs = append(s.errs, errors.New(e.Detail))
			}
		}
	}
	return nil
}

// predicateTypes returns what the attestations say that they are.
func predicateTypes(all []attach.Attachment) []string {
	var types []string
	for _, a := range all {
		t := a.Annotations[sign.BundlePredicateAnnotation]
		if a.Kind == attach.Attestation {
			t = a.Type
		}
		if t != "" && !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	return types
}

// kindsOf returns what an attachment is to people: a whole manifest may be an SBOM,
// or a bundle that holds a signature or an attestation, beside being an artifact.
func kindsOf(a attach.Attachment) []attach.Kind {
	kinds := []attach.Kind{a.Kind}
	switch {
	case a.Kind != attach.Artifact:
	case artifact.IsSBOM(a):
		kinds = append(kinds, attach.SBOM)
	case !strings.HasPrefix(a.Type, bundle.MediaTypePrefix):
	case a.Annotations[sign.BundlePredicateAnnotation] == "" || a.Annotations[sign.BundlePredicateAnnotation] == payload.Sign:
		kinds = append(kinds, attach.Signature)
	default:
		kinds = append(kinds, attach.Attestation)
	}
	return kinds
}

// takes reports whether the attachment is to be removed.
func (s *selection) takes(ctx context.Context, a attach.Attachment) bool {
	if len(s.job.kinds) > 0 && !slices.ContainsFunc(kindsOf(a), func(k attach.Kind) bool { return slices.Contains(s.job.kinds, string(k)) }) || s.signed != nil && !s.signed[a.ID()] {
		return false
	}
	if !s.job.age.set {
		return true
	}
	made, known := s.made(ctx, a)
	if !known {
		s.ageless++
	}
	return known && s.job.app.Now().Sub(made) >= s.job.age.d
}

// made returns when the attachment was made, as the first of the manifests says
// that hold it. A view is made anew with each entry and says nothing of one.
func (s *selection) made(ctx context.Context, a attach.Attachment) (first time.Time, known bool) {
	looked := make(map[v1.Hash]bool)
	for _, p := range a.Places {
		if p.Scheme == attach.CosignTag || looked[p.Manifest.Digest] {
			continue
		}
		looked[p.Manifest.Digest] = true
		m, err := s.img.Manifest(ctx, s.img.subject, p.Manifest.Digest)
		if err != nil {
			s.errs = append(s.errs, err)
			continue
		}
		if t, ok := attach.Created(m.Raw); ok && (!known || t.Before(first)) {
			first, known = t, true
		}
	}
	return first, known
}
