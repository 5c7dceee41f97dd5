package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// A recorder is a webhook that admits everything and keeps what it was asked.
type recorder struct {
	mu    sync.Mutex
	asked map[string][][]byte // by path
}

// record answers on a free port and returns its address.
func (r *recorder) serve(pair tls.Certificate) (addr string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{
		Handler: http.HandlerFunc(r.answer), ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}},
	}
	go func() { _ = s.ServeTLS(l, "", "") }()
	return l.Addr().String(), func() { _ = s.Close() }, nil
}

func (r *recorder) answer(w http.ResponseWriter, req *http.Request) {
	raw, err := io.ReadAll(req.Body)
	var review struct{ Request struct{ UID string } }
	if err == nil {
		err = json.Unmarshal(raw, &review)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.asked[req.URL.Path] = append(r.asked[req.URL.Path], raw)
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":%q,"allowed":true}}`, review.Request.UID)
}

// take returns what came since the last time, by path.
func (r *recorder) take() map[string][][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked = make(map[string][][]byte)
	return asked
}

// recordAll plays the acts before the recorder and keeps the reviews in files
// named after act and webhook. That of the mutating webhook, which is asked
// first, is kept where it says something else.
func recordAll(c *cluster, hooks func(addr string) string, pair tls.Certificate, into string) error {
	r := &recorder{asked: make(map[string][][]byte)}
	addr, stop, err := r.serve(pair)
	if err != nil {
		return err
	}
	defer stop()
	if _, err := c.kubectl("apiVersion: v1\nkind: Namespace\nmetadata: {name: recorded, labels: {hallmark: enforce}}\n", "create", "-f", "-"); err != nil {
		return err
	}
	err = c.register(hooks(addr), func() error {
		_, err := c.kubectl("", "-n", "recorded", "run", "probe", "--image=probe.invalid/x", "--dry-run=server")
		if asked := r.take(); err == nil && len(asked["/validate"])*len(asked["/mutate"]) == 0 {
			err = errors.New("the webhooks are not asked")
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(into, 0o755); err != nil {
		return err
	}
	for _, a := range acts() {
		if _, err := c.kubectl(a.stdin, append([]string{"-n", "recorded"}, a.args...)...); err != nil && !a.fails {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		asked := r.take()
		kept, err := keep(into, a.name, asked)
		if err != nil {
			return err
		}
		fmt.Printf("%-26s %d validate, %d mutate, %d kept\n", a.name, len(asked["/validate"]), len(asked["/mutate"]), kept)
		if (kept == 0) != a.silent {
			return fmt.Errorf("%s: %d reviews were recorded", a.name, kept)
		}
	}
	return c.unregister()
}

// keep writes the first review of each webhook: to delete several objects asks
// several times.
func keep(into, act string, asked map[string][][]byte) (int, error) {
	kept := 0
	for _, path := range []string{"/validate", "/mutate"} {
		if len(asked[path]) == 0 || path == "/mutate" && kept > 0 && same(asked[path][0], asked["/validate"][0]) {
			continue
		}
		name := filepath.Join(into, act+"."+path[1:]+".json")
		if err := os.WriteFile(name, asked[path][0], 0o644); err != nil {
			return kept, err
		}
		kept++
	}
	return kept, nil
}

// same reports whether two reviews differ only in what the API server counts
// and books for itself.
func same(a, b []byte) bool {
	return bytes.Equal(essence(a), essence(b))
}

func essence(raw []byte) []byte {
	var v struct {
		Request map[string]any `json:"request"`
	}
	if json.Unmarshal(raw, &v) != nil {
		return raw
	}
	delete(v.Request, "uid")
	for _, name := range []string{"object", "oldObject"} {
		object, _ := v.Request[name].(map[string]any)
		meta, _ := object["metadata"].(map[string]any)
		delete(meta, "generation")
		delete(meta, "managedFields")
	}
	out, err := json.Marshal(v.Request)
	if err != nil {
		return raw
	}
	return out
}
