package key

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Options say how keys are found and opened. The zero value reads files that
// are not encrypted.
type Options struct {
	// Password is asked for the password of an encrypted key, once, and only if
	// the key is encrypted. The prompt names the key. The answer is used as it
	// is, like cosign does with COSIGN_PASSWORD: a newline at its end counts, so
	// whoever reads a line must cut it off. An empty answer is the empty
	// password, with which cosign can encrypt too.
	Password func(ctx context.Context, prompt string) ([]byte, error)
	// LookupEnv finds the variable of an env://NAME, as os.LookupEnv does. Where
	// it is nil such names are refused.
	LookupEnv func(name string) (string, bool)
	// Plugins are the schemes of the plug-ins for key services that may be started,
	// or [AnyPlugin]. Where it is empty none is: a name that comes from a policy file,
	// or from anyone but the user, starts no program.
	Plugins []string
	// Environ is the environment that plug-ins are found and started in, as
	// NAME=value. The passwords of key files and identity tokens are not handed on,
	// nor is what Secrets names.
	Environ []string
	// Secrets are the names of other variables that are no business of a plug-in, such
	// as those that hold a key themselves.
	Secrets []string
	// PSS makes an RSA key sign with PSS although it is not marked for it, and marks its
	// public key.
	PSS bool
}

// Load opens the private key of the given name: a file, env://NAME, or the name of
// a key in a key service, which signs there. It
// returns an error that wraps [ErrPassword] when the key is encrypted and the
// password does not open it, [ErrKind] when the name is that of a public key
// or certificate, and [ErrScheme] when the name has an unknown scheme.
func Load(ctx context.Context, name string, opts Options) (*Private, error) {
	if IsRemote(name) {
		r, err := openRemote(ctx, name, opts)
		if err != nil {
			return nil, err
		}
		return r.load(ctx)
	}
	text, err := read(ctx, name, opts)
	if err != nil {
		return nil, err
	}
	p, err := parsePrivate(ctx, text, name, opts)
	if err != nil {
		return nil, fmt.Errorf("private key %s: %w", name, err)
	}
	return p, nil
}

// read returns the text that the name stands for, at most MaxPEM bytes.
func read(ctx context.Context, name string, opts Options) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	scheme, rest, ok := strings.Cut(name, "://")
	switch {
	case name == "" || name == "-":
		return nil, fmt.Errorf("key %q: give the path of a file or env://NAME: %w", name, ErrFormat)
	case !ok:
		return readFile(name)
	case scheme != "env":
		return nil, fmt.Errorf("key %s: %w %q: give the path of a file or env://NAME", name, ErrScheme, scheme)
	case opts.LookupEnv == nil:
		return nil, fmt.Errorf("key %s: the environment is not readable here: %w", name, ErrScheme)
	}
	text, found := opts.LookupEnv(rest)
	if !found || text == "" {
		return nil, fmt.Errorf("key %s: the environment variable %s is not set: %w", name, rest, os.ErrNotExist)
	}
	if len(text) > MaxPEM {
		return nil, fmt.Errorf("key %s: more than %d bytes: %w", name, MaxPEM, ErrLimit)
	}
	return []byte(text), nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxPEM+1))
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if len(text) > MaxPEM {
		return nil, fmt.Errorf("key %s: more than %d bytes: %w", path, MaxPEM, ErrLimit)
	}
	return text, nil
}

// password asks for the password of the named key.
func (o Options) password(ctx context.Context, name string) ([]byte, error) {
	if o.Password == nil {
		return nil, fmt.Errorf("the key is encrypted and no password was given: %w", ErrPassword)
	}
	pass, err := o.Password(ctx, "Password for private key "+name)
	if err != nil {
		return nil, fmt.Errorf("ask for password: %w", err)
	}
	return pass, nil
}

// wrong returns the error for a password that does not open a key. A newline
// at the end is the usual reason, and naming it gives nothing away.
func wrong(pass []byte) error {
	if n := len(pass); n > 0 && (pass[n-1] == '\n' || pass[n-1] == '\r') {
		return fmt.Errorf("%w (it ends with a line break, which counts)", ErrPassword)
	}
	return fmt.Errorf("%w, or the key file is damaged", ErrPassword)
}

// refuse names what is wrong with the key's bytes, keeping a reason that is
// already one of this package's.
func refuse(what string, err error) error {
	for _, known := range []error{ErrPassword, ErrWeak, ErrFormat, ErrKind, ErrLimit} {
		if errors.Is(err, known) {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return fmt.Errorf("%s: %w: %w", what, ErrFormat, err)
}
