package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/verify"
)

func newSignCmd(app *App) *cobra.Command {
	job := signJob{app: app}
	cmd := &cobra.Command{
		Use:     "sign [flags] IMAGE...",
		Short:   "Sign images",
		GroupID: groupMake,
		Long: `Sign images with one or more keys. The signature is kept beside the image under
cosign's tag, and cosign verifies it. Concurrent signers never lose each
other's signatures. Signing again with the same key and annotations adds
nothing, unless --again is given. Several images are signed at once; one that
fails does not keep the others from being signed, and ends in exit code 2.

With --countersign what is signed is not the image but a signature, attestation
or SBOM that is stored beside it: the journal entry that holds it, which never
changes. 'hallmark verify --countersigned-by' asks for that chain. An entry that
cosign made is put into the journal first. With --attachment the object under
cosign's tag is signed, as cosign does; such a signature is void as soon as
something is added to that object.

With --storage referrers the signature is a Sigstore bundle among the image's
referrers, as cosign 3 writes and reads it; a registry without the referrers API
gets an index under the tag sha256-<digest> instead. --storage both writes both.

Without a key, the image is signed in the name of the one whom an identity
token names (Sigstore's keyless signing). The services of --signing-config
certify a key of the moment for that name, timestamp the signature and record
it in a public log, for ever. What they answer is checked against
--trusted-root, and nothing is stored that would not verify. Where a file is
not named, what 'hallmark trust init' fetched is used. The token comes from
--identity-token, or from the place that runs the command: GitHub Actions,
GitLab, Buildkite, SPIFFE, Google's cloud, Kubernetes. --oidc-provider chooses
one; where it fails, nothing is signed in another name. A person logs in: with
a browser, or with --oidc-flow device anywhere else. The token is sent to the
certificate authority alone. On a terminal you are asked before your name
becomes public, unless --yes is given. A service that is busy is asked again,
and another of its kind where the configuration names several and leaves the
choice. Entries of Rekor 2 go into bundles only: use --storage referrers.`,
		Example: `  hallmark sign registry.example/app:1.0 --key hallmark.key
  hallmark sign registry.example/app@sha256:... --key hallmark.key -a env=prod
  hallmark sign registry.example/multi:1.0 --key hallmark.key --recursive
  hallmark sign registry.example/app:1.0 --key auditor.key --countersign
  hallmark sign registry.example/app:1.0 --key auditor.key --countersign --of attestation --entry all
  hallmark sign registry.example/app:1.0 --key hallmark.key --storage referrers
  hallmark sign --from images.txt --key hallmark.key
  hallmark sign registry.example/app:1.0 --identity-token token --signing-config services.json --trusted-root root.json
  hallmark sign registry.example/app:1.0 --oidc-provider github-actions --storage referrers
  hallmark sign registry.example/app:1.0 --oidc-flow browser --storage referrers`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := job.stored.contradiction(job.recursive, cmd.Flags().Changed); err != nil {
				return err
			}
			return job.run(cmd.Context(), args)
		},
	}
	job.target.bindWriter(cmd, app)
	job.images.bind(cmd, &job.target)
	job.target.bindPlatform(cmd)
	job.signers.bind(cmd, app)
	job.identity.bind(cmd, app)
	job.storage.bindBundles(cmd, app)
	job.out.bind(cmd, app, "text", "json")
	job.stored.bind(cmd, app)
	flags := cmd.Flags()
	flags.StringArrayVarP(&job.annotations, "annotations", "a", nil, "name=value to sign along; repeatable")
	flags.BoolVarP(&job.recursive, "recursive", "r", false, "sign an index and every manifest that it lists")
	flags.BoolVar(&job.again, "again", false, "add a signature even where one by the same key stands")
	return cmd
}

type signJob struct {
	app         *App
	target      target
	images      images
	signers     signers
	identity    bearer
	storage     storage
	out         render
	stored      stored
	annotations []string
	recursive   bool
	again       bool
	admit       func(context.Context, opened) error // asked before an image is signed, where it is set
}

func (j *signJob) run(ctx context.Context, args []string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	opts := sign.ImageOptions{Again: j.again}
	var err error
	if opts.Storage, opts.Strict, err = j.storage.load(); err != nil {
		return err
	}
	if opts.Annotations, err = annotations(j.annotations); err != nil {
		return err
	}
	list, err := j.images.names(ctx, args)
	if err != nil {
		return err
	}
	keys, err := j.identity.or(ctx, &j.signers, opts.Storage)
	if err != nil {
		return err
	}
	outcome := verify.Undetermined
	err = j.out.write(func(w io.Writer) error {
		outcome, err = j.signAll(ctx, list, keys, opts, report.StreamReceipts(w, j.out.format))
		return err
	})
	if err != nil {
		return err
	}
	return outcomeError(outcome)
}

// signed tells what became of one image.
type signed struct {
	manifests []report.Attached
	err       error
}

