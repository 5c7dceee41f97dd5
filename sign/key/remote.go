package key

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/hallmark-oci/hallmark/sign/key/plugin"
)

// AnyPlugin in Options.Plugins stands for all plug-ins.
const AnyPlugin = "*"

// pkcs11Scheme is that of keys on PKCS #11 tokens, whose URIs have no slashes (RFC 7512).
const pkcs11Scheme = "pkcs11"

// IsRemote reports whether the name is that of a key in a key service, which a
// plug-in uses: it has a scheme, other than env, or is a URI pkcs11:....
func IsRemote(name string) bool {
	scheme, _, ok := cutScheme(name)
	return ok && scheme != "env"
}

// cutScheme divides the name of a key in its scheme and the rest.
func cutScheme(name string) (scheme, rest string, ok bool) {
	if rest, ok := strings.CutPrefix(name, pkcs11Scheme+":"); ok {
		return pkcs11Scheme, strings.TrimPrefix(rest, "//"), true
	}
	return strings.Cut(name, "://")
}

// errPIN says that a PIN stands where all can read it. It does not repeat the name.
var errPIN = errors.New("the PIN stands in the name of the key (pin-value), where everyone on this machine can read it: " +
	"set HALLMARK_PKCS11_PIN, or name a file with pin-source")

// A remote is a key in a key service.
type remote struct {
	program *plugin.Program
	name    string
	pss     bool        // an RSA key signs with PSS although the service does not say so
	own     atomic.Bool // the service takes the hash of the curve only
}

// openRemote finds the plug-in for a key in a key service. It returns an error that
// wraps [ErrScheme] where there is none or where it must not be started.
func openRemote(ctx context.Context, name string, opts Options) (*remote, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	scheme, resource, _ := cutScheme(name)
	if scheme == pkcs11Scheme && plugin.NamesPIN(resource) {
		return nil, fmt.Errorf("key %s:...: %w: %w", scheme, ErrFormat, errPIN)
	}
	if err := plugin.CheckScheme(scheme); err != nil {
		return nil, fmt.Errorf("key %s: %w %q: %w", name, ErrScheme, scheme, err)
	}
	switch {
	case !slices.Contains(opts.Plugins, scheme) && !slices.Contains(opts.Plugins, AnyPlugin):
		return nil, fmt.Errorf("key %s: %w %q: give the path of a file or env://NAME; the plug-in %s%s is none of those that may be started here: %s",
			name, ErrScheme, scheme, plugin.Prefix, scheme, orNone(opts.Plugins))
	case resource == "":
		return nil, fmt.Errorf("key %s: no key is named behind the scheme: %w", name, ErrFormat)
	}
	p, err := plugin.Find(scheme, resource, withoutSecrets(scheme, opts.Environ, opts.Secrets))
	if err != nil {
		return nil, fmt.Errorf("key %s: %w %q: %w; give the path of a file or env://NAME, or put the plug-in there", name, ErrScheme, scheme, err)
	}
	return &remote{program: p, name: name, pss: opts.PSS}, nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// withoutSecrets returns the environment without what is no business of a plug-in:
// hallmark's secrets, but for the PIN of a token where it is for that.
func withoutSecrets(scheme string, env, more []string) []string {
	if scheme == pkcs11Scheme {
		return without(env, slices.Concat(secrets(), more))
	}
	return WithoutSecrets(env, more)
}

// WithoutSecrets returns the environment for a program that is started: without the
// passwords of key files, the identity tokens that hallmark signs with and what gets
// them, the PINs of tokens, and the variables that the caller names.
func WithoutSecrets(env, more []string) []string {
	return without(env, slices.Concat(secrets(), []string{"HALLMARK_PKCS11_PIN", "COSIGN_PKCS11_PIN"}, more))
}

// secrets are the variables that no program needs but this.
func secrets() []string {
	return []string{
		"HALLMARK_PASSWORD", "COSIGN_PASSWORD", "SIGSTORE_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL",
		"BUILDKITE_AGENT_ACCESS_TOKEN",
	}
}

// without returns the environment without the variables of those names.
func without(env, names []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) // Windows knows no case
	})
}

