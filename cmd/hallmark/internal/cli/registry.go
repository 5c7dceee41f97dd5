package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/serve"
)

func newRegistryCmd(app *App) *cobra.Command {
	return group("registry", "Run a small registry", groupRegistry, newRegistryServeCmd(app))
}

func newRegistryServeCmd(app *App) *cobra.Command {
	job := serveJob{app: app}
	cmd := &cobra.Command{
		Use:   "serve [flags]",
		Short: "Serve an OCI registry until interrupted",
		Long: `Serve an OCI registry until interrupted, for demonstrations, tests and places
without a registry. It asks for no credentials, so it listens on the loopback
interface unless told otherwise. The address is printed on standard output as
soon as it answers.`,
		Example: `  hallmark registry serve --dir ./registry
  hallmark registry serve --addr 127.0.0.1:0 --referrers=false`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return job.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&job.addr, "addr", "127.0.0.1:5000", "address to listen on; port 0 takes a free one")
	flags.StringVar(&job.opts.Dir, "dir", "", "directory that keeps what is pushed; without it everything is in memory")
	flags.BoolVar(&job.opts.Referrers, "referrers", true, "serve the referrers API of OCI 1.1")
	flags.Int64Var(&job.opts.MaxBlob, "max-blob", serve.MaxBlob, "size of the largest blob that is taken, in bytes")
	flags.BoolVar(&job.log, "log-requests", false, "print each request on stderr")
	return cmd
}

type serveJob struct {
	app  *App
	addr string
	log  bool
	opts serve.Options
}

func (j *serveJob) run(ctx context.Context) error {
	if j.opts.MaxBlob <= 0 {
		return usagef("--max-blob %d: no blob would fit", j.opts.MaxBlob)
	}
	if j.log {
		j.opts.Log = j.app.Err
	}
	handler, err := serve.New(j.opts)
	if err != nil {
		return fmt.Errorf("serve a registry from %q: %w", j.opts.Dir, err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", j.addr)
	if err != nil {
		return fmt.Errorf("serve a registry: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	if _, err := io.WriteString(j.app.Out, l.Addr().String()+"\n"); err != nil {
		return err
	}
	done := make(chan error, 1)
	unbind()
	go func() { done <- server.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve a registry on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(stop); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
