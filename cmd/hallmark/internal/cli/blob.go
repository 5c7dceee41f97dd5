package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/spool"
	"github.com/hallmark-oci/hallmark/verify"
)

func newBlobCmd(app *App) *cobra.Command {
	return group("blob", "Sign files and check the signatures of files", groupMake,
		newBlobVerifyCmd(app), newBlobSignCmd(app))
}

func newBlobVerifyCmd(app *App) *cobra.Command {
	job := blobJob{app: app}
	cmd := &cobra.Command{
		Use:   "verify [flags] FILE|-|DIGEST",
		Short: "Check the signature of a file",
		Long: `Check a file, standard input (-) or a digest (sha256:, sha384: or sha512: and
hexadecimal digits) against a Sigstore bundle: a signature over the file or,
with --type, an in-toto statement about it. A statement is no signature: what it
says of the file may be good or bad, and none counts that --type does not name.

With --key a key may sign. With --certificate-identity and
--certificate-oidc-issuer an identity may: a trusted authority must have issued
its certificate, a certificate log and a transparency log must have seen it, and
a clock must date it. --trusted-root names all of these; with --key it asks for
the log and the clock as well. --evidence asks for more of these, or for fewer:
the answer names what it did not ask for. Nothing is asked of the network but
the hosts that --network names.

Exit code 0 means yes, 1 a definite no, and 2 that it could not be told.`,
		Example: `  hallmark blob verify app.tar.gz --key hallmark.pub --bundle app.sigstore.json
  hallmark blob verify app.tar.gz --key hallmark.pub --bundle provenance.sigstore.json --type slsaprovenance1
  hallmark blob verify sha256:a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447 --key a.pub --bundle b.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return job.verify(cmd.Context(), args[0]) },
	}
	job.trust.bindKeys(cmd, app, "public key that may sign: a file, env://NAME or SCHEME://KEY in a key service; repeat to accept several")
	job.trust.identity.bind(cmd, app)
	job.trust.identity.told = true
	job.network.bind(cmd, app)
	job.trust.revoked.bind(cmd, app)
	job.bindBundle(cmd, "file with the Sigstore bundle")
	cmd.Flags().StringArrayVar(&job.types, "type", nil, "ask for a statement of this type about the file, a name or a URI, in place of a signature; repeat to take several")
	job.out.bind(cmd, app, "text", "json")
	return cmd
}

func newBlobSignCmd(app *App) *cobra.Command {
	job := blobJob{app: app}
	cmd := &cobra.Command{
		Use:   "sign [flags] FILE|-",
		Short: "Sign a file",
		Long: `Sign a file, or standard input (-), with a key, and write the signature as a
Sigstore bundle of version 0.3. A bundle that exists is not replaced without
--force.`,
		Example: `  hallmark blob sign app.tar.gz --key hallmark.key --bundle app.sigstore.json`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return job.sign(cmd.Context(), args[0]) },
	}
	job.signers.bind(cmd, app)
	job.bindBundle(cmd, "file for the Sigstore bundle")
	cmd.Flags().BoolVar(&job.force, "force", false, "replace a bundle that exists")
	job.out.bind(cmd, app, "text", "json")
	return cmd
}

// blobJob is one run of blob verify or blob sign.
type blobJob struct {
	app     *App
	trust   trust
	signers signers
	bundle  string
	types   []string // of statements
	network networked
	force   bool
	out     render
}

func (j *blobJob) bindBundle(cmd *cobra.Command, usage string) {
	cmd.Flags().StringVar(&j.bundle, "bundle", "", usage)
}

func (j *blobJob) verify(ctx context.Context, name string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	if j.bundle == "" {
		return usagef("no signature: give --bundle FILE, the Sigstore bundle")
	}
	var wanted verify.Statements
	var err error
	if wanted.Types, err = typeURIs(j.types); err != nil {
		return err
	}
	trust, err := j.trust.load(ctx)
	if err == nil {
		err = j.network.join(&trust)
	}
	if err != nil {
		return err
	}
	blob, done, err := j.blob(name)
	if err != nil {
		return err
	}
	defer done()
	f, size, err := openSized(j.bundle)
	if err != nil {
		return err
	}
	defer f.Close()
	check, err := verify.VerifyBlob(ctx, trust, wanted, blob, f, size)
	if err != nil {
		return usagef("%v", err)
	}
	if err := j.out.print(report.NewBlobVerdict(name, check)); err != nil {
		return err
	}
	return outcomeError(check.Outcome)
}

func (j *blobJob) sign(ctx context.Context, name string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	if j.bundle == "" {
		return usagef("no place for the signature: give --bundle FILE")
	}
	if _, err := os.Lstat(j.bundle); err == nil && !j.force {
		return usagef("%s exists; give --force to replace it", j.bundle)
	}
	keys, err := j.signers.load(ctx)
	if err != nil {
		return err
	}
	if len(keys) != 1 {
		return usagef("%d keys are given, and a bundle holds one signature", len(keys))
	}
	blob, done, err := j.content(name)
	if err != nil {
		return err
	}
	defer done()
	signed, err := sign.Blob(ctx, blob, keys[0])
	if err != nil {
		return fmt.Errorf("sign %s: %w", name, err)
	}
	err = replace(j.bundle, func(w io.Writer) error { _, err := w.Write(signed.Bundle); return err })
	if err != nil {
		return fmt.Errorf("write %s: %w", j.bundle, err)
	}
	return j.out.print(report.BlobSigned{
		File: name, Digest: signed.Digest(), Bundle: j.bundle, Signer: signed.Key.Digest(),
	})
}

// blob is the file that the user named, or what a digest tells of one. A file whose
// name looks like a digest is named with its folder: ./sha256:...
func (j *blobJob) blob(name string) (verify.Blob, func() error, error) {
	algorithm, _, isDigest := strings.Cut(name, ":")
	if isDigest && strings.HasPrefix(algorithm, "sha") {
		blob, err := verify.ParseDigest(name)
		if err != nil {
			return blob, nil, usagef("%v", err)
		}
		return blob, func() error { return nil }, nil
	}
	open, done, err := j.content(name)
	return verify.Blob{Open: open}, done, err
}

// content returns how to read the file as often as wanted. Standard input is kept in
// a temporary file until done is called.
func (j *blobJob) content(name string) (open func() (io.ReadCloser, error), done func() error, err error) {
	if name != "-" {
		f, _, err := openSized(name)
		if err != nil {
			return nil, nil, err
		}
		return func() (io.ReadCloser, error) { return os.Open(name) }, f.Close, nil
	}
	kept, err := spool.New(1, 0, "")
	if err != nil {
		return nil, nil, err
	}
	if _, err := io.Copy(kept, j.app.In); err != nil {
		kept.Close()
		return nil, nil, fmt.Errorf("read standard input: %w", err)
	}
	return func() (io.ReadCloser, error) { return io.NopCloser(kept.Reader()), nil }, kept.Close, nil
}

// openSized opens a regular file and tells its size.
func openSized(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = usagef("%s is no regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}
