package fault

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxAnswers = 512     // remembered answers of one service
	maxBody    = 8 << 20 // a larger body is not remembered
)

// A Front is a service as its clients see it. Its zero value answers 503 until
// the service behind it is set.
type Front struct {
	mu       sync.Mutex
	service  http.Handler
	fault    Fault
	seen     int // requests that the fault matched
	hits     int // of these, those that went wrong
	requests []string
	answers  []answer
}

// An answer is what the service said to one request.
type answer struct {
	method, uri string
	status      int
	header      http.Header
	body        bytes.Buffer
}

// State is what an administrator sees of a front.
type State struct {
	Fault    Fault `json:"fault"`
	Hits     int   `json:"hits"`     // requests that went wrong since the fault was set
	Requests int   `json:"requests"` // requests since the start or the last Clear
}

// Serve sets the service behind the front.
func (f *Front) Serve(h http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.service = h
}

// Set makes the front go wrong from now on. Set(Fault{}) heals it.
func (f *Front) Set(x Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.seen, f.hits = x, 0, 0
}

// State returns how the front stands.
func (f *Front) State() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return State{Fault: f.fault, Hits: f.hits, Requests: len(f.requests)}
}

// Requests returns what was asked, each as "METHOD /path?query".
func (f *Front) Requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.requests...)
}

// Clear forgets the requests that were counted. Answers stay remembered.
func (f *Front) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = nil
}

// ServeHTTP answers as the service would, or as its fault wants.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault, service := f.next(r)
	if service == nil {
		http.Error(w, "this service has not started yet", http.StatusServiceUnavailable)
		return
	}
	switch fault.Mode {
	case Drop:
		panic(http.ErrAbortHandler)
	case Status:
		http.Error(w, `{"code":"INJECTED","message":"a fault was asked for"}`, fault.Status)
		return
	case Replay:
		if a := f.earlier(r); a != nil {
			a.send(w)
		} else {
			http.Error(w, "no earlier answer to replay", http.StatusServiceUnavailable)
		}
		return
	case Delay:
		select {
		case <-time.After(fault.Delay):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	a := &answer{method: r.Method, uri: r.URL.RequestURI(), header: make(http.Header)}
	service.ServeHTTP(a, r)
	f.spoil(w, fault, a)
	if fault.Mode == None || fault.Mode == Delay {
		f.remember(a)
	}
}

// spoil sends the answer, or what the fault makes of it.
func (f *Front) spoil(w http.ResponseWriter, x Fault, a *answer) {
	body := a.body.Bytes()
	switch x.Mode {
	case Lose:
		panic(http.ErrAbortHandler)
	case Garbage:
		noise := make([]byte, max(len(body), 16))
		rand.Read(noise)
		a.body = *bytes.NewBuffer(noise)
	case Flip:
		if len(body) > 0 {
			body[len(body)*x.At/100] ^= 1
		}
	case Truncate:
		a.begin(w, len(body))
		w.Write(body[:len(body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case Other:
		if o := f.another(a); o != nil {
			a = o
		} else {
			a = &answer{status: http.StatusServiceUnavailable, header: make(http.Header)}
			fmt.Fprintln(a, "no answer to another request to send")
		}
	}
	a.send(w)
}

// next counts the request and decides whether it goes wrong.
func (f *Front) next(r *http.Request) (Fault, http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	line := r.Method + " " + r.URL.RequestURI()
	f.requests = append(f.requests, line)
	x := f.fault
	if x.Mode == None || !strings.Contains(line, x.Match) {
		return Fault{}, f.service
	}
	f.seen++
	if f.seen <= x.Skip || x.Count > 0 && f.seen > x.Skip+x.Count {
		return Fault{}, f.service
	}
	f.hits++
	return x, f.service
}

func (f *Front) remember(a *answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a.status >= 300 || a.body.Len() > maxBody {
		return
	}
	f.answers = append(f.answers, *a)
	if len(f.answers) > maxAnswers {
		f.answers = f.answers[1:]
	}
}

// earlier returns the last answer to the same method and path.
func (f *Front) earlier(r *http.Request) *answer {
	return f.last(func(a *answer) bool { return a.method == r.Method && a.uri == r.URL.RequestURI() })
}

// another returns the last answer to a request of the same method that differs
// from this one: of the same path if there is one.
func (f *Front) another(x *answer) *answer {
	differs := func(a *answer) bool { return a.method == x.method && !bytes.Equal(a.body.Bytes(), x.body.Bytes()) }
	if a := f.last(func(a *answer) bool { return differs(a) && a.uri == x.uri }); a != nil {
		return a
	}
	return f.last(differs)
}

func (f *Front) last(is func(*answer) bool) *answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := len(f.answers) - 1; i >= 0; i-- {
		if is(&f.answers[i]) {
			return &f.answers[i]
		}
	}
	return nil
}

// Header, WriteHeader and Write make an answer an http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// begin sends the status and the header. An answer to HEAD keeps the length it names.
func (a *answer) begin(w http.ResponseWriter, length int) {
	for k, v := range a.header {
		w.Header()[k] = v
	}
	if a.method != http.MethodHead && (length > 0 || a.status != http.StatusNoContent) {
		w.Header().Set("Content-Length", strconv.Itoa(length))
	}
	a.WriteHeader(http.StatusOK)
	w.WriteHeader(a.status)
}

func (a *answer) send(w http.ResponseWriter) {
	a.begin(w, a.body.Len())
	w.Write(a.body.Bytes())
}
