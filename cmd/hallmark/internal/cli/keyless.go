package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/term"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/keyless"
	"github.com/hallmark-oci/hallmark/verify"
)

// bearer is the group of flags that sign without a key, in the name of somebody.
type bearer struct {
	app      *App
	token    string
	provider string
	login    login
	services string
	trusted  string
	yes      bool
}

// autoProvider is the word for the provider that the environment speaks of.
const autoProvider = "auto"

// bind declares the flags.
func (i *bearer) bind(cmd *cobra.Command, app *App) {
	i.app = app
	words := []string{autoProvider}
	for _, p := range keyless.Providers() {
		words = append(words, string(p))
	}
	flags := cmd.Flags()
	flags.StringVar(&i.token, "identity-token", "", "sign without a key, as the one whom this identity token names: a file or env://NAME")
	enum(cmd, &i.provider, "oidc-provider", "", words, "without --identity-token, where the token comes from")
	cosigns := make(map[string]string)
	for name, p := range keyless.Aliases() {
		cosigns[name] = string(p)
	}
	flags.Lookup("oidc-provider").Value = &enumValue{&i.provider, words, cosigns}
	i.login.bind(cmd, app)
	flags.StringVar(&i.services, "signing-config", "", "to sign without a key, the services to ask: a signing_config.json file of Sigstore (default: the one of 'hallmark trust init')")
	flags.BoolVarP(&i.yes, "yes", "y", false, "do not ask before a name goes into a public log")
	bindTrustedRoot(cmd, &i.trusted)
}

// wanted reports whether somebody signs without a key.
func (i *bearer) wanted() bool {
	return i.token != "" || i.services != "" || i.provider != autoProvider || i.login.wanted()
}

// check refuses flags that make no sense together.
func (i *bearer) check(keys []string) error {
	switch {
	case !i.wanted() && i.trusted != "":
		return usagef("--trusted-root is for signing without a key: give --identity-token too, or --oidc-provider or --signing-config")
	case !i.wanted() && i.login.configured():
		return usagef("--oidc-client-id, --oidc-client-secret-file and --oidc-redirect-url are for signing without a key: give --oidc-issuer or --signing-config too")
	case !i.wanted():
		return nil
	case len(keys) > 0:
		return usagef("--key and signing without a key are two ways to sign: choose one")
	case i.token != "" && i.provider != autoProvider:
		return usagef("--identity-token and --oidc-provider are two places for the token: choose one")
	case i.login.wanted() && (i.token != "" || i.provider != autoProvider):
		return usagef("--oidc-issuer and --oidc-flow log somebody in, and --identity-token and --oidc-provider have the token already: choose one")
	case looksLikeToken(i.token):
		return usagef("--identity-token takes a file or env://NAME: a token among the arguments can be read by everyone on the machine; get a new one")
	}
	return nil
}

// looksLikeToken reports whether the text is a token itself: three parts, of which
// the first is the beginning of a JSON object in base64.
func looksLikeToken(s string) bool { return strings.HasPrefix(s, "eyJ") && strings.Count(s, ".") == 2 }

// A signerSource returns who signs one image.
type signerSource func(context.Context) ([]sign.Signer, error)

// or returns who signs: with the keys, or without one where the flags ask for that.
func (i *bearer) or(ctx context.Context, s *signers, in attach.Storage) (signerSource, error) {
	if err := i.check(s.keys); err != nil {
		return nil, err
	}
	if i.wanted() && s.scheme != "" {
		return nil, usagef("--signing-algorithm says how a key signs: without --key the certificate authority's own way is taken; leave it away")
	}
	if i.wanted() {
		return i.load(ctx, in)
	}
	keys, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]sign.Signer, len(keys))
	for i, k := range keys {
		list[i] = k
	}
	return func(context.Context) ([]sign.Signer, error) { return list, nil }, nil
}

// load reads the files and the first token, says whose it is, and asks whether to go
// on. Each call of what it returns makes a key and has it certified; after a login the
// certificate serves for all images, as long as it holds.
func (i *bearer) load(ctx context.Context, in attach.Storage) (signerSource, error) {
	opts, err := i.options(in)
	if err != nil {
		return nil, err
	}
	get, from, err := i.source(opts.Services)
	if err != nil {
		return nil, err
	}
	if opts.Token, err = get(ctx); err != nil {
		return nil, err
	}
	if err := i.announce(ctx, fmt.Sprintf("signing with the %s (from %s); a public log will show that name for ever", opts.Token, from)); err != nil {
		return nil, err
	}
	made := func(ctx context.Context) (*keyless.Signer, error) {
		opts, said := opts, opts.Token.String()
		var err error
		if opts.Token, err = get(ctx); err != nil {
			return nil, err
		}
		if now := opts.Token.String(); now != said {
			return nil, fmt.Errorf("what is there to sign with has changed from the %s to the %s: nothing more was signed", said, now)
		}
		return keyless.New(ctx, opts)
	}
	if from == loginSource {
		made = i.shared(made)
	}
	return func(ctx context.Context) ([]sign.Signer, error) {
		s, err := made(ctx)
		if err != nil {
			return nil, err
		}
		return []sign.Signer{s}, nil
	}, nil
}

