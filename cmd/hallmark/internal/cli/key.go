package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sign/key"
)

func newKeyCmd(app *App) *cobra.Command {
	cmd := group("key", "Make, import and look at keys", groupKeys,
		newKeyGenerateCmd(app), newKeyImportCmd(app), newKeyPublicCmd(app), newKeyInspectCmd(app), newKeyRotateCmd(app))
	cmd.Long = `Make, import and look at keys.

A key signs as cosign verifies: ECDSA over SHA-256 on every curve, plain
Ed25519, RSA PKCS #1 v1.5, or PSS where the key is marked for it. Commands that
sign take --signing-algorithm to ask for another way of Sigstore's registry:
ecdsa-sha2-384-nistp384, ecdsa-sha2-512-nistp521, ed25519-ph. hallmark verifies
all of these; cosign does not.

Wherever a key is named, it is the path of a file, env://NAME for a variable, or
SCHEME://KEY for a key in a key service, such as hashivault://release or
awskms:///alias/release. Such a key is used by the program sigstore-kms-SCHEME,
which must be on the PATH; any plug-in of Sigstore does. The key stays in its
service, and so do the credentials: the plug-in finds them in the environment.
It is not told the passwords of key files, identity tokens, or a variable that
the command line names with env://.

A key on a PKCS #11 token (an HSM, a smart card) is named by its URI (RFC 7512),
pkcs11:token=release;object=signing. The plug-in for it needs a C compiler to
build and so is not among the static programs: see 'make pkcs11'. It takes the
token's library from module-path in the URI or HALLMARK_PKCS11_MODULE, and the
PIN from HALLMARK_PKCS11_PIN or the file that pin-source names. A PIN in the
name itself is refused.

HALLMARK_KMS_PLUGINS says which plug-ins may be started: their schemes, with
commas between them. Where it is empty none is; where it is not set, whichever
one the command line names. A policy file has only those started that
--policy-kms names beside it.`
	return cmd
}

// keyOptions say how this command line opens keys.
func (app *App) keyOptions() key.Options {
	opts := key.Options{Password: app.password, LookupEnv: app.LookupEnv, Plugins: app.plugins(), Secrets: app.named}
	if app.Environ != nil {
		opts.Environ = app.Environ()
	}
	return opts
}

// variables returns the names of all variables that arguments name as env://NAME, or
// env:NAME as some flags take it, wherever they stand.
func variables(args []string) []string {
	var names []string
	for _, arg := range args {
		before, name, ok := strings.Cut(arg, "env:")
		name, slashes := strings.CutPrefix(name, "//")
		if ok && (slashes || before == "" || strings.HasSuffix(before, "=")) {
			names = append(names, name)
		}
	}
	return names
}

// pluginVariable names the plug-ins that may be started: their schemes, with commas
// between them. Where it is not set it is whichever one the command line names.
const pluginVariable = "HALLMARK_KMS_PLUGINS"

func (app *App) plugins() []string {
	list, ok := app.LookupEnv(pluginVariable)
	if !ok {
		return []string{key.AnyPlugin}
	}
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// keyOutput is the group of flags that say how a key pair is written.
type keyOutput struct {
	app       *App
	path      string
	keyFormat string
	format    string // of the report
	force     bool
}

func (k *keyOutput) bind(cmd *cobra.Command, app *App) {
	k.app = app
	var formats []string
	for _, f := range key.Formats() {
		formats = append(formats, string(f))
	}
	flags := cmd.Flags()
	flags.StringVarP(&k.path, "output", "o", "hallmark.key", "file for the private key; the public key goes beside it as .pub")
	enum(cmd, &k.keyFormat, "key-format", "", formats, "format of the private key file")
	enum(cmd, &k.format, "format", "f", []string{"text", "json"}, "shape of the answer")
	flags.BoolVar(&k.force, "force", false, "replace files that exist")
}

// write asks for a password where the format needs one and writes the pair.
func (k *keyOutput) write(ctx context.Context, p *key.Private) error {
	opts := key.WriteOptions{Format: key.Format(k.keyFormat), Force: k.force}
	if opts.Format != key.FormatPKCS8 {
		password, err := k.newPassword(ctx)
		if err != nil {
			return err
		}
		opts.Password = password
	}
	if err := key.WritePair(k.path, p, opts); err != nil {
		return err
	}
	return report.Write(k.app.Out, k.format, report.KeyInfo{
		Name: k.path, Algorithm: p.PublicKey().Algorithm(), Fingerprint: p.ID().Digest(), Private: true,
		Files: []string{k.path, key.PublicPath(k.path)},
	})
}

// newPassword asks twice on a terminal; a variable is taken as it is.
func (k *keyOutput) newPassword(ctx context.Context) ([]byte, error) {
	first, err := k.app.password(ctx, "password for the new private key: ")
	if err != nil || k.app.passwordIsSet() {
		return first, err
	}
	second, err := k.app.password(ctx, "the same password again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, second) {
		return nil, errors.New("the two passwords differ; nothing was written")
	}
	return first, nil
}

func newKeyGenerateCmd(app *App) *cobra.Command {
	var out keyOutput
	var algorithm, kms string
	cmd := &cobra.Command{
		Use:   "generate [flags]",
		Short: "Make a new key pair",
		Long: `Make a new key pair. The private key is encrypted in cosign's format with the
password from HALLMARK_PASSWORD, COSIGN_PASSWORD or the terminal; the file is
readable by its owner only. Existing files are not replaced without --force.

With --kms the key is made in a key service and stays there: only the public
key is written, beside where the private key would be. --algorithm is then one
that the plug-in knows, and without it the plug-in's own choice.`,
		Example: `  hallmark key generate
  hallmark key generate --algorithm ed25519 -o release.key
  hallmark key generate --key-format pkcs8 -o ci.key
  hallmark key generate --kms hashivault://release -o release.key
  hallmark key generate --kms 'pkcs11:token=release;object=signing' -o hsm.key`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if kms != "" {
				return out.remote(cmd, kms, algorithm)
			}
			p, err := key.Generate(key.Algorithm(algorithm))
			if err != nil {
				return err
			}
			return out.write(cmd.Context(), p)
		},
	}
	out.bind(cmd, app)
	var names []string
	for _, a := range key.Algorithms() {
		names = append(names, string(a))
	}
	enum(cmd, &algorithm, "algorithm", "", names, "kind of key")
	cmd.Flags().StringVar(&kms, "kms", "", "make the key in this key service instead: SCHEME://KEY")
	return cmd
}

