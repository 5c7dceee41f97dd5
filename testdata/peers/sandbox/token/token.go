// Package token is an OpenID Connect issuer that gives a token to whoever asks,
// with whatever claims are asked for. It knows three issuers, because a
// certificate authority reads the claims of an issuer in one way only: people
// with an e-mail address, GitHub workflows and GitLab pipelines.
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
	"time"
)

// Audience is for whom tokens are by default.
const Audience = "sigstore"

// The paths of the issuers below the URL of the server.
const (
	Email  = ""
	GitHub = "/github"
	GitLab = "/gitlab"
)

// An Issuer signs tokens.
type Issuer struct {
	url  string
	life time.Duration
	key  *ecdsa.PrivateKey
}

// New makes an issuer that is reached under the URL; its tokens hold for life.
func New(url string, life time.Duration) (*Issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return &Issuer{url: url, life: life, key: key}, nil
}

// URL returns the name of an issuer: Email, GitHub or GitLab.
func (i *Issuer) URL(path string) string { return i.url + path }

// Claims returns the claims of a good token of an issuer.
func (i *Issuer) Claims(path string) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": i.URL(path), "aud": Audience,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(i.life).Unix(),
	}
	maps.Copy(c, map[string]map[string]any{Email: person(), GitHub: workflow(), GitLab: pipeline()}[path])
	return c
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

// ServeHTTP serves discovery, the key set, /token and /actions, each below the path
// of an issuer. Parameters of /token are claims; an empty one takes the claim away.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, path := range []string{GitHub, GitLab, Email} {
		switch r.URL.Path {
		case path + "/.well-known/openid-configuration":
			answer(w, map[string]any{
				"issuer": i.URL(path), "jwks_uri": i.URL(path) + "/keys", "token_endpoint": i.URL(path) + "/token",
				"authorization_endpoint":                i.URL(path) + "/auth",
				"response_types_supported":              []string{"code"},
				"subject_types_supported":               []string{"public"},
				"id_token_signing_alg_values_supported": []string{"ES256"},
			})
		case path + "/actions":
			i.action(w, r, path)
		case path + "/keys":
			answer(w, map[string]any{"keys": []any{i.jwk()}})
		case path + "/token":
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
		default:
			continue
		}
		return
	}
	http.NotFound(w, r)
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
	c := i.Claims(path)
	c["aud"] = r.URL.Query().Get("audience")
	t, err := i.Sign(c)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, map[string]any{"value": t, "count": len(t)})
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
