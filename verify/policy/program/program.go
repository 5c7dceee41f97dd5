// Package program runs the parts of policies that are written in CUE and Rego, by
// hallmark-policy, a program of its own.
//
// Policies in these languages are code. They can run for ever, take all memory, or find
// a fault in the interpreter; and the interpreters are larger than hallmark itself. So
// they run in another process, with limits on time and memory, without files, network and
// environment, and hallmark links neither of them.
//
// A [Program] starts the process when the first question comes and asks it one question
// after the other, because starting costs more than most answers. Whatever goes wrong
// ends the process, and the next question starts another one: no answer in time, one that
// is none or answers another question, a crash. Nothing of that is a no, and nothing of
// it a yes: it is an error, and the policy undetermined.
//
// # Which program
//
// Only hallmark-policy beside the executable of hallmark itself: nothing on the PATH, no
// symbolic link, no file that others than its owner may write, that belongs to a stranger,
// or that strangers may put another in the place of: who may do that could do so between
// the look at it and the start. A release of hallmark knows
// the SHA-256 of the hallmark-policy that was built with it and starts no other; it
// is computed anew for each process. A build without that knowledge, as by go install,
// takes what it finds, and `hallmark version` says so.
package program

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/hallmark-oci/hallmark/verify/policy"
)

// Name is the name of the program.
const Name = "hallmark-policy"

// Errors that callers tell apart with errors.Is.
var (
	// ErrMissing says that the program is not there.
	ErrMissing = errors.New("the program is missing")
	// ErrRefused says that a file is there that is not started.
	ErrRefused = errors.New("not a program that is started")
	// ErrFailed says that the program did not answer: it crashed, or was ended.
	ErrFailed = errors.New("no answer")
	// ErrAnswer says that the program's answer is none.
	ErrAnswer = errors.New("the answer cannot be used")
)

// Options say where the program is and what it is given.
type Options struct {
	// Executable is the path of hallmark itself, as os.Executable tells it. The program
	// is beside it. Where it is empty there is none.
	Executable string
	// Digest is the SHA-256 of the program in hex; "" takes any.
	Digest string
	// Time and Memory are what one answer may take; 0 is MaxTime and MaxMemory.
	Time   time.Duration
	Memory int64
}

// A Program is hallmark-policy, or the place where it should be. It is safe for
// concurrent use.
type Program struct {
	o      Options
	places chan *process // MaxProcesses; nil is a place where none runs
}

// clocked is a program that tells policies the time by a clock.
type clocked struct {
	*Program
	now func() time.Time
}

var _ policy.Evaluator = clocked{}

// New returns the program. It is looked for when it is first needed.
func New(o Options) *Program {
	if o.Time <= 0 {
		o.Time = MaxTime
	}
	if o.Memory <= 0 {
		o.Memory = MaxMemory
	}
	p := &Program{o: o, places: make(chan *process, MaxProcesses)}
	for range MaxProcesses {
		p.places <- nil
	}
	return p
}

// At returns the program as an evaluator that tells policies the time by the clock.
// Beside the errors that the interface names there are those of this package.
func (p *Program) At(now func() time.Time) policy.Evaluator { return clocked{p, now} }

// Evaluate implements [policy.Evaluator].
func (p clocked) Evaluate(ctx context.Context, part policy.Part, input []byte) (policy.Answer, error) {
	r, err := newRequest(p.o, part, input, p.now())
	if err != nil {
		return policy.Answer{}, fmt.Errorf("%s: %w", Name, err)
	}
	return p.ask(ctx, r)
}

// ask has one of the processes answer.
func (p *Program) ask(ctx context.Context, r *request) (policy.Answer, error) {
	var one *process
	var err error
	select {
	case one = <-p.places:
	case <-ctx.Done():
		return policy.Answer{}, fmt.Errorf("%s: wait for a place to run: %w", Name, context.Cause(ctx))
	}
	defer func() { p.places <- one }()
	if one == nil {
		if one, err = p.start(); err != nil {
			return policy.Answer{}, err
		}
	}
	limited, cancel := context.WithTimeoutCause(ctx, p.o.Time, fmt.Errorf("%w: not finished within %s: the policy computes too much for this document, or the machine is too busy", ErrFailed, p.o.Time))
	defer cancel()
	answer, err := one.ask(limited, r)
	if err != nil || limited.Err() != nil || one.asked >= MaxRequests {
		one.end()
		one = nil
	}
	return answer, err
}

// Close ends all processes. Who asks on starts others.
func (p *Program) Close() {
	for range MaxProcesses {
		if one := <-p.places; one != nil {
			one.end()
		}
	}
	for range MaxProcesses {
		p.places <- nil
	}
}

// start checks the program and starts a process of it.
func (p *Program) start() (*process, error) {
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	if err := p.check(path); err != nil {
		return nil, fmt.Errorf("%s, which runs policies in CUE and Rego: %w", path, err)
	}
	return start(path)
}

// path returns where the program should be.
func (p *Program) path() (string, error) {
	if p.o.Executable == "" {
		return "", fmt.Errorf("%s, which runs policies in CUE and Rego, is looked for beside hallmark itself, and where that is cannot be told: %w", Name, ErrMissing)
	}
	beside := p.o.Executable
	if real, err := filepath.EvalSymlinks(beside); err == nil {
		beside = real
	}
	name := Name
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(filepath.Dir(beside), name), nil
}

// check refuses a file that is not to be started.
func (p *Program) check(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: put the one of the same release there; `make build` makes both", ErrMissing)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case info.Mode()&os.ModeSymlink != 0:
		return fmt.Errorf("%w: it is a symbolic link; put the program itself there", ErrRefused)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: it is no regular file", ErrRefused)
	case info.Mode().Perm()&0o022 != 0 && runtime.GOOS != "windows":
		return fmt.Errorf("%w: others than its owner may write it (mode %v): chmod go-w it, after making sure of what it is", ErrRefused, info.Mode().Perm())
	case info.Size() > MaxProgram:
		return fmt.Errorf("%w: it has %d bytes, more than %d", ErrRefused, info.Size(), MaxProgram)
	}
	if err := owned(info, path, p.o.Executable); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if p.o.Digest == "" {
		return nil
	}
	sum, err := digest(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if sum != p.o.Digest {
		return fmt.Errorf("%w: its SHA-256 is %s, and this hallmark starts only %s: put the one of the same release there, and restart what was running during an upgrade", ErrRefused, sum, p.o.Digest)
	}
	return nil
}

// digest returns the SHA-256 of the file in hex.
func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, MaxProgram+1)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