// remote makes a key in a key service and writes its public key.
func (k *keyOutput) remote(cmd *cobra.Command, name, algorithm string) error {
	if cmd.Flags().Changed("key-format") {
		return usagef("the private key stays in the key service: --kms goes without --key-format")
	}
	if !cmd.Flags().Changed("algorithm") {
		algorithm = ""
	}
	path := key.PublicPath(k.path)
	if _, err := os.Lstat(path); err == nil && !k.force {
		return fmt.Errorf("%s: %w, no key was made", path, fs.ErrExist)
	}
	ctx, cancel := k.app.context(cmd.Context())
	defer cancel()
	p, err := key.GenerateRemote(ctx, name, algorithm, k.app.keyOptions())
	if err != nil {
		return err
	}
	if err := key.WritePublic(path, p, k.force); err != nil {
		return fmt.Errorf("the key %s was made; 'hallmark key public' prints its public key: %w", name, err)
	}
	return report.Write(k.app.Out, k.format, report.KeyInfo{
		Name: name, Algorithm: p.Algorithm(), Fingerprint: p.Fingerprint().Digest(), Private: true,
		Files: []string{path},
	})
}

func newKeyImportCmd(app *App) *cobra.Command {
	var out keyOutput
	var pss bool
	cmd := &cobra.Command{
		Use:   "import [flags] KEY",
		Short: "Bring a private key of another format into hallmark's",
		Long: `Read a private key (PKCS #8, encrypted or not, SEC 1, PKCS #1, or cosign's
format) and write it as a key pair. One password, from HALLMARK_PASSWORD,
COSIGN_PASSWORD or the terminal, opens the old file and closes the new one; on
a terminal each is asked for.`,
		Example: `  hallmark key import server.pem -o release.key
  hallmark key import env://OLD_KEY --key-format pkcs8 -o ci.key`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if key.IsRemote(args[0]) {
				return usagef("the key stays in its key service: there is no private key to import; use it by its name")
			}
			opts := app.keyOptions()
			opts.PSS = pss
			p, err := key.Load(cmd.Context(), args[0], opts)
			if err != nil {
				return err
			}
			return out.write(cmd.Context(), p)
		},
	}
	out.bind(cmd, app)
	bindPSS(cmd, &pss)
	return cmd
}

func newKeyPublicCmd(app *App) *cobra.Command {
	var out render
	var pss bool
	cmd := &cobra.Command{
		Use:   "public [flags] KEY",
		Short: "Print the public key of a private key",
		Example: `  hallmark key public hallmark.key -o hallmark.pub
  hallmark key public env://SIGNING_KEY
  hallmark key public hashivault://release -o release.pub`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts := app.keyOptions()
			opts.PSS = pss
			p, err := key.Load(cmd.Context(), args[0], opts)
			if err != nil {
				return err
			}
			return out.write(func(w io.Writer) error {
				_, err := w.Write(p.PublicKey().PEM())
				return err
			})
		},
	}
	out.bindOutput(cmd, app)
	bindPSS(cmd, &pss)
	return cmd
}

// bindPSS declares --pss.
func bindPSS(cmd *cobra.Command, pss *bool) {
	cmd.Flags().BoolVar(pss, "pss", false, "mark an RSA key for PSS: then it signs, and verifies, with PSS alone")
}

func newKeyInspectCmd(app *App) *cobra.Command {
	var out render
	cmd := &cobra.Command{
		Use:   "inspect [flags] KEY",
		Short: "Print what kind of key a file holds, and its fingerprint",
		Example: `  hallmark key inspect hallmark.pub
  hallmark key inspect hallmark.key -f json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			info, err := app.inspect(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return out.print(info)
		},
	}
	out.bind(cmd, app, "text", "json")
	return cmd
}

// inspect reads a public key, or else a private one, which may need a password.
func (app *App) inspect(ctx context.Context, name string) (report.KeyInfo, error) {
	public, err := key.LoadPublic(ctx, name, app.keyOptions())
	info := report.KeyInfo{Name: name}
	if errors.Is(err, key.ErrKind) {
		var p *key.Private
		if p, err = key.Load(ctx, name, app.keyOptions()); err == nil {
			public, info.Private = p.PublicKey(), true
		}
	}
	if err != nil {
		return info, fmt.Errorf("inspect: %w", err)
	}
	info.Algorithm, info.Fingerprint = public.Algorithm(), public.Fingerprint().Digest()
	return info, nil
}
