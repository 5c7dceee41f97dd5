// Command bench measures hallmark beside cosign 2 and 3, with the same
// registries, images and keys, in one run, and prints the table that README
// shows. Processor time and memory are the operating system's own figures for
// each finished process; requests are counted at the registry.
package main

import (
	"context"
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

func main() {
	lab.Main()
	hallmark := flag.String("hallmark", "bin/hallmark", "the hallmark to measure")
	cache := flag.String("cache", "", "folder that keeps the peers")
	only := flag.String("only", "", "measure only rows whose name contains this")
	rounds := flag.Int("rounds", 10, "rounds of each race")
	out := flag.String("o", "", "file to write the table to as well")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *hallmark, *cache, *only, *out, *rounds)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// A tool is one of the programs that are compared.
type tool struct {
	name string
	cmd  lab.Command
	// sign, verify and attest begin the command lines; key and image follow.
	sign, verify, attest, verifyAttestation []string
}

// bench is one run.
type bench struct {
	ctx    context.Context
	dir    string
	cache  string
	rounds int
	tools  []tool
}

// signersInRace is how many processes sign at once; each has a key of its own.
const signersInRace = 16

func run(ctx context.Context, hallmark, cache, only, out string, rounds int) error {
	dir, err := os.MkdirTemp("", "hallmark-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{ctx: ctx, dir: dir, cache: cache, rounds: rounds}
	if err := b.prepare(hallmark, cache); err != nil {
		return err
	}
	var table strings.Builder
	line := func(cells ...string) {
		s := "| " + strings.Join(cells, " | ") + " |\n"
		fmt.Print(s)
		table.WriteString(s)
	}
	line("what", "cosign 2", "cosign 3", "hallmark")
	line("---", "---", "---", "---")
	for _, row := range b.rows(cache) {
		if !strings.Contains(row.name, only) {
			continue
		}
		cells := make([]string, len(b.tools))
		for i, t := range b.tools {
			if cells[i], err = row.measure(t); err != nil {
				return fmt.Errorf("%s, %s: %w", row.name, t.name, err)
			}
		}
		line(append([]string{row.name}, cells...)...)
	}
	if out == "" {
		return nil
	}
	return os.WriteFile(out, []byte(preface+table.String()), 0o644)
}

// preface stands above the table in the file.
const preface = `# Benchmarks

Written by ` + "`make bench`" + `: hallmark beside cosign 2.6.5 and 3.1.3, with the same registries, images and keys, in one
run on one machine. Processor time and memory are what the operating system counted for the finished process (the
median of 15 runs for ` + "`version` and `verify`" + `, of 3 for the large attestation); requests were counted at the registry.
Compare the columns of one table; absolute times depend on the machine and its load.

`

// prepare finds the tools and makes the keys.
func (b *bench) prepare(hallmark, cache string) error {
	abs, err := filepath.Abs(hallmark)
	if err != nil {
		return err
	}
	env := []string{"HOME=" + b.dir, "TUF_ROOT=" + filepath.Join(b.dir, "tuf"), "COSIGN_PASSWORD="}
	cosign := func(name string, more ...string) (tool, error) {
		path, err := lab.Peer(b.ctx, cache, name)
		writes := append([]string{"--tlog-upload=false", "-y"}, more...)
		return tool{
			name: name, cmd: lab.Command{Path: path, Dir: b.dir, Env: env},
			sign:              append([]string{"sign"}, writes...),
			verify:            []string{"verify", "--insecure-ignore-tlog"},
			attest:            append([]string{"attest"}, writes...),
			verifyAttestation: []string{"verify-attestation", "--insecure-ignore-tlog"},
		}, err
	}
	two, err := cosign("cosign2")
	if err != nil {
		return err
	}
	three, err := cosign("cosign3", "--use-signing-config=false")
	if err != nil {
		return err
	}
	ours := tool{
		name: "hallmark", cmd: lab.Command{Path: abs, Dir: b.dir, Env: env},
		sign: []string{"sign"}, verify: []string{"verify"}, attest: []string{"attest"},
		verifyAttestation: []string{"get", "attestation", "-o", os.DevNull},
	}
	b.tools = []tool{two, three, ours}
	for i := range 21 {
		if _, err := ours.cmd.Must(b.ctx, "key", "generate", "-o", fmt.Sprintf("k%d.key", i)); err != nil {
			return err
		}
	}
	return nil
}

// A row is one line of the table.
type row struct {
	name    string
	measure func(tool) (string, error)
}

func (b *bench) rows(cache string) []row {
	return []row{
		{"survivors of 16 concurrent signers, 0 ms a request", b.race(0)},
		{"survivors of 16 concurrent signers, 20 ms a request", b.race(20 * time.Millisecond)},
		{"survivors of 200 processes writing to one layout", b.layout},
		{"requests to sign, first / next, in-memory registry", b.signRequests(func() (*lab.Registry, error) { return lab.Memory(false), nil })},
		{"requests to sign, first / next, distribution 3", b.signRequests(b.distribution(cache))},
		{"requests to verify by digest, 3 / 20 signatures", b.verifyRequests},
		{"sign -r, index of 6: requests, CPU, memory", b.recursive},
		{"`version`: CPU, memory", b.cost("version")},
		{"`verify`: CPU, memory", b.verifyCost},
		{"verify a 77 MB SBOM attestation: CPU, memory", b.large},
		{"size of the binary", b.size},
	}
}

func (b *bench) distribution(cache string) func() (*lab.Registry, error) {
	return func() (*lab.Registry, error) {
		bin, err := lab.Peer(b.ctx, cache, "registry")
		if err != nil {
			return nil, err
		}
		dir, err := os.MkdirTemp(b.dir, "distribution-")
		if err != nil {
			return nil, err
		}
		return lab.Distribution(b.ctx, "distribution 3", bin, dir, true)
	}
}

// args joins the parts of a command line.
func args(verb []string, more ...string) []string { return append(slices.Clone(verb), more...) }

func cost(r lab.Result) string {
	return fmt.Sprintf("%d ms, %d MB", r.CPU.Milliseconds(), r.RSS>>20)
}

// median runs the command several times and returns the result of median CPU.
func (b *bench) median(n int, t tool, line ...string) (lab.Result, error) {
	var all []lab.Result
	for range n {
		r, err := t.cmd.Must(b.ctx, line...)
		if err != nil {
			return r, err
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b lab.Result) int { return int(a.CPU - b.CPU) })
	return all[len(all)/2], nil
}
