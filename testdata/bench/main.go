// Command bench measures hallmark beside cosign 2 and 3, oras and regctl, with
// the same registries, images and keys, in one run, and prints the table that
// README shows. Processor time and memory are the operating system's own figures for
// each finished process; requests are counted at the registry.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
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
	only := flag.String("only", "", "measure only rows whose name contains this, and keep the others of the file")
	rounds := flag.Int("rounds", 10, "rounds of each race of 16")
	crowd := crowd{}
	flag.IntVar(&crowd.writers, "writers", 64, "processes that hallmark has sign at once on each server")
	flag.IntVar(&crowd.rounds, "writer-rounds", 20, "how often they do")
	flag.IntVar(&crowd.entries, "entries", 900, "entries on one image")
	flag.IntVar(&crowd.tags, "tags", 10000, "tags in a large repository")
	servers := flag.String("servers", "bin/peers", "the program that starts registries")
	out := flag.String("o", "", "file to write the table to as well")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, &bench{cache: *cache, rounds: *rounds, crowd: crowd, servers: *servers}, *hallmark, *only, *out)
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
	// They are nil for a tool that does not sign.
	sign, verify, attest, verifyAttestation []string
	// put attaches one file, the nth, to an image: the command line.
	put func(n int, img string) []string
	// count returns how many of n attached files or signatures are there.
	count func(n int, img string) (int, error)
}

// signs reports whether the tool signs and verifies.
func (t tool) signs() bool { return t.sign != nil }

// A crowd says how large the large rows are.
type crowd struct{ writers, rounds, entries, tags int }

// bench is one run.
type bench struct {
	ctx     context.Context
	dir     string
	cache   string
	servers string
	rounds  int
	crowd   crowd
	tools   []tool
}

// signersInRace is how many processes sign at once; each has a key of its own.
const signersInRace = 16

func run(ctx context.Context, b *bench, hallmark, only, out string) error {
	dir, err := os.MkdirTemp("", "hallmark-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.ctx, b.dir = ctx, dir
	if err := b.prepare(hallmark, b.cache); err != nil {
		return err
	}
	had, err := rowsOf(out)
	if err != nil {
		return err
	}
	var table strings.Builder
	line := func(cells ...string) {
		s := "| " + strings.Join(cells, " | ") + " |\n"
		fmt.Print(s)
		table.WriteString(s)
	}
	line("what", "cosign 2", "cosign 3", "oras", "regctl", "hallmark")
	line("---", "---", "---", "---", "---", "---")
	for _, row := range b.rows(b.cache) {
		if !strings.Contains(row.name, only) {
			table.WriteString(had[row.name])
			continue
		}
		cells := make([]string, len(b.tools))
		for i, t := range b.tools {
			if !t.signs() && !row.all {
				cells[i] = "-"
			} else if cells[i], err = row.measure(t); err != nil {
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

// rowsOf returns the lines of the table that the file has, by their names: those
// that are not measured anew are kept.
func rowsOf(file string) (map[string]string, error) {
	raw, err := os.ReadFile(file)
	if file == "" || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	rows := make(map[string]string)
	for line := range strings.Lines(string(raw)) {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| ") && len(cells) == 6 {
			rows[strings.TrimPrefix(cells[0], "| ")] = line
		}
	}
	return rows, err
}

// preface stands above the table in the file.
const preface = `# Benchmarks

Written by ` + "`make bench`" + `: hallmark beside cosign 2.6.5 and 3.1.3, oras 1.3.6 and regctl 0.11.7. The tools of one row
had the same registries, images and keys, in one run on one machine; rows may be of different runs (` + "`-only`" + ` renews
some). Processor time and memory are what the operating system counted for the finished process (the
median of 15 runs for ` + "`version` and `verify`" + `, of 3 for the large attestation); requests were counted at the registry.
Where many processes write at once each has a key, or a file, of its own; cosign 2 verifies what hallmark wrote, key by
key. "-" is what a tool does not do. Compare the columns of one row; absolute times depend on the machine and its load.

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
	oras, err := b.oras(env)
	if err != nil {
		return err
	}
	regctl, err := b.regctl(env)
	if err != nil {
		return err
	}
	b.tools = []tool{two, three, oras, regctl, ours}
	if err := os.WriteFile(filepath.Join(b.dir, "file.txt"), []byte("a file\n"), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.dir, "sbom.json"), []byte(smallSPDX), 0o644); err != nil {
		return err
	}
	if err := b.moreKeys(ours, max(b.crowd.writers, 21)); err != nil {
		return err
	}
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
	all     bool // also for tools that do not sign
}

func (b *bench) rows(cache string) []row {
	rows := []row{
		{name: "survivors of 16 concurrent signers, 0 ms a request", measure: b.race(0)},
		{name: "survivors of 16 concurrent signers, 20 ms a request", measure: b.race(20 * time.Millisecond)},
		{name: "survivors of 200 processes writing to one layout", measure: b.layout},
		{name: "requests to sign, first / next, in-memory registry", measure: b.signRequests(func() (*lab.Registry, error) { return lab.Memory(false), nil })},
		{name: "requests to sign, first / next, distribution 3", measure: b.signRequests(b.distribution(cache))},
		{name: "requests to verify by digest, 3 / 20 signatures", measure: b.verifyRequests},
		{name: "sign -r, index of 6: requests, CPU, memory", measure: b.recursive},
		{name: "`version`: CPU, memory", measure: b.cost("version"), all: true},
		{name: "`verify`: CPU, memory", measure: b.verifyCost},
		{name: "verify a 77 MB SBOM attestation: CPU, memory", measure: b.large},
		{name: "size of the binary", measure: b.size, all: true},
		{name: "requests to attach an SBOM or file: referrers API / tags / tags, uploads in two steps", measure: b.attachRequests, all: true},
		{name: "requests to sign with a bundle among referrers", measure: b.bundleRequests},
		{name: "requests to verify by tag: accepted / refused, one signature", measure: b.refusalRequests},
		{name: fmt.Sprintf("list one image in a repository of %d tags: requests, time", b.crowd.tags), measure: b.listOne, all: true},
		{name: fmt.Sprintf("verify all images of a repository of %d tags: time, memory", b.crowd.tags), measure: b.audit},
		{name: "requests to copy image, signature and SBOM: same registry / to another; the same on distribution 3", measure: b.copyRequests, all: true},
		{name: "100 writers, each request fatal with 2 %, then one repair", measure: b.crashing},
		{name: "8 hallmark beside 8 cosign 2 writers, 5 rounds: kept of each", measure: b.mixed},
		{name: fmt.Sprintf("%d processes sign one image, a key each, distribution 3: in the journal, verified key by key, of a sample by cosign 2", b.crowd.entries), measure: b.many},
	}
	for _, server := range []string{"go-containerregistry", "ocimem", "distribution 3.1", "distribution 2.8", "olareg"} {
		rows = append(rows, row{name: "processes writing at once, 20 ms a request, " + server + ": kept", measure: b.crowded(server), all: true})
	}
	return rows
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
