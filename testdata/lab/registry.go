package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// A Registry is a registry on the loopback interface that counts requests.
type Registry struct {
	Name string
	// Host is what stands in front of a repository name.
	Host  string
	close []func()

	count atomic.Int64
	delay atomic.Int64
	mu    sync.Mutex
	log   []string
}

// Memory starts go-containerregistry's in-memory registry.
func Memory(referrers bool) *Registry {
	name := "memory"
	if referrers {
		name = "memory with referrers"
	}
	h := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(referrers))
	return Serve(name, h)
}

// Distribution starts the CNCF distribution registry, version 2 or 3, a process
// of its own, behind a counting proxy.
func Distribution(ctx context.Context, name, bin, dir string, deletes bool) (*Registry, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	l.Close()
	config := filepath.Join(dir, "distribution.yml")
	text := fmt.Sprintf("version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: %s\n  delete:\n    enabled: %v\nhttp:\n  addr: %s\n",
		filepath.Join(dir, "distribution"), deletes, addr)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, bin, "serve", config)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r, err := Proxy(name, addr)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	r.close = append(r.close, func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return r, nil
}

// Proxy counts the requests to a registry at addr, which may take five seconds
// to answer for the first time.
func Proxy(name, addr string) (*Registry, error) {
	target := &url.URL{Scheme: "http", Host: addr}
	err := errors.New("not asked")
	for range 100 {
		var resp *http.Response
		if resp, err = http.Get(target.String() + "/v2/"); err == nil {
			resp.Body.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		return nil, fmt.Errorf("%s at %s: %w", name, addr, err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 128
	return Serve(name, &httputil.ReverseProxy{Transport: transport, ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // so that the Location headers lead here
	}}), nil
}

// Serve starts a registry of this process.
func Serve(name string, h http.Handler) *Registry {
	r := &Registry{Name: name}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.count.Add(1)
		if d := time.Duration(r.delay.Load()); d > 0 {
			time.Sleep(d)
		}
		r.mu.Lock()
		r.log = append(r.log, req.Method+" "+req.URL.RequestURI())
		r.mu.Unlock()
		h.ServeHTTP(w, req)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	r.Host = strings.TrimPrefix(s.URL, "http://")
	r.close = append(r.close, s.Close)
	return r
}

// Reset forgets the requests so far.
func (r *Registry) Reset() {
	r.count.Store(0)
	r.mu.Lock()
	r.log = nil
	r.mu.Unlock()
}

// Requests returns how many requests came since Reset.
func (r *Registry) Requests() int { return int(r.count.Load()) }

// Log returns the requests since Reset.
func (r *Registry) Log() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.log...)
}

// Delay makes each request take that much longer.
func (r *Registry) Delay(d time.Duration) { r.delay.Store(int64(d)) }

// Close stops the registry.
func (r *Registry) Close() {
	for i := len(r.close) - 1; i >= 0; i-- {
		r.close[i]()
	}
}

// AtClose has the function called when the registry is closed.
func (r *Registry) AtClose(f func()) { r.close = append([]func(){f}, r.close...) }

// Start starts a registry in a process of its own, behind a counting proxy. The
// program prints its host on a line and serves until its standard input ends.
func Start(ctx context.Context, name, path string, args ...string) (*Registry, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := func() { in.Close(); _ = cmd.Wait() }
	host, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return nil, fmt.Errorf("%s %s: no host: %w", path, strings.Join(args, " "), err)
	}
	r, err := Proxy(name, strings.TrimSpace(host))
	if err != nil {
		stop()
		return nil, err
	}
	r.close = append([]func(){stop}, r.close...)
	return r, nil
}

// Doomed returns the host of a proxy for one process. At each request it may
// strike, with the probability p: the request is lost, or the answer is, and so
// is all that the process asks afterwards, as if it had died then.
func (r *Registry) Doomed(p float64) (host string, died *atomic.Bool) {
	died = new(atomic.Bool)
	target := &url.URL{Scheme: "http", Host: r.Host}
	proxy := &httputil.ReverseProxy{ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(req *httputil.ProxyRequest) {
		req.SetURL(target)
		req.Out.Host = req.In.Host
	}}
	d := Serve("doomed", http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		strikes := rand.Float64() < p
		if died.Load() || strikes && rand.IntN(2) == 0 {
			died.Store(true)
			panic(http.ErrAbortHandler)
		}
		if strikes {
			died.Store(true)
			proxy.ServeHTTP(httptest.NewRecorder(), req)
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, req)
	}))
	r.close = append(r.close, d.Close)
	return d.Host, died
}
