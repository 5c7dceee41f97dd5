package token

import (
	"crypto/rand"
	"crypto/sha256"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// odd is the path of the issuers that are not honest, each of which is called by how.
const odd = "/odd/"

// In which way an issuer is not honest.
const (
	OtherState    = "other-state"    // sends the browser back with another state
	OtherNonce    = "other-nonce"    // gives the token of another login
	OtherIssuer   = "other-issuer"   // gives a token of another issuer
	OtherAudience = "other-audience" // gives a token for somebody else
	OtherAccess   = "other-access"   // gives a token that belongs to another access token
	Endless       = "endless"        // redirects discovery to itself
	Round         = "round"          // redirects the browser in a circle
	Refusal       = "refusal"        // has the person say no
	Expiry        = "expiry"         // has the device's code expire
)

// A visit is a login under way.
type visit struct {
	client, redirect, challenge, nonce string
	asked                              time.Time // last, by a device
	approved                           bool
}

// pollEvery is how often a device may ask.
const pollEvery = time.Second

// keep keeps a visit under new names.
func (i *Issuer) keep(v *visit, names ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, n := range names {
		i.visits[n] = v
	}
}

// authorize approves a login in a browser at once (OpenID Connect Core, section
// 3.1.2), for clients on this machine that send a proof key.
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request, how string) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	local := err == nil && back.Scheme == "http" && (back.Hostname() == "127.0.0.1" || back.Hostname() == "localhost")
	scopes := strings.Fields(q.Get("scope"))
	switch {
	case how == Round:
		http.Redirect(w, r, r.URL.String(), http.StatusFound)
		return
	case !local || q.Get("response_type") != "code" || q.Get("client_id") == "" || len(scopes) == 0 || scopes[0] != "openid":
		http.Error(w, "no request for a code", http.StatusBadRequest)
		return
	case q.Get("code_challenge") == "" || q.Get("code_challenge_method") != "S256":
		http.Error(w, "no proof key", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	i.keep(&visit{client: q.Get("client_id"), redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"), nonce: q.Get("nonce"), approved: true}, code)
	answer := url.Values{"state": {q.Get("state")}, "code": {code}}
	switch how {
	case OtherState:
		answer.Set("state", rand.Text())
	case Refusal:
		answer = url.Values{"state": {q.Get("state")}, "error": {"access_denied"}, "error_description": {"the person said no"}}
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// device begins a login on a device (RFC 8628, section 3.2).
func (i *Issuer) device(w http.ResponseWriter, r *http.Request, path string) {
	if r.ParseForm() != nil || r.PostForm.Get("client_id") == "" {
		fail(w, "invalid_request")
		return
	}
	device, user := rand.Text(), rand.Text()[:8]
	i.keep(&visit{client: r.PostForm.Get("client_id"), challenge: r.PostForm.Get("code_challenge")}, device, user)
	page := i.URL(path) + "/device"
	answer(w, map[string]any{
		"device_code": device, "user_code": user, "verification_uri": page, "verification_uri_complete": page + "?user_code=" + user,
		"expires_in": 60, "interval": pollEvery.Seconds(),
	})
}

// approve is the page at which a person enters the code of a device.
func (i *Issuer) approve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	v := i.visits[r.URL.Query().Get("user_code")]
	if v == nil || v.redirect != "" {
		http.Error(w, "no such code", http.StatusNotFound)
		return
	}
	v.approved = true
}

// exchange gives the tokens of a login (RFC 6749, section 4.1.3; RFC 7636, section
// 4.5; RFC 8628, section 3.4). A code is good for one.
func (i *Issuer) exchange(w http.ResponseWriter, r *http.Request, path, how string) {
	if r.ParseForm() != nil {
		fail(w, "invalid_request")
		return
	}
	form := r.PostForm
	isDevice := form.Get("grant_type") == "urn:ietf:params:oauth:grant-type:device_code"
	code := form.Get("code")
	if isDevice {
		code = form.Get("device_code")
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	v := i.visits[code]
	client := form.Get("client_id")
	if name, _, ok := r.BasicAuth(); ok {
		client = name
	}
	proof := sha256.Sum256([]byte(form.Get("code_verifier")))
	switch {
	case !isDevice && form.Get("grant_type") != "authorization_code":
		fail(w, "unsupported_grant_type")
		return
	case v == nil || isDevice != (v.redirect == "") || client != v.client || !isDevice && form.Get("redirect_uri") != v.redirect,
		v.challenge != "" && encode(proof[:]) != v.challenge:
		fail(w, "invalid_grant")
		return
	}
	if said := v.pending(how, isDevice); said != "" {
		fail(w, said)
		return
	}
	delete(i.visits, code)
	i.grant(w, path, how, v)
}

// pending is why a device gets no token yet, or never.
func (v *visit) pending(how string, isDevice bool) string {
	last := v.asked
	v.asked = time.Now()
	switch {
	case isDevice && how == Refusal:
		return "access_denied"
	case isDevice && how == Expiry:
		return "expired_token"
	case v.approved:
		return ""
	case time.Since(last) < pollEvery*9/10:
		return "slow_down"
	}
	return "authorization_pending"
}

// grant answers with tokens.
func (i *Issuer) grant(w http.ResponseWriter, path, how string, v *visit) {
	access := rand.Text()
	sum := sha256.Sum256([]byte(access))
	who := path
	if how != "" {
		who = Email
	}
	c := i.Claims(who)
	maps.Copy(c, map[string]any{"iss": i.URL(path), "aud": v.client, "at_hash": encode(sum[:16])})
	if v.nonce != "" {
		c["nonce"] = v.nonce
	}
	switch how {
	case OtherNonce:
		c["nonce"] = rand.Text()
	case OtherIssuer:
		c["iss"] = i.URL(Email)
	case OtherAudience:
		c["aud"] = "other"
	case OtherAccess:
		access = rand.Text()
	}
	t, err := i.Sign(c)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	answer(w, map[string]any{"id_token": t, "access_token": access, "token_type": "Bearer", "expires_in": int(i.life.Seconds())})
}

// fail answers with an error of OAuth (RFC 6749, section 5.2).
func fail(w http.ResponseWriter, said string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	w.Write([]byte(`{"error":"` + said + `"}`))
}
