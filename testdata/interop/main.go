// Command interop exchanges everything that hallmark, cosign and oras can exchange,
// with the real cosign 2 and 3 and oras, over several registries, and prints a table.
// Whatever one writes the other must accept, and what one refuses the other
// must refuse.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

func main() {
	lab.Main()
	hallmark := flag.String("hallmark", "bin/hallmark", "the hallmark to test")
	cache := flag.String("cache", "", "folder that keeps the peers")
	only := flag.String("only", "", "run the exchanges whose name holds this, all when empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code, err := run(ctx, *hallmark, *cache, *only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		code = 2
	}
	os.Exit(code)
}

func run(ctx context.Context, hallmark, cache, only string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 40*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "hallmark-interop-")
	if err != nil {
		return 2, err
	}
	defer os.RemoveAll(dir)
	b, err := newBench(ctx, hallmark, cache, dir)
	if err != nil {
		return 2, err
	}
	bin, err := lab.Peer(ctx, cache, "registry")
	if err != nil {
		return 2, err
	}
	distribution, err := lab.Distribution(ctx, "distribution 3", bin, dir, true)
	if err != nil {
		return 2, err
	}
	failed, passed := 0, 0
	for _, r := range []*lab.Registry{lab.Memory(false), lab.Memory(true), distribution} {
		fmt.Printf("\n%s\n", r.Name)
		for _, c := range append(cases(), artifactCases()...) {
			if !strings.Contains(c.name, only) {
				continue
			}
			err := c.run(&exchange{bench: b, ctx: ctx, reg: r, repo: "interop/" + slug(c.name)})
			if err != nil {
				failed++
				fmt.Printf("  FAIL  %s: %v\n", c.name, err)
				continue
			}
			passed++
			fmt.Printf("  ok    %s\n", c.name)
		}
		r.Close()
	}
	fmt.Printf("\n%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		return 1, nil
	}
	return 0, nil
}

// bench holds the programs and the files they work on.
type bench struct {
	dir                              string
	hallmark, cosign2, cosign3, oras lab.Command
}

func newBench(ctx context.Context, hallmark, cache, dir string) (*bench, error) {
	abs, err := filepath.Abs(hallmark)
	if err != nil {
		return nil, err
	}
	home := filepath.Join(dir, "home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, err
	}
	env := []string{"HOME=" + home, "TUF_ROOT=" + filepath.Join(dir, "tuf"), "COSIGN_PASSWORD=interop"}
	b := &bench{dir: dir, hallmark: lab.Command{Path: abs, Dir: dir, Env: env}}
	for name, c := range map[string]*lab.Command{"cosign2": &b.cosign2, "cosign3": &b.cosign3, "oras": &b.oras} {
		path, err := lab.Peer(ctx, cache, name)
		if err != nil {
			return nil, err
		}
		*c = lab.Command{Path: path, Dir: dir, Env: env}
	}
	for name, text := range files() {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	if _, err := b.cosign2.Must(ctx, "generate-key-pair", "--output-key-prefix", "cosign"); err != nil {
		return nil, err
	}
	for _, alg := range algorithms() {
		if _, err := b.hallmark.Must(ctx, "key", "generate", "--algorithm", alg, "-o", alg+".key"); err != nil {
			return nil, err
		}
	}
	return b, nil
}
