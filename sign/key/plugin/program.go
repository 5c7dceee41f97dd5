package plugin

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/sign/apart"
)

// A Program is a plug-in with the key that it is to use. It is safe for concurrent
// use: each call starts a process of its own.
type Program struct {
	path     string
	resource string
	env      []string
	time     time.Duration
}

// Find returns the plug-in for the scheme, with the key that the resource names.
// The environment is what the plug-in will see, as NAME=value; its PATH says where
// plug-ins are looked for, in directories that are named absolutely. It returns
// an error that wraps [ErrMissing] where there is none.
func Find(scheme, resource string, env []string) (*Program, error) {
	if err := CheckScheme(scheme); err != nil {
		return nil, err
	}
	var dirs string
	for _, v := range env {
		if name, value, _ := strings.Cut(v, "="); name == "PATH" {
			dirs = value
		}
	}
	for _, dir := range filepath.SplitList(dirs) {
		if !filepath.IsAbs(dir) {
			continue // what lies in the working directory is nobody's word
		}
		path, err := exec.LookPath(filepath.Join(dir, Prefix+scheme))
		if err == nil {
			return &Program{path: path, resource: resource, env: env, time: MaxTime}, nil
		}
	}
	return nil, fmt.Errorf("%s%s is in no directory of the PATH: %w", Prefix, scheme, ErrMissing)
}

// PublicKey returns the public key as PEM.
func (p *Program) PublicKey(ctx context.Context) ([]byte, error) {
	a, err := p.call(ctx, arguments{Method: methodPublic, Public: &publicOptions{Options: publicKeyOptions{RPC: newRPC(ctx)}}}, nil)
	switch {
	case err != nil:
		return nil, err
	case a.Public == nil || len(a.Public.PEM) == 0:
		return nil, p.fail(methodPublic, fmt.Errorf("%w: no public key in it", ErrAnswer), nil)
	}
	return a.Public.PEM, nil
}

// CreateKey makes a key of the algorithm, which is one of [Program.Algorithms], and
// returns its public key as PEM.
func (p *Program) CreateKey(ctx context.Context, algorithm string) ([]byte, error) {
	o := createOptions{Algorithm: algorithm, Deadline: deadline(ctx)}
	a, err := p.call(ctx, arguments{Method: methodCreate, Create: &o}, nil)
	switch {
	case err != nil:
		return nil, err
	case a.Create == nil || len(a.Create.PEM) == 0:
		return nil, p.fail(methodCreate, fmt.Errorf("%w: no public key in it", ErrAnswer), nil)
	}
	return a.Create.PEM, nil
}

// Algorithms returns the algorithms of keys that the plug-in makes, by its own
// names, the default first.
func (p *Program) Algorithms(ctx context.Context) ([]string, error) {
	d, err := p.call(ctx, arguments{Method: methodDefault, Default: &struct{}{}}, nil)
	if err != nil {
		return nil, err
	}
	s, err := p.call(ctx, arguments{Method: methodSupported, Supported: &struct{}{}}, nil)
	switch {
	case err != nil:
		return nil, err
	case d.Default == nil || d.Default.Algorithm == "" || s.Supported == nil || len(s.Supported.Algorithms) > MaxAlgorithms:
		return nil, p.fail(methodSupported, fmt.Errorf("%w: no algorithm in it, or too many", ErrAnswer), nil)
	}
	all := []string{d.Default.Algorithm}
	for _, name := range s.Supported.Algorithms {
		if name != all[0] {
			all = append(all, name)
		}
	}
	return all, nil
}

// SignDigest returns the signature over a message of which the digest is given.
func (p *Program) SignDigest(ctx context.Context, hash crypto.Hash, digest []byte) ([]byte, error) {
	return p.sign(ctx, messageOptions{Digest: &digest, Hash: &hash}, nil)
}

// SignMessage returns the signature over the message, for kinds of keys that sign
// no digest.
func (p *Program) SignMessage(ctx context.Context, message io.Reader) ([]byte, error) {
	return p.sign(ctx, messageOptions{}, message)
}

func (p *Program) sign(ctx context.Context, m messageOptions, message io.Reader) ([]byte, error) {
	o := signArguments{Options: signOptions{RPC: newRPC(ctx), Message: m}}
	a, err := p.call(ctx, arguments{Method: methodSign, Sign: &o}, message)
	switch {
	case err != nil:
		return nil, err
	case a.Sign == nil || len(a.Sign.Signature) == 0:
		return nil, p.fail(methodSign, fmt.Errorf("%w: no signature in it", ErrAnswer), nil)
	case len(a.Sign.Signature) > MaxSignature:
		return nil, p.fail(methodSign, fmt.Errorf("%w: a signature of more than %d bytes", ErrAnswer, MaxSignature), nil)
	}
	return a.Sign.Signature, nil
}

