package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

// render is the group of flags that say how the answer is printed.
type render struct {
	app     *App
	format  string
	output  string
	discard bool // nothing is printed
}

// bind declares --format and --output. The first format is the default.
func (r *render) bind(cmd *cobra.Command, app *App, formats ...string) {
	enum(cmd, &r.format, "format", "f", formats, "shape of the answer")
	r.bindOutput(cmd, app)
}

// bindOutput declares --output alone, for answers of one shape.
func (r *render) bindOutput(cmd *cobra.Command, app *App) {
	r.app = app
	cmd.Flags().StringVarP(&r.output, "output", "o", "-", "file for the answer; - is standard output")
}

// print writes a document where the flags say.
func (r *render) print(doc report.Document) error {
	if r.discard {
		return nil
	}
	return r.write(func(w io.Writer) error { return report.Write(w, r.format, doc) })
}

// write calls fn with the place for the answer. A file is written under a
// temporary name and takes its place only when fn succeeded. What exists and is
// no regular file, such as a device or a pipe, is written to and not replaced.
func (r *render) write(fn func(io.Writer) error) error {
	if r.output == "-" {
		return fn(r.app.Out)
	}
	if info, err := os.Stat(r.output); err == nil && !info.Mode().IsRegular() {
		return r.writeThrough(fn)
	}
	if err := replace(r.output, fn); err != nil {
		return fmt.Errorf("write %s: %w", r.output, err)
	}
	return nil
}

