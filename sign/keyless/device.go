package keyless

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

// deviceGrant is the name of the device flow (RFC 8628, section 3.4).
const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// Device has the person log in with a browser anywhere, where he enters a code that is
// shown here: the device flow (RFC 8628). The issuer is asked again and again, as
// seldom as it wants, until the code expires. The error is a [*Refusal].
func (l Login) Device(ctx context.Context) (Token, error) {
	v, err := l.begin(ctx, rand.Text()+rand.Text())
	if err != nil {
		return Token{}, err
	}
	if v.metadata.Device == "" {
		return Token{}, refuse(Unusable, nil, "the issuer %s has no device flow: use --oidc-flow browser, on a machine with a browser", bare(l.Issuer))
	}
	form := v.form("scope", "openid email")
	if v.challenged() { // RFC 8628 has no proof keys; issuers that know none do not look
		form.Set("code_challenge", v.challenge())
		form.Set("code_challenge_method", "S256")
	}
	g, err := v.post(ctx, "device authorization endpoint", v.metadata.Device, form, false)
	switch {
	case err != nil:
		return Token{}, err
	case g.Error != "":
		return Token{}, v.refused(g)
	case g.DeviceCode == "" || len(g.DeviceCode) > maxAddress || g.UserCode == "" || len(g.UserCode) > maxCode || !(g.Expires > 0):
		return Token{}, refuse(Malformed, nil, "the issuer %s gave no code to log in with", bare(l.Issuer))
	}
	if err := v.address("page to log in at", g.Page); err != nil {
		return Token{}, err
	}
	v.client.secrets = append(v.client.secrets, g.DeviceCode)
	line := fmt.Sprintf("to log in, open %s in a browser and enter the code %s", g.Page, g.UserCode)
	if g.WholePage != "" {
		if err := v.address("page to log in at", g.WholePage); err != nil {
			return Token{}, err
		}
		line += ", or open " + g.WholePage + " and compare the code"
	}
	l.Show(line)
	return v.poll(ctx, g)
}

// poll asks until somebody has logged in, or nobody did (RFC 8628, section 3.5).
func (v *visit) poll(ctx context.Context, device granted) (Token, error) {
	life := min(seconds64(device.Expires), deviceTime)
	end := v.Now().Add(life)
	wait := usualPoll
	if device.Interval > 0 {
		wait = min(max(seconds64(device.Interval), shortestPoll), longestPoll)
	}
	for range maxPolls {
		if v.Now().Add(wait).After(end) {
			break
		}
		if err := v.sleep(ctx, wait); err != nil {
			return Token{}, late(ctx, v.Login.Issuer, life)
		}
		g, err := v.post(ctx, "token endpoint", v.metadata.Token, v.form("grant_type", deviceGrant,
			"device_code", device.DeviceCode, "code_verifier", v.verifier), false)
		if err != nil {
			return Token{}, err
		}
		switch g.Error {
		case "":
			return v.token(g, "")
		case "authorization_pending":
		case "slow_down":
			wait = min(wait+usualPoll, longestPoll)
		case "expired_token":
			return Token{}, late(ctx, v.Login.Issuer, life)
		default:
			return Token{}, v.refused(g)
		}
	}
	return Token{}, late(ctx, v.Login.Issuer, life)
}

// seconds64 is that many seconds, at most a day.
func seconds64(n float64) time.Duration {
	return time.Duration(min(n, 24*60*60) * float64(time.Second))
}
