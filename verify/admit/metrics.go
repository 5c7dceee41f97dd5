package admit

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hallmark-oci/hallmark/verify"
)

// The families of counters, with their labels.
const (
	reviews       = "hallmark_admission_reviews_total"
	images        = "hallmark_admission_images_total"
	lookups       = "hallmark_admission_verdicts_total"
	verifications = "hallmark_admission_verifications_total"
	reloads       = "hallmark_admission_policy_reloads_total"
	seconds       = "hallmark_admission_review_duration_seconds"
)

// family describes a family of counters.
type family struct {
	name, help string
	labels     []string
}

func families() []family {
	return []family{
		{reviews, "AdmissionReviews answered.", []string{"path", "decision"}},
		{images, "Images judged.", []string{"outcome", "reason"}},
		{lookups, "Verdicts asked for: kept from before, shared with another review, or new.", []string{"source"}},
		{verifications, "Verifications begun.", nil},
		{reloads, "Attempts to reload the policies.", []string{"result"}},
	}
}

// buckets are the upper bounds of the histogram, in seconds.
func buckets() []float64 {
	return []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
}

// metrics counts. The labels take few values, all of them ours.
type metrics struct {
	mu       sync.Mutex
	counters map[string]uint64 // "family\x00label value\x00..."
	bounds   []float64
	hits     []uint64
	sum      float64
	count    uint64
}

func newMetrics() *metrics {
	return &metrics{counters: make(map[string]uint64), bounds: buckets(), hits: make([]uint64, len(buckets()))}
}

func (m *metrics) add(family string, values ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counters[family+"\x00"+strings.Join(values, "\x00")]++
}

func (m *metrics) reviewed(path, decision string, took time.Duration) {
	m.add(reviews, path, decision)
	m.mu.Lock()
	defer m.mu.Unlock()
	s := took.Seconds()
	for i, b := range m.bounds {
		if s <= b {
			m.hits[i]++
		}
	}
	m.sum += s
	m.count++
}

// judged counts an image by the reason of the first check that does not accept.
func (m *metrics) judged(a Answer) {
	reason := verify.Accepted
	for _, c := range a.Verdict.Checks {
		if c.Outcome != verify.Accept {
			reason = c.Reason
			break
		}
	}
	m.add(images, a.Verdict.Outcome.String(), string(reason))
}

// write writes everything in the text format of Prometheus, version 0.0.4.
func (m *metrics) write(w io.Writer, g *Gate) {
	var b strings.Builder
	m.mu.Lock()
	keys := make([]string, 0, len(m.counters))
	for k := range m.counters {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, f := range families() {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s counter\n", f.name, f.help, f.name)
		for _, k := range keys {
			name, values, _ := strings.Cut(k, "\x00")
			if name == f.name {
				fmt.Fprintf(&b, "%s%s %d\n", name, labels(f.labels, strings.Split(values, "\x00")), m.counters[k])
			}
		}
	}
	fmt.Fprintf(&b, "# HELP %s How long reviews took.\n# TYPE %s histogram\n", seconds, seconds)
	for i, bound := range m.bounds {
		fmt.Fprintf(&b, "%s_bucket{le=\"%g\"} %d\n", seconds, bound, m.hits[i])
	}
	fmt.Fprintf(&b, "%s_bucket{le=\"+Inf\"} %d\n%s_sum %g\n%s_count %d\n", seconds, m.count, seconds, m.sum, seconds, m.count)
	m.mu.Unlock()
	for _, gauge := range []struct {
		name, help string
		value      int
	}{
		{"hallmark_admission_verdicts_kept", "Verdicts that are kept.", g.verdicts.len()},
		{"hallmark_admission_verifications_under_way", "Verifications that run or wait.", g.verify.len()},
		{"hallmark_admission_policies", "Scopes and ClusterImagePolicies in force.", g.set.Load().Len()},
	} {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n%s %d\n", gauge.name, gauge.help, gauge.name, gauge.name, gauge.value)
	}
	io.WriteString(w, b.String()) // one who went away needs no numbers
}

func labels(names, values []string) string {
	if len(names) == 0 || len(names) != len(values) {
		return ""
	}
	var parts []string
	for i, n := range names {
		parts = append(parts, fmt.Sprintf("%s=%q", n, values[i]))
	}
	return "{" + strings.Join(parts, ",") + "}"
}