// replace writes a file under a temporary name and puts it in its place. Where
// path is a link, the file that it leads to is replaced. The mode is that of the
// file before, or what the user's mask leaves of 0666.
func replace(path string, fn func(io.Writer) error) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	name := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+rand.Text())
	tmp, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer os.Remove(name)
	err = fn(tmp)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil {
		if err := os.Chmod(name, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return os.Rename(name, path)
}

// writeThrough writes to a file that must stay the file it is.
func (r *render) writeThrough(fn func(io.Writer) error) error {
	f, err := os.OpenFile(r.output, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write %s: %w", r.output, err)
	}
	err = fn(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// enum declares a flag that takes one of a few words; the first is the default.
func enum(cmd *cobra.Command, value *string, name, short string, words []string, usage string) {
	*value = words[0]
	cmd.Flags().VarP(&enumValue{value, words, nil}, name, short, fmt.Sprintf("%s: %s", usage, strings.Join(words, ", ")))
	complete := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	}
	if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
		panic(err) // the flag was declared one line above
	}
}

type enumValue struct {
	value *string
	words []string
	also  map[string]string // other names of some words
}

// String implements pflag.Value.
func (e *enumValue) String() string { return *e.value }

// Set implements pflag.Value.
func (e *enumValue) Set(s string) error {
	if word, ok := e.also[s]; ok {
		s = word
	}
	if !slices.Contains(e.words, s) {
		return fmt.Errorf("must be one of %s", strings.Join(e.words, ", "))
	}
	*e.value = s
	return nil
}

// Type implements pflag.Value.
func (e *enumValue) Type() string { return "word" }

// signers is the group of flags that name private keys.
type signers struct {
	app    *App
	keys   []string
	scheme string
	loaded []string // the names of the keys that load returned
}

func (s *signers) bind(cmd *cobra.Command, app *App) {
	s.app = app
	cmd.Flags().StringArrayVarP(&s.keys, "key", "k", nil,
		"private key to sign with: a file, env://NAME or SCHEME://KEY in a key service (see 'hallmark key'); repeat to sign with several")
	cmd.Flags().StringVar(&s.scheme, "signing-algorithm", "",
		"how the key signs, by Sigstore's name: ecdsa-sha2-384-nistp384, ecdsa-sha2-512-nistp521, ed25519-ph, ...; without it as cosign verifies")
}

// load opens the private keys, each once.
func (s *signers) load(ctx context.Context) ([]*key.Private, error) {
	if len(s.keys) == 0 {
		return nil, usagef("no key to sign with: give --key FILE (make one with 'hallmark key generate')")
	}
	var keys []*key.Private
	for _, name := range s.keys {
		k, err := key.Load(ctx, name, s.app.keyOptions())
		if err != nil {
			return nil, err
		}
		if s.scheme != "" {
			if k, err = k.With(key.Scheme(s.scheme)); err != nil {
				return nil, usagef("--signing-algorithm: %v", err)
			}
		}
		same := func(o *key.Private) bool { return o.ID() == k.ID() }
		if !slices.ContainsFunc(keys, same) {
			keys = append(keys, k)
			s.loaded = append(s.loaded, name)
		}
	}
	return keys, nil
}

// trust is the group of flags that say whose signatures count.
type trust struct {
	app       *App
	keys      []string
	threshold int
	identity  identity
	revoked   revocations
}

func (t *trust) bind(cmd *cobra.Command, app *App) {
	t.bindKeys(cmd, app, "public key that may sign: a file, env://NAME or SCHEME://KEY in a key service; repeat to accept several")
	t.identity.bind(cmd, app)
	t.revoked.bind(cmd, app)
	cmd.Flags().IntVar(&t.threshold, "threshold", 1, "how many distinct keys must have signed")
}

// bindKeys declares --key alone.
func (t *trust) bindKeys(cmd *cobra.Command, app *App, usage string) {
	t.app = app
	cmd.Flags().StringArrayVarP(&t.keys, "key", "k", nil, usage)
}

// given reports whether anybody is named, who vouches for them, or a list of who counts
// no longer.
func (t *trust) given() bool { return t.identity.root != "" || t.named() }

// named reports whether anybody is named, or anything is but a root to judge by.
func (t *trust) named() bool {
	i := t.identity
	i.root = ""
	return len(t.keys) > 0 || t.revoked.given() || i.given() || i.asked() || i.asksWitnesses() || i.empty() != ""
}

// load reads the public keys, or the identity.
func (t *trust) load(ctx context.Context) (verify.Trust, error) {
	switch {
	case t.identity.empty() != "":
		return verify.Trust{}, usagef("--%s is empty: it would ask for nothing; say what is wanted, or leave it away", t.identity.empty())
	case len(t.keys) > 0 && (t.identity.roots != "" || t.identity.intermediates != ""):
		return verify.Trust{}, usagef("--ca-roots and --ca-intermediates say who may issue certificates, and a key has none: leave them or --key away")
	case len(t.keys) == 0 && !t.identity.given():
		return verify.Trust{}, usagef("nobody is trusted: give --key FILE, the public key of the signer, or --certificate-identity and --certificate-oidc-issuer")
	case len(t.keys) > 0 && t.identity.given():
		return verify.Trust{}, usagef("both a key and an identity are given: choose one, or say in a policy file who counts")
	}
	trust := verify.Trust{Now: t.app.Now}
	var err error
	if trust.Revoked, err = t.revoked.load(ctx); err != nil {
		return verify.Trust{}, err
	}
	if err := t.identity.load(&trust); err != nil {
		return verify.Trust{}, err
	}
	for _, name := range t.keys {
		k, err := key.LoadPublic(ctx, name, t.app.keyOptions())
		if err != nil {
			return verify.Trust{}, err
		}
		trust.Keys = append(trust.Keys, k)
	}
	return trust, nil
}

// bindTrustedRoot declares --trusted-root.
func bindTrustedRoot(cmd *cobra.Command, value *string) {
	cmd.Flags().StringVar(value, "trusted-root", "", "whose certificates, log entries and timestamps are believed: a trusted_root.json file of Sigstore (default: the one of 'hallmark trust init')")
}

// typeURIs returns the predicate types that repeated --type flags name.
func typeURIs(names []string) ([]string, error) {
	var uris []string
	for _, name := range names {
		uri, err := payload.TypeURI(name)
		if err != nil {
			return nil, usagef("--type %s: %v", name, err)
		}
		uris = append(uris, uri)
	}
	return uris, nil
}

// annotations parses repeated -a k=v flags.
func annotations(pairs []string) (map[string]string, error) {
	m := make(map[string]string, len(pairs))
	for _, p := range pairs {
		k, v, ok := strings.Cut(p, "=")
		if !ok || k == "" {
			return nil, usagef("annotation %q is not of the form name=value", p)
		}
		if old, twice := m[k]; twice && old != v {
			return nil, usagef("annotation %q is given with two values", k)
		}
		m[k] = v
	}
	return m, nil
}
