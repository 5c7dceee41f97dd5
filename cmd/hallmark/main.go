// Command hallmark finds out what a container image is made of, stamps image
// and inventory, and lets anyone check the stamp. See package cli for the
// commands and README for the map.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/cli"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/verify/policy/program"
)

// policySum is the SHA-256 of the hallmark-policy that belongs to this build, in hex. The
// linker writes it at release (see the Makefile); "" takes whatever lies beside.
var policySum string

func main() { os.Exit(run()) }

// run gives the command line the process's streams, clock and signals.
func run() int {
	cli.Bind(os.Getenv)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel(cli.Interrupted())
		signal.Stop(signals) // the second one ends the process at once
	}()
	self, _ := os.Executable() // where it cannot be told there is no program beside
	evaluator := program.New(program.Options{Executable: self, Digest: policySum})
	defer evaluator.Close()
	app := &cli.App{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		LookupEnv: os.LookupEnv,
		Environ:   os.Environ,
		Evaluator: evaluator.At,
		Now:       time.Now,
		Version:   version(),
	}
	return app.Run(ctx, os.Args[1:])
}

// version reads what the Go toolchain recorded about this build.
func version() report.Version {
	v := report.Version{Version: "devel", PolicyProgram: policySum}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Go = info.GoVersion
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
