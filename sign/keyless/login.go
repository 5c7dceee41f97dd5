package keyless

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Login has a person prove to an issuer (OpenID Connect) who he is, in a browser on
// this machine ([Login.Browser]) or on any other ([Login.Device]). What comes back has
// to belong to this login. The signature of the token is verified by whom it is shown
// to; here it comes from the issuer itself (OpenID Connect Core, section 3.1.3.7).
type Login struct {
	// Network carries the requests.
	Network
	// Issuer is where to log in, a URL.
	Issuer string
	// Client is as whom the issuer knows this program, and for whom the token will be.
	// Empty means [Audience].
	Client string
	// Secret is the client's password. Empty means that it has none, as most.
	Secret string
	// Redirect is where a browser comes back to, for issuers that know one address only:
	// an http address of this machine with a port, 0 for a free one. Empty means 127.0.0.1
	// with a free one.
	Redirect string
	// Show tells the person in one line what to do.
	Show func(line string)
	// Open opens an address in a browser. Where it is nil, or fails, the person does.
	Open func(ctx context.Context, address string) error
}

// metadata is what an issuer tells of itself (OpenID Connect Discovery, section 3, and
// RFC 8628, section 4).
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Device        string   `json:"device_authorization_endpoint"`
	Challenges    []string `json:"code_challenge_methods_supported"`
	Methods       []string `json:"token_endpoint_auth_methods_supported"`
}

// A visit is one login under way.
type visit struct {
	Login
	metadata
	client   *client
	verifier string // which proves that who began the login ends it (RFC 7636)
}

// begin asks the issuer where to go. It follows nowhere else, and the addresses have to
// be ones at which nobody listens on the way.
func (l Login) begin(ctx context.Context, verifier string) (*visit, error) {
	if err := private(l.Issuer); err != nil {
		return nil, refuse(Unusable, err, "the issuer to log in at")
	}
	v := &visit{Login: l, verifier: verifier, client: newClient(l.Network, l.Secret, verifier)}
	v.Client = cmp.Or(l.Client, Audience)
	raw, err := v.client.do(ctx, call{
		method: http.MethodGet, url: join(l.Issuer, "/.well-known/openid-configuration"),
		accept: "application/json", ok: []int{http.StatusOK},
	})
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &v.metadata); err != nil {
		return nil, refuse(Malformed, nil, "what the issuer %s tells of itself is not the JSON that is expected", bare(l.Issuer))
	}
	if v.metadata.Issuer != l.Issuer {
		return nil, refuse(LoginInvalid, nil, "the issuer at %.200q calls itself %.200q: give --oidc-issuer as it is written there", l.Issuer, v.metadata.Issuer)
	}
	return v, nil
}

// address checks an address that the issuer tells.
func (v *visit) address(what, address string) error {
	if len(address) > maxAddress {
		return refuse(Malformed, nil, "the %s of the issuer %s has more than %d bytes", what, bare(v.Login.Issuer), maxAddress)
	}
	if err := private(address); err != nil {
		return refuse(Unusable, err, "the %s of the issuer %s", what, bare(v.Login.Issuer))
	}
	return nil
}

