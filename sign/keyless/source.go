package keyless

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
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
	// Buildkite is a job of Buildkite, whose agent's service is asked.
	Buildkite Provider = "buildkite-agent"
	// SPIFFE is a workload that SPIRE, or another implementation of SPIFFE, knows: its
	// agent is asked over a socket of this machine.
	SPIFFE Provider = "spiffe"
	// GoogleImpersonate is a machine, job or pod in Google's cloud that signs as
	// another service account, the one in GOOGLE_SERVICE_ACCOUNT_NAME.
	GoogleImpersonate Provider = "google-impersonate"
	// Google is a machine, job or pod in Google's cloud, asked through its metadata
	// server (GCE_METADATA_HOST where that is set).
	Google Provider = "google"
	// Kubernetes is a pod with a projected service account token of the audience
	// sigstore, in the file that cosign looks for too.
	Kubernetes Provider = "kubernetes"
)

// The environment of the providers.
const (
	githubURL       = "ACTIONS_ID_TOKEN_REQUEST_URL"
	githubSecret    = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
	gitlabToken     = "SIGSTORE_ID_TOKEN"
	buildkiteSecret = "BUILDKITE_AGENT_ACCESS_TOKEN"
	buildkiteURL    = "BUILDKITE_AGENT_ENDPOINT"
	buildkiteJob    = "BUILDKITE_JOB_ID"
	spiffeSocket    = "SPIFFE_ENDPOINT_SOCKET"
	googleAccount   = "GOOGLE_SERVICE_ACCOUNT_NAME"
	googleHost      = "GCE_METADATA_HOST"
	tokenFile       = "/var/run/sigstore/cosign/oidc-token"
)

// Providers returns all providers, in the order in which they are looked for.
func Providers() []Provider {
	return []Provider{GitHub, GitLab, Buildkite, SPIFFE, GoogleImpersonate, Google, Kubernetes}
}

// Aliases are the names that cosign has for providers which are called otherwise here.
func Aliases() map[string]Provider {
	return map[string]Provider{"envvar": GitLab, "filesystem": Kubernetes, "google-workload-identity": Google}
}

// Sources gets identity tokens.
type Sources struct {
	// LookupEnv is the environment.
	LookupEnv func(string) (string, bool)
	// Network carries the requests.
	Network
	// Audience is for whom the tokens have to be, [Audience] where empty.
	Audience string
	// File is where Kubernetes projects the token, cosign's place where empty.
	File string
}

func (s Sources) set(name string) string {
	v, _ := s.LookupEnv(name)
	return v
}

func (s Sources) file() string { return cmp.Or(s.File, tokenFile) }

func (s Sources) audience() string { return cmp.Or(s.Audience, Audience) }

// Detect returns the provider that the environment speaks of, the first of
// [Providers], "" where it speaks of none. Nobody is asked. A socket of SPIFFE counts
// only where the environment names one: the usual place of it is a folder in which
// every user of the machine may put another.
func (s Sources) Detect() Provider {
	switch {
	case s.set(githubURL) != "" && s.set(githubSecret) != "":
		return GitHub
	case s.set(gitlabToken) != "":
		return GitLab
	case s.set(buildkiteSecret) != "" && s.set(buildkiteJob) != "":
		return Buildkite
	case s.set(spiffeSocket) != "":
		return SPIFFE
	case s.set(googleAccount) != "":
		return GoogleImpersonate
	case s.set(googleHost) != "":
		return Google
	}
	if _, err := os.Stat(s.file()); err == nil {
		return Kubernetes
	}
	return ""
}

// From gets a token from the provider, and from no other where that fails: another
// would be another identity. The error is a [*Refusal].
func (s Sources) From(ctx context.Context, p Provider) (Token, error) {
	switch p {
	case GitHub:
		return s.github(ctx)
	case GitLab:
		return s.Variable(gitlabToken)
	case Buildkite:
		return s.buildkite(ctx)
	case SPIFFE:
		return s.spiffe(ctx)
	case GoogleImpersonate:
		return s.impersonate(ctx)
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
	t, err := ParseToken(text, s.audience(), s.Now())
	return t, about(from, err)
}

// about says of whom a refusal speaks.
func about(whom string, err error) error {
	var r *Refusal
	if errors.As(err, &r) {
		return refuse(r.Reason, r.Err, "%s: %s", whom, r.Detail)
	}
	return err
}
