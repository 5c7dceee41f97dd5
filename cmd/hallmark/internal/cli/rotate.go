package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"sync"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
)

func newKeyRotateCmd(app *App) *cobra.Command {
	var job rotateJob
	cmd := &cobra.Command{
		Use:   "rotate [flags] REPOSITORY",
		Short: "Sign again with a new key what a person approved and the old key signed",
		Long: `Sign images with a new key in place of an old one. The file names the digests
that a person approved, one on each line; # begins a comment. Each image must
also carry a valid signature by the old key: one that does not is refused by
name, and the others are signed. What the old key signed and the file does not
name is left as it is, for if the old key was lost that may be anybody's work.

The old signatures stay, so that who has the old public key can verify still:
'hallmark clean --key' removes them, and 'hallmark revoke' revokes a lost key.
Annotations are those of -a; none is taken over from an old signature.
Statements and SBOMs are not signed again: attest or seal those images anew.`,
		Example: `  hallmark key rotate registry.example/app --digests approved.txt --old old.pub --new new.key
  hallmark key rotate registry.example/app --digests approved.txt --old 'hashivault://app?version=1' --new hashivault://app`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd.Context(), args[0]) },
	}
	job.sign.app = app
	job.sign.target.bindWriter(cmd, app)
	job.sign.images.target = &job.sign.target
	job.sign.storage.bindBundles(cmd, app)
	job.sign.out.bind(cmd, app, "text", "json")
	flags := cmd.Flags()
	flags.StringVar(&job.digests, "digests", "", "file with the digests that were approved, one on each line; - is standard input")
	flags.StringVar(&job.old, "old", "", "old public key: a file, env://NAME or SCHEME://KEY in a key service")
	flags.StringVar(&job.new, "new", "", "new private key: a file, env://NAME or SCHEME://KEY in a key service")
	flags.StringArrayVarP(&job.sign.annotations, "annotations", "a", nil, "name=value to sign along; repeatable")
	return cmd
}

// rotateJob is one run of key rotate: a run of sign, with a condition.
type rotateJob struct {
	sign    signJob
	digests string
	old     string
	new     string
}

// errRefused says that an image is not to be signed: a definite no.
var errRefused = errors.New("refused")

func (j *rotateJob) run(ctx context.Context, repo string) error {
	app := j.sign.app
	ctx, cancel := app.context(ctx)
	defer cancel()
	switch {
	case j.digests == "":
		return usagef("nothing is approved: give --digests FILE, with the digests that a person looked at")
	case j.old == "" || j.new == "":
		return usagef("give the keys: --old KEY, the public key of the old one, and --new KEY, the private key of the new one")
	}
	list, err := j.approved(repo)
	if err != nil {
		return err
	}
	signer, err := j.keys(ctx)
	if err != nil {
		return err
	}
	opts := sign.ImageOptions{}
	if opts.Storage, opts.Strict, err = j.sign.storage.load(); err != nil {
		return err
	}
	if opts.Annotations, err = annotations(j.sign.annotations); err != nil {
		return err
	}
	source := func(context.Context) ([]sign.Signer, error) { return []sign.Signer{signer}, nil }
	outcome := verify.Undetermined
	err = j.sign.out.write(func(w io.Writer) error {
		outcome, err = j.sign.signAll(ctx, list, source, opts, report.StreamReceipts(w, j.sign.out.format))
		return err
	})
	if err != nil {
		return err
	}
	return outcomeError(outcome)
}

// keys opens both keys, and has the job sign only what the old one signed.
func (j *rotateJob) keys(ctx context.Context) (*key.Private, error) {
	old, err := key.LoadPublic(ctx, j.old, j.sign.app.keyOptions())
	if err != nil {
		return nil, err
	}
	signer, err := key.Load(ctx, j.new, j.sign.app.keyOptions())
	if err != nil {
		return nil, err
	}
	if signer.ID() == old.Fingerprint() {
		return nil, usagef("%s and %s are the same key, sha256:%s", j.old, j.new, signer.ID())
	}
	v, err := verify.New(verify.Trust{Keys: []*key.Public{old}}, verify.Policy{Rules: []verify.Rule{
		{Name: "signature by the old key", Kind: attach.Signature, Threshold: 1},
	}})
	if err != nil {
		return nil, err
	}
	j.sign.admit = func(ctx context.Context, o opened) error { return signedBefore(ctx, v, o) }
	return signer, nil
}

// signedBefore returns nil where the old key signed the image.
func signedBefore(ctx context.Context, v *verify.Verifier, o opened) error {
	verdict, err := v.Verify(ctx, o.reader, o.subject)
	if err != nil {
		return err
	}
	why := "nothing was checked"
	for _, c := range verdict.Checks {
		if c.Outcome != verify.Accept {
			why = fmt.Sprintf("%s: %s: %s", c.Rule, c.Reason, c.Detail)
		}
	}
	switch verdict.Outcome {
	case verify.Accept:
		return nil
	case verify.Reject:
		return fmt.Errorf("%w, no valid signature by the old key, and so none by the new: %s", errRefused, why)
	}
	return fmt.Errorf("it could not be told whether the old key signed it, and so the new one did not: %s", why)
}

// digestLine is what a line of the file may be.
var digestLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^sha256:[0-9a-f]{64}$`) })

// approved reads the file and returns the images, each once. A line that is no
// digest is found before anything is signed.
func (j *rotateJob) approved(repo string) ([]named, error) {
	if _, err := j.sign.target.openRepository(repo); err != nil {
		return nil, err
	}
	in := j.sign.app.In
	if j.digests != "-" {
		f, err := os.Open(j.digests)
		if err != nil {
			return nil, usagef("--digests: %v", err)
		}
		defer f.Close()
		in = f
	}
	lines, err := nameLines(in, func(line string) error {
		if !digestLine().MatchString(line) {
			return fmt.Errorf("%q is no digest of the form sha256:HEX: a tag could name something else tomorrow", line)
		}
		return nil
	})
	if err != nil {
		return nil, usagef("--digests %s: %v", j.digests, err)
	}
	var list []named
	seen := make(map[string]bool)
	for _, n := range lines {
		if !seen[n.name] {
			seen[n.name] = true
			list = append(list, named{name: repo + "@" + n.name})
		}
	}
	if len(list) == 0 {
		return nil, usagef("--digests %s names no image", j.digests)
	}
	return list, nil
}
