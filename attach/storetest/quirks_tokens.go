package storetest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Tokens is a token service beside the registry, at /token of the same host
// (distribution's "Token Authentication Specification"). Whoever has no
// credentials gets tokens for reading.
type Tokens struct {
	// User and Password get tokens for writing too.
	User, Password string
	// Identity is an identity token that gets tokens for writing with the OAuth2
	// variant. Each use replaces it by a new one, which comes with the answer.
	Identity string
	// Uses is how many requests a token is good for; any number when zero.
	Uses int
	// Realm is where the registry sends for tokens; /token when empty.
	Realm string
	// Basic says that the registry names basic authentication too, and first,
	// and takes it.
	Basic bool

	mu     sync.Mutex
	tokens map[string]*token
	scopes []string
}

type token struct {
	push bool
	uses int
}

// Scopes returns the scopes that tokens were asked for, in order.
func (t *Tokens) Scopes() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.scopes)
}

// Quirk puts the token service before the registry.
func (t *Tokens) Quirk() Quirk {
	return quirk("tokens wanted", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		switch {
		case r.URL.Path == "/token":
			t.issue(w, r)
		case t.admits(r):
			next.ServeHTTP(w, r)
		default:
			t.challenge(w, r)
		}
	})
}

func (t *Tokens) challenge(w http.ResponseWriter, r *http.Request) {
	realm := t.Realm
	if realm == "" {
		realm = "http://" + r.Host + "/token"
	}
	if t.Basic {
		w.Header().Add("WWW-Authenticate", `Basic realm="registry"`)
	}
	w.Header().Add("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service="registry"`, realm))
	refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
}

// admits reports whether the request comes with a token that is good for it.
func (t *Tokens) admits(r *http.Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if user, password, ok := r.BasicAuth(); ok {
		return t.Basic && user == t.User && password == t.Password
	}
	text, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	have := t.tokens[text]
	if have == nil || t.Uses > 0 && have.uses == t.Uses {
		return false
	}
	have.uses++
	return have.push || r.Method == http.MethodGet || r.Method == http.MethodHead
}

func (t *Tokens) issue(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.ParseForm() != nil {
		refuse(w, http.StatusBadRequest, "UNSUPPORTED", "no form")
		return
	}
	user, password, named := r.BasicAuth()
	identity := r.Method == http.MethodPost
	switch {
	case named && (user != t.User || password != t.Password),
		identity && (t.Identity == "" || r.Form.Get("refresh_token") != t.Identity):
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "wrong credentials")
		return
	}
	scope := r.Form.Get("scope")
	t.scopes = append(t.scopes, scope)
	text := "token-" + rand.Text()
	if t.tokens == nil {
		t.tokens = make(map[string]*token)
	}
	t.tokens[text] = &token{push: (named || identity) && strings.Contains(scope, "push")}
	answer := map[string]any{"token": text}
	if identity {
		t.Identity = "identity-" + rand.Text()
		answer = map[string]any{"access_token": text, "refresh_token": t.Identity}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

// ScopeLimit answers 431 to requests for a token of more than n scopes, and to
// those that come with a header of more than 8 KiB, as tokens of many scopes
// make it (ACR).
func ScopeLimit(n int) Quirk {
	return quirk(fmt.Sprintf("more than %d scopes answered 431", n), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		scopes := strings.Fields(strings.Join(r.URL.Query()["scope"], " "))
		if len(scopes) > n || len(r.Header.Get("Authorization")) > 8<<10 {
			refuse(w, http.StatusRequestHeaderFieldsTooLarge, "TOOLARGE", "header too large")
			return
		}
		next.ServeHTTP(w, r)
	})
}
