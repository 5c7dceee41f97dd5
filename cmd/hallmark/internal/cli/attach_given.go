package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
)

func newAttachSignatureCmd(app *App) *cobra.Command {
	job := attachGivenJob{}
	var signature, payload, certificate, chain string
	cmd := &cobra.Command{
		Use:   "signature [flags] IMAGE",
		Short: "Attach a signature that was made elsewhere",
		Long: `Attach a signature that was made elsewhere: by a key that hallmark cannot reach,
or by another tool. The payload must name the image's digest, and a certificate
must be of the key that made the signature; what does not is refused, as nobody
could count it. With --key the signature must be by one of these keys.`,
		Example: `  hallmark attach signature registry.example/app:1.0 --payload payload.json --signature payload.sig --key hsm.pub
  hallmark attach signature registry.example/app:1.0 --payload payload.json --signature payload.sig --certificate signer.pem`,
	}
	job.bind(cmd, app, func(s attach.Subject, by []*key.Public) (attach.Content, error) {
		given, err := readGiven(signature, payload, certificate, chain)
		if err != nil {
			return attach.Content{}, err
		}
		return given.Content(s, by...)
	})
	flags := cmd.Flags()
	flags.StringVar(&signature, "signature", "", "file with the signature: in base64, or as it is")
	flags.StringVar(&payload, "payload", "", "file with the simple signing payload that was signed")
	flags.StringVar(&certificate, "certificate", "", "PEM file with the signer's certificate")
	flags.StringVar(&chain, "certificate-chain", "", "PEM file with the certificates above it, the root last")
	return cmd
}

func newAttachAttestationCmd(app *App) *cobra.Command {
	job := attachGivenJob{}
	var path string
	cmd := &cobra.Command{
		Use:   "attestation [flags] IMAGE",
		Short: "Attach an attestation that was made elsewhere",
		Long: `Attach a DSSE envelope that was made elsewhere. The in-toto statement in it must
name the image's digest: another is refused. With --key one of these keys must
have signed it.`,
		Example: `  hallmark attach attestation registry.example/app:1.0 --attestation provenance.dsse.json --key builder.pub`,
	}
	job.bind(cmd, app, func(s attach.Subject, by []*key.Public) (attach.Content, error) {
		if path == "" {
			return attach.Content{}, usagef("nothing to attach: give --attestation FILE")
		}
		envelope, err := attach.File(path)
		if err != nil {
			return attach.Content{}, err
		}
		c, err := sign.GivenStatement(s, envelope, "", by...)
		if err != nil {
			return c, fmt.Errorf("%s: %w", path, err)
		}
		return c, nil
	})
	cmd.Flags().StringVar(&path, "attestation", "", "file with the DSSE envelope")
	return cmd
}

// attachGivenJob attaches one thing that exists and was checked.
type attachGivenJob struct {
	app     *App
	target  target
	out     render
	keys    []string
	content func(attach.Subject, []*key.Public) (attach.Content, error)
}

func (j *attachGivenJob) bind(cmd *cobra.Command, app *App, content func(attach.Subject, []*key.Public) (attach.Content, error)) {
	j.app, j.content = app, content
	cmd.Args = cobra.ExactArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return j.run(cmd.Context(), args[0]) }
	j.target.bindWriter(cmd, app)
	j.target.bindPlatform(cmd)
	j.out.bind(cmd, app, "text", "json")
	cmd.Flags().StringArrayVarP(&j.keys, "key", "k", nil, "public key that must have signed it: a file, env://NAME or SCHEME://KEY; repeat to accept several")
}

func (j *attachGivenJob) run(ctx context.Context, arg string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	var by []*key.Public
	for _, name := range j.keys {
		k, err := key.LoadPublic(ctx, name, j.app.keyOptions())
		if err != nil {
			return err
		}
		by = append(by, k)
	}
	img, err := j.target.open(ctx, arg)
	if err != nil {
		return err
	}
	content, err := j.content(img.subject, by)
	if err != nil {
		return fmt.Errorf("attach to %s: %w", img.subject, err)
	}
	receipts, err := img.Put(ctx, attach.Parcel{Subject: img.subject, Content: content})
	if err != nil {
		return fmt.Errorf("attach to %s: %w", img.subject, err)
	}
	return j.out.print(report.Receipts{Images: []report.Attached{attached(arg, img.subject, receipts)}})
}

// readGiven reads the files of a signature.
func readGiven(signature, payload, certificate, chain string) (sign.Given, error) {
	var g sign.Given
	if signature == "" || payload == "" {
		return g, usagef("nothing to attach: give --signature FILE and --payload FILE")
	}
	var err error
	if g.Payload, err = readFile(payload, verify.MaxPayload); err != nil {
		return g, err
	}
	raw, err := readFile(signature, verify.MaxSignature)
	if err != nil {
		return g, err
	}
	if g.Signature, err = base64.StdEncoding.DecodeString(strings.TrimSpace(string(raw))); err != nil {
		g.Signature = raw // as a tool such as openssl writes it
	}
	for name, into := range map[string]*string{certificate: &g.Certificate, chain: &g.Chain} {
		if name == "" {
			continue
		}
		pem, err := readFile(name, attach.MaxAnnotation)
		if err != nil {
			return g, err
		}
		*into = string(pem)
	}
	return g, nil
}

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("more than %d bytes: %w", limit, attach.ErrLimit)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return raw, nil
}
