package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

// bench is the running sandbox and the programs that work with it.
type bench struct {
	dir        string // where they run; the sandbox's files are in dir/sandbox
	ready      time.Duration
	stop       func() error
	secrets    []string // which hallmark may not print
	vars       map[string]string
	registries map[string]*lab.Registry // by their names, with which the variables of their images begin
	programs   map[program]lab.Command
}

func newBench(ctx context.Context, hallmark, sandbox, cache string) (*bench, error) {
	dir, err := os.MkdirTemp("", "hallmark-keyless-")
	if err != nil {
		return nil, err
	}
	b := &bench{dir: dir, stop: func() error { return nil }, programs: make(map[program]lab.Command)}
	if err := b.fill(ctx, hallmark, sandbox, cache); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *bench) fill(ctx context.Context, hallmark, sandbox, cache string) error {
	env := []string{"HOME=" + filepath.Join(b.dir, "home"), "TUF_ROOT=" + filepath.Join(b.dir, "tuf"), "COSIGN_PASSWORD=keyless"}
	if err := os.Mkdir(filepath.Join(b.dir, "home"), 0o755); err != nil {
		return err
	}
	self, err := filepath.Abs(hallmark)
	if err != nil {
		return err
	}
	b.programs[ours] = lab.Command{Path: self, Dir: b.dir, Env: env}
	for _, p := range []program{cosign2, cosign3} {
		path, err := lab.Peer(ctx, cache, string(p))
		if err != nil {
			return err
		}
		b.programs[p] = lab.Command{Path: path, Dir: b.dir, Env: env}
	}
	for name, text := range map[string]string{
		"bom.json": `{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[]}`,
		"blob":     "some bytes\n", "other": "some other bytes\n",
	} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := b.start(ctx, sandbox); err != nil {
		return err
	}
	if err := b.policy(); err != nil {
		return err
	}
	_, err = b.programs[cosign2].Must(ctx, "generate-key-pair")
	return err
}

// start starts the sandbox and waits until its file env is there.
func (b *bench) start(ctx context.Context, sandbox string) error {
	began := time.Now()
	cmd := exec.CommandContext(ctx, sandbox, "-dir", filepath.Join(b.dir, "sandbox"), "-quiet", "-life", "30m")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	b.stop = func() error {
		in.Close()
		return cmd.Wait()
	}
	line, err := readLine(out)
	if err != nil || !strings.HasPrefix(line, "ready ") {
		return fmt.Errorf("%s: it said %q and not that it is ready (%w)", sandbox, line, err)
	}
	b.ready = time.Since(began)
	raw, err := os.ReadFile(filepath.Join(b.dir, "sandbox", "env"))
	if err != nil {
		return err
	}
	b.vars = map[string]string{"DIR": filepath.Join(b.dir, "sandbox")}
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		b.vars[strings.TrimPrefix(name, "SANDBOX_")] = value
	}
	b.registries = map[string]*lab.Registry{"registry": {Host: b.vars["REGISTRY"]}, "plain": {Host: b.vars["PLAIN"]}}
	return nil
}

// readLine reads the first line, byte by byte, so that nothing after it is taken.
func readLine(r io.Reader) (string, error) {
	var line []byte
	for one := make([]byte, 1); len(line) < 1000; line = append(line, one[0]) {
		if _, err := r.Read(one); err != nil || one[0] == '\n' {
			return string(line), err
		}
	}
	return string(line), errors.New("no end of the line")
}

// Close stops the sandbox and removes its files.
func (b *bench) Close() {
	if err := b.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "keyless: the sandbox:", err)
	}
	os.RemoveAll(b.dir)
}

// expand replaces the variables of a step: those of the sandbox's file env
// without SANDBOX_, DIR for its folder, and those that begin with registry_ or
// plain_, each of which is an image of its own, pushed when it is first named, to
// the registry with or the one without the referrers API.
func (b *bench) expand(s string) (string, error) {
	var failed error
	out := os.Expand(s, func(name string) string {
		if v, ok := b.vars[name]; ok {
			return v
		}
		kind, repo, _ := strings.Cut(name, "_")
		registry, ok := b.registries[kind]
		if !ok || repo == "" {
			failed = fmt.Errorf("%q: there is no variable %q", s, name)
			return ""
		}
		img, err := registry.Push(strings.ReplaceAll(repo, "_", "/"), "1")
		if err != nil {
			failed = err
		}
		b.vars[name] = img
		return img
	})
	return out, failed
}

// administer asks the administrator of the fronts before the services.
func (b *bench) administer(ctx context.Context, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.vars["ADMIN"]+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, req.URL, res.Status, text)
	}
	return text, err
}

// policy writes a policy file that asks for the identity that the steps sign as.
func (b *bench) policy() error {
	text, err := b.expand(`{"apiVersion": "hallmark.dev/v1alpha1", "kind": "Policy", "metadata": {"name": "people"}, "spec": {
"trustedRoot": {"file": "$DIR/trusted_root.json"},
"scopes": [{"name": "all", "images": ["**"], "identities": [{"subjectRegExp": ".*@example[.]test", "issuer": "$OIDC"}]}]}}`)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.dir, "policy.yaml"), []byte(text), 0o644)
}
