package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/admit"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

func newAdmitCmd(app *App) *cobra.Command {
	return group("admit", "Judge Kubernetes objects by policy: manifests in CI, or a cluster's admission requests", groupAsk,
		newAdmitTestCmd(app), newAdmitServeCmd(app))
}

// gate returns an admission gate over the registries.
func (p *policyFiles) gate(ctx context.Context, t *target) (*admit.Gate, error) {
	set, err := p.load(ctx)
	if err != nil {
		return nil, err
	}
	return admit.New(set, admit.Options{
		Now: p.app.Now,
		Open: func(_ context.Context, ref string) (attach.Store, string, error) {
			return t.store(ref)
		},
	})
}

func newAdmitTestCmd(app *App) *cobra.Command {
	job := admitTestJob{app: app}
	cmd := &cobra.Command{
		Use:   "test [flags]",
		Short: "Judge the images of Kubernetes manifests as the cluster would",
		Long: `Judge every image that Kubernetes manifests name, as the admission webhook
would: tags are resolved to digests first (see --pin), then the policies
decide. All kinds that make Pods are understood, in YAML or JSON, many
documents a file.

Exit code 0 means that all would be admitted, 1 that at least one would be
refused, 2 that for at least one no answer could be had.`,
		Example: `  hallmark admit test --policy policy.yaml -f deployment.yaml
  hallmark admit test --policy policy.yaml -f - --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return job.run(cmd.Context()) },
	}
	job.target.bind(cmd, app)
	job.policies.bind(cmd, app, &job.target)
	bindTrustedRoot(cmd, &job.policies.root)
	enum(cmd, &job.out.format, "format", "", []string{"text", "json"}, "shape of the answer")
	job.out.bindOutput(cmd, app)
	flags := cmd.Flags()
	flags.StringArrayVarP(&job.files, "filename", "f", nil, "file with manifests; - is standard input; repeatable")
	flags.BoolVar(&job.pin, "pin", true, "resolve tags to digests, as /mutate does; without it references without digest are refused")
	return cmd
}

type admitTestJob struct {
	app      *App
	target   target
	policies policyFiles
	out      render
	files    []string
	pin      bool
}

func (j *admitTestJob) run(ctx context.Context) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	if len(j.files) == 0 {
		return usagef("no manifests: give -f FILE, or -f - for standard input")
	}
	gate, err := j.policies.gate(ctx, &j.target)
	if err != nil {
		return err
	}
	defer gate.Close()
	doc := report.Admissions{Objects: []report.Admission{}}
	var outcomes []verify.Outcome
	for _, file := range j.files {
		if err := j.file(ctx, gate, file, &doc, &outcomes); err != nil {
			return err
		}
	}
	if len(doc.Objects) == 0 {
		return usagef("%v hold no Kubernetes objects", j.files)
	}
	overall := verify.Accept
	if len(outcomes) > 0 {
		overall = verify.All(outcomes)
	}
	doc.Outcome = overall.String()
	if err := j.out.print(doc); err != nil {
		return err
	}
	return outcomeError(overall)
}

// file judges the manifests of one file.
func (j *admitTestJob) file(ctx context.Context, gate *admit.Gate, name string, doc *report.Admissions, outcomes *[]verify.Outcome) error {
	in := j.app.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	for object, err := range admit.Manifests(in, name) {
		if errors.Is(err, admit.ErrManifest) {
			return usagef("%v", err)
		}
		if err != nil {
			return err
		}
		out := report.Admission{File: name, Line: object.Line, Kind: object.Kind, Namespace: object.Namespace, Name: object.Name, Judged: object.Workload, Images: []report.AdmittedImage{}}
		for _, img := range object.Images {
			verdict, outcome := j.image(ctx, gate, img, object.For)
			out.Images = append(out.Images, verdict)
			*outcomes = append(*outcomes, outcome)
		}
		doc.Objects = append(doc.Objects, out)
	}
	return nil
}

// image judges one image.
func (j *admitTestJob) image(ctx context.Context, gate *admit.Gate, img admit.Image, object *policy.Object) (report.AdmittedImage, verify.Outcome) {
	ref := img.Ref
	out := report.AdmittedImage{Path: img.Path, Image: img.Ref}
	if j.pin {
		pinned, check, pass := gate.Pin(ctx, ref, object)
		if check != nil {
			v := verify.Verdict{Outcome: check.Outcome, Checks: []verify.Check{*check}}
			out.Verdict, out.Admitted = report.NewVerdict(img.Ref, v), pass
			if pass {
				j.warn(img.Ref, *check)
				return out, verify.Accept
			}
			return out, check.Outcome
		}
		ref = pinned
	}
	answer := gate.Judge(ctx, ref, object)
	out.Pinned = ref
	out.Verdict = report.NewVerdict(ref, answer.Verdict)
	for _, w := range answer.Warnings {
		j.warn(img.Ref, w)
	}
	if answer.Pass {
		out.Admitted = true
		return out, verify.Accept
	}
	return out, refusal(answer.Verdict)
}

// warn says aloud what a policy only warns of.
func (j *admitTestJob) warn(ref string, c verify.Check) {
	j.app.notef("warning: %s: %s (%s): %s", ref, c.Rule, c.Reason, c.Detail)
}

func newAdmitServeCmd(app *App) *cobra.Command {
	job := admitServeJob{app: app}
	cmd := &cobra.Command{
		Use:   "serve [flags]",
		Short: "Answer a cluster's admission requests until interrupted",
		Long: `Serve the admission webhook: /validate refuses objects with images that the
policies do not accept, /mutate writes digests behind tags, and /healthz,
/readyz and /metrics tell how it is. Verdicts are kept by digest, so that what
was accepted stays admitted for a while when the registry is down; everything
else is then refused, with the reason.

Policies, certificate and key are read again when they change. A policy that
is wrong never replaces one that is right.`,
		Example: `  hallmark admit serve --policy policy.yaml --tls-cert tls.crt --tls-key tls.key
  hallmark admit serve --policy policy.yaml --tls-cert tls.crt --tls-key tls.key --addr 0.0.0.0:9443 --reload 1m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return job.run(cmd.Context()) },
	}
	job.target.bind(cmd, app)
	job.policies.bind(cmd, app, &job.target)
	bindTrustedRoot(cmd, &job.policies.root)
	flags := cmd.Flags()
	flags.StringVar(&job.addr, "addr", ":8443", "address to listen on; port 0 takes a free one")
	flags.StringVar(&job.cert, "tls-cert", "", "file with the certificate chain, in PEM")
	flags.StringVar(&job.key, "tls-key", "", "file with the certificate's private key, in PEM")
	flags.DurationVar(&job.reload, "reload", 10*time.Second, "how often to look whether policies or certificate changed")
	flags.DurationVar(&job.grace, "grace", 15*time.Second, "how long requests under way may take when the server stops")
	return cmd
}

