package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// guarded starts a registry that holds the image v1, with the token service
// before it.
func guarded(t *testing.T, tokens *storetest.Tokens, more ...storetest.Quirk) *storetest.Server {
	t.Helper()
	s := start(t)
	push(t, s, "v1", newImage(t))
	s.Set(append(more, tokens.Quirk())...)
	s.Forget()
	return s
}

// sign puts a signature on v1.
func sign(ctx context.Context, store *Store, n int) error {
	subject, err := store.Resolve(ctx, "v1")
	if err != nil {
		return err
	}
	_, err = store.Put(ctx, attach.Parcel{Subject: subject, Content: storetest.NewSignature(subject, fmt.Sprint(n))})
	return err
}

// identity has one identity token for all registries.
type identity string

func (i identity) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig{IdentityToken: string(i)}), nil
}

// TestTokenScopes counts tokens: one for reading and one for writing, the latter
// not before something is written, or one for both where it is known before.
func TestTokenScopes(t *testing.T) {
	const pull, pushPull = "repository:team/app:pull", "repository:team/app:push,pull"
	user := keychain{"user", "secret"}
	for name, tt := range map[string]struct {
		options Options
		write   bool
		want    []string
		denied  bool
	}{
		"anonymous reads":           {Options{Keychain: anonymous{}}, false, []string{pull}, false},
		"anonymous writes":          {Options{Keychain: anonymous{}}, true, []string{pull, pushPull}, true},
		"user reads":                {Options{Keychain: user}, false, []string{pull}, false},
		"user writes":               {Options{Keychain: user}, true, []string{pull, pushPull}, false},
		"user will write":           {Options{Keychain: user, Push: true}, true, []string{pushPull}, false},
		"identity token":            {Options{Keychain: identity("id")}, true, []string{pull, pushPull}, false},
		"identity token will write": {Options{Keychain: identity("id"), Push: true}, true, []string{pushPull}, false},
		"wrong password":            {Options{Keychain: keychain{"user", "wrong"}}, false, nil, true},
		"wrong identity token":      {Options{Keychain: identity("wrong")}, false, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			tokens := &storetest.Tokens{User: "user", Password: "secret", Identity: "id"}
			store := open(t, guarded(t, tokens), tt.options)
			_, err := store.Resolve(t.Context(), "v1")
			if tt.write {
				err = sign(t.Context(), store, 1)
			}
			if tt.denied != errors.Is(err, attach.ErrDenied) || !tt.denied && err != nil {
				t.Errorf("%v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "wrong\"") || strings.Contains(err.Error(), "token-")) {
				t.Errorf("the error tells a secret: %v", err)
			}
			// Two uploads at once may each be refused, and ask again.
			if got := slices.Compact(tokens.Scopes()); !slices.Equal(got, tt.want) {
				t.Errorf("asked for %q, want %q", got, tt.want)
			}
		})
	}
}

type anonymous struct{}

func (anonymous) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

// TestTokenExpires has tokens expire while a writer is at work: every write gets
// through, its content whole, and each token is replaced once, however many
// requests it is refused to.
func TestTokenExpires(t *testing.T) {
	for _, kc := range []authn.Keychain{keychain{"user", "secret"}, identity("id")} {
		for _, uses := range []int{2, 3, 7} {
			tokens := &storetest.Tokens{User: "user", Password: "secret", Identity: "id", Uses: uses}
			s := guarded(t, tokens)
			store := open(t, s, Options{Keychain: kc, Push: true})
			subject := resolve(t, store, "v1")
			c := storetest.NewSignature(subject, "k")
			if _, err := store.Put(t.Context(), attach.Parcel{Subject: subject, Content: c}); err != nil {
				t.Fatalf("%T, %d uses: %v", kc, uses, err)
			}
			admitted := s.Count("/v2/team/app/") - refusals(s)
			if got, most := s.Count("/token"), (admitted+uses-1)/uses; got > most+1 {
				t.Errorf("%T, %d uses: %d tokens for %d requests", kc, uses, got, admitted)
			}
			if n := s.Count("^GET /v2/$"); n != 0 {
				t.Errorf("the registry was pinged %d times", n)
			}
		}
	}
}

func refusals(s *storetest.Server) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Status == http.StatusUnauthorized && strings.Contains(r.Path, "/team/") {
			n++
		}
	}
	return n
}

