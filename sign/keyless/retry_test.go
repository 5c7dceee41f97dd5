package keyless_test

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/keyless"
)

// hangUp closes the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// status answers with that status.
func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

// broken makes a service fail the first times, then it works: each fault is for one request.
func (w *world) broken(path string, faults ...http.HandlerFunc) {
	if w.lies.fronts == nil {
		w.lies.fronts = make(map[string]http.HandlerFunc)
	}
	n := 0
	w.lies.fronts[path] = func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		n++
		now := n
		w.mu.Unlock()
		if now <= len(faults) {
			faults[now-1](rw, r)
			return
		}
		w.mux.ServeHTTP(rw, r)
	}
}

// count returns how often a path was asked.
func (w *world) count(path string) int {
	n := 0
	for _, p := range w.paths() {
		if p == path {
			n++
		}
	}
	return n
}

// TestFlaps: what passes is waited for, as long as the service asks for, with pauses
// that grow; what does not pass is not asked again.
func TestFlaps(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		path   string
		faults []http.HandlerFunc
		pauses []time.Duration
		want   keyless.Reason
		asked  int
	}{
		"a connection that breaks":     {fulcioPath, []http.HandlerFunc{hangUp}, []time.Duration{200 * ms}, "", 2},
		"two of them":                  {tsaPath, []http.HandlerFunc{hangUp, hangUp}, []time.Duration{200 * ms, 400 * ms}, "", 3},
		"three of them":                {rekor2Path, []http.HandlerFunc{hangUp, hangUp, hangUp}, []time.Duration{200 * ms, 400 * ms, 800 * ms}, "", 4},
		"four are too many":            {rekor2Path, []http.HandlerFunc{hangUp, hangUp, hangUp, hangUp}, []time.Duration{200 * ms, 400 * ms, 800 * ms}, keyless.Unreachable, 4},
		"too many requests":            {fulcioPath, []http.HandlerFunc{status(429)}, []time.Duration{200 * ms}, "", 2},
		"bad gateway":                  {tsaPath, []http.HandlerFunc{status(502)}, []time.Duration{200 * ms}, "", 2},
		"unavailable":                  {rekor2Path, []http.HandlerFunc{status(503)}, []time.Duration{200 * ms}, "", 2},
		"the gateway waited":           {fulcioPath, []http.HandlerFunc{status(504)}, []time.Duration{200 * ms}, "", 2},
		"as many seconds as asked for": {tsaPath, []http.HandlerFunc{status(503, "Retry-After", "7")}, []time.Duration{7 * time.Second}, "", 2},
		"until a date": {tsaPath, []http.HandlerFunc{status(429, "Date", "Mon, 02 Jan 2006 15:04:05 GMT", "Retry-After", "Mon, 02 Jan 2006 15:04:14 GMT")},
			[]time.Duration{9 * time.Second}, "", 2},
		"no longer than is sensible": {tsaPath, []http.HandlerFunc{status(503, "Retry-After", "86400")}, []time.Duration{30 * time.Second}, "", 2},
		"a date of the past":         {tsaPath, []http.HandlerFunc{status(503, "Date", "Mon, 02 Jan 2006 15:04:05 GMT", "Retry-After", "Mon, 02 Jan 2006 15:04:00 GMT")}, []time.Duration{200 * ms}, "", 2},
		"nonsense":                   {tsaPath, []http.HandlerFunc{status(503, "Retry-After", "-5")}, []time.Duration{200 * ms}, "", 2},
		"an error of the server":     {tsaPath, []http.HandlerFunc{status(500)}, nil, keyless.Unreachable, 1},
		"a refusal":                  {fulcioPath, []http.HandlerFunc{status(403)}, nil, keyless.Denied, 1},
		"a redirect":                 {rekor2Path, []http.HandlerFunc{status(307, "Location", "/")}, nil, keyless.Denied, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.broken(c.path, c.faults...)
			parcels, err := attempt(w, 2, attach.InReferrers)
			if reasonOf(err) != c.want || (err == nil) != (c.want == "") || (err == nil) != (len(parcels) == 1) {
				t.Fatalf("%d stored, %v, want %q", len(parcels), err, c.want)
			}
			if !slices.Equal(w.pauses, c.pauses) || w.count(c.path) != c.asked {
				t.Errorf("asked %d times with pauses %v, want %d and %v", w.count(c.path), w.pauses, c.asked, c.pauses)
			}
			if c.asked > 2 && err != nil && !strings.Contains(err.Error(), fmt.Sprintf("asked %d times", c.asked)) {
				t.Errorf("%v does not tell how often it was asked", err)
			}
		})
	}
}

