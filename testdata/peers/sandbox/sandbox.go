package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hallmark-oci/hallmark/testdata/peers/sandbox/fault"
	"github.com/hallmark-oci/hallmark/testdata/peers/sandbox/token"
)

// The services, in the order of their ports.
const (
	registryName = "registry"
	plainName    = "plain" // a registry without the referrers API
	oidcName     = "oidc"
	fulcioName   = "fulcio"
	ctName       = "ctlog"
	rekor1Name   = "rekor1"
	rekor2Name   = "rekor2"
	tsaName      = "tsa"
	tufName      = "tuf"
	adminName    = "admin"
)

func services() []string {
	return []string{registryName, plainName, oidcName, fulcioName, ctName, rekor1Name, rekor2Name, tsaName, tufName}
}

// A sandbox is the running instance.
type sandbox struct {
	dir    string
	fronts map[string]*fault.Front
	host   map[string]string // host:port of each service and of adminName
	close  []func()
	failed chan error // what ended although it should run
	issuer *token.Issuer
	socket string // of the Workload API
}

// newSandbox opens all ports, so that every service knows the others' addresses
// before the first of them starts. Until it has, each answers 503.
func newSandbox(dir string, base int) (*sandbox, error) {
	s := &sandbox{dir: dir, fronts: make(map[string]*fault.Front), host: make(map[string]string), failed: make(chan error, 16)}
	for i, name := range append(services(), adminName) {
		port := 0
		if base > 0 {
			port = base + i
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("listen for %s: %w", name, err)
		}
		s.host[name] = l.Addr().String()
		s.close = append(s.close, func() { l.Close() })
		var h http.Handler
		if name == adminName {
			h = fault.Admin(s.fronts)
		} else {
			f := new(fault.Front)
			s.fronts[name], h = f, f
		}
		go http.Serve(l, h)
	}
	return s, nil
}

// url returns where a service is reached.
func (s *sandbox) url(name string) string { return "http://" + s.host[name] }

func (s *sandbox) path(name string) string { return filepath.Join(s.dir, name) }

func (s *sandbox) write(name string, data []byte) error { return s.put(name, data, 0o644) }

// secret writes what only the owner may read.
func (s *sandbox) secret(name, text string) error { return s.put(name, []byte(text), 0o600) }

func (s *sandbox) put(name string, data []byte, mode os.FileMode) error {
	p := s.path(name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		return err
	}
	return os.WriteFile(p, data, mode)
}

// Close ends what was started, last first.
func (s *sandbox) Close() {
	for _, f := range slices.Backward(s.close) {
		f()
	}
	s.close = nil
}

// start starts all services and writes the files of the folder. Rekor v2, a
// process of its own, comes up while the others do.
func (s *sandbox) start(ctx context.Context, life time.Duration) error {
	rekor2, err := s.startRekor2(ctx)
	if err != nil {
		return fmt.Errorf("rekor v2: %w", err)
	}
	if err := s.startRegistry(ctx); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	if s.issuer, err = token.New(s.url(oidcName), life); err != nil {
		return fmt.Errorf("oidc: %w", err)
	}
	s.fronts[oidcName].Serve(s.issuer)
	if err := s.startWorkloads(); err != nil {
		return fmt.Errorf("spiffe: %w", err)
	}
	var m material
	trees, err := s.startTrillian(ctx)
	if err != nil {
		return fmt.Errorf("trillian: %w", err)
	}
	ca, err := newAuthority()
	if err != nil {
		return fmt.Errorf("fulcio: %w", err)
	}
	m.fulcio = ca.Certs
	if m.ct, err = s.startCT(ctx, trees, ca); err != nil {
		return fmt.Errorf("ct log: %w", err)
	}
	if err := s.startFulcio(ctx, ca); err != nil {
		return fmt.Errorf("fulcio: %w", err)
	}
	if m.tsa, err = s.startTSA(); err != nil {
		return fmt.Errorf("timestamp authority: %w", err)
	}
	if m.rekor1, err = s.startRekor1(trees); err != nil {
		return fmt.Errorf("rekor v1: %w", err)
	}
	if m.rekor2, err = rekor2(); err != nil {
		return fmt.Errorf("rekor v2: %w", err)
	}
	if err := s.writeTrust(m); err != nil {
		return fmt.Errorf("trusted root: %w", err)
	}
	if err := s.writeForeign(m); err != nil {
		return fmt.Errorf("foreign trusted root: %w", err)
	}
	return s.writeFiles()
}
