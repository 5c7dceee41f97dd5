package fault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// service answers each request with its number and what was asked.
type service struct{ asked int }

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked++
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Number", fmt.Sprint(s.asked))
	fmt.Fprintf(w, "answer %d to %s %s", s.asked, r.URL.Path, body)
}

type bench struct {
	*Front
	*service
	url, admin string
}

func newBench(t *testing.T) *bench {
	b := &bench{Front: new(Front), service: new(service)}
	b.Serve(b.service)
	front := httptest.NewServer(b.Front)
	t.Cleanup(front.Close)
	admin := httptest.NewServer(Admin(map[string]*Front{"log": b.Front}))
	t.Cleanup(admin.Close)
	b.url, b.admin = front.URL, admin.URL
	return b
}

// post asks the service and returns the status and the body, or the error in
// getting them.
func (b *bench) post(path, body string) (int, string, error) {
	r, err := http.Post(b.url+path, "text/plain", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	got, err := io.ReadAll(r.Body)
	return r.StatusCode, string(got), err
}

func (b *bench) must(t *testing.T, path, body string) string {
	t.Helper()
	status, got, err := b.post(path, body)
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %q %v", path, status, got, err)
	}
	return got
}

func (b *bench) administer(t *testing.T, method, path string) string {
	t.Helper()
	r, err := http.NewRequest(method, b.admin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		return res.Status + " " + string(got)
	}
	return string(got)
}

func TestModes(t *testing.T) {
	for _, m := range Modes() {
		t.Run(string(m), func(t *testing.T) {
			b := newBench(t)
			first := b.must(t, "/entries", "one")
			second := b.must(t, "/entries", "two")
			if out := b.administer(t, "POST", "/faults/log?mode="+string(m)+"&delay=80ms&status=502"); out != "" {
				t.Fatal(out)
			}
			start := time.Now()
			status, got, err := b.post("/entries", "three")
			third := "answer 3 to /entries three"
			switch m {
			case Drop, Lose:
				if err == nil {
					t.Errorf("an answer: %d %q", status, got)
				}
			case Delay:
				if got != third || time.Since(start) < 80*time.Millisecond {
					t.Errorf("%q, %v after %v", got, err, time.Since(start))
				}
			case Status:
				if status != 502 {
					t.Errorf("status %d", status)
				}
			case Garbage:
				if len(got) != len(third) || got == third || status != 200 {
					t.Errorf("%d %q", status, got)
				}
			case Truncate:
				if err == nil || got != third[:len(third)/2] {
					t.Errorf("%q, error %v", got, err)
				}
			case Flip:
				if differ := bits(got, third); differ != 1 {
					t.Errorf("%q differs in %d bits", got, differ)
				}
			case Replay, Other:
				if got != second {
					t.Errorf("%q instead of %q", got, second)
				}
			}
			asked := map[Mode]int{Drop: 2, Status: 2, Replay: 2}[m]
			if asked == 0 {
				asked = 3
			}
			if b.asked != asked {
				t.Errorf("the service was asked %d times, not %d", b.asked, asked)
			}
			if s := b.State(); s.Hits != 1 || s.Requests != 3 {
				t.Errorf("%+v", s)
			}
			b.administer(t, "DELETE", "/faults/log")
			if got := b.must(t, "/entries", "four"); got == first || got == second || !strings.HasSuffix(got, "four") {
				t.Errorf("not healed: %q", got)
			}
		})
	}
}

func bits(a, b string) int {
	n := 0
	for i := range min(len(a), len(b)) {
		for x := a[i] ^ b[i]; x != 0; x &= x - 1 {
			n++
		}
	}
	return n
}

// TestReplayKeepsPaths tells that an answer is replayed to the same path only, and
// that another's may come from any.
func TestReplayKeepsPaths(t *testing.T) {
	b := newBench(t)
	b.must(t, "/a", "")
	b.Set(Fault{Mode: Replay})
	if status, got, _ := b.post("/b", ""); status != http.StatusServiceUnavailable {
		t.Errorf("%d %q", status, got)
	}
	b.Set(Fault{Mode: Other})
	if got := b.must(t, "/b", ""); got != "answer 1 to /a " {
		t.Errorf("%q", got)
	}
}

func TestMatchSkipCount(t *testing.T) {
	b := newBench(t)
	b.administer(t, "POST", "/faults/log?mode=status&match=POST+/x&skip=1&count=2")
	want := []struct {
		path   string
		status int
	}{{"/x", 200}, {"/y", 200}, {"/x", 500}, {"/y", 200}, {"/x?q=1", 500}, {"/x", 200}}
	for i, w := range want {
		if status, _, err := b.post(w.path, ""); status != w.status || err != nil {
			t.Errorf("request %d, %s: %d, %v", i, w.path, status, err)
		}
	}
	lines := strings.Fields(strings.ReplaceAll(b.administer(t, "GET", "/requests/log"), "POST ", ""))
	if len(lines) != len(want) || lines[4] != "/x?q=1" {
		t.Errorf("%q", lines)
	}
	var states map[string]State
	if err := json.Unmarshal([]byte(b.administer(t, "GET", "/faults")), &states); err != nil || states["log"].Hits != 2 {
		t.Errorf("%+v, %v", states, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, q := range []string{"", "mode=none", "mode=drop&what=1", "mode=delay&delay=soon", "mode=status&status=200", "mode=drop&skip=-1", "mode=drop&count=x", "mode=flip&at=100"} {
		v, err := url.ParseQuery(q)
		if err != nil {
			t.Fatal(err)
		}
		if f, err := Parse(v); err == nil {
			t.Errorf("%q gives %+v", q, f)
		}
	}
	b := newBench(t)
	if got := b.administer(t, "POST", "/faults/tsa?mode=drop"); !strings.HasPrefix(got, "404") {
		t.Errorf("unknown service: %q", got)
	}
}

// TestNotStarted: a service that is not there yet says so.
func TestNotStarted(t *testing.T) {
	w := httptest.NewRecorder()
	new(Front).ServeHTTP(w, httptest.NewRequest("GET", "/", &bytes.Buffer{}))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", w.Code)
	}
}
