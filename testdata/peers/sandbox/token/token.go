// Package token is an OpenID Connect issuer that gives a token to whoever asks,
// with whatever claims are asked for. It knows several issuers, because a
// certificate authority reads the claims of an issuer in one way only: people
// with an e-mail address, GitHub workflows, GitLab pipelines, Buildkite jobs and
// workloads of SPIFFE. People log in with a browser or a device, see login.go.
package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Audience is for whom tokens are by default.
const Audience = "sigstore"

// The paths of the issuers below the URL of the server.
const (
	Email     = ""
	GitHub    = "/github"
	GitLab    = "/gitlab"
	Buildkite = "/buildkite"
	SPIFFE    = "/spiffe"
)

// TrustDomain is that of the workloads, and Workload one of them.
const (
	TrustDomain = "sandbox.test"
	Workload    = "spiffe://" + TrustDomain + "/signer"
)

// An Issuer signs tokens.
type Issuer struct {
	url  string
	life time.Duration
	key  *ecdsa.PrivateKey

	mu     sync.Mutex
	visits map[string]*visit // logins under way, by code, device code and user code
}

// New makes an issuer that is reached under the URL; its tokens hold for life.
func New(url string, life time.Duration) (*Issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return &Issuer{url: url, life: life, key: key, visits: make(map[string]*visit)}, nil
}

// URL returns the name of an issuer, as Email or GitHub.
func (i *Issuer) URL(path string) string { return i.url + path }

// Claims returns the claims of a good token of an issuer.
func (i *Issuer) Claims(path string) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": i.URL(path), "aud": Audience,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(i.life).Unix(),
	}
	maps.Copy(c, map[string]map[string]any{
		Email: person(), GitHub: workflow(), GitLab: pipeline(), Buildkite: job(), SPIFFE: {"sub": Workload},
	}[path])
	return c
}

func job() map[string]any {
	return map[string]any{
		"sub":               "organization:acme:pipeline:app:ref:refs/heads/main:commit:2222222222222222222222222222222222222222:step:build",
		"organization_slug": "acme", "pipeline_slug": "app", "build_number": 46, "build_branch": "main",
		"build_commit": "2222222222222222222222222222222222222222", "step_key": "build", "job_id": "47", "agent_id": "48",
	}
}

func person() map[string]any {
	return map[string]any{"sub": "dev@example.test", "email": "dev@example.test", "email_verified": true}
}

func workflow() map[string]any {
	return map[string]any{
		"sub":              "repo:acme/app:ref:refs/heads/main",
		"job_workflow_ref": "acme/app/.github/workflows/release.yaml@refs/heads/main",
		"job_workflow_sha": "1111111111111111111111111111111111111111",
		"workflow_ref":     "acme/app/.github/workflows/release.yaml@refs/heads/main",
		"workflow_sha":     "1111111111111111111111111111111111111111",
		"workflow":         "release", "event_name": "push", "ref": "refs/heads/main",
		"sha":        "2222222222222222222222222222222222222222",
		"repository": "acme/app", "repository_id": "1001", "repository_owner": "acme",
		"repository_owner_id": "1002", "repository_visibility": "public",
		"runner_environment": "github-hosted", "run_id": "42", "run_attempt": "1",
	}
}

func pipeline() map[string]any {
	return map[string]any{
		"sub":          "project_path:acme/app:ref_type:branch:ref:main",
		"project_path": "acme/app", "project_id": "2001", "pipeline_source": "push", "pipeline_id": "43",
		"ci_config_ref_uri": "gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main",
		"ci_config_sha":     "3333333333333333333333333333333333333333",
		"namespace_path":    "acme", "namespace_id": "2002", "job_id": "44",
		"ref": "main", "ref_type": "branch", "sha": "2222222222222222222222222222222222222222",
		"runner_environment": "gitlab-hosted", "runner_id": 45, "project_visibility": "public",
	}
}

// Sign makes a token of the claims.
func (i *Issuer) Sign(claims map[string]any) (string, error) { return sign(i.key, claims) }

// Bad returns tokens that a certificate authority has to refuse, by what is wrong.
func (i *Issuer) Bad() (map[string]string, error) {
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	bad := make(map[string]string)
	for name, change := range map[string]map[string]any{
		"wrong-audience":   {"aud": "other"},
		"expired":          {"exp": time.Now().Add(-time.Minute).Unix()},
		"unverified-email": {"email_verified": false},
		"no-email":         {"email": ""},
		"foreign-issuer":   {"iss": "https://issuer.invalid"},
		"not-yet-valid":    {"nbf": time.Now().Add(time.Hour).Unix()},
	} {
		c := i.Claims(Email)
		maps.Copy(c, change)
		if bad[name], err = i.Sign(c); err != nil {
			return nil, err
		}
	}
	bad["foreign-key"], err = sign(stranger, i.Claims(Email))
	return bad, err
}

