package admit_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/verify/admit"
)

// stall begins to send a review of a length, over a connection of its own, says
// so much of it and then nothing. It returns the status of the answer.
func (w *world) stall(text string, length int) (int, error) {
	conn, err := tls.Dial("tcp", w.web.Listener.Addr().String(), w.client().Transport.(*http.Transport).TLSClientConfig)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return 0, err
	}
	go func() {
		fmt.Fprintf(conn, "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", length, text)
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// TestSlowBody: one who sends a review too slowly is not waited for longer than
// a review may take.
func TestSlowBody(t *testing.T) {
	w := newWorld(t, admit.Options{Budget: 300 * time.Millisecond}, defaultScopes)
	done := make(chan string, 1)
	go func() {
		status, err := w.stall(`{"kind":`, 1000)
		done <- fmt.Sprint(status, err)
	}()
	select {
	case answer := <-done:
		if answer != "408 <nil>" {
			t.Error(answer)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still waiting")
	}
	if a := w.post(t, "/validate", pod("free.invalid/a")); !a.Response.Allowed {
		t.Errorf("%+v", a.Response)
	}
}

// TestLargeBodies: few large reviews are read at once, and they keep no small
// one from its answer.
func TestLargeBodies(t *testing.T) {
	w := newWorld(t, admit.Options{Budget: 2 * time.Second}, defaultScopes)
	large := strings.Repeat(" ", 1<<20)
	statuses := make(map[int]int)
	var mu sync.Mutex
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			status, err := w.stall(large, 7<<20)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	time.Sleep(100 * time.Millisecond)
	begun := time.Now()
	if a := w.post(t, "/validate", pod("free.invalid/a")); !a.Response.Allowed || time.Since(begun) > time.Second {
		t.Errorf("after %v: %+v", time.Since(begun), a.Response)
	}
	group.Wait()
	if statuses[http.StatusServiceUnavailable] == 0 || statuses[http.StatusOK] > 0 {
		t.Errorf("statuses %v", statuses)
	}
	if a := w.post(t, "/validate", large+pod("free.invalid/a")); !a.Response.Allowed {
		t.Errorf("%+v", a.Response)
	}
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