// TestTokenExpiresOnce refuses one token to many requests at once.
func TestTokenExpiresOnce(t *testing.T) {
	tokens := &storetest.Tokens{User: "user", Password: "secret"}
	s := guarded(t, tokens)
	store := open(t, s, Options{Keychain: keychain{"user", "secret"}})
	resolve(t, store, "v1")
	s.Set((&storetest.Tokens{User: "user", Password: "secret"}).Quirk()) // knows no old token
	s.Forget()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := store.Resolve(t.Context(), "v1"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := s.Count("/token"); n > 2 {
		t.Errorf("%d new tokens", n)
	}
}

// TestTwoChallenges has the registry name basic authentication and a token
// service: the latter is used, so that who has no credentials can read.
func TestTwoChallenges(t *testing.T) {
	for _, kc := range []authn.Keychain{keychain{"user", "secret"}, anonymous{}} {
		tokens := &storetest.Tokens{User: "user", Password: "secret", Basic: true}
		s := guarded(t, tokens)
		resolve(t, open(t, s, Options{Keychain: kc}), "v1")
		for _, r := range s.Requests() {
			if strings.HasPrefix(r.Authorization, "Basic") && r.Path != "/token" {
				t.Errorf("%s came with the password", r)
			}
		}
	}
}

// TestTokenServiceFails has the token service answer in bad ways: an error that
// says so, soon, which leaves all questions open.
func TestTokenServiceFails(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"500":       func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"429":       func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) },
		"404":       http.NotFound,
		"garbage":   func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"no token":  func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"refresh_token":"hush"}`) },
		"bad token": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"token":"hush\r\nX-Evil: 1"}`) },
		"huge":      func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"token":"`); flood(w, "hush") },
		"huge 500":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); flood(w, "hush") },
		"in circles": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		},
		"to metadata": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		},
		"cut": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			s := guarded(t, &storetest.Tokens{}, storetest.Only("/token", storetest.Answer(name, h)))
			store := open(t, s, Options{Keychain: keychain{"user", "secret"}})
			bounded(t, 32<<20, func() {
				_, err := store.Resolve(t.Context(), "v1")
				if err == nil || attach.Judged(err) || !strings.Contains(err.Error(), s.Host) {
					t.Errorf("%v", err)
				}
				if err != nil && (strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "secret")) {
					t.Errorf("the error tells a secret: %.300v", err)
				}
			})
		})
	}
	s := guarded(t, &storetest.Tokens{Realm: "http://localhost:1/token"})
	if _, err := open(t, s, Options{}).Resolve(t.Context(), "v1"); err == nil || attach.Judged(err) || !strings.Contains(err.Error(), "localhost:1") {
		t.Errorf("token service that is down: %v", err)
	}
}

// TestTokenServiceElsewhere sees where credentials go that a registry asks for
// on behalf of another host.
func TestTokenServiceElsewhere(t *testing.T) {
	tokens := &storetest.Tokens{User: "user", Password: "secret"}
	other := start(t, tokens.Quirk())
	_, port, _ := strings.Cut(other.Host, ":")
	for realm, sent := range map[string]bool{
		"http://localhost:" + port + "/token":  true,
		"http://auth.example.com/token":        false, // in clear
		"https://10.0.0.1/token":               false, // inside somebody's network
		"https://169.254.169.254/latest":       false,
		"https://auth.example.com/token":       true,
		"ftp://auth.example.com/token":         false,
		"//auth.example.com/token":             false,
		"":                                     false,
		"http://user@[::1/token":               false,
		"http://localhost.example.com/token":   false,
		"http://127.0.0.1.example.com/token":   false,
		"http://auth.example.com#localhost:80": false,
	} {
		s := guarded(t, &storetest.Tokens{Realm: realm})
		post := &postman{home: s.Host, loopback: "localhost:" + port}
		_, err := open(t, s, Options{Keychain: keychain{"user", "secret"}, Transport: post}).Resolve(t.Context(), "v1")
		if err == nil && realm != "" { // no token of another service is known to the registry
			t.Errorf("%s: no error", realm)
		}
		if (post.strangers > 0) != sent {
			t.Errorf("%s: %d requests to another host, %v", realm, post.strangers, err)
		}
	}
	if n := other.Count("/token"); n == 0 {
		t.Error("the token service on this machine was not asked")
	}
}

// A postman delivers to the registry and to this machine, and counts what is for
// other hosts.
type postman struct {
	home, loopback string
	mu             sync.Mutex
	strangers      int
}

func (p *postman) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == p.home {
		return http.DefaultTransport.RoundTrip(r)
	}
	p.mu.Lock()
	p.strangers++
	p.mu.Unlock()
	if r.URL.Host == p.loopback {
		return http.DefaultTransport.RoundTrip(r)
	}
	return nil, errors.New("not delivered")
}

// TestTokenStaysHome redirects blobs to another host, which asks for credentials
// or not: it is given no token.
func TestTokenStaysHome(t *testing.T) {
	for _, demand := range []bool{false, true} {
		tokens := &storetest.Tokens{User: "user", Password: "secret"}
		s := guarded(t, tokens, storetest.RedirectBlobs(demand))
		store := open(t, s, Options{Keychain: keychain{"user", "secret"}})
		subject := resolve(t, store, "v1")
		m, err := store.Manifest(t.Context(), subject, subject.Desc.Digest)
		if err != nil {
			t.Fatal(err)
		}
		members, err := attach.Members(m.Raw)
		if err != nil {
			t.Fatal(err)
		}
		config, err := attach.ParseDescriptor(members["config"])
		if err != nil {
			t.Fatal(err)
		}
		rc, err := store.Blob(t.Context(), subject, config)
		if demand != errors.Is(err, attach.ErrDenied) || !demand && err != nil {
			t.Errorf("demand %v: %v", demand, err)
		}
		if err == nil {
			rc.Close()
		}
		if len(s.Elsewhere.Requests()) == 0 {
			t.Error("the other host was not asked")
		}
		for _, r := range s.Elsewhere.Requests() {
			if r.Authorization != "" {
				t.Errorf("the other host was given %q", r.Authorization)
			}
		}
	}
}

