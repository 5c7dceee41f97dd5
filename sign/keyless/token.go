package keyless

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Audience is for whom identity tokens have to be issued, where nobody says for whom
// else: the client of Sigstore's public instance.
const Audience = "sigstore"

// A Token is an identity token (OpenID Connect): whoever has it can sign in that
// name until it expires. It is a secret. Its text does not show where it is printed.
type Token struct {
	text     string
	claims   claims
	audience string // for whom it has to be
}

// String says whose token it is, and not the token.
func (t Token) String() string {
	return fmt.Sprintf("identity token of %s, issued by %s", t.claims.proof(), t.claims.Issuer)
}

// GoString keeps the text out of %#v too.
func (t Token) GoString() string { return t.String() }

// Subject is the name that the certificate authority wants to be signed as proof of
// the key: the e-mail address where there is one, else the subject.
func (t Token) Subject() string { return t.claims.proof() }

// Issuer is who issued the token, a URL.
func (t Token) Issuer() string { return t.claims.Issuer }

// Until is when the token expires.
func (t Token) Until() time.Time {
	if t.claims.Expires == nil {
		return time.Time{}
	}
	return t.claims.Expires.time()
}

// claims are what of a token is looked at.
type claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	Expires   *seconds `json:"exp"`
	NotBefore *seconds `json:"nbf"`
	// Of one that comes from a login.
	Party      string `json:"azp"`
	Nonce      string `json:"nonce"`
	AccessHash string `json:"at_hash"`
	Email      string `json:"email"`
	Verified   truth  `json:"email_verified"`
	Federated  struct {
		Connector string `json:"connector_id"`
	} `json:"federated_claims"`
	Workflow string `json:"job_workflow_ref"`  // GitHub
	Config   string `json:"ci_config_ref_uri"` // GitLab
	// Buildkite
	Organization string `json:"organization_slug"`
	Pipeline     string `json:"pipeline_slug"`
	Cluster      *struct {
		Namespace string `json:"namespace"`
		Account   struct {
			Name string `json:"name"`
		} `json:"serviceaccount"`
	} `json:"kubernetes.io"`
}

// seconds is a time as tokens tell it, since 1970 and perhaps with a fraction (RFC 7519, NumericDate).
type seconds float64

func (s seconds) time() time.Time { return time.Unix(int64(s), 0) }

// audience is one or several names.
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

// truth is a boolean that some issuers write as text.
type truth bool

// UnmarshalJSON implements json.Unmarshaler.
func (t *truth) UnmarshalJSON(raw []byte) error {
	switch string(raw) {
	case `true`, `"true"`:
		*t = true
	case `false`, `"false"`, `null`:
		*t = false
	default:
		return errors.New("neither true nor false")
	}
	return nil
}

// proof is the name that is signed as proof of possession.
func (c claims) proof() string {
	if c.Email != "" {
		return c.Email
	}
	return c.Subject
}

// ParseToken reads an identity token and checks that it is for the audience, Sigstore's
// where that is empty, and valid now. Its signature is not verified: that is for whom it is shown to. The error is
// a [*Refusal] that holds nothing of the token but its plain claims.
func ParseToken(text, audience string, now time.Time) (Token, error) {
	text = strings.TrimSpace(text)
	if len(text) > MaxToken {
		return Token{}, refuse(TokenMalformed, nil, "the identity token has %d bytes, at most %d are read", len(text), MaxToken)
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 || slices.Contains(parts, "") {
		return Token{}, refuse(TokenMalformed, nil, "the identity token is no JWT: three parts with dots between them")
	}
	// Errors of the decoders may quote what they could not read.
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return Token{}, refuse(TokenMalformed, nil, "the claims of the identity token are not base64url")
	}
	t := Token{text: text, audience: cmp.Or(audience, Audience)}
	if err := json.Unmarshal(raw, &t.claims); err != nil {
		return Token{}, refuse(TokenMalformed, nil, "the claims of the identity token are not the JSON that is expected")
	}
	if err := t.check(now); err != nil {
		return Token{}, err
	}
	return t, nil
}

// check says whether the token can be used now.
func (t Token) check(now time.Time) error {
	c := t.claims
	switch {
	case c.Issuer == "":
		return refuse(TokenIdentity, nil, "the identity token does not name its issuer")
	case t.audience == "" || !slices.Contains(c.Audience, t.audience):
		return refuse(TokenAudience, nil, "the identity token is for %.200q and not for %q: ask the issuer for a token with that audience", []string(c.Audience), t.audience)
	case c.Expires == nil:
		return refuse(TokenExpired, nil, "the identity token does not say until when it is valid")
	case now.After(c.Expires.time()):
		return refuse(TokenExpired, nil, "the identity token has expired at %s: get a new one", c.Expires.time().UTC().Format(time.RFC3339))
	case c.NotBefore != nil && now.Add(leeway).Before(c.NotBefore.time()):
		return refuse(TokenExpired, nil, "the identity token is valid only from %s", c.NotBefore.time().UTC().Format(time.RFC3339))
	case c.Email != "" && !bool(c.Verified):
		return refuse(TokenIdentity, nil, "the issuer of the identity token has not verified the e-mail address %.200q", c.Email)
	case c.proof() == "":
		return refuse(TokenIdentity, nil, "the identity token does not name anybody")
	}
	return nil
}

// issuers are those that a certificate may name: an issuer that asks others to log
// their users in may have them named instead.
func (c claims) issuers() []string {
	if c.Federated.Connector != "" {
		return []string{c.Issuer, c.Federated.Connector}
	}
	return []string{c.Issuer}
}

// names are those that a certificate for the token may have, as Fulcio makes them
// (fulcio, docs/oidc.md): which of them depends on how it knows the issuer.
func (c claims) names() []string {
	switch {
	case c.Email != "":
		return []string{c.Email}
	case c.Workflow != "":
		return []string{"https://github.com/" + c.Workflow}
	case c.Config != "":
		return []string{"https://" + c.Config}
	case c.Organization != "" && c.Pipeline != "":
		return []string{"https://buildkite.com/" + c.Organization + "/" + c.Pipeline}
	case c.Cluster != nil:
		return []string{"https://kubernetes.io/namespaces/" + c.Cluster.Namespace + "/serviceaccounts/" + c.Cluster.Account.Name}
	}
	return []string{c.Subject}
}

// named reports whether the name is one of the token's. A bare user name stands in
// certificates with the domain of its issuer behind a "!".
func (c claims) named(name string) bool {
	if slices.Contains(c.names(), name) {
		return true
	}
	user, domain, ok := strings.Cut(name, "!")
	return ok && c.Email == "" && user == c.Subject && domain != "" && !strings.ContainsAny(user, "@:/")
}
