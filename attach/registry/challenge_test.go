package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// TestNoPing: a registry that wants no credentials, or says with its first answer
// which, is not pinged, and gets none before it asks.
func TestNoPing(t *testing.T) {
	for name, tt := range map[string]struct {
		quirks  []storetest.Quirk
		strange int // requests without credentials
	}{
		"basic":  {[]storetest.Quirk{storetest.Credentials("user", "secret")}, 1},
		"bearer": {[]storetest.Quirk{(&storetest.Tokens{User: "user", Password: "secret"}).Quirk()}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			push(t, s, "v1", newImage(t))
			s.Set(tt.quirks...)
			s.Forget()
			if err := sign(t.Context(), open(t, s, Options{Keychain: keychain{"user", "secret"}, Push: true}), 1); err != nil {
				t.Fatal(err)
			}
			strange := 0
			for i, r := range s.Requests() {
				if r.Authorization == "" {
					strange++
				}
				if i == 0 && r.Authorization != "" {
					t.Error("the first request came with credentials that nobody had asked for")
				}
			}
			if n := s.Count("^GET /v2/$"); n != 0 || strange != tt.strange {
				t.Errorf("%d pings, %d requests without credentials: %v", n, strange, s.Requests())
			}
		})
	}
}

// TestHiddenFromStrangers: what a registry hides from strangers, in one way or
// another and without asking them who they are, is found by who has credentials.
// What was there is still there after a write.
func TestHiddenFromStrangers(t *testing.T) {
	hide := func(status int, what string, pinged bool) storetest.Quirk {
		answer := storetest.Answer("hidden", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/" || r.Method == http.MethodPost || r.Method == http.MethodPut {
				if r.URL.Path != "/v2/" || pinged {
					w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
					w.WriteHeader(http.StatusUnauthorized)
				}
				return
			}
			if status == http.StatusOK {
				io.WriteString(w, `{"tags":[]}`)
				return
			}
			w.WriteHeader(status)
		})
		return storetest.ForStrangers(storetest.Only(what, answer))
	}
	for _, what := range []string{"", "/tags/list|^GET /v2/$", "/sha256-|^GET /v2/$"} {
		for _, status := range []int{http.StatusNotFound, http.StatusForbidden, http.StatusOK} {
			for _, pinged := range []bool{true, false} {
				if status == http.StatusOK && !strings.Contains(what, "tags") {
					continue
				}
				t.Run(fmt.Sprint(what, status, pinged), func(t *testing.T) {
					s := start(t)
					push(t, s, "v1", newImage(t))
					keys := keychain{"user", "secret"}
					if err := sign(t.Context(), open(t, s, Options{}), 1); err != nil {
						t.Fatal(err)
					}
					s.Set(hide(status, what, pinged))
					if err := sign(t.Context(), open(t, s, Options{Keychain: keys}), 2); err != nil {
						t.Fatal(err)
					}
					s.Set()
					store := open(t, s, Options{})
					all, errs := attach.Collect(t.Context(), store, resolve(t, store, "v1"))
					if len(all) != 2 || len(errs) > 0 {
						t.Errorf("%d entries, %v", len(all), errs)
					}
					for _, a := range all {
						if _, ok := a.Found(attach.CosignTag); !ok {
							t.Error("an entry is not in the view")
						}
					}
				})
			}
		}
	}
}

// TestBodySentAgain: a registry that lets anybody read and asks who writes gets
// the whole body with the second try.
func TestBodySentAgain(t *testing.T) {
	for _, keys := range []keychain{{"user", "secret"}, {"user", "wrong"}} {
		s := start(t)
		push(t, s, "v1", newImage(t))
		s.Set(storetest.Only("^(POST|PUT|PATCH) ", storetest.Credentials("user", "secret")))
		s.Forget()
		err := sign(t.Context(), open(t, s, Options{Keychain: keys}), 1)
		if good := keys.password == "secret"; good != (err == nil) || !good && !errors.Is(err, attach.ErrDenied) {
			t.Errorf("%v: %v", keys, err)
		}
	}
}

// TestSchemes: the registry is reached by https where that is spoken, however slow
// it answers, and by http only where that may be and is.
func TestSchemes(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	image := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[]}`)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.URL.Path)
		mu.Unlock()
		time.Sleep(2 * headStart)
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		io.Copy(w, bytes.NewReader(image))
	})
	secure, plain := httptest.NewTLSServer(handler), httptest.NewServer(handler)
	defer secure.Close()
	defer plain.Close()
	for _, s := range []*httptest.Server{secure, plain} {
		asked = nil
		_, host, _ := strings.Cut(s.URL, "://")
		store := storeOn(t, host, Options{Transport: secure.Client().Transport})
		if _, err := store.Resolve(t.Context(), "v1"); err != nil {
			t.Errorf("%s: %v", s.URL, err)
		}
		if len(asked) != 1 {
			t.Errorf("%s: asked %q", s.URL, asked)
		}
	}
	// Elsewhere nothing is ever sent in clear.
	var clear int
	post := poster(func(r *http.Request) (*http.Response, error) {
		if r.URL.Scheme != "https" {
			clear++
		}
		return nil, errors.New("no https here")
	})
	store := storeOn(t, "registry.example.com", Options{Transport: post})
	if _, err := store.Resolve(t.Context(), "v1"); err == nil || clear > 0 {
		t.Errorf("%d requests in clear, %v", clear, err)
	}
	store = storeOn(t, "registry.example.com", Options{Transport: post, Insecure: true})
	if _, err := store.Resolve(t.Context(), "v1"); err == nil || clear == 0 || !strings.Contains(err.Error(), "registry.example.com") {
		t.Errorf("%d requests in clear, %v", clear, err)
	}
}

type poster func(*http.Request) (*http.Response, error)

func (p poster) RoundTrip(r *http.Request) (*http.Response, error) { return p(r) }
