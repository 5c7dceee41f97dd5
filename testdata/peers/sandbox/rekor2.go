package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix/app"
)

// rekor2Role is the first argument of the process that is Rekor v2. Its server
// can only be started by its own command line and ends the process by itself,
// so it gets one.
const rekor2Role = "rekor-v2-server"

// serveRekor2 is that process. It ends when its standard input does.
func serveRekor2(args []string) {
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	os.Args = append([]string{"rekor-server"}, args...)
	app.Execute()
}

// Origin of the checkpoints. Clients take it from the trusted root's URL of the
// log, without the port.
const rekor2Origin = "127.0.0.1"

// startRekor2 starts Rekor v2 on a log of files and returns a function that waits
// until it answers and returns its key.
func (s *sandbox) startRekor2(ctx context.Context) (func() (ed25519.PublicKey, error), error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.path("rekor2.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, rekor2Role, "serve",
		"--storage-dir="+s.path("rekor2"), "--signer-filepath="+s.path("rekor2.key"), "--hostname="+rekor2Origin,
		fmt.Sprintf("--http-port=%d", ports[0]), fmt.Sprintf("--grpc-port=%d", ports[1]), fmt.Sprintf("--http-metrics-port=%d", ports[2]),
		"--batch-max-age=20ms", "--checkpoint-interval=200ms", "--log-level=error")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		err := cmd.Wait()
		close(ended)
		if ctx.Err() == nil {
			s.failed <- fmt.Errorf("rekor v2 has ended: %w", errors.Join(err, io.ErrUnexpectedEOF))
		}
	}()
	s.close = append(s.close, func() {
		stdin.Close()
		select {
		case <-ended:
		case <-time.After(2 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
	})
	at := &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", ports[0])}
	return func() (ed25519.PublicKey, error) {
		if err := await(ctx, at.String()+"/healthz", ended); err != nil {
			return nil, err
		}
		s.fronts[rekor2Name].Serve(tiles(s.path("rekor2"), &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(at) }}))
		return pub, nil
	}, nil
}

// tiles serves what clients read of the log from its files, and leaves writing
// to the server.
func tiles(dir string, server http.Handler) http.Handler {
	const prefix = "/api/v2"
	files := http.StripPrefix(prefix, http.FileServer(http.Dir(dir)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == prefix+"/checkpoint" || strings.HasPrefix(r.URL.Path, prefix+"/tile/") {
			files.ServeHTTP(w, r)
			return
		}
		server.ServeHTTP(w, r)
	})
}

func await(ctx context.Context, url string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if r, err := http.Get(url); err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ended:
			return errors.New("it has ended; what it said is above")
		case <-ctx.Done():
			return fmt.Errorf("no answer at %s: %w", url, ctx.Err())
		}
	}
}

// freePorts finds ports for a server that has to be told its ports.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
