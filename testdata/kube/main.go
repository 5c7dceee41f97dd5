// Command kube shows hallmark's admission webhook to a real Kubernetes API
// server, on the loopback interface: it registers the webhook as README says,
// creates objects of each kind with kubectl, and checks what is admitted and
// what is refused. With -record it also keeps the AdmissionReviews that the API
// server sends, for the tests of verify/admit.
//
// The API server, kubectl and etcd are built from their Go modules into the
// cache, once.
package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

func main() {
	hallmark := flag.String("hallmark", "bin/hallmark", "the hallmark to test")
	cache := flag.String("cache", "", "folder that keeps the programs of Kubernetes")
	readme := flag.String("readme", "README.md", "where the configuration of the webhook is written down")
	into := flag.String("record", "", "folder for AdmissionReviews; none are recorded without it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Hour)
	err := run(ctx, *hallmark, *cache, *readme, *into)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kube:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, hallmark, cache, readme, into string) error {
	hallmark, err := filepath.Abs(hallmark)
	if err != nil {
		return err
	}
	config, err := configuration(readme)
	if err != nil {
		return err
	}
	bin, err := install(ctx, cache)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "hallmark-kube-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ca, err := lab.Certify(dir)
	if err != nil {
		return err
	}
	hooks := func(addr string) string {
		return strings.NewReplacer("hallmark.example:8443", addr, "BASE64", base64.StdEncoding.EncodeToString(ca)).Replace(config)
	}
	begun := time.Now()
	c, err := up(ctx, bin, dir)
	if err != nil {
		return err
	}
	defer c.down()
	fmt.Printf("kube-apiserver %s and etcd %s are ready after %s\n", kubeVersion, etcdVersion, time.Since(begun).Round(100*time.Millisecond))
	if into != "" {
		pair, err := tls.LoadX509KeyPair(c.path("tls.crt"), c.path("tls.key"))
		if err != nil {
			return err
		}
		all := func(addr string) string { return everything(hooks(addr)) }
		if err := recordAll(c, all, pair, into); err != nil {
			return fmt.Errorf("record: %w", err)
		}
	}
	return enforce(c, hallmark, hooks)
}

// configuration returns the webhook configurations of README.
func configuration(readme string) (string, error) {
	raw, err := os.ReadFile(readme)
	if err != nil {
		return "", err
	}
	const first = "    apiVersion: admissionregistration.k8s.io/v1\n"
	_, text, ok := strings.Cut(string(raw), first)
	if !ok {
		return "", fmt.Errorf("%s has no webhook configuration", readme)
	}
	text, _, _ = strings.Cut(first+text, "\n\n")
	return strings.ReplaceAll(text, "\n    ", "\n")[4:] + "\n", nil
}

// everything widens the rules to all that happens to these kinds of objects.
func everything(hooks string) string {
	const all = "operations: [\"*\"], resources: [\"*/*\"]"
	var out []string
	for line := range strings.Lines(hooks) {
		if before, _, ok := strings.Cut(line, "operations: "); ok {
			line = before + all + "}\n"
			line = strings.ReplaceAll(line, `apiGroups: [""]`, `apiGroups: ["", policy, autoscaling]`)
		}
		out = append(out, line)
	}
	return strings.Join(out, "")
}

// register registers the webhooks and waits until they are asked: the API
// server takes a moment.
func (c *cluster) register(hooks string, asked func() error) error {
	if _, err := c.kubectl(hooks, "apply", "-f", "-"); err != nil {
		return err
	}
	return c.wait(asked)
}

func (c *cluster) unregister() error {
	_, first := c.kubectl("", "delete", "mutatingwebhookconfiguration", "hallmark")
	_, second := c.kubectl("", "delete", "validatingwebhookconfiguration", "hallmark")
	return errors.Join(first, second)
}
