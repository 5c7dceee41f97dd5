// Command weigh tells what hallmark costs before it does anything: the size of the
// binary, and the processor time and memory of starting it. It fails above the budgets
// that are stated here.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

const (
	maxSize = 40_000_000
	maxCPU  = 12 * time.Millisecond // of the cheapest run: what else the machine does adds to it
	maxRSS  = 32 << 20
	runs    = 31
)

func main() {
	lab.Main()
	hallmark := flag.String("hallmark", "bin/hallmark", "the hallmark to weigh")
	slack := flag.Float64("slack", 1, "fail above the budget of CPU time times this, for machines that are slower or shared")
	flag.Parse()
	if err := run(context.Background(), *hallmark, *slack); err != nil {
		fmt.Fprintln(os.Stderr, "weigh:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, hallmark string, slack float64) error {
	info, err := os.Stat(hallmark)
	if err != nil {
		return err
	}
	fmt.Printf("%-16s %9d bytes, %d are allowed\n", "binary", info.Size(), maxSize)
	over := info.Size() > maxSize
	for _, args := range [][]string{{"version"}, {"verify", "--help"}} {
		r, err := start(ctx, hallmark, args)
		if err != nil {
			return err
		}
		fmt.Printf("%-16s %5.1f ms CPU of %d, %d MB of %d\n", fmt.Sprint(args), float64(r.CPU.Microseconds())/1000, maxCPU.Milliseconds(), r.RSS>>20, maxRSS>>20)
		over = over || r.RSS > maxRSS || args[0] == "version" && float64(r.CPU) > slack*float64(maxCPU) // help also prints much
	}
	if over {
		return fmt.Errorf("above the budget")
	}
	return nil
}

// start starts the program several times and returns the run of least CPU time.
func start(ctx context.Context, hallmark string, args []string) (lab.Result, error) {
	var all []lab.Result
	for range runs {
		r, err := lab.Command{Path: hallmark}.Must(ctx, args...)
		if err != nil {
			return r, err
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b lab.Result) int { return int(a.CPU - b.CPU) })
	return all[0], nil
}
