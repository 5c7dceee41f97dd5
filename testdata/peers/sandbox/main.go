// Command sandbox runs a whole Sigstore instance on the loopback interface, with
// the real servers in one process and no database: an OpenID Connect issuer,
// Fulcio, a certificate transparency log, Rekor v1 and v2, a timestamp authority,
// a TUF repository and a registry. It is a module of its own, so that none of
// these are hallmark's dependencies.
//
// It writes what clients need into -dir, prints "ready" and the commands to sign
// and verify with, and ends by itself: when its standard input ends, on a signal,
// or after -life. Before each service stands a front that can be told to fail;
// see package fault.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	fulciolog "github.com/sigstore/fulcio/pkg/log"
	rekorlog "github.com/sigstore/rekor/pkg/log"
	tsalog "github.com/sigstore/timestamp-authority/v2/pkg/log"
	"go.uber.org/zap"
	"k8s.io/klog/v2"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == rekor2Role {
		serveRekor2(os.Args[2:])
		return
	}
	dir := flag.String("dir", "", "folder to write into, made if missing (default: a temporary one)")
	life := flag.Duration("life", time.Hour, "stop after this time at the latest")
	base := flag.Int("port", 0, "first of 10 ports to listen on (default: free ones)")
	stay := flag.Bool("stay", false, "go on when the standard input ends")
	quiet := flag.Bool("quiet", false, "do not print the commands")
	hallmark := flag.String("hallmark", "hallmark", "how the printed commands call hallmark")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *life)
	defer cancel()
	if !*stay {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			if ctx.Err() == nil && !*quiet {
				fmt.Fprintln(os.Stderr, "sandbox: the standard input has ended, and so does this; with -stay it would not")
			}
			cancel()
		}()
	}
	if err := run(ctx, options{dir: *dir, life: *life, base: *base, quiet: *quiet, hallmark: *hallmark}); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}

type options struct {
	dir      string
	life     time.Duration
	base     int
	quiet    bool
	hallmark string
}

func run(ctx context.Context, o options) error {
	start := time.Now()
	if o.dir == "" {
		tmp, err := os.MkdirTemp("", "hallmark-sandbox-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		o.dir = tmp
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	quieten()
	s, err := newSandbox(o.dir, o.base)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.start(ctx, o.life); err != nil {
		if ctx.Err() != nil {
			err = errors.Join(errors.New("stopped while starting"), err)
		}
		return err
	}
	fmt.Printf("ready in %d ms\n", time.Since(start).Milliseconds())
	if !o.quiet {
		if err := s.introduce(os.Stdout, o.hallmark); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return err
	}
}

// quieten keeps the servers' logs, many lines a second, from the terminal. What
// they refuse stands in their answers.
func quieten() {
	flags := flag.NewFlagSet("", flag.PanicOnError)
	klog.InitFlags(flags)
	flags.Set("logtostderr", "false")
	flags.Set("stderrthreshold", "FATAL")
	klog.SetOutput(io.Discard)
	rekorlog.Logger = zap.NewNop().Sugar()
	tsalog.Logger = zap.NewNop().Sugar()
	fulciolog.Logger = zap.NewNop().Sugar()
}