type admitServeJob struct {
	app       *App
	target    target
	policies  policyFiles
	addr      string
	cert, key string
	reload    time.Duration
	grace     time.Duration
}

func (j *admitServeJob) run(ctx context.Context) error {
	switch {
	case j.cert == "" || j.key == "":
		return usagef("Kubernetes calls webhooks over TLS only: give --tls-cert FILE and --tls-key FILE")
	case j.reload < time.Second:
		return usagef("--reload %s is below one second", j.reload)
	}
	gate, err := j.policies.gate(ctx, &j.target)
	if err != nil {
		return err
	}
	defer gate.Close()
	pair, err := newKeyPair(j.cert, j.key)
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", j.addr)
	if err != nil {
		return fmt.Errorf("serve admission requests: %w", err)
	}
	server := &http.Server{
		Handler:           gate.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(io.Discard, "", 0),
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get},
	}
	if _, err := fmt.Fprintln(j.app.Out, l.Addr()); err != nil {
		return err
	}
	return j.serve(ctx, server, l, gate, pair)
}

// serve answers until the context ends, then lets what is under way finish.
func (j *admitServeJob) serve(ctx context.Context, server *http.Server, l net.Listener, gate *admit.Gate, pair *keyPair) error {
	done := make(chan error, 1)
	unbind()
	go func() { done <- server.ServeTLS(l, "", "") }()
	tick := time.NewTicker(j.reload)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return fmt.Errorf("serve admission requests on %s: %w", l.Addr(), err)
		case <-tick.C:
			j.refresh(ctx, gate, pair)
			continue
		case <-ctx.Done():
		}
		break
	}
	gate.Drain()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), j.grace)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		j.app.notef("requests under way were cut off after %s", j.grace)
		return server.Close()
	}
	return nil
}

// refresh reads policies and certificate again. What is wrong now leaves what
// was right in force.
func (j *admitServeJob) refresh(ctx context.Context, gate *admit.Gate, pair *keyPair) {
	if err := gate.Reload(func() (*policy.Set, error) { return j.policies.load(ctx) }); err != nil {
		j.app.notef("error: the policies stay as they were: %s", oneLine(err))
	}
	if err := pair.load(); err != nil {
		j.app.notef("error: the certificate stays as it was: %s", oneLine(err))
	}
}