// public fetches the public key.
func (r *remote) public(ctx context.Context) (*Public, error) {
	text, err := r.program.PublicKey(ctx)
	if err != nil {
		return nil, err
	}
	pub, err := ParsePublic(text)
	if err == nil && r.pss {
		pub = pub.ForPSS()
	}
	return pub, err
}

// load opens the key for signing, for which its public key is needed.
func (r *remote) load(ctx context.Context) (*Private, error) {
	pub, err := r.public(ctx)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", r.name, err)
	}
	return &Private{remote: r, public: pub}, nil
}

// GenerateRemote makes a new key in the key service that the name stands for and
// returns its public key. The algorithm is one of those that the plug-in knows,
// which may be names of its own; where it is empty the plug-in's default is taken.
func GenerateRemote(ctx context.Context, name, algorithm string, opts Options) (*Public, error) {
	if !IsRemote(name) {
		return nil, fmt.Errorf("key %q: %w: want SCHEME://KEY, the name of a key in a key service", name, ErrScheme)
	}
	r, err := openRemote(ctx, name, opts)
	if err != nil {
		return nil, err
	}
	pub, err := r.create(ctx, algorithm)
	if err != nil {
		return nil, fmt.Errorf("make key %s: %w", name, err)
	}
	return pub, nil
}

func (r *remote) create(ctx context.Context, algorithm string) (*Public, error) {
	known, err := r.program.Algorithms(ctx)
	if err != nil {
		return nil, err
	}
	if algorithm == "" {
		algorithm = known[0]
	}
	if !slices.Contains(known, algorithm) {
		return nil, fmt.Errorf("algorithm %q is none that the plug-in makes keys of: %s: %w", algorithm, strings.Join(known, ", "), ErrFormat)
	}
	text, err := r.program.CreateKey(ctx, algorithm)
	if err != nil {
		return nil, err
	}
	return ParsePublic(text)
}

// sign has the key service sign the message. Only its digest leaves this process,
// but for Ed25519, which signs no digest.
func (r *remote) sign(ctx context.Context, p *Private, message io.Reader) ([]byte, error) {
	if p.plain() {
		return r.program.SignMessage(ctx, &exact{r: message, left: MaxMessage})
	}
	own := p.public.curveHash()
	if p.scheme != "" || own == crypto.SHA256 {
		sum := p.Hash().New()
		if _, err := io.Copy(sum, message); err != nil {
			return nil, fmt.Errorf("read message: %w", err)
		}
		return r.program.SignDigest(ctx, p.Hash(), sum.Sum(nil))
	}
	small, large := crypto.SHA256.New(), own.New()
	if _, err := io.Copy(io.MultiWriter(small, large), message); err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	return r.signCurve(ctx, own, small.Sum(nil), large.Sum(nil))
}

// signCurve signs with a key of P-384 or P-521: the SHA-256 of the message, because
// that is what cosign verifies, or where the service refuses that, as AWS does,
// the hash that fits the curve.
func (r *remote) signCurve(ctx context.Context, own crypto.Hash, small, large []byte) ([]byte, error) {
	var first error
	if !r.own.Load() {
		sig, err := r.program.SignDigest(ctx, crypto.SHA256, small)
		if err == nil || ctx.Err() != nil {
			return sig, err
		}
		first = err
	}
	sig, err := r.program.SignDigest(ctx, own, large)
	if err != nil {
		return nil, errors.Join(first, err)
	}
	r.own.Store(true)
	return sig, nil
}

// exact reads a message of at most left bytes; a longer one ends in an error, not
// in the end of the message.
type exact struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (e *exact) Read(p []byte) (int, error) {
	n, err := e.r.Read(p[:min(int64(len(p)), e.left+1)])
	if e.left -= int64(n); e.left < 0 {
		return 0, fmt.Errorf("message of more than %d bytes for an Ed25519 key: %w", MaxMessage, ErrLimit)
	}
	return n, err
}
