package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A cluster is an API server and its store on the loopback interface. There are
// no controllers and no nodes: objects are kept, admission is real.
type cluster struct {
	ctx  context.Context
	bin  string // folder of the programs
	dir  string // for the files of this run
	stop []func()
}

const tokens = "admintoken,admin,admin-uid,\"system:masters\"\n"

// up starts the cluster and waits until it is ready.
func up(ctx context.Context, bin, dir string) (*cluster, error) {
	c := &cluster{ctx: ctx, bin: bin, dir: dir}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	store, peer, port := ports[0], ports[1], ports[2]
	if err := c.write("tokens.csv", tokens); err != nil {
		return nil, err
	}
	if err := c.accountKey(); err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:%s", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: admintoken}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, port)
	if err := c.write("kubeconfig", config); err != nil {
		return nil, err
	}
	err = c.start("etcd", "--data-dir", c.path("etcd"), "--listen-client-urls", "http://127.0.0.1:"+store,
		"--advertise-client-urls", "http://127.0.0.1:"+store, "--listen-peer-urls", "http://127.0.0.1:"+peer, "--unsafe-no-fsync", "--log-level", "error")
	if err == nil {
		err = c.start("kube-apiserver", "--etcd-servers", "http://127.0.0.1:"+store, "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1",
			"--secure-port", port, "--cert-dir", c.path("certs"), "--token-auth-file", c.path("tokens.csv"), "--authorization-mode", "RBAC",
			"--service-account-key-file", c.path("account.key"), "--service-account-signing-key-file", c.path("account.key"),
			"--service-account-issuer", "https://kube.example", "--service-cluster-ip-range", "10.96.0.0/24",
			"--disable-admission-plugins", "ServiceAccount", "--endpoint-reconciler-type", "none")
	}
	if err == nil {
		err = c.wait(func() error { _, err := c.kubectl("", "get", "namespace", "default"); return err })
	}
	if err != nil {
		c.down()
		return nil, err
	}
	return c, nil
}

func (c *cluster) path(name string) string { return filepath.Join(c.dir, name) }

func (c *cluster) write(name, text string) error {
	return os.WriteFile(c.path(name), []byte(text), 0o600)
}

// accountKey writes a key that the API server signs its own tokens with.
func (c *cluster) accountKey() error {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		return err
	}
	return c.write("account.key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})))
}

// start runs one of the programs in the background; its log is a file.
func (c *cluster) start(name string, args ...string) error {
	log, err := os.Create(c.path(name + ".log"))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(c.ctx, filepath.Join(c.bin, name), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, log, log
	if err := cmd.Start(); err != nil {
		return errors.Join(err, log.Close())
	}
	c.stop = append(c.stop, func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); _ = log.Close() })
	return nil
}

func (c *cluster) down() {
	for i := len(c.stop) - 1; i >= 0; i-- {
		c.stop[i]()
	}
}

// wait tries again until it works, for two minutes.
func (c *cluster) wait(try func() error) error {
	end := time.Now().Add(2 * time.Minute)
	for {
		err := try()
		if err == nil || time.Now().After(end) || c.ctx.Err() != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// kubectl runs kubectl with standard input and returns all that it printed.
func (c *cluster) kubectl(stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(c.ctx, filepath.Join(c.bin, "kubectl"), args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir, "KUBECONFIG=" + c.path("kubeconfig")}
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, out.String())
	}
	return out.String(), err
}

// freePorts finds ports that nobody listens on.
func freePorts(n int) ([]string, error) {
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}