// newRPC returns what Sigstore's own client sends where nothing is asked for.
func newRPC(ctx context.Context) rpcOptions {
	version, remote := "", false
	return rpcOptions{Deadline: deadline(ctx), KeyVersion: &version, Remote: &remote}
}

func deadline(ctx context.Context) *time.Time {
	if t, ok := ctx.Deadline(); ok {
		return &t
	}
	return nil
}

// call starts the plug-in, waits for it to end and reads its answer.
func (p *Program) call(ctx context.Context, a arguments, in io.Reader) (answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.time, fmt.Errorf("no answer within %s: %w", p.time, context.DeadlineExceeded))
	defer cancel()
	rpc := newRPC(ctx)
	a.Init = &initOptions{Deadline: deadline(ctx), Protocol: Version, Resource: p.resource, Hash: crypto.SHA256, RPC: &rpc}
	args, err := json.Marshal(a)
	if err != nil {
		return answer{}, err
	}
	if len(args) > maxArguments {
		return answer{}, p.fail(a.Method, fmt.Errorf("arguments of more than %d bytes", maxArguments), nil)
	}
	out, noise, err := p.run(ctx, string(args), in)
	if err != nil {
		return answer{}, p.fail(a.Method, err, noise)
	}
	return p.read(a.Method, out, noise)
}

// run runs the plug-in in a process group of its own, which is ended as a whole
// when the context is, or when the plug-in itself has ended and left something
// behind. Such a plug-in can ask nothing on the terminal: it is in the background.
func (p *Program) run(ctx context.Context, args string, in io.Reader) (out []byte, noise *tail, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	noise = p.noise()
	said := &bounded{limit: MaxAnswer, over: func() { cancel(fmt.Errorf("%w: it has more than %d bytes", ErrAnswer, MaxAnswer)) }}
	cmd := exec.CommandContext(ctx, p.path, Version, args)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = p.env, in, said, noise, graceTime
	if cmd.Env == nil {
		cmd.Env = []string{} // nil would be this process's own
	}
	apart.Set(cmd)
	cmd.Cancel = func() error { return apart.End(cmd) }
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrFailed, err)
	}
	err = cmd.Wait()
	_ = apart.End(cmd) // most often nobody is left
	if ctx.Err() != nil {
		return nil, noise, fmt.Errorf("%w: %w", ErrFailed, context.Cause(ctx))
	}
	var exit *exec.ExitError
	switch {
	case err == nil, errors.As(err, &exit) && exit.Exited(), errors.Is(err, exec.ErrWaitDelay):
		return said.text.Bytes(), noise, nil // the answer tells, not the exit code
	}
	return nil, noise, fmt.Errorf("%w: %w", ErrFailed, err)
}

// read reads the answer.
func (p *Program) read(method string, out []byte, noise *tail) (answer, error) {
	var a answer
	if len(bytes.TrimSpace(out)) == 0 {
		return a, p.fail(method, fmt.Errorf("%w: it is empty", ErrAnswer), noise)
	}
	if err := json.Unmarshal(out, &a); err != nil {
		return a, p.fail(method, fmt.Errorf("%w: %w", ErrAnswer, err), noise)
	}
	if a.Error != "" {
		said := hideIn(a.Error, 0, min(len(a.Error), maxError), p.env)
		if len(a.Error) > maxError {
			said += "..."
		}
		return a, p.fail(method, fmt.Errorf("%w: %s", ErrFailed, said), noise)
	}
	return a, nil
}

// noise returns what keeps the end of what the plug-in writes to standard error.
func (p *Program) noise() *tail { return &tail{env: p.env, keep: maxNoise + longest(p.env)} }

// fail names what was tried, on what, and what the plug-in said. No secret of the
// environment is repeated, should the plug-in have printed one.
func (p *Program) fail(method string, err error, noise *tail) error {
	text := hide(fmt.Sprintf("%s %s of %q: %v", filepath.Base(p.path), method, p.resource, err), p.env)
	if said := strings.TrimSpace(noise.String()); said != "" {
		text += "; it wrote: " + said
	}
	return failure{text: text, cause: err}
}

// A failure is an error whose text was cleaned, while its causes stay.
type failure struct {
	text  string
	cause error
}

// Error implements error.
func (f failure) Error() string { return f.text }

// Unwrap returns the cause.
func (f failure) Unwrap() error { return f.cause }
