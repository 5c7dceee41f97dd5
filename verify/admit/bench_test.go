package admit_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/verify/admit"
)

// BenchmarkWarm measures reviews of an image that is known, through the handler
// and over TLS.
func BenchmarkWarm(b *testing.B) {
	w := newWorld(b, admit.Options{}, defaultScopes)
	_, good := w.push(b, "apps/good", w.key)
	body := pod(good)
	w.post(b, "/validate", body)
	handler := w.gate.Handler()
	b.Run("handler", func(b *testing.B) {
		for b.Loop() {
			r := httptest.NewRequest(http.MethodPost, "/validate", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, r)
			if rec.Code != 200 {
				b.Fatal(rec.Body)
			}
		}
	})
	b.Run("TLS", func(b *testing.B) { load(b, w, body) })
}

// load sends reviews over eight connections and reports the rate and the 99th
// percentile of the time that each took.
func load(b *testing.B, w *world, body string) {
	const connections = 8
	var mu sync.Mutex
	var took []time.Duration
	var group sync.WaitGroup
	work := make(chan struct{})
	for range connections {
		group.Go(func() {
			var mine []time.Duration
			for range work {
				begun := time.Now()
				if a, err := w.ask("/validate", body); err != nil || !a.Response.Allowed {
					b.Error(err)
				}
				mine = append(mine, time.Since(begun))
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
		})
	}
	begun := time.Now()
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	group.Wait()
	report(b, took, time.Since(begun))
}

func report(b *testing.B, took []time.Duration, all time.Duration) {
	b.Helper()
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	b.ReportMetric(float64(len(took))/all.Seconds(), "reviews/s")
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}