// TestRetryEnds: the last try begins within a minute of the first, and who cancels
// waits no longer.
func TestRetryEnds(t *testing.T) {
	w := newWorld(t)
	slow := status(503, "Retry-After", "30")
	w.broken(fulcioPath, slow, slow, slow, slow)
	o, now := w.options(2), time.Now()
	o.Now = func() time.Time { return now }
	o.Sleep = func(_ context.Context, d time.Duration) error {
		now = now.Add(d + time.Second)
		return nil
	}
	if _, err := keyless.New(t.Context(), o); reasonOf(err) != keyless.Unreachable || w.count(fulcioPath) != 2 {
		t.Errorf("asked %d times, %v", w.count(fulcioPath), err)
	}
	w = newWorld(t)
	w.broken(fulcioPath, slow, slow)
	ctx, cancel := context.WithCancelCause(t.Context())
	o = w.options(2)
	o.Sleep = nil // a real timer
	gone := errors.New("somebody went home")
	o.Note = func(string) { cancel(gone) }
	if _, err := keyless.New(ctx, o); reasonOf(err) != keyless.Unreachable || !errors.Is(err, gone) || w.count(fulcioPath) != 1 {
		t.Errorf("asked %d times, %v", w.count(fulcioPath), err)
	}
}

// TestJitter: pauses differ by up to a half.
func TestJitter(t *testing.T) {
	w := newWorld(t)
	w.broken(fulcioPath, hangUp, hangUp)
	o := w.options(2)
	o.Jitter = func() float64 { return 0.5 }
	if _, err := keyless.New(t.Context(), o); err != nil || !slices.Equal(w.pauses, []time.Duration{150 * time.Millisecond, 300 * time.Millisecond}) {
		t.Errorf("%v, %v", w.pauses, err)
	}
}

// TestNoHope: a server whose certificate does not hold is not asked again.
func TestNoHope(t *testing.T) {
	w := newWorld(t)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	o := w.options(2)
	at := func(url string, version uint32) []root.Service {
		return []root.Service{{URL: url, MajorAPIVersion: version, ValidityPeriodStart: time.Now().Add(-time.Hour), Operator: "o"}}
	}
	o.Services = must(keyless.ParseServices(configuration(at(secure.URL, 1), at(w.server.URL, 2), at(w.server.URL, 1), root.ServiceConfiguration{Selector: v1.ServiceSelector_ANY})))
	_, err := keyless.New(t.Context(), o)
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) || len(w.pauses) != 0 {
		t.Errorf("%v, %v", w.pauses, err)
	}
}

// TestStandingEntry: Rekor 1 has the entry already, because the answer to the first
// request was lost.
func TestStandingEntry(t *testing.T) {
	name := strings.Repeat("ab", 40)
	for what, c := range map[string]struct {
		location string
		change   func(entry map[string]any)
		want     keyless.Reason
	}{
		"it stands":             {location: rekor1Path + "/" + name},
		"on any host":           {location: "https://evil.invalid" + rekor1Path + "/" + name}, // only the name is read
		"by its short name":     {location: rekor1Path + "/" + name[:64]},
		"without a name":        {want: keyless.Denied},
		"under no name":         {location: "/elsewhere?x=" + name, want: keyless.Denied},
		"and is of another":     {location: rekor1Path + "/" + name, change: func(e map[string]any) { e["body"] = []byte(`{"kind":"hashedrekord","apiVersion":"0.0.1"}`) }, want: keyless.OtherEntry},
		"and nobody promised":   {location: rekor1Path + "/" + name, change: func(e map[string]any) { e["verification"].(map[string]any)["signedEntryTimestamp"] = nil }, want: keyless.BadEntry},
		"and its proof is gone": {location: rekor1Path + "/" + name, change: func(e map[string]any) { delete(e["verification"].(map[string]any), "inclusionProof") }, want: keyless.BadEntry},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			var kept []byte
			lose := func(rw http.ResponseWriter, r *http.Request) {
				answered := httptest.NewRecorder()
				w.mux.ServeHTTP(answered, r)
				kept = answered.Body.Bytes()
				panic(http.ErrAbortHandler)
			}
			w.broken(rekor1Path, lose, status(409, "Location", c.location))
			for _, n := range []string{name, name[:64]} {
				w.lies.fronts[rekor1Path+"/"+n] = func(rw http.ResponseWriter, r *http.Request) {
					var all map[string]map[string]any
					if err := json.Unmarshal(kept, &all); err != nil || r.Method != http.MethodGet {
						t.Errorf("%s %v", r.Method, err)
					}
					for _, e := range all {
						if c.change != nil {
							c.change(e)
						}
					}
					answer(rw, 200, all)
				}
			}
			parcels, err := attempt(w, 1, attach.InTags)
			if reasonOf(err) != c.want || (err == nil) != (len(parcels) == 1) {
				t.Fatalf("%d stored, %v, want %q", len(parcels), err, c.want)
			}
		})
	}
	if _, err := hex.DecodeString(name); err != nil {
		t.Fatal(err)
	}
}

