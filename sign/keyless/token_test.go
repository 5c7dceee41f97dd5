package keyless_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/sign/keyless"
)

// reasonOf returns the reason of a refusal, "" where there is none.
func reasonOf(err error) keyless.Reason {
	var r *keyless.Refusal
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

// TestToken is which tokens are shown to nobody.
func TestToken(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		text string
		want keyless.Reason
	}{
		"good":                    {text: token(nil)},
		"with white space":        {text: "\n" + token(nil) + "\r\n"},
		"several audiences":       {text: token(map[string]any{"aud": []string{"other", "sigstore"}})},
		"verified as text":        {text: token(map[string]any{"email_verified": "true"})},
		"no e-mail address":       {text: token(map[string]any{"email": nil, "email_verified": nil})},
		"a fraction of a second":  {text: token(map[string]any{"exp": float64(now.Unix()) + 60.5})},
		"empty":                   {text: "", want: keyless.TokenMalformed},
		"two parts":               {text: "a.b", want: keyless.TokenMalformed},
		"four parts":              {text: "a.b.c.d", want: keyless.TokenMalformed},
		"no signature":            {text: strings.Join(strings.Split(token(nil), ".")[:2], ".") + ".", want: keyless.TokenMalformed},
		"not base64":              {text: "e30.%%%.e30", want: keyless.TokenMalformed},
		"not JSON":                {text: "e30.e1t9.e30", want: keyless.TokenMalformed},
		"too long":                {text: strings.Repeat("x", keyless.MaxToken+1), want: keyless.TokenMalformed},
		"another audience":        {text: token(map[string]any{"aud": "someone-else"}), want: keyless.TokenAudience},
		"an audience with more":   {text: token(map[string]any{"aud": "sigstore.dev"}), want: keyless.TokenAudience},
		"no audience":             {text: token(map[string]any{"aud": nil}), want: keyless.TokenAudience},
		"audience of a number":    {text: token(map[string]any{"aud": 1}), want: keyless.TokenMalformed},
		"expired":                 {text: token(map[string]any{"exp": now.Unix() - 2}), want: keyless.TokenExpired},
		"no end":                  {text: token(map[string]any{"exp": nil}), want: keyless.TokenExpired},
		"valid tomorrow":          {text: token(map[string]any{"nbf": now.Unix() + 86400}), want: keyless.TokenExpired},
		"no issuer":               {text: token(map[string]any{"iss": nil}), want: keyless.TokenIdentity},
		"address not verified":    {text: token(map[string]any{"email_verified": false}), want: keyless.TokenIdentity},
		"address not said to be":  {text: token(map[string]any{"email_verified": nil}), want: keyless.TokenIdentity},
		"verified with something": {text: token(map[string]any{"email_verified": 1}), want: keyless.TokenMalformed},
		"nobody":                  {text: token(map[string]any{"email": nil, "sub": nil}), want: keyless.TokenIdentity},
	} {
		got, err := keyless.ParseToken(c.text, "", now)
		if reasonOf(err) != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		for _, said := range []string{fmt.Sprint(err), fmt.Sprint(got), fmt.Sprintf("%+v %#v %s %v", got, got, got, &got)} {
			if c.text != "" && len(c.text) > 20 && strings.Contains(said, strings.TrimSpace(c.text)[20:]) {
				t.Errorf("%s: the token is in %q", name, said)
			}
		}
	}
}

// TestOldToken: a token is looked at again before the certificate authority is asked.
func TestOldToken(t *testing.T) {
	w := newWorld(t)
	o := w.options(1)
	o.Now = func() time.Time { return time.Now().Add(time.Hour) }
	if _, err := keyless.New(context.Background(), o); reasonOf(err) != keyless.TokenExpired || len(w.paths()) != 0 {
		t.Errorf("%v, asked %q", err, w.paths())
	}
}

