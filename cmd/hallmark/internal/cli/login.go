package cli

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/term"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/keyless"
)

// login is the group of flags that say how a person logs in to sign.
type login struct {
	app    *App
	issuer string
	client string
	secret string
	back   string
	flow   string
}

// The ways to log in.
const (
	autoFlow    = "auto"
	browserFlow = "browser"
	deviceFlow  = "device"
)

// loginSource is what a token is said to be from that came by a login.
const loginSource = "your login"

// maxSecret is the size of the longest password of a client, in bytes.
const maxSecret = 4 << 10

// How much longer than now a token and a certificate have to hold to be used once more.
const (
	spareToken       = 5 * time.Second
	spareCertificate = time.Minute
)

func (l *login) bind(cmd *cobra.Command, app *App) {
	l.app = app
	flags := cmd.Flags()
	flags.StringVar(&l.issuer, "oidc-issuer", "", "sign without a key, as the one who logs in at this OpenID Connect issuer (default: the one of the signing configuration)")
	flags.StringVar(&l.client, "oidc-client-id", keyless.Audience, "as whom the issuer knows this program, and for whom an identity token has to be")
	flags.StringVar(&l.secret, "oidc-client-secret-file", "", "password of that client, which most have none of: a file or env://NAME")
	flags.StringVar(&l.back, "oidc-redirect-url", "", "where the browser comes back to, for issuers that know one address only: http://localhost:PORT/PATH")
	enum(cmd, &l.flow, "oidc-flow", "", []string{autoFlow, browserFlow, deviceFlow}, "how to log in; auto is device where standard input is no terminal")
}

// wanted reports whether somebody is to log in, whatever the environment has.
func (l *login) wanted() bool { return l.issuer != "" || l.flow != autoFlow }

// configured reports whether something is said about the client.
func (l *login) configured() bool {
	return l.client != keyless.Audience || l.secret != "" || l.back != ""
}

// environ is the environment of a browser: without the passwords and tokens that are
// for this program.
func (l *login) environ() []string {
	if l.app.Environ == nil {
		return nil
	}
	return key.WithoutSecrets(l.app.Environ(), l.app.named)
}

// tokenSource gets an identity token.
type tokenSource func(context.Context) (keyless.Token, error)

// source returns what logs somebody in, once for as long as the token holds.
func (l *login) source(n keyless.Network, services *keyless.Services, yes bool) (tokenSource, error) {
	who := keyless.Login{Network: n, Issuer: l.issuer, Client: l.client, Redirect: l.back, Show: func(line string) { l.app.line("%s", line) }}
	if who.Issuer == "" {
		who.Issuer = services.Issuer(l.app.Now())
	}
	if who.Issuer == "" {
		return nil, usagef("no identity token: give --identity-token FILE; this is no place that gives one by itself (%s), and the signing configuration names nobody to log in at (--oidc-issuer URL)", words(keyless.Providers()))
	}
	terminal := term.Is(l.app.In)
	ci, _ := l.app.LookupEnv("CI")
	switch {
	case !terminal && l.flow == autoFlow && ci != "":
		return nil, usagef("no identity token, and nobody logs in to a CI job: give --identity-token FILE or --oidc-provider (%s), or --oidc-flow device if somebody will", words(keyless.Providers()))
	case !terminal && !yes:
		return nil, usagef("who logs in cannot be asked here whether the name may go into a public log, for ever: give --yes if it may")
	}
	var err error
	if who.Secret, err = l.password(); err != nil {
		return nil, err
	}
	if terminal {
		who.Open = func(_ context.Context, address string) error {
			return term.Browse(runtime.GOOS, l.environ(), address)
		}
	}
	if l.flow == browserFlow || l.flow == autoFlow && terminal {
		return l.kept(who.Browser), nil
	}
	return l.kept(who.Device), nil
}

// kept logs in again only when the token is about to expire.
func (l *login) kept(get tokenSource) tokenSource {
	var mu sync.Mutex
	var last keyless.Token
	return func(ctx context.Context) (keyless.Token, error) {
		mu.Lock()
		defer mu.Unlock()
		if l.app.Now().Add(spareToken).Before(last.Until()) {
			return last, nil
		}
		t, err := get(ctx)
		var r *keyless.Refusal
		if errors.As(err, &r) && r.Reason == keyless.Unusable {
			err = usagef("%v", err) // the issuer is not one that can be used in this way
		}
		if err == nil {
			last = t
		}
		return t, err
	}
}

// shared hands out one signer as long as its certificate holds: after a login of a
// person there is one token, which may expire before the certificate does.
func (i *bearer) shared(made func(context.Context) (*keyless.Signer, error)) func(context.Context) (*keyless.Signer, error) {
	var mu sync.Mutex
	var last *keyless.Signer
	return func(ctx context.Context) (*keyless.Signer, error) {
		mu.Lock()
		defer mu.Unlock()
		if last != nil && i.app.Now().Add(spareCertificate).Before(last.Until()) {
			return last, nil
		}
		s, err := made(ctx)
		if err == nil {
			last = s
		}
		return s, err
	}
}

// password reads the client's password.
func (l *login) password() (string, error) {
	if l.secret == "" {
		return "", nil
	}
	raw := []byte(nil)
	if name, ok := strings.CutPrefix(l.secret, "env:"); ok {
		value, _ := l.app.LookupEnv(strings.TrimPrefix(name, "//"))
		raw = []byte(value)
	} else {
		var err error
		if raw, err = readFile(l.secret, maxSecret); err != nil {
			return "", usagef("--oidc-client-secret-file: %v", err)
		}
	}
	if raw = bytes.TrimSpace(raw); len(raw) == 0 {
		return "", usagef("--oidc-client-secret-file %s: there is nothing in it", l.secret)
	}
	return string(raw), nil
}