// ServeHTTP serves discovery, the key set, /token, /actions and what is needed to log
// in, each below the path of an issuer. Parameters of GET /token are claims; an empty
// one takes the claim away.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if how, ok := strings.CutPrefix(r.URL.Path, odd); ok {
		how, rest, _ := strings.Cut(how, "/")
		i.serve(w, r, odd+how, how, "/"+rest)
		return
	}
	for _, path := range []string{GitHub, GitLab, Buildkite, SPIFFE, Email} {
		if rest, ok := strings.CutPrefix(r.URL.Path, path); ok {
			i.serve(w, r, path, "", rest)
			return
		}
	}
}

// serve is the issuer at the path. How says in which way it is not honest.
func (i *Issuer) serve(w http.ResponseWriter, r *http.Request, path, how, rest string) {
	if strings.HasPrefix(rest, "/agent/v3/jobs/") && path == Buildkite {
		i.agent(w, r, path)
		return
	}
	switch r.Method + " " + rest {
	case "GET /.well-known/openid-configuration":
		i.discovery(w, r, path, how)
	case "GET /actions":
		i.action(w, r, path)
	case "GET /keys":
		answer(w, map[string]any{"keys": []any{i.jwk()}})
	case "GET /token":
		c := i.Claims(path)
		for name, v := range r.URL.Query() {
			c[name] = value(name, v[0])
			if v[0] == "" {
				delete(c, name)
			}
		}
		t, err := i.Sign(c)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, t)
	case "GET /auth":
		i.authorize(w, r, how)
	case "POST /token":
		i.exchange(w, r, path, how)
	case "POST /device/code":
		i.device(w, r, path)
	case "GET /device":
		i.approve(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (i *Issuer) discovery(w http.ResponseWriter, r *http.Request, path, how string) {
	if how == Endless {
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
		return
	}
	at := i.URL(path)
	answer(w, map[string]any{
		"issuer": at, "jwks_uri": at + "/keys", "token_endpoint": at + "/token", "authorization_endpoint": at + "/auth",
		"device_authorization_endpoint":         at + "/device/code",
		"code_challenge_methods_supported":      []string{"S256"},
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
	})
}

// RequestToken is what a job has to show at /actions, as a bearer token.
const RequestToken = "sandbox-job"

// action answers a job as the runner of GitHub does: with a token for the audience
// that is asked for, to who shows the job's request token.
func (i *Issuer) action(w http.ResponseWriter, r *http.Request, path string) {
	if !strings.EqualFold(r.Header.Get("Authorization"), "Bearer "+RequestToken) {
		http.Error(w, "no job of this runner", http.StatusUnauthorized)
		return
	}
	i.give(w, path, r.URL.Query().Get("audience"), "value")
}

// give answers with a token for the audience, in a member of a JSON object.
func (i *Issuer) give(w http.ResponseWriter, path, audience, member string) {
	c := i.Claims(path)
	c["aud"] = audience
	t, err := i.Sign(c)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, map[string]any{member: t})
}

// agent answers a job of Buildkite as the service of its agent does.
func (i *Issuer) agent(w http.ResponseWriter, r *http.Request, path string) {
	var q struct {
		Audience string `json:"audience"`
	}
	switch {
	case r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/jobs/47/oidc/tokens") || json.NewDecoder(r.Body).Decode(&q) != nil:
		http.NotFound(w, r)
	case r.Header.Get("Authorization") != "Token "+RequestToken:
		http.Error(w, "no job of this agent", http.StatusUnauthorized)
	default:
		i.give(w, path, q.Audience, "token")
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

// value gives a parameter the type that its claim has.
func value(name, s string) any {
	switch name {
	case "iat", "nbf", "exp", "runner_id":
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
	case "email_verified":
		if b, err := strconv.ParseBool(s); err == nil {
			return b
		}
	}
	return s
}

const keyID = "sandbox"

func (i *Issuer) jwk() map[string]any {
	point, err := i.key.PublicKey.Bytes()
	if err != nil {
		return nil
	}
	half := (len(point) - 1) / 2
	return map[string]any{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": keyID,
		"x": encode(point[1 : 1+half]), "y": encode(point[1+half:]),
	}
}

// sign makes a JSON Web Token (RFC 7519) with ES256: r and s, 32 bytes each.
func sign(key *ecdsa.PrivateKey, claims map[string]any) (string, error) {
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	text := encode([]byte(`{"alg":"ES256","kid":"`+keyID+`","typ":"JWT"}`)) + "." + encode(body)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return "", err
	}
	raw := make([]byte, 64)
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return text + "." + encode(raw), nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
