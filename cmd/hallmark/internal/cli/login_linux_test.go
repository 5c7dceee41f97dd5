package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal returns the two ends of a pseudo terminal: the program's and the person's.
func terminal(t *testing.T) (program, person *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return program, person
}

// somebody is a program's standard error, of which somebody reads each line.
type somebody struct {
	mu   sync.Mutex
	all  bytes.Buffer
	line func(string)
}

// Write implements io.Writer.
func (s *somebody) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line != nil {
		s.line(string(b))
	}
	return s.all.Write(b)
}

// issuing is the issuer of the public instance, and a network in which nothing else is.
type issuing struct {
	t     *testing.T
	mu    sync.Mutex
	nonce string
	asked []string
	now   time.Time
}

// RoundTrip implements http.RoundTripper.
func (i *issuing) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked = append(i.asked, r.URL.Host+r.URL.Path)
	const at = "https://oauth2.sigstore.dev/auth"
	switch r.URL.Scheme + "://" + r.URL.Host + r.URL.Path {
	case at + "/.well-known/openid-configuration":
		return status(http.StatusOK, `{"issuer":"`+at+`","authorization_endpoint":"`+at+`/auth","token_endpoint":"`+at+`/token","code_challenge_methods_supported":["S256"]}`)(r)
	case at + "/token":
		raw, _ := json.Marshal(map[string]any{"id_token": identityToken(i.t, map[string]any{
			"iss": at, "aud": "sigstore", "sub": "x", "email": "dev@example.test", "email_verified": true,
			"nonce": i.nonce, "exp": i.now.Add(time.Minute).Unix(),
		})})
		return status(http.StatusOK, string(raw))(r)
	}
	return emptyRegistry(r)
}

// TestConfirm: on a terminal a person is asked before a name becomes public, and
// nothing is asked of anybody when he says no.
func TestConfirm(t *testing.T) {
	trusted, services := publicFile(t, "trusted_root.json"), publicFile(t, "signing_config.v0.2.json")
	now := time.Date(2026, 8, 22, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		flags, types string
		terminal     bool
		asks, goesOn bool
		code         int
	}{
		"no":               {types: "n\n", terminal: true, asks: true, code: exitNo},
		"nothing":          {types: "\n", terminal: true, asks: true, code: exitNo},
		"yes":              {types: "yes\n", terminal: true, asks: true, goesOn: true, code: exitUndetermined},
		"quiet, and no":    {flags: "-q", types: "n\n", terminal: true, asks: true, code: exitNo},
		"said before":      {flags: "--yes", terminal: true, goesOn: true, code: exitUndetermined},
		"nobody to ask":    {goesOn: true, code: exitUndetermined},
		"a login, and no":  {flags: "--oidc-flow browser", types: "n\n", terminal: true, asks: true, code: exitNo},
		"a login, and yes": {flags: "--oidc-flow browser", types: "y\n", terminal: true, asks: true, goesOn: true, code: exitUndetermined},
		"by itself":        {flags: "-q --oidc-flow auto", types: "n\n", terminal: true, asks: true, code: exitNo},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.Now = func() time.Time { return now }
			issuer := &issuing{t: t, now: now}
			b.Transport = issuer
			if c.terminal {
				program, person := terminal(t)
				b.In = program
				if _, err := person.WriteString(c.types); err != nil {
					t.Fatal(err)
				}
			}
			said := &somebody{line: func(line string) {
				address := regexp.MustCompile(`https://oauth2\.sigstore\.dev/auth/auth\?\S+`).FindString(line)
				u, err := url.Parse(address)
				if err != nil || address == "" {
					return
				}
				issuer.mu.Lock()
				issuer.nonce = u.Query().Get("nonce")
				issuer.mu.Unlock()
				go http.Get(u.Query().Get("redirect_uri") + "?code=a-code&state=" + u.Query().Get("state"))
			}}
			b.App.Err = said
			login := strings.Contains(c.flags, "--oidc-flow")
			if !login {
				c.flags += " --identity-token token"
				text := identityToken(t, map[string]any{"iss": "https://issuer.test", "aud": "sigstore", "sub": "dev@example.test", "exp": now.Add(time.Minute).Unix()})
				if err := os.WriteFile("token", []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			code := b.run(t.Context(), "sign registry.test/app:1 --trusted-root "+trusted+" --signing-config "+services+" "+c.flags)
			text := said.all.String()
			if code != c.code || strings.Contains(text, "go on? [y/N]") != c.asks || c.asks && !strings.Contains(text, "dev@example.test") {
				t.Errorf("exit code %d, it said %s", code, text)
			}
			wentOn := false
			for _, at := range issuer.asked {
				if strings.HasPrefix(at, "registry.test/") {
					wentOn = true
				} else if !login || !strings.HasPrefix(at, "oauth2.sigstore.dev/") {
					t.Errorf("it asked %s", at)
				}
			}
			if wentOn != c.goesOn {
				t.Errorf("it asked %q", issuer.asked)
			}
			if secret := base64.RawURLEncoding.EncodeToString([]byte("the part that is secret")); strings.Contains(text+b.out.String(), secret) {
				t.Error("it printed the token")
			}
		})
	}
}