// TestNames is whom certificates may name, as Fulcio makes the names (docs/oidc.md
// of Fulcio tells them for each kind of issuer).
func TestNames(t *testing.T) {
	gone := map[string]any{"email": nil, "email_verified": nil}
	for name, c := range map[string]struct {
		claims map[string]any
		uri    string
		ok     bool
	}{
		"github":         {map[string]any{"sub": "repo:acme/app", "job_workflow_ref": "acme/app/.github/workflows/r.yml@refs/heads/main"}, "https://github.com/acme/app/.github/workflows/r.yml@refs/heads/main", true},
		"github, other":  {map[string]any{"sub": "repo:acme/app", "job_workflow_ref": "acme/app/.github/workflows/r.yml@refs/heads/main"}, "https://github.com/acme/app/.github/workflows/r.yml@refs/heads/evil", false},
		"gitlab":         {map[string]any{"sub": "project_path:a", "ci_config_ref_uri": "gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main"}, "https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main", true},
		"kubernetes":     {map[string]any{"sub": "system:serviceaccount:ns:sa", "kubernetes.io": map[string]any{"namespace": "ns", "serviceaccount": map[string]any{"name": "sa"}}}, "https://kubernetes.io/namespaces/ns/serviceaccounts/sa", true},
		"kubernetes not": {map[string]any{"sub": "system:serviceaccount:ns:sa", "kubernetes.io": map[string]any{"namespace": "ns", "serviceaccount": map[string]any{"name": "sa"}}}, "https://kubernetes.io/namespaces/ns/serviceaccounts/sb", false},
		// Fulcio's principal of Buildkite, pkg/identity/buildkite/principal.go.
		"buildkite":     {map[string]any{"sub": "organization:acme:pipeline:app:ref:refs/heads/main", "organization_slug": "acme", "pipeline_slug": "app"}, "https://buildkite.com/acme/app", true},
		"buildkite not": {map[string]any{"sub": "organization:acme:pipeline:app:ref:refs/heads/main", "organization_slug": "acme", "pipeline_slug": "app"}, "https://buildkite.com/acme/other", false},
		"spiffe":        {map[string]any{"sub": "spiffe://example.org/a"}, "spiffe://example.org/a", true},
		"a URI":         {map[string]any{"sub": "https://example.org/a"}, "https://example.org/a", true},
		"another URI":   {map[string]any{"sub": "https://example.org/a"}, "https://example.org/a/", false},
	} {
		t.Run(name, func(t *testing.T) {
			claims := make(map[string]any)
			for _, m := range []map[string]any{gone, c.claims} {
				for k, v := range m {
					claims[k] = v
				}
			}
			w := newWorld(t)
			w.subject = c.claims["sub"].(string)
			w.lies.certificate = uri(c.uri)
			o := w.options(2)
			o.Token = must(keyless.ParseToken(token(claims), "", time.Now()))
			s, err := keyless.New(context.Background(), o)
			switch {
			case c.ok && (err != nil || s.Name() != c.uri || s.Issuer() != issuer):
				t.Error(err)
			case !c.ok && reasonOf(err) != keyless.OtherIdentity:
				t.Error(err)
			}
		})
	}
}

// TestSources gets tokens from where each provider has them.
func TestSources(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token(nil)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const secret = "a-secret-that-asks-for-tokens"
	asked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/github" && r.Header.Get("Authorization") == "Bearer "+secret && r.URL.Query().Get("audience") == "sigstore" && r.URL.Query().Get("x") == "1":
			fmt.Fprintf(w, `{"value":%q}`, token(nil))
		case r.URL.Path == "/computeMetadata/v1/instance/service-accounts/default/identity" && r.Header.Get("Metadata-Flavor") == "Google" &&
			r.URL.Query().Get("audience") == "sigstore" && r.URL.Query().Get("format") == "full":
			fmt.Fprint(w, token(nil))
		default:
			http.Error(w, "no token for "+r.Header.Get("Authorization"), http.StatusForbidden)
		}
	}))
	defer asked.Close()
	github := map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": asked.URL + "/github?x=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": secret}
	for name, c := range map[string]struct {
		env      map[string]string
		file     string
		provider keyless.Provider // asked, else the one that is detected
		detected keyless.Provider
		want     keyless.Reason
	}{
		"github":               {env: github, detected: keyless.GitHub},
		"gitlab":               {env: map[string]string{"SIGSTORE_ID_TOKEN": token(nil)}, detected: keyless.GitLab},
		"google":               {env: map[string]string{"GCE_METADATA_HOST": strings.TrimPrefix(asked.URL, "http://")}, detected: keyless.Google},
		"kubernetes":           {file: file, detected: keyless.Kubernetes},
		"nowhere":              {provider: keyless.GitHub, want: keyless.TokenUnavailable},
		"no variable":          {provider: keyless.GitLab, want: keyless.TokenUnavailable},
		"no file":              {provider: keyless.Kubernetes, want: keyless.TokenUnavailable},
		"unknown":              {provider: "myspace", want: keyless.TokenUnavailable},
		"github, wrong secret": {env: map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": asked.URL + "/github", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": secret + "x"}, detected: keyless.GitHub, want: keyless.Denied},
		"github in the clear":  {env: map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": "http://tokens.example/", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": secret}, detected: keyless.GitHub, want: keyless.TokenUnavailable},
		"gitlab, expired":      {env: map[string]string{"SIGSTORE_ID_TOKEN": token(map[string]any{"exp": 1})}, detected: keyless.GitLab, want: keyless.TokenExpired},
		// What fails does not lead to another: the identity would change without a word.
		"github fails, gitlab would do": {env: map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": asked.URL + "/gone", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": secret, "SIGSTORE_ID_TOKEN": token(nil)}, detected: keyless.GitHub, want: keyless.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			if c.file == "" {
				c.file = filepath.Join(t.TempDir(), "none")
			}
			s := keyless.Sources{Network: keyless.Network{Now: time.Now}, File: c.file, LookupEnv: func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }}
			if got := s.Detect(); got != c.detected {
				t.Errorf("detected %q, want %q", got, c.detected)
			}
			if c.provider == "" {
				c.provider = c.detected
			}
			got, err := s.From(context.Background(), c.provider)
			if reasonOf(err) != c.want || (err == nil) != (c.want == "") {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if err == nil && (got.Subject() != person || got.Issuer() != issuer) {
				t.Errorf("%v", got)
			}
			if strings.Contains(fmt.Sprint(err), secret) {
				t.Errorf("the secret is in %v", err)
			}
		})
	}
}