// TestFallOver: one that cannot be reached is replaced by another operator's where the
// selector leaves a choice, and one that answers wrongly is not.
func TestFallOver(t *testing.T) {
	down := status(500)
	anyOf := root.ServiceConfiguration{Selector: v1.ServiceSelector_ANY}
	allOf := root.ServiceConfiguration{Selector: v1.ServiceSelector_ALL}
	exactly := func(n uint32) root.ServiceConfiguration {
		return root.ServiceConfiguration{Selector: v1.ServiceSelector_EXACT, Count: n}
	}
	for name, c := range map[string]struct {
		ca, log, tsa int // how many of each
		selector     root.ServiceConfiguration
		fronts       map[string]http.HandlerFunc
		want         keyless.Reason
	}{
		"an authority is down":              {2, 1, 1, anyOf, map[string]http.HandlerFunc{"/0" + fulcioPath: down}, ""},
		"an authority refuses":              {2, 1, 1, anyOf, map[string]http.HandlerFunc{"/0" + fulcioPath: status(403)}, keyless.Denied},
		"all authorities are down":          {2, 1, 1, anyOf, map[string]http.HandlerFunc{"/0" + fulcioPath: down, "/1" + fulcioPath: down}, keyless.Unreachable},
		"any log, one is down":              {1, 2, 1, anyOf, map[string]http.HandlerFunc{"/0" + rekor2Path: down}, ""},
		"any log, the other is down":        {1, 2, 1, anyOf, map[string]http.HandlerFunc{"/1" + rekor2Path: down}, ""},
		"any log, both are down":            {1, 2, 1, anyOf, map[string]http.HandlerFunc{"/0" + rekor2Path: down, "/1" + rekor2Path: down}, keyless.Unreachable},
		"all logs, one is down":             {1, 2, 1, allOf, map[string]http.HandlerFunc{"/1" + rekor2Path: down}, keyless.Unreachable},
		"exactly one log of two, one down":  {1, 2, 1, exactly(1), map[string]http.HandlerFunc{"/1" + rekor2Path: down}, ""},
		"any clock, one is down":            {1, 1, 2, anyOf, map[string]http.HandlerFunc{"/0" + tsaPath: down}, ""},
		"any clock of three, two are down":  {1, 1, 3, anyOf, map[string]http.HandlerFunc{"/0" + tsaPath: down, "/2" + tsaPath: down}, ""},
		"all clocks, one is down":           {1, 1, 2, allOf, map[string]http.HandlerFunc{"/0" + tsaPath: down}, keyless.Unreachable},
		"any log, both answer with nothing": {1, 2, 1, anyOf, map[string]http.HandlerFunc{"/0" + rekor2Path: status(200), "/1" + rekor2Path: status(200)}, keyless.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.lies.fronts = c.fronts
			o := w.options(2)
			some := func(n int, version uint32, path string) (all []root.Service) {
				for i := range n {
					all = append(all, root.Service{
						URL: fmt.Sprintf("%s/%d%s", w.server.URL, i, path), MajorAPIVersion: version, Operator: fmt.Sprint(i),
						ValidityPeriodStart: time.Now().Add(-time.Duration(i+1) * time.Hour), // the first is the newest
					})
				}
				return all
			}
			o.Services = must(keyless.ParseServices(configuration(some(c.ca, 1, ""), some(c.log, 2, ""), some(c.tsa, 1, tsaPath), c.selector)))
			if parcels, err := attemptWith(o, attach.InReferrers); reasonOf(err) != c.want || (err == nil) != (len(parcels) == 1) {
				t.Fatalf("%d stored, %v, want %q", len(parcels), err, c.want)
			}
		})
	}
}
