// Command keyless signs and verifies without keys against a whole Sigstore
// instance on the loopback interface: the real servers of testdata/peers/sandbox,
// the real cosign 2 and 3, and hallmark. It runs a table of steps, each with the
// exit code, and for hallmark the reason, that it has to end with.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

func main() {
	lab.Main()
	hallmark := flag.String("hallmark", "bin/hallmark", "the hallmark to test")
	sandbox := flag.String("sandbox", "bin/sandbox", "the Sigstore instance to start")
	cache := flag.String("cache", "", "folder that keeps the peers")
	only := flag.String("only", "", "run the groups of steps whose name holds this, all when empty")
	verbose := flag.Bool("v", false, "print what each step printed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code, err := run(ctx, *hallmark, *sandbox, *cache, *only, *verbose)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "keyless:", err)
		code = 2
	}
	os.Exit(code)
}

func run(ctx context.Context, hallmark, sandbox, cache, only string, verbose bool) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	b, err := newBench(ctx, hallmark, sandbox, cache)
	if err != nil {
		return 2, err
	}
	defer b.Close()
	fmt.Printf("sandbox: ready in %d ms\n", b.ready.Milliseconds())
	documented, err := readme("README.md")
	if err != nil {
		return 2, err
	}
	start := time.Now()
	passed, failed := 0, 0
	for _, g := range append(groups(), documented) {
		if !strings.Contains(g.name, only) {
			continue
		}
		fmt.Printf("\n%s\n", g.name)
		for _, s := range g.steps {
			r, err := b.do(ctx, s)
			verdict := "ok"
			if err != nil {
				verdict = "FAIL"
				failed++
			} else {
				passed++
			}
			fmt.Printf("  %-4s  %5d ms  %s\n", verdict, r.Wall.Milliseconds(), s.name)
			if err != nil {
				fmt.Printf("        %v\n", err)
			}
			if err != nil || verbose {
				fmt.Printf("%s%s", indent(r.Out), indent(r.Err))
			}
		}
	}
	if passed+failed == 0 {
		return 2, fmt.Errorf("no group of steps is called %q", only)
	}
	fmt.Printf("\n%d steps passed, %d failed in %.1f s\n", passed, failed, time.Since(start).Seconds())
	if failed > 0 {
		return 1, nil
	}
	return 0, nil
}

func indent(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString("        | " + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}
