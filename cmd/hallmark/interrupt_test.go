package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// A front is one address behind which registries are exchanged. It holds back
// one request, the nth, for ever.
type front struct {
	*httptest.Server
	back  atomic.Pointer[storetest.Server]
	count atomic.Int64
	stop  atomic.Int64 // the request to hold back, counted from 1; 0 for none
	done  bool         // the request is carried out before it is held back
	held  chan struct{}
}

func newFront(t *testing.T, done bool) *front {
	f := &front{done: done}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.count.Add(1) != f.stop.Load() {
		f.back.Load().ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err == nil && f.done {
		r.Body = io.NopCloser(bytes.NewReader(body))
		f.back.Load().ServeHTTP(httptest.NewRecorder(), r)
	}
	close(f.held)
	<-r.Context().Done()
}

// empty puts a new registry behind the address, with the image as app:1.
func (f *front) empty(t *testing.T, img v1.Image) (tag string) {
	t.Helper()
	s := storetest.Start()
	t.Cleanup(s.Close)
	f.back.Store(s)
	f.stop.Store(0)
	tag = strings.TrimPrefix(f.URL, "http://") + "/app:1"
	ref, err := name.NewTag(tag)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	return tag
}

// holdBack counts requests anew and holds back the nth.
func (f *front) holdBack(n int64) {
	f.held = make(chan struct{})
	f.count.Store(0)
	f.stop.Store(n)
}

// hallmark returns the command, not started yet, and what it prints on both streams.
func hallmark(t *testing.T, dir string, args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "hallmark", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "HALLMARK_PASSWORD="+scriptPassword)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	return cmd, &out, &errs
}

// must runs the command and returns what it prints; it has to succeed.
func must(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd, out, errs := hallmark(t, dir, args...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("hallmark %s: %v\n%s%s", strings.Join(args, " "), err, out, errs)
	}
	return out.String()
}

// everything is what stands in the registry after a seal: the answer of list
// and the names of all tags.
func (f *front) everything(t *testing.T, dir, tag string) string {
	t.Helper()
	resp, err := http.Get(f.URL + "/v2/app/tags/list")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	tags, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return must(t, dir, "list", "-f", "json", tag) + string(tags)
}

// TestInterrupted ends seal at each of its requests, with ^C and by killing it,
// before and after the registry carried the request out. Running it again
// leaves exactly what one run leaves that nobody disturbed.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	img, err := random.Image(256, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		signal syscall.Signal
		done   bool
		step   int64
	}{
		{syscall.SIGINT, false, 2},
		{syscall.SIGTERM, true, 5},
		{syscall.SIGKILL, false, 2},
		{syscall.SIGKILL, true, 1},
	} {
		t.Run(fmt.Sprintf("%v, request carried out %v", tt.signal, tt.done), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			must(t, dir, "key", "generate", "--key-format", "pkcs8")
			f := newFront(t, tt.done)
			tag := f.empty(t, img)
			seal := []string{"seal", "--key", "hallmark.key", "-f", "json", tag}
			f.holdBack(0)
			must(t, dir, seal...)
			requests := f.count.Load()
			want := f.everything(t, dir, tag)
			if requests < 10 || strings.Count(want, `"kind": "sbom"`) != 1 {
				t.Fatalf("%d requests, left behind: %s", requests, want)
			}
			for n := int64(1); n <= requests; n += tt.step {
				f.empty(t, img)
				f.holdBack(n)
				f.disturb(t, tt.signal, dir, seal)
				f.holdBack(0)
				must(t, dir, seal...)
				if got := f.everything(t, dir, tag); got != want {
					t.Errorf("disturbed at request %d of %d and run again: %s\nundisturbed: %s", n, requests, got, want)
				}
			}
		})
	}
}

// disturb starts the command and sends it the signal when its request is held
// back.
func (f *front) disturb(t *testing.T, signal syscall.Signal, dir string, args []string) {
	t.Helper()
	cmd, out, errs := hallmark(t, dir, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-f.held:
	case <-time.After(30 * time.Second):
		t.Error("the request did not come")
	}
	if err := cmd.Process.Signal(signal); err != nil {
		t.Error(err)
	}
	err := cmd.Wait()
	if signal == syscall.SIGKILL {
		return
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("%v: %v\n%s", signal, err, errs)
	}
	told := strings.Contains(out.String(), `"exitCode": 130`) || strings.Contains(out.String(), `"outcome": "undetermined"`)
	if !strings.Contains(errs.String(), "run the same command again") || !told {
		t.Errorf("%v: told %s%s", signal, out, errs)
	}
}

// TestInterruptedVerify ends verify while the registry keeps it waiting. That is
// no answer, and least of all a no.
func TestInterruptedVerify(t *testing.T) {
	t.Parallel()
	img, err := random.Image(256, 1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	must(t, dir, "key", "generate", "--key-format", "pkcs8")
	f := newFront(t, false)
	tag := f.empty(t, img)
	for n := int64(1); n <= 4; n++ {
		f.holdBack(n)
		cmd, out, errs := hallmark(t, dir, "verify", "--key", filepath.Join(dir, "hallmark.pub"), "-f", "json", tag)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-f.held
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
			t.Errorf("interrupted at request %d: %v\n%s%s", n, err, out, errs)
		}
		if !strings.Contains(out.String(), `"outcome": "undetermined"`) {
			t.Errorf("interrupted at request %d: %s%s", n, out, errs)
		}
	}
}