// form is what is sent with every request: who this program is.
func (v *visit) form(more ...string) url.Values {
	form := url.Values{"client_id": {v.Client}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

// challenge is sent ahead of the verifier.
func (v *visit) challenge() string {
	sum := sha256.Sum256([]byte(v.verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// challenged reports whether the issuer knows that challenge.
func (v *visit) challenged() bool { return slices.Contains(v.Challenges, "S256") }

// granted is an answer of an issuer to a form: tokens, a device code, or an error
// (RFC 6749, sections 5.1 and 5.2; RFC 8628, section 3.2).
type granted struct {
	ID     string `json:"id_token"`
	Access string `json:"access_token"`

	DeviceCode string  `json:"device_code"`
	UserCode   string  `json:"user_code"`
	Page       string  `json:"verification_uri"`
	WholePage  string  `json:"verification_uri_complete"`
	Expires    float64 `json:"expires_in"`
	Interval   float64 `json:"interval"`

	Error string `json:"error"`
	Why   string `json:"error_description"`
}

// post sends a form to the issuer. An answer that is an error by the protocol is an
// answer, with 400 and 401 as it wants, or with 403 and 428 as Google's issuer has it.
func (v *visit) post(ctx context.Context, what, address string, form url.Values, single bool) (granted, error) {
	if err := v.address(what, address); err != nil {
		return granted{}, err
	}
	header := make(map[string]string)
	switch {
	case v.Secret == "":
	case slices.Contains(v.Methods, "client_secret_post") && !slices.Contains(v.Methods, "client_secret_basic"):
		form.Set("client_secret", v.Secret)
	default: // RFC 6749, section 2.3.1
		header["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(v.Client)+":"+url.QueryEscape(v.Secret)))
	}
	a, err := v.client.ask(ctx, call{
		method: http.MethodPost, url: address, body: []byte(form.Encode()), header: header,
		contentType: "application/x-www-form-urlencoded", accept: "application/json", single: single,
		ok: []int{http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusPreconditionRequired},
	})
	if err != nil {
		return granted{}, err
	}
	var g granted
	switch err := json.Unmarshal(a.body, &g); {
	case a.status != http.StatusOK && (err != nil || g.Error == ""):
		// What it says is not passed on: it may hold anything.
		return granted{}, refuse(Denied, nil, "POST %s: status %d, and no error that the protocol knows", bare(address), a.status)
	case err != nil || a.status == http.StatusOK && g.Error != "":
		return granted{}, refuse(Malformed, nil, "POST %s: status %d, and not the JSON that is expected", bare(address), a.status)
	}
	return g, nil
}

// refused says what an issuer's error means.
func (v *visit) refused(g granted) error {
	said := v.client.quote([]byte(g.Error + " " + g.Why))
	if g.Error == "access_denied" {
		return refuse(LoginDenied, nil, "the login at %s was refused: %s", bare(v.Login.Issuer), said)
	}
	return refuse(Denied, nil, "the issuer %s: %s", bare(v.Login.Issuer), said)
}

// token checks that the identity token is the one of this login (OpenID Connect Core,
// section 3.1.3.7). Where nonce is empty, none was sent.
func (v *visit) token(g granted, nonce string) (Token, error) {
	from := "the issuer " + bare(v.Login.Issuer)
	if g.ID == "" {
		return Token{}, refuse(TokenUnavailable, nil, "%s gave no identity token", from)
	}
	t, err := ParseToken(g.ID, v.Client, v.Now())
	if err != nil {
		return Token{}, about(from, err)
	}
	c := t.claims
	switch {
	case c.Issuer != v.Login.Issuer:
		return Token{}, refuse(LoginInvalid, nil, "%s gave an identity token of the issuer %.200q", from, c.Issuer)
	case c.Party != "" && c.Party != v.Client, c.Party == "" && len(c.Audience) > 1:
		return Token{}, refuse(TokenAudience, nil, "%s gave an identity token that was issued to %.200q and not to %q", from, c.Party, v.Client)
	case nonce != "" && !same(c.Nonce, nonce):
		return Token{}, refuse(LoginInvalid, nil, "%s gave the identity token of another login (nonce): begin again", from)
	case c.AccessHash != "" && !same(c.AccessHash, accessHash(g.ID, g.Access)):
		return Token{}, refuse(LoginInvalid, nil, "%s gave an identity token that does not belong to the access token beside it (at_hash)", from)
	}
	return t, nil
}

// same compares secrets.
func same(a, b string) bool { return b != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// accessHash is the left half of the hash of an access token, by the hash function of
// the identity token's algorithm (OpenID Connect Core, section 3.1.3.6), "" where that
// is not known.
func accessHash(id, access string) string {
	first, _, _ := strings.Cut(id, ".")
	raw, err := base64.RawURLEncoding.DecodeString(first)
	var header struct {
		Algorithm string `json:"alg"`
	}
	if err != nil || json.Unmarshal(raw, &header) != nil {
		return ""
	}
	var sum []byte
	switch a := header.Algorithm; {
	case len(a) == 5 && strings.HasSuffix(a, "256"):
		h := sha256.Sum256([]byte(access))
		sum = h[:]
	case len(a) == 5 && strings.HasSuffix(a, "384"):
		h := sha512.Sum384([]byte(access))
		sum = h[:]
	case len(a) == 5 && strings.HasSuffix(a, "512"), a == "EdDSA", a == "Ed25519":
		h := sha512.Sum512([]byte(access))
		sum = h[:]
	}
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// late says that nobody logged in, before the context ended or within that time.
func late(ctx context.Context, issuer string, within time.Duration) error {
	if err := context.Cause(ctx); err != nil {
		return refuse(LoginExpired, err, "nobody has logged in at %s: begin again", bare(issuer))
	}
	return refuse(LoginExpired, nil, "nobody has logged in at %s within %s: begin again", bare(issuer), within.Round(time.Second))
}

// errLate ends a login of which nothing is heard.
type errLate time.Duration

// Error implements error.
func (e errLate) Error() string { return fmt.Sprintf("the %s for that are over", time.Duration(e)) }
