// Package lab is what the programs beside it share: registries on the loopback
// interface that count requests, images to work on, the peers to compare with,
// and a way to run a command and see what it cost.
package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// peers are the programs hallmark is compared with, as Go modules.
var peers = map[string]string{
	"cosign2":  "github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5",
	"cosign3":  "github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3",
	"registry": "github.com/distribution/distribution/v3/cmd/registry@v3.1.2",
	"oras":     "oras.land/oras/cmd/oras@v1.3.6",
	"regctl":   "github.com/regclient/regclient/cmd/regctl@v0.11.7",
}

// Debian's package of distribution 2.8 is called docker-registry, and so is the
// program in it.
const debian = "docker-registry"

// DebianRegistry returns the path of the registry of Debian, which is fetched
// with apt-get and unpacked below cache once. It is not installed.
func DebianRegistry(ctx context.Context, cache string) (string, error) {
	dir := filepath.Join(cache, "peers")
	path := filepath.Join(dir, debian)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(dir, "unpack-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	for _, line := range []string{"apt-get download " + debian, "dpkg-deb -x " + debian + "_*.deb ."} {
		cmd := exec.CommandContext(ctx, "sh", "-c", line)
		cmd.Dir = tmp
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", line, err, tail(string(out), 2000))
		}
	}
	return path, os.Rename(filepath.Join(tmp, "usr", "bin", debian), path)
}

// Peer returns the path of a peer's binary, installing it below cache once.
func Peer(ctx context.Context, cache, name string) (string, error) {
	module, ok := peers[name]
	if !ok {
		return "", fmt.Errorf("no peer %q", name)
	}
	dir := filepath.Join(cache, "peers")
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(dir, "install-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	fmt.Fprintf(os.Stderr, "installing %s\n", module)
	cmd := exec.CommandContext(ctx, "go", "install", "-trimpath", "-ldflags=-s -w", module)
	cmd.Env = append(os.Environ(), "GOBIN="+tmp, "GOFLAGS=")
	cmd.Dir = tmp
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install %s: %w\n%s", module, err, tail(string(out), 2000))
	}
	built, err := filepath.Glob(filepath.Join(tmp, "*"))
	if err != nil || len(built) != 1 {
		return "", fmt.Errorf("install %s: found %v (%v)", module, built, err)
	}
	return path, os.Rename(built[0], path)
}

// Result is what a command did and cost.
type Result struct {
	Code     int
	Out, Err string
	CPU      time.Duration
	Wall     time.Duration
	RSS      int64 // peak, in bytes
}

// Command is a command to run.
type Command struct {
	Path  string
	Dir   string
	Env   []string // beside PATH, HOME and TMPDIR
	Stdin string
	Watch io.Writer // gets what it prints, on both streams, as it comes
}

// Run runs the command to its end. An error is for one that cannot be started.
func (c Command) Run(ctx context.Context, args ...string) (Result, error) {
	self, err := os.Executable()
	if err != nil {
		return Result{}, err
	}
	into, err := os.CreateTemp("", "measured-")
	if err != nil {
		return Result{}, err
	}
	into.Close()
	defer os.Remove(into.Name())
	cmd := exec.CommandContext(ctx, self, append([]string{measureFlag, into.Name(), c.Path}, args...)...)
	cmd.Dir = c.Dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}, c.Env...)
	cmd.Stdin = strings.NewReader(c.Stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if c.Watch != nil {
		cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, c.Watch), io.MultiWriter(&errs, c.Watch)
	}
	if err := cmd.Run(); err != nil {
		return Result{}, fmt.Errorf("%w: %s", err, tail(errs.String(), 500))
	}
	raw, err := os.ReadFile(into.Name())
	if err != nil {
		return Result{}, err
	}
	var m measured
	if err := json.Unmarshal(raw, &m); err != nil {
		return Result{}, err
	}
	return Result{Code: m.Code, Out: out.String(), Err: errs.String(), CPU: m.CPU, Wall: m.Wall, RSS: m.RSS}, nil
}

// Must runs the command and returns an error unless it ends with exit code 0.
func (c Command) Must(ctx context.Context, args ...string) (Result, error) {
	r, err := c.Run(ctx, args...)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("%s %s: exit code %d\n%s", filepath.Base(c.Path), strings.Join(args, " "), r.Code, tail(r.Err+r.Out, 1500))
	}
	return r, err
}

func tail(s string, n int) string {
	s = strings.TrimSpace(s)
	if len(s) > n {
		return "..." + s[len(s)-n:]
	}
	return s
}

// Parallel runs n jobs, at most limit of them at once, and returns the first
// error by number.
func Parallel(n, limit int, job func(i int) error) error {
	errs := make([]error, n)
	slots := make(chan struct{}, limit)
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = job(i)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
