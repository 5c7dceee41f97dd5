package storetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// refuse answers with an error document of the distribution specification.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]string{"code": code, "message": message}}})
}

// quirk makes a Quirk of a handler that may or may not hand on.
func quirk(name string, h func(w http.ResponseWriter, r *http.Request, next http.Handler)) Quirk {
	return Quirk{Name: name, wrap: func(_ *Server, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h(w, r, next) })
	}}
}

// record returns the answer of the handler as a whole, so that it can be
// changed, or sent slowly without holding a lock of the registry.
func record(next http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	return rec
}

// replay sends a recorded answer with another body. The length is announced,
// whatever becomes of the body.
func replay(w http.ResponseWriter, rec *httptest.ResponseRecorder, length int) {
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", strconv.Itoa(length))
	w.WriteHeader(rec.Code)
}

// cut ends the connection without an answer, or in the middle of one.
func cut() { panic(http.ErrAbortHandler) }

// Only limits a quirk to the requests whose "METHOD /path?query" matches the
// regular expression.
func Only(pattern string, q Quirk) Quirk {
	re := regexp.MustCompile(pattern)
	return Quirk{Name: q.Name + " on " + pattern, wrap: func(s *Server, next http.Handler) http.Handler {
		odd := q.wrap(s, next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if re.MatchString(Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery}.String()) {
				odd.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}}
}

// ForStrangers limits a quirk to requests without credentials.
func ForStrangers(q Quirk) Quirk {
	return Quirk{Name: q.Name + " for strangers", wrap: func(s *Server, next http.Handler) http.Handler {
		odd := q.wrap(s, next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				odd.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}}
}

// Status answers everything with the status and an error document.
func Status(status int, code string) Quirk {
	return quirk(fmt.Sprintf("%d %s", status, code), func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		refuse(w, status, code, http.StatusText(status))
	})
}

// Answer answers everything as the handler does. It is meant for use with [Only].
func Answer(name string, h http.HandlerFunc) Quirk {
	return quirk(name, func(w http.ResponseWriter, r *http.Request, _ http.Handler) { h(w, r) })
}

// Watch calls f with what handles each request, as the rest of the registry does.
func Watch(name string, f func(handle func())) Quirk {
	return quirk(name, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		f(func() { next.ServeHTTP(w, r) })
	})
}

// Delay waits before each request is looked at.
func Delay(d time.Duration) Quirk {
	return quirk(fmt.Sprintf("%v per request", d), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		select {
		case <-time.After(d):
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

// Flap answers every nth request with the status, a 5xx for instance, and
// leaves what was asked undone. Unless it is to answer all requests so, it does
// not do so twice to the same request.
func Flap(nth int, status int) Quirk {
	var count atomic.Int64
	var done sync.Map
	return quirk(fmt.Sprintf("%s answered %d", every(nth), status), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		_, twice := done.Load(r.Method + r.URL.String())
		if count.Add(1)%int64(nth) == 0 && (nth == 1 || !twice) {
			done.Store(r.Method+r.URL.String(), true)
			refuse(w, status, "UNKNOWN", "try again")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// TooMany answers every nth request with 429 and a Retry-After header, which
// holds seconds or a date; none is sent where it is empty.
func TooMany(nth int, retryAfter string) Quirk {
	var count atomic.Int64
	return quirk(fmt.Sprintf("%s answered 429, Retry-After %q", every(nth), retryAfter), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if count.Add(1)%int64(nth) == 0 {
			if retryAfter != "" {
				w.Header().Set("Retry-After", retryAfter)
			}
			refuse(w, http.StatusTooManyRequests, "TOOMANYREQUESTS", "slow down")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func every(nth int) string {
	switch nth {
	case 1:
		return "every request"
	case 2:
		return "every 2nd request"
	case 3:
		return "every 3rd request"
	}
	return fmt.Sprintf("every %dth request", nth)
}

// Credentials asks for the user and password with HTTP basic authentication.
func Credentials(user, password string) Quirk {
	return quirk("credentials wanted", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Drip sends the bodies of answers in small pieces with a pause between them.
func Drip(piece int, pause time.Duration) Quirk {
	return quirk(fmt.Sprintf("%d bytes per %v", piece, pause), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		rec := record(next, r)
		body := rec.Body.Bytes()
		replay(w, rec, len(body))
		for len(body) > 0 {
			n := min(piece, len(body))
			if _, err := w.Write(body[:n]); err != nil {
				return
			}
			if http.NewResponseController(w).Flush() != nil {
				return
			}
			if body = body[n:]; len(body) == 0 {
				return
			}
			select {
			case <-time.After(pause):
			case <-r.Context().Done():
				return
			}
		}
	})
}

// Truncated announces the whole of an answer that was asked for with GET, sends
// half of it and cuts the connection.
func Truncated() Quirk {
	return quirk("body cut in half", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(next, r)
		body := rec.Body.Bytes()
		if r.Method != http.MethodGet || rec.Code != http.StatusOK {
			replay(w, rec, len(body))
			w.Write(body)
			return
		}
		replay(w, rec, len(body))
		w.Write(body[:len(body)/2])
		http.NewResponseController(w).Flush()
		cut()
	})
}

// WrongBytes serves other bytes of the same length, under the headers of the
// right ones: JSON stays JSON, with one digit or letter of it changed.
func WrongBytes() Quirk {
	return quirk("other bytes than the digest says", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(next, r)
		body := rec.Body.Bytes()
		if r.Method == http.MethodGet && rec.Code == http.StatusOK {
			body = tamper(body)
		}
		replay(w, rec, len(body))
		w.Write(body)
	})
}

// tamper changes the last hexadecimal digit of the last digest, or the last
// byte where there is none.
func tamper(body []byte) []byte {
	body = bytes.Clone(body)
	if len(body) == 0 {
		return body
	}
	at := len(body) - 1
	if i := bytes.LastIndex(body, []byte("sha256:")); i >= 0 && i+len("sha256:")+64 <= len(body) {
		at = i + len("sha256:") + 63
	}
	if body[at] == '0' {
		body[at] = '1'
	} else {
		body[at] = '0'
	}
	return body
}

// ResetAfterPut stores each manifest but cuts the connection before the answer,
// for the first n manifests that are put.
func ResetAfterPut(n int) Quirk {
	var count atomic.Int64
	return quirk(fmt.Sprintf("connection reset after the first %d manifests were stored", n), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodPut || route(r).part != "manifests" || count.Add(1) > int64(n) {
			next.ServeHTTP(w, r)
			return
		}
		record(next, r)
		cut()
	})
}

// ConcurrentPut answers with the status when a tag is put while another put of
// the same tag is under way. Each put takes as long as hold says.
func ConcurrentPut(status int, hold time.Duration) Quirk {
	var mu sync.Mutex
	busy := make(map[string]bool)
	return quirk(fmt.Sprintf("concurrent PUT of one tag answered %d", status), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodPut || !route(r).tag() {
			next.ServeHTTP(w, r)
			return
		}
		mu.Lock()
		taken := busy[r.URL.Path]
		busy[r.URL.Path] = true
		mu.Unlock()
		if taken {
			refuse(w, status, "MANIFEST_UNKNOWN", "another upload of this tag is under way")
			return
		}
		defer func() {
			mu.Lock()
			delete(busy, r.URL.Path)
			mu.Unlock()
		}()
		rec := record(next, r)
		time.Sleep(hold)
		replay(w, rec, rec.Body.Len())
		w.Write(rec.Body.Bytes())
	})
}