// TestDockerConfig finds credentials where docker keeps them: in its file, and
// with a credential helper, which is run once.
func TestDockerConfig(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // helpers are programs there, not scripts
	}
	for name, config := range map[string]string{
		"file":        `{"auths":{"HOST":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("user:secret")) + `"}}}`,
		"helper":      `{"credHelpers":{"HOST":"hallmark-test"}}`,
		"store":       `{"credsStore":"hallmark-test"}`,
		"no helper":   `{"credHelpers":{"HOST":"missing"}}`,
		"other host":  `{"auths":{"example.com":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("user:secret")) + `"}}}`,
		"wrong there": `{"auths":{"HOST":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("user:wrong")) + `"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := guarded(t, &storetest.Tokens{User: "user", Password: "secret"})
			dir := t.TempDir()
			runs := filepath.Join(dir, "runs")
			helper := "#!/bin/sh\nread host\necho \"$1 $host\" >>" + runs + "\n" + `echo '{"Username":"user","Secret":"secret"}'` + "\n"
			write(t, filepath.Join(dir, "docker-credential-hallmark-test"), helper)
			write(t, filepath.Join(dir, "config.json"), strings.ReplaceAll(config, "HOST", s.Host))
			t.Setenv("DOCKER_CONFIG", dir)
			t.Setenv("HOME", dir)
			t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
			err := sign(t.Context(), open(t, s, Options{Push: true}), 1)
			works := name == "file" || name == "helper" || name == "store"
			if (err == nil) != works || err != nil && (attach.Judged(err) || strings.Contains(err.Error(), "wrong\"")) {
				t.Errorf("%v", err)
			}
			log, _ := os.ReadFile(runs)
			asked := strings.HasPrefix(string(log), "get "+s.Host) && strings.Count(string(log), "\n") == 1
			if asked != (name == "helper" || name == "store") {
				t.Errorf("the helper was run for %q", log)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// TestRealmOfItsOwn: a registry that is reached over https cannot have credentials
// sent to it over plain HTTP; one that speaks plain HTTP itself can.
func TestRealmOfItsOwn(t *testing.T) {
	store, err := New("registry.example/team/app", Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := store.subjects
	for scheme, denied := range map[string]bool{"": true, "https": true, "http": false} {
		c.host.scheme = scheme
		if err := c.checkRealm("http://registry.example/token"); errors.Is(err, attach.ErrDenied) != denied {
			t.Errorf("reached by %q: %v", scheme, err)
		}
		if err := c.checkRealm("https://auth.example/token"); err != nil {
			t.Errorf("reached by %q: %v", scheme, err)
		}
	}
}

// TestTagNotTaken: a registry that answers "not found" to whoever writes the view,
// and goes on so, does not keep a writer for long.
func TestTagNotTaken(t *testing.T) {
	s := start(t)
	push(t, s, "v1", newImage(t))
	s.Set(storetest.Only(`^PUT .*\.sig$`, storetest.Status(404, "NOT_FOUND")))
	s.Forget()
	store := open(t, s, Options{Push: true})
	subject, err := store.Resolve(t.Context(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	receipts, err := store.Put(t.Context(), attach.Parcel{Subject: subject, Content: storetest.NewSignature(subject, "one")})
	if err != nil || receipts[0].Viewed || receipts[0].Note == "" {
		t.Errorf("%+v, %v", receipts, err)
	}
	if n := s.Count(`^PUT .*\.sig$`); n > 24 { // each write is tried four times
		t.Errorf("%d tries", n)
	}
}

// TestOrphanImage: an image under a tag that has the form of a referrers tag is
// not swept for a list of referrers.
func TestOrphanImage(t *testing.T) {
	s := start(t)
	tag := "sha256-" + strings.Repeat("a", 64)
	push(t, s, tag, newImage(t))
	store := open(t, s, Options{Push: true})
	var orphans []attach.Orphan
	for o, err := range store.Orphans(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		orphans = append(orphans, o)
	}
	left, err := store.Sweep(t.Context(), orphans...)
	if err != nil || len(left) != len(orphans) || len(orphans) == 0 {
		t.Errorf("orphans %v, left %v, %v", orphans, left, err)
	}
	if _, err := store.Resolve(t.Context(), tag); err != nil {
		t.Error(err)
	}
}
