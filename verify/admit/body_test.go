package admit_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/verify/admit"
)

// stall begins to send a review of a length, over a connection of its own: so
// much of it and then nothing.
func (w *world) stall(t *testing.T, text string, length int) net.Conn {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(w.web.Certificate())
	conn, err := tls.Dial("tcp", w.web.Listener.Addr().String(), &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		fmt.Fprintf(conn, "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", length, text)
	}()
	return conn
}

// TestSlowBody: one who sends a review too slowly is not waited for longer than
// a review may take.
func TestSlowBody(t *testing.T) {
	w := newWorld(t, admit.Options{Budget: 300 * time.Millisecond}, defaultScopes)
	conn := w.stall(t, `{"kind":`, 1000)
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Error(resp.Status)
	}
	if a := w.post(t, "/validate", pod("free.invalid/a")); !a.Response.Allowed {
		t.Errorf("%+v", a.Response)
	}
}

// TestLargeBodies: few large reviews are read at once, they keep no small one
// from its answer, and those that are too many are turned away at once.
func TestLargeBodies(t *testing.T) {
	w := newWorld(t, admit.Options{Budget: time.Minute}, defaultScopes)
	large := strings.Repeat(" ", 1<<20) + pod("free.invalid/a")
	var conns []net.Conn
	for range 50 {
		conns = append(conns, w.stall(t, large, 7<<20))
	}
	until := func(what string, want func(answered, error) bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if want(w.ask("/validate", large)) {
				return
			}
		}
		t.Fatal(what)
	}
	until("no large review is turned away", func(_ answered, err error) bool {
		return err != nil && strings.Contains(err.Error(), "503")
	})
	if a := w.post(t, "/validate", pod("free.invalid/a")); !a.Response.Allowed {
		t.Errorf("a small one: %+v", a.Response)
	}
	for _, c := range conns {
		c.Close()
	}
	until("large reviews are not read again", func(a answered, err error) bool { return err == nil && a.Response.Allowed })
}

// TestHostileBodies: many of the reviews that take most memory when they are
// decoded do not take it all at once.
func TestHostileBodies(t *testing.T) {
	w := newWorld(t, admit.Options{Budget: time.Minute}, defaultScopes)
	hostile := reviewOf("", "v1", "Pod", "CREATE", `{"spec":{"x":[`+strings.Repeat("{},", 2<<20)+`{}]}}`)
	var peak uint64
	stop := make(chan struct{})
	var watch, group sync.WaitGroup
	watch.Go(func() {
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	for range 8 {
		group.Go(func() {
			if _, err := w.ask("/validate", hostile); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	close(stop)
	watch.Wait()
	t.Logf("peak %d MB", peak>>20)
	if peak > 900<<20 {
		t.Errorf("peak %d MB", peak>>20)
	}
}
