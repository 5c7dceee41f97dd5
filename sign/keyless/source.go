package keyless

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"
)

// A Provider is a place that gives workloads identity tokens.
type Provider string

// The providers.
const (
	// GitHub is a job of GitHub Actions with the permission id-token: write.
	GitHub Provider = "github-actions"
	// GitLab is a job of GitLab CI, or of whatever else puts a token into the
	// environment variable SIGSTORE_ID_TOKEN.
	GitLab Provider = "gitlab"
	// Google is a machine, job or pod in Google's cloud, asked through its metadata
	// server (GCE_METADATA_HOST where that is set).
	Google Provider = "google"
	// Kubernetes is a pod with a projected service account token of the audience
	// sigstore, in the file that cosign looks for too.
	Kubernetes Provider = "kubernetes"
)

// The environment of the providers.
const (
	githubURL    = "ACTIONS_ID_TOKEN_REQUEST_URL"
	githubSecret = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
	gitlabToken  = "SIGSTORE_ID_TOKEN"
	googleHost   = "GCE_METADATA_HOST"
	tokenFile    = "/var/run/sigstore/cosign/oidc-token"
)

// Providers returns all providers, in the order in which they are looked for.
func Providers() []Provider { return []Provider{GitHub, GitLab, Google, Kubernetes} }

// Sources gets identity tokens.
type Sources struct {
	// LookupEnv is the environment.
	LookupEnv func(string) (string, bool)
	// Transport carries the requests. nil means Go's default.
	Transport http.RoundTripper
	// Now is the clock.
	Now func() time.Time
	// File is where Kubernetes projects the token, cosign's place where empty.
	File string
}

func (s Sources) set(name string) string {
	v, _ := s.LookupEnv(name)
	return v
}

func (s Sources) file() string {
	if s.File != "" {
		return s.File
	}
	return tokenFile
}

// Detect returns the provider that the environment speaks of, the first of
// [Providers], "" where it speaks of none. Nobody is asked.
func (s Sources) Detect() Provider {
	switch {
	case s.set(githubURL) != "" && s.set(githubSecret) != "":
		return GitHub
	case s.set(gitlabToken) != "":
		return GitLab
	case s.set(googleHost) != "":
		return Google
	}
	if _, err := os.Stat(s.file()); err == nil {
		return Kubernetes
	}
	return ""
}

// From gets a token from the provider, and from no other where that fails. The
// error is a [*Refusal].
func (s Sources) From(ctx context.Context, p Provider) (Token, error) {
	switch p {
	case GitHub:
		return s.github(ctx)
	case GitLab:
		return s.Variable(gitlabToken)
	case Google:
		return s.google(ctx)
	case Kubernetes:
		return s.Path(s.file())
	}
	return Token{}, refuse(TokenUnavailable, nil, "there is no provider %.50q of identity tokens", p)
}

// Variable reads a token from an environment variable.
func (s Sources) Variable(name string) (Token, error) {
	text := s.set(name)
	if text == "" {
		return Token{}, refuse(TokenUnavailable, nil, "the environment variable %.100s holds no identity token", name)
	}
	return s.parse(text, "the environment variable "+name)
}

// Path reads a token from a file.
func (s Sources) Path(path string) (Token, error) {
	f, err := os.Open(path)
	if err != nil {
		return Token{}, refuse(TokenUnavailable, err, "read the identity token")
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, MaxToken+2))
	if err != nil {
		return Token{}, refuse(TokenUnavailable, err, "read the identity token")
	}
	return s.parse(string(raw), path)
}

// parse reads a token and says where it is from if it is not to be used.
func (s Sources) parse(text, from string) (Token, error) {
	t, err := ParseToken(text, s.Now())
	var r *Refusal
	if errors.As(err, &r) {
		return t, refuse(r.Reason, r.Err, "%s: %s", from, r.Detail)
	}
	return t, err
}

// github asks GitHub's service for a token
// (docs.github.com, "OpenID Connect reference").
func (s Sources) github(ctx context.Context) (Token, error) {
	at, secret := s.set(githubURL), s.set(githubSecret)
	if at == "" || secret == "" {
		return Token{}, refuse(TokenUnavailable, nil, "%s and %s are not set: the job needs the permission id-token: write", githubURL, githubSecret)
	}
	if err := private(at); err != nil {
		return Token{}, refuse(TokenUnavailable, err, githubURL)
	}
	u, err := url.Parse(at)
	if err != nil {
		return Token{}, refuse(TokenUnavailable, nil, "%s is no address", githubURL)
	}
	q := u.Query()
	q.Set("audience", Audience)
	u.RawQuery = q.Encode()
	raw, err := newClient(s.Transport, secret).do(ctx, call{
		method: http.MethodGet, url: u.String(), accept: "application/json",
		header: map[string]string{"Authorization": "Bearer " + secret}, ok: []int{http.StatusOK},
	})
	if err != nil {
		return Token{}, err
	}
	var answer struct {
		Value string `json:"value"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil || answer.Value == "" {
		return Token{}, refuse(TokenUnavailable, nil, "GitHub's answer holds no identity token")
	}
	return s.parse(answer.Value, "GitHub")
}

// google asks the metadata server for a token
// (cloud.google.com/compute/docs/instances/verifying-instance-identity).
func (s Sources) google(ctx context.Context) (Token, error) {
	host := s.set(googleHost)
	if host == "" {
		host = "metadata.google.internal"
	}
	at := fmt.Sprintf("http://%s/computeMetadata/v1/instance/service-accounts/default/identity?audience=%s&format=full", host, Audience)
	raw, err := newClient(s.Transport, "").do(ctx, call{
		method: http.MethodGet, url: at, accept: "*/*",
		header: map[string]string{"Metadata-Flavor": "Google"}, ok: []int{http.StatusOK},
	})
	if err != nil {
		return Token{}, err
	}
	return s.parse(string(raw), "Google's metadata server")
}
