package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/revocation"
)

func newRevokeCmd(app *App) *cobra.Command {
	cmd := group("revoke", "Keep a signed list of what counts no longer", groupKeys,
		newRevokeInitCmd(app), newRevokeAddCmd(app), newRevokeRenewCmd(app), newRevokeShowCmd(app))
	cmd.Long = `Keep a signed list of what counts no longer: keys, certificates, identities,
and digests of images, files and attested documents.

To delete a signature revokes nothing: who kept a copy can put it back. What is
revoked must be known where it is verified, and so it stands in a file that its
owner signs and hands out. 'hallmark verify --revocations FILE' and policy files
ask for it.

Who hands out the file cannot change it, but could hold the latest one back.
Therefore a list is numbered and expires: what is verified with one that is too
old is undetermined, exit code 2, and never accepted. Renew it in time, also
where nothing new is revoked. When it revokes something that matters, raise the
least number that verifiers ask for (--revocations-sequence, minSequence).`
	return cmd
}

// issueJob is one run of a command that issues a list.
type issueJob struct {
	app     *App
	signers signers
	out     render
	valid   age
}

func (j *issueJob) bind(cmd *cobra.Command, app *App) {
	j.app = app
	j.signers.bind(cmd, app)
	j.out.bind(cmd, app, "text", "json")
	j.valid = age{30 * 24 * time.Hour, true}
	cmd.Flags().Var(&j.valid, "valid", "how long the list holds, such as 12h or 30d")
}

// signer opens the one key that signs the list.
func (j *issueJob) signer(ctx context.Context) (*key.Private, error) {
	keys, err := j.signers.load(ctx)
	if err != nil {
		return nil, err
	}
	if len(keys) != 1 {
		return nil, usagef("%d keys are given, and one signs the list", len(keys))
	}
	return keys[0], nil
}

// issue dates, signs and writes the list.
func (j *issueJob) issue(ctx context.Context, path string, l revocation.List, k *key.Private) error {
	l.Issued = j.app.Now().UTC().Truncate(time.Second)
	l.Expires = l.Issued.Add(j.valid.d)
	if err := l.Check(); err != nil {
		return usagef("%v", err)
	}
	signed, err := revocation.Sign(ctx, l, k)
	if err != nil {
		return err
	}
	err = replace(path, func(w io.Writer) error { _, err := w.Write(signed); return err })
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return j.out.print(report.NewRevocations(path, l, k.ID(), true))
}

func newRevokeInitCmd(app *App) *cobra.Command {
	var job issueJob
	var name string
	var sequence int64
	var force bool
	cmd := &cobra.Command{
		Use:   "init [flags] FILE",
		Short: "Begin a list that revokes nothing yet",
		Long: `Begin a list. Verifiers must have one before something is revoked: what they
are not told to ask for they do not ask for. One key may sign several lists; the
name tells them apart. A list that exists is not replaced without --force; a
list begun anew needs a higher --sequence than its predecessor had.`,
		Example: `  hallmark revoke init revocations.json --key security.key --name release`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := app.context(cmd.Context())
			defer cancel()
			if _, err := os.Lstat(args[0]); err == nil && !force {
				return usagef("%s exists; 'hallmark revoke add' adds to it, --force begins anew", args[0])
			}
			k, err := job.signer(ctx)
			if err != nil {
				return err
			}
			return job.issue(ctx, args[0], revocation.List{Name: name, Sequence: sequence}, k)
		},
	}
	job.bind(cmd, app)
	flags := cmd.Flags()
	flags.StringVar(&name, "name", "revocations", "name of the list")
	flags.Int64Var(&sequence, "sequence", 1, "number of the list")
	flags.BoolVar(&force, "force", false, "replace a list that exists")
	return cmd
}

// reissue is one run of a command that issues the next number of a list.
type reissue struct {
	issueJob
	signedBy []string
}

func (j *reissue) bind(cmd *cobra.Command, app *App) {
	j.issueJob.bind(cmd, app)
	cmd.Flags().StringArrayVar(&j.signedBy, "signed-by", nil, "public key that signed the list until now, where it is another one than --key; repeat to accept several")
}

// next verifies the list as it is, and issues it with what else is revoked.
func (j *reissue) next(ctx context.Context, path string, more revocation.List) error {
	k, err := j.signer(ctx)
	if err != nil {
		return err
	}
	d := revocation.Demand{Keys: []*key.Public{k.PublicKey()}, Now: j.app.Now}
	for i, name := range j.signedBy {
		if i == 0 {
			d.Keys = nil
		}
		p, err := key.LoadPublic(ctx, name, j.app.keyOptions())
		if err != nil {
			return err
		}
		d.Keys = append(d.Keys, p)
	}
	l, _, err := j.app.revocationList(ctx, path, d)
	if err != nil {
		return err
	}
	before := l.Len()
	l = l.Add(more)
	if more.Len() > 0 && l.Len() == before {
		j.app.notef("all of it was revoked already; the list is issued anew")
	}
	l.Sequence++
	return j.issue(ctx, path, l, k)
}

func newRevokeRenewCmd(app *App) *cobra.Command {
	var job reissue
	cmd := &cobra.Command{
		Use:   "renew [flags] FILE",
		Short: "Issue a list again before it expires",
		Long: `Issue a list again with the same entries and the next number, so that it holds
for longer. Do it in time, by a timer: with an expired list nothing is accepted.`,
		Example: `  hallmark revoke renew revocations.json --key security.key`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := app.context(cmd.Context())
			defer cancel()
			return job.next(ctx, args[0], revocation.List{})
		},
	}
	job.bind(cmd, app)
	return cmd
}

func newRevokeShowCmd(app *App) *cobra.Command {
	var who trust
	var out render
	cmd := &cobra.Command{
		Use:   "show [flags] FILE",
		Short: "Verify a list and print what it revokes",
		Long: `Verify a list and print what it revokes. Exit code 0 means that the list is
signed by the key and holds, 2 that it is not or holds no longer.`,
		Example: `  hallmark revoke show revocations.json --key security.pub
  hallmark revoke show revocations.json --key security.pub -f json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := app.context(cmd.Context())
			defer cancel()
			t, err := who.load(ctx)
			if err != nil {
				return err
			}
			l, signer, err := app.listOf(ctx, args[0], t.Keys)
			if err != nil {
				return err
			}
			fresh := app.Now().Before(l.Expires)
			if err := out.print(report.NewRevocations(args[0], l, signer, fresh)); err != nil {
				return err
			}
			if !fresh {
				return outcomeError(verify.Undetermined)
			}
			return nil
		},
	}
	who.bindKeys(cmd, app, "public key that must have signed the list: a file, env://NAME or SCHEME://KEY in a key service; repeat to accept several")
	out.bind(cmd, app, "text", "json")
	return cmd
}

// listOf reads the list and tells which of the keys signed it.
func (app *App) listOf(ctx context.Context, path string, keys []*key.Public) (l revocation.List, signer key.Fingerprint, err error) {
	for _, k := range keys {
		if l, _, err = app.revocationList(ctx, path, revocation.Demand{Keys: []*key.Public{k}, Now: app.Now}); err == nil {
			return l, k.Fingerprint(), nil
		}
	}
	return l, signer, err
}
