// Command pkcs11 signs and verifies with keys on a PKCS #11 token: SoftHSM 2 of
// Debian, through hallmark and the plug-in sigstore-kms-pkcs11 beside it. The real
// cosign 2 and 3 verify what was signed. It needs apt-get.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

// pin is the token's. It may stand in no output.
const pin = "86421357"

func main() {
	lab.Main()
	hallmark := flag.String("hallmark", "bin/hallmark", "the hallmark to test")
	cache := flag.String("cache", "", "folder that keeps SoftHSM and the peers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *hallmark, *cache)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pkcs11:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, hallmark, cache string) error {
	ctx, cancel := context.WithTimeout(ctx, 40*time.Minute)
	defer cancel()
	hallmark, err := filepath.Abs(hallmark)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "hallmark-pkcs11-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b, err := newBench(ctx, hallmark, cache, dir)
	if err != nil {
		return err
	}
	defer b.registry.Close()
	failed := 0
	for _, c := range slices.Concat(signing(), refusing()) {
		if err := c.run(b); err != nil {
			failed++
			fmt.Printf("  FAIL  %s: %v\n", c.name, err)
			continue
		}
		fmt.Printf("  ok    %s\n", c.name)
	}
	if failed > 0 {
		return fmt.Errorf("%d failed", failed)
	}
	return nil
}

// A bench holds the programs and a token.
type bench struct {
	ctx                        context.Context
	dir                        string
	hallmark, cosign2, cosign3 lab.Command
	registry                   *lab.Registry
}

func newBench(ctx context.Context, hallmark, cache, dir string) (*bench, error) {
	bin := filepath.Dir(hallmark)
	if _, err := os.Stat(filepath.Join(bin, "sigstore-kms-pkcs11")); err != nil {
		return nil, fmt.Errorf("the plug-in is to lie beside hallmark: %w; 'make pkcs11' builds it", err)
	}
	hsm, err := lab.FetchSoftHSM(ctx, cache)
	if err != nil {
		return nil, err
	}
	env, err := hsm.Token(ctx, dir, "hallmark", pin)
	if err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"predicate.json": `{"tests":"passed"}`, "hello.txt": "hello\n", "pin": pin + "\n",
		"policy.yaml": "apiVersion: hallmark.dev/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec: {scopes: [{name: s, images: [\"**\"], keys: [{file: \"" + uri("ecdsa-p256") + "\"}]}]}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	env = append(env, "HOME="+dir, "TUF_ROOT="+filepath.Join(dir, "tuf"), "HALLMARK_PASSWORD=x", "COSIGN_PASSWORD=x",
		"PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	b := &bench{ctx: ctx, dir: dir, hallmark: lab.Command{Path: hallmark, Dir: dir, Env: env}}
	for name, c := range map[string]*lab.Command{"cosign2": &b.cosign2, "cosign3": &b.cosign3} {
		path, err := lab.Peer(ctx, cache, name)
		if err != nil {
			return nil, err
		}
		*c = lab.Command{Path: path, Dir: dir, Env: env}
	}
	b.registry = lab.Memory(false)
	return b, nil
}

// uri names a key on the token.
func uri(object string) string { return "pkcs11:token=hallmark;object=" + object }

// hm runs hallmark with the PIN in the environment, and expects the exit code.
func (b *bench) hm(code int, args ...string) (lab.Result, error) {
	return b.as(append(slices.Clone(b.hallmark.Env), "HALLMARK_PKCS11_PIN="+pin), code, args...)
}

// as runs hallmark in an environment. The PIN may stand in no output.
func (b *bench) as(env []string, code int, args ...string) (lab.Result, error) {
	c := b.hallmark
	c.Env = env
	r, err := c.Run(b.ctx, args...)
	switch {
	case err != nil:
	case strings.Contains(r.Out+r.Err, pin):
		err = errors.New("the PIN was printed")
	case r.Code != code:
		err = fmt.Errorf("hallmark %s: exit code %d, not %d: %s", strings.Join(args, " "), r.Code, code, strings.TrimSpace(r.Err+r.Out))
	}
	return r, err
}

// all runs hallmark several times with exit code 0.
func (b *bench) all(calls ...[]string) error {
	for _, args := range calls {
		if _, err := b.hm(0, args...); err != nil {
			return err
		}
	}
	return nil
}