// outcome is that of the image for the exit code.
func (s signed) outcome() verify.Outcome {
	switch {
	case s.err == nil:
		return verify.Accept
	case errors.Is(s.err, errRefused):
		return verify.Reject
	}
	return verify.Undetermined
}

// signAll signs the images and prints the receipts of each as soon as it is its
// turn. When the time is up the images that are left are not begun. The outcome is
// no where an image was refused, open where one failed or is left.
func (j *signJob) signAll(ctx context.Context, list []named, keys signerSource, opts sign.ImageOptions, out *report.ReceiptStream) (verify.Outcome, error) {
	var busy keyed
	job := func(ctx context.Context, o opened) signed {
		if o.err != nil {
			return signed{err: o.err}
		}
		// Two names of one image: who is second finds the signature of the first.
		defer busy.lock(o.subject.String())()
		if j.admit != nil {
			if err := j.admit(ctx, o); err != nil {
				return signed{err: err}
			}
		}
		manifests, err := j.one(ctx, o, keys, opts)
		return signed{manifests, err}
	}
	var outcomes []verify.Outcome
	left := len(list)
	for n, r := range each(ctx, &j.images, "signing", list, job) {
		left--
		outcomes = append(outcomes, r.outcome())
		if r.err != nil {
			if j.images.one(list) && r.outcome() == verify.Undetermined {
				return verify.Undetermined, r.err
			}
			j.app.complain(fmt.Errorf("%s: %w", n.name, r.err))
			r.manifests = []report.Attached{{Image: n.name, Entries: []report.Receipt{}, Error: oneLine(r.err)}}
		}
		if err := out.Image(r.manifests...); err != nil {
			return verify.Undetermined, err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() == nil {
		left = 0 // what is missing names no image
	}
	switch {
	case left > 0:
		outcomes = append(outcomes, verify.Undetermined)
	case len(outcomes) == 0: // a repository without images: nothing is left undone
		outcomes = append(outcomes, verify.Accept)
	}
	return verify.All(outcomes), out.Close(left)
}

// one signs one image.
func (j *signJob) one(ctx context.Context, o opened, keys signerSource, opts sign.ImageOptions) ([]report.Attached, error) {
	targets, err := j.targets(ctx, o.image)
	if err != nil {
		return nil, err
	}
	subjects := make([]attach.Subject, len(targets))
	for i, t := range targets {
		subjects[i] = t.subject
	}
	list, err := keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", o.at.name, err)
	}
	receipts, err := sign.Image(ctx, o.image, subjects, list, opts)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", o.at.name, err)
	}
	var manifests []report.Attached
	each := len(receipts) / len(targets)
	for i, t := range targets {
		one := attached(o.at.name, t.subject, receipts[i*each:(i+1)*each])
		one.Of = t.of
		manifests = append(manifests, one)
	}
	return manifests, nil
}

// keyed are locks by name. The zero value has none that is held.
type keyed struct {
	mu    sync.Mutex
	held  map[string]*sync.Mutex
	count map[string]int
}

// lock takes the lock of that name and returns what gives it back.
func (k *keyed) lock(name string) (unlock func()) {
	k.mu.Lock()
	if k.held == nil {
		k.held, k.count = make(map[string]*sync.Mutex), make(map[string]int)
	}
	l := k.held[name]
	if l == nil {
		l = new(sync.Mutex)
		k.held[name] = l
	}
	k.count[name]++
	k.mu.Unlock()
	l.Lock()
	return func() {
		l.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.count[name]--; k.count[name] == 0 {
			delete(k.held, name)
			delete(k.count, name)
		}
	}
}

// targets returns what is to be signed: what is stored beside the image where the
// flags ask for that, else the image, and with --recursive what its index lists.
func (j *signJob) targets(ctx context.Context, img image) ([]signTarget, error) {
	if targets, err := j.stored.targets(ctx, img); targets != nil || err != nil {
		return targets, err
	}
	subjects := []attach.Subject{img.subject}
	if j.recursive {
		var err error
		if subjects, err = withChildren(ctx, img); err != nil {
			return nil, fmt.Errorf("%s: %w", img.name, err)
		}
	}
	targets := make([]signTarget, len(subjects))
	for i, s := range subjects {
		targets[i].subject = s
	}
	return targets, nil
}

// withChildren returns the subject and, when it is an index, every manifest
// that it lists. Each of them is fetched first: one that is missing is an error
// before anything is written.
func withChildren(ctx context.Context, img image) ([]attach.Subject, error) {
	children, err := attach.Children(ctx, img, img.subject)
	if err != nil {
		return nil, err
	}
	subjects := []attach.Subject{img.subject}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelImages)
	for _, c := range children {
		subjects = append(subjects, c.Subject)
		g.Go(func() error {
			if _, err := img.Manifest(ctx, c.Subject, c.Subject.Desc.Digest); err != nil {
				return fmt.Errorf("manifest %s of the index: %w", c.Subject.Desc.Digest, err)
			}
			return nil
		})
	}
	return subjects, g.Wait()
}