// announce says whose name will go into a public log, and asks on a terminal whether
// it may.
func (i *bearer) announce(ctx context.Context, line string) error {
	if i.yes || !term.Is(i.app.In) {
		i.app.notef("%s", line)
		return nil
	}
	i.app.line("%s", line)
	ok, err := term.Confirm(ctx, i.app.In, i.app.Err, "hallmark: go on? [y/N] ")
	if err == nil && !ok {
		err = errDeclined
	}
	return err
}

// trustOf returns what a stranger is told who verifies what they signed.
func trustOf(list []sign.Signer) (verify.Trust, error) {
	var t verify.Trust
	for _, s := range list {
		switch s := s.(type) {
		case *key.Private:
			t.Keys = append(t.Keys, s.PublicKey())
		case *keyless.Signer:
			id, err := s.Identity()
			if err != nil {
				return t, err
			}
			t.Identities, t.Root = append(t.Identities, id), s.Root()
		default:
			return t, fmt.Errorf("nobody could verify what a %T signs", s)
		}
	}
	return t, nil
}

// toVerify returns the flags with which others verify what was signed without a key,
// "" where it was signed with one.
func (i *bearer) toVerify(by []sign.Signer) string {
	line := ""
	for _, s := range by {
		s, ok := s.(*keyless.Signer)
		if !ok {
			continue
		}
		if i.trusted != "" {
			line += " --trusted-root " + quoted(i.trusted)
		}
		line += fmt.Sprintf(" --certificate-identity %s --certificate-oidc-issuer %s", quoted(s.Name()), quoted(s.Issuer()))
	}
	return line
}

// quoted returns the text as a shell reads one word.
func quoted(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@%+=:,./_-", r)
	}
	if strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// network is how services are reached. What is tried again is told with --verbose.
func (i *bearer) network() keyless.Network {
	return keyless.Network{
		Transport: i.app.Transport, Now: i.app.Now,
		Note: func(line string) { i.app.tracef("%s", line) },
	}
}

// options reads the files that say whom to ask and whom to believe.
func (i *bearer) options(in attach.Storage) (keyless.Options, error) {
	opts := keyless.Options{Network: i.network()}
	raw, name, err := i.app.signingConfig(i.services)
	if err != nil {
		return opts, err
	}
	if opts.Services, err = keyless.ParseServices(raw); err == nil {
		err = opts.Services.Check(i.app.Now(), in.Tags())
	}
	if err != nil {
		return opts, usagef("%s: %v", name, err)
	}
	if raw, name, err = i.app.trustedRoot(i.trusted); err != nil {
		return opts, err
	}
	if opts.Trusted, err = keyless.ParseTrusted(raw); err != nil {
		return opts, usagef("%s: %v", name, err)
	}
	return opts, nil
}

// source returns what gets a token, and what that is called.
func (i *bearer) source(services *keyless.Services) (get tokenSource, from string, err error) {
	all := keyless.Sources{LookupEnv: i.app.LookupEnv, Network: i.network(), Audience: i.login.client}
	if name, ok := strings.CutPrefix(i.token, "env:"); ok {
		name = strings.TrimPrefix(name, "//")
		return func(context.Context) (keyless.Token, error) { return all.Variable(name) }, i.token, nil
	}
	if i.token != "" {
		i.warnOfReaders()
		return func(context.Context) (keyless.Token, error) { return all.Path(i.token) }, i.token, nil
	}
	p := keyless.Provider(i.provider)
	if i.provider == autoProvider && !i.login.wanted() {
		p = all.Detect()
	}
	if i.provider == autoProvider && (i.login.wanted() || p == "") {
		get, err := i.login.source(i.network(), services, i.yes)
		return get, loginSource, err
	}
	return func(ctx context.Context) (keyless.Token, error) { return all.From(ctx, p) }, string(p), nil
}

// warnOfReaders says when others can read the file with the token.
func (i *bearer) warnOfReaders() {
	if info, err := os.Stat(i.token); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		i.app.notef("warning: others on this machine can read the identity token in %s and sign with it: chmod 600", i.token)
	}
}

func words(list []keyless.Provider) string {
	var all []string
	for _, p := range list {
		all = append(all, string(p))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
