package keyless

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

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
	q.Set("audience", s.audience())
	u.RawQuery = q.Encode()
	raw, err := newClient(s.Network, secret).do(ctx, call{
		method: http.MethodGet, url: u.String(), accept: "application/json",
		header: map[string]string{"Authorization": "Bearer " + secret}, ok: []int{http.StatusOK},
	})
	if err != nil {
		return Token{}, err
	}
	return s.within(raw, "value", "GitHub")
}

// within reads the token out of a JSON object.
func (s Sources) within(raw []byte, member, from string) (Token, error) {
	var all map[string]json.RawMessage
	var text string
	if json.Unmarshal(raw, &all) != nil || json.Unmarshal(all[member], &text) != nil || text == "" {
		return Token{}, refuse(TokenUnavailable, nil, "the answer of %s holds no identity token", from)
	}
	return s.parse(text, from)
}

// buildkite asks the service of Buildkite's agent for a token of the job, as the agent
// does for 'buildkite-agent oidc request-token' (github.com/buildkite/agent, api/oidc.go).
func (s Sources) buildkite(ctx context.Context) (Token, error) {
	secret, job := s.set(buildkiteSecret), s.set(buildkiteJob)
	if secret == "" || job == "" {
		return Token{}, refuse(TokenUnavailable, nil, "%s and %s are not set: this is no job of Buildkite", buildkiteSecret, buildkiteJob)
	}
	at := cmp.Or(s.set(buildkiteURL), "https://agent.buildkite.com/v3")
	if err := private(at); err != nil {
		return Token{}, refuse(TokenUnavailable, err, buildkiteURL)
	}
	body, err := json.Marshal(object{"audience": s.audience()})
	if err != nil {
		return Token{}, err
	}
	raw, err := newClient(s.Network, secret).do(ctx, call{
		method: http.MethodPost, url: join(at, "/jobs/"+url.PathEscape(job)+"/oidc/tokens"), body: body,
		contentType: "application/json", accept: "application/json",
		header: map[string]string{"Authorization": "Token " + secret}, ok: []int{http.StatusOK, http.StatusCreated},
	})
	if err != nil {
		return Token{}, err
	}
	return s.within(raw, "token", "Buildkite")
}

// metadata asks Google's metadata server about the machine's own account
// (cloud.google.com/compute/docs/instances/verifying-instance-identity).
func (s Sources) metadata(ctx context.Context, what string) ([]byte, error) {
	host := cmp.Or(s.set(googleHost), "metadata.google.internal")
	return newClient(s.Network).do(ctx, call{
		method: http.MethodGet, accept: "*/*", ok: []int{http.StatusOK},
		url:    fmt.Sprintf("http://%s/computeMetadata/v1/instance/service-accounts/default/%s", host, what),
		header: map[string]string{"Metadata-Flavor": "Google"},
	})
}

// google asks the metadata server for a token.
func (s Sources) google(ctx context.Context) (Token, error) {
	raw, err := s.metadata(ctx, "identity?format=full&audience="+url.QueryEscape(s.audience()))
	if err != nil {
		return Token{}, err
	}
	return s.parse(string(raw), "Google's metadata server")
}

// impersonate asks Google for a token of another account, in the name of the machine's
// own (cloud.google.com/iam/docs/reference/credentials/rest,
// projects.serviceAccounts.generateIdToken).
func (s Sources) impersonate(ctx context.Context) (Token, error) {
	account := s.set(googleAccount)
	if account == "" {
		return Token{}, refuse(TokenUnavailable, nil, "%s does not say as which service account to sign", googleAccount)
	}
	raw, err := s.metadata(ctx, "token")
	if err != nil {
		return Token{}, err
	}
	var own struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(raw, &own); err != nil || own.Access == "" {
		return Token{}, refuse(TokenUnavailable, nil, "the answer of Google's metadata server holds no access token")
	}
	body, err := json.Marshal(object{"audience": s.audience(), "includeEmail": true})
	if err != nil {
		return Token{}, err
	}
	raw, err = newClient(s.Network, own.Access).do(ctx, call{
		method: http.MethodPost, body: body, contentType: "application/json", accept: "application/json", ok: []int{http.StatusOK},
		url:    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + url.PathEscape(account) + ":generateIdToken",
		header: map[string]string{"Authorization": "Bearer " + own.Access},
	})
	if err != nil {
		return Token{}, err
	}
	return s.within(raw, "token", "Google")
}
