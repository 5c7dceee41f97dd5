package keyless_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/hallmark-oci/hallmark/sign/keyless"
)

// sources are those of an environment in which nobody really waits.
func sources(t *testing.T, env map[string]string) keyless.Sources {
	return keyless.Sources{
		Network:   keyless.Network{Now: time.Now, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }},
		File:      filepath.Join(t.TempDir(), "none"),
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}
}

// secretPart is the part of a token that is the secret.
func secretPart(token string) string { return token[strings.LastIndex(token, ".")+1:] }

// TestBuildkite asks a service as Buildkite's agent does: the path, the header and the
// body are those of github.com/buildkite/agent/v3, api/oidc.go and api/client.go.
func TestBuildkite(t *testing.T) {
	const secret = "bkaj_0123456789abcdef"
	good := token(map[string]any{"aud": "sigstore", "email": nil, "email_verified": nil, "sub": "organization:acme:pipeline:app"})
	flaps := 1
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q map[string]any
		switch raw, _ := io.ReadAll(r.Body); {
		case r.Method != http.MethodPost || r.URL.EscapedPath() != "/v3/jobs/job%2F1/oidc/tokens" || json.Unmarshal(raw, &q) != nil || len(q) != 1 || q["audience"] != "sigstore":
			http.Error(w, "what is this?", http.StatusNotFound)
		case r.Header.Get("Authorization") != "Token "+secret:
			http.Error(w, "not "+r.Header.Get("Authorization"), http.StatusUnauthorized)
		case flaps > 0:
			flaps--
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			answer(w, http.StatusOK, map[string]string{"token": good})
		}
	}))
	defer agent.Close()
	env := func(change map[string]string) map[string]string {
		all := map[string]string{"BUILDKITE_AGENT_ACCESS_TOKEN": secret, "BUILDKITE_AGENT_ENDPOINT": agent.URL + "/v3", "BUILDKITE_JOB_ID": "job/1"}
		for k, v := range change {
			all[k] = v
		}
		return all
	}
	for name, c := range map[string]struct {
		change   map[string]string
		audience string
		want     keyless.Reason
		detected keyless.Provider
	}{
		"good":               {detected: keyless.Buildkite},
		"another secret":     {change: map[string]string{"BUILDKITE_AGENT_ACCESS_TOKEN": "x" + secret}, want: keyless.Denied, detected: keyless.Buildkite},
		"no job":             {change: map[string]string{"BUILDKITE_JOB_ID": ""}, want: keyless.TokenUnavailable},
		"in the clear":       {change: map[string]string{"BUILDKITE_AGENT_ENDPOINT": "http://agent.example/v3"}, want: keyless.TokenUnavailable, detected: keyless.Buildkite},
		"for somebody else":  {audience: "other", want: keyless.Denied, detected: keyless.Buildkite},
		"a token that waits": {change: map[string]string{"SIGSTORE_ID_TOKEN": good}, detected: keyless.GitLab},
	} {
		s := sources(t, env(c.change))
		s.Audience = c.audience
		if got := s.Detect(); got != c.detected {
			t.Errorf("%s: detected %q", name, got)
		}
		got, err := s.From(t.Context(), keyless.Buildkite)
		if reasonOf(err) != c.want || err == nil && got.Subject() != "organization:acme:pipeline:app" {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if strings.Contains(fmt.Sprint(err), secret) || strings.Contains(fmt.Sprint(err), secretPart(good)) {
			t.Errorf("%s: a secret is in %v", name, err)
		}
	}
}

// cloud is Google's cloud: a metadata server, and the service that hands out tokens of
// other accounts. It stands in for the network.
type cloud struct {
	asked  []string
	access string
	token  string
}

// RoundTrip implements http.RoundTripper.
func (c *cloud) RoundTrip(r *http.Request) (*http.Response, error) {
	c.asked = append(c.asked, r.Method+" "+r.URL.String())
	w := httptest.NewRecorder()
	var q struct {
		Audience     string `json:"audience"`
		IncludeEmail bool   `json:"includeEmail"`
	}
	switch {
	case r.URL.Host == "metadata.google.internal" && r.Header.Get("Metadata-Flavor") == "Google" && strings.HasSuffix(r.URL.Path, "/default/token"):
		fmt.Fprintf(w, `{"access_token":%q,"expires_in":3599,"token_type":"Bearer"}`, c.access)
	case r.URL.Host == "iamcredentials.googleapis.com" && r.Header.Get("Authorization") == "Bearer ya29.an-access-token" &&
		json.NewDecoder(r.Body).Decode(&q) == nil && q.Audience == "sigstore" && q.IncludeEmail:
		fmt.Fprintf(w, `{"token":%q}`, c.token)
	default:
		http.Error(w, "refused: "+r.Header.Get("Authorization"), http.StatusForbidden)
	}
	return w.Result(), nil
}

// TestImpersonate signs as another account of Google's cloud (the REST reference of the
// IAM Service Account Credentials API, generateIdToken).
func TestImpersonate(t *testing.T) {
	for name, c := range map[string]struct {
		cloud   cloud
		account string
		want    keyless.Reason
		asked   int
	}{
		"good":                   {cloud: cloud{access: "ya29.an-access-token", token: token(nil)}, account: "signer@acme.iam.gserviceaccount.com", asked: 2},
		"no account":             {want: keyless.TokenUnavailable},
		"no access":              {cloud: cloud{access: ""}, account: "signer@acme.iam.gserviceaccount.com", want: keyless.TokenUnavailable, asked: 1},
		"an access that is none": {cloud: cloud{access: "ya29.another-access-token"}, account: "signer@acme.iam.gserviceaccount.com", want: keyless.Denied, asked: 2},
		"no token":               {cloud: cloud{access: "ya29.an-access-token"}, account: "signer@acme.iam.gserviceaccount.com", want: keyless.TokenUnavailable, asked: 2},
	} {
		s := sources(t, map[string]string{"GOOGLE_SERVICE_ACCOUNT_NAME": c.account})
		s.Transport = &c.cloud
		if got := s.Detect(); (got == keyless.GoogleImpersonate) != (c.account != "") {
			t.Errorf("%s: detected %q", name, got)
		}
		_, err := s.From(t.Context(), keyless.GoogleImpersonate)
		if reasonOf(err) != c.want || (err == nil) != (c.want == "") || len(c.cloud.asked) != c.asked {
			t.Errorf("%s: %v after %q", name, err, c.cloud.asked)
		}
		if c.cloud.access != "" && strings.Contains(fmt.Sprint(err), c.cloud.access) {
			t.Errorf("%s: the access token is in %v", name, err)
		}
		if c.asked == 2 && c.cloud.asked[1] != "POST https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/signer@acme.iam.gserviceaccount.com:generateIdToken" {
			t.Errorf("%s: %q", name, c.cloud.asked[1])
		}
	}
}

// An svid is an identity that a Workload API hands out.
type svid struct{ id, token string }

// message is a JWTSVIDResponse of them (workload.proto of SPIFFE).
func message(list ...svid) []byte {
	var all []byte
	for _, s := range list {
		one := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), s.id)
		one = protowire.AppendString(protowire.AppendTag(one, 2, protowire.BytesType), s.token)
		one = protowire.AppendString(protowire.AppendTag(one, 3, protowire.BytesType), "a hint")
		all = protowire.AppendBytes(protowire.AppendTag(all, 1, protowire.BytesType), one)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(all))), all...)
}

// agent serves the Workload API on a socket with Go's HTTP/2; testdata/keyless does so
// with the server of gRPC.
func agent(t *testing.T, h http.HandlerFunc) (socket string) {
	dir, err := os.MkdirTemp("", "spiffe") // the name of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "api.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Field 1, of bytes: "sigstore".
		want := append([]byte{0, 0, 0, 0, 10, 0x0a, 8}, "sigstore"...)
		raw, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(raw, want) || r.URL.Path != "/SpiffeWorkloadAPI/FetchJWTSVID" || r.ProtoMajor != 2 ||
			r.Header.Get("Workload.spiffe.io") != "true" || r.Header.Get("Content-Type") != "application/grpc" || r.Header.Get("Te") != "trailers" {
			t.Errorf("%s %s %v %q", r.Proto, r.URL, r.Header, raw)
		}
		h(w, r)
	})}
	srv.Protocols.SetUnencryptedHTTP2(true)
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return socket
}

// said answers with a message of gRPC and its status.
func said(body []byte, status, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
		w.Write(body)
		w.Header().Set("Grpc-Status", status)
		w.Header().Set("Grpc-Message", text)
	}
}

// TestSPIFFE asks a Workload API.
func TestSPIFFE(t *testing.T) {
	const id = "spiffe://acme.example/ns/build/sa/signer"
	own := token(map[string]any{"sub": id, "email": nil, "email_verified": nil})
	good := svid{id, own}
	broken := message(good)
	broken[0] = 1
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   keyless.Reason
		says   string
	}{
		"good":                          {answer: said(message(good), "0", "")},
		"the first of several":          {answer: said(message(good, svid{"spiffe://acme.example/other", token(nil)}), "0", "")},
		"no identity for this workload": {answer: said(nil, "7", "no identity issued"), want: keyless.Denied, says: "no identity issued"},
		"a status before the answer": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Grpc-Status", "14")
			w.Header().Set("Grpc-Message", "it%20starts")
		}, want: keyless.Denied, says: "status 14 of gRPC it starts"},
		"no status":                  {answer: func(w http.ResponseWriter, _ *http.Request) { w.Write(message(good)) }, want: keyless.Denied, says: "how the call ended"},
		"a status that hides":        {answer: said(message(good), "13", "%zz\r\nhallmark: all is well"), want: keyless.Denied, says: "status 13"},
		"compressed":                 {answer: said(broken, "0", ""), want: keyless.Malformed},
		"cut off":                    {answer: said(message(good)[:20], "0", ""), want: keyless.Malformed},
		"two messages":               {answer: said(append(message(good), message(good)...), "0", ""), want: keyless.Malformed},
		"nothing":                    {answer: said(nil, "0", ""), want: keyless.Malformed},
		"an empty list":              {answer: said(message(), "0", ""), want: keyless.Malformed, says: "no identity"},
		"no protobuf":                {answer: said([]byte{0, 0, 0, 0, 2, 0xff, 0xff}, "0", ""), want: keyless.Malformed},
		"another's token":            {answer: said(message(svid{"spiffe://acme.example/other", own}), "0", ""), want: keyless.TokenIdentity, says: "calls this workload"},
		"a name that is none":        {answer: said(message(svid{"https://acme.example", own}), "0", ""), want: keyless.Malformed},
		"for another audience":       {answer: said(message(svid{id, token(map[string]any{"sub": id, "aud": "other"})}), "0", ""), want: keyless.TokenAudience},
		"of nobody who vouches":      {answer: said(message(svid{id, token(map[string]any{"sub": id, "iss": nil})}), "0", ""), want: keyless.TokenIdentity, says: "does not name its issuer"},
		"more than is ever read":     {answer: said(make([]byte, 2<<20), "0", ""), want: keyless.Malformed, says: "more than"},
		"a server of something else": {answer: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusNotFound) }, want: keyless.Denied, says: "404"},
	} {
		t.Run(name, func(t *testing.T) {
			socket := agent(t, c.answer)
			for _, address := range []string{"unix://" + socket, socket} {
				s := sources(t, map[string]string{"SPIFFE_ENDPOINT_SOCKET": address})
				if got := s.Detect(); got != keyless.SPIFFE {
					t.Errorf("detected %q", got)
				}
				got, err := s.From(t.Context(), keyless.SPIFFE)
				if reasonOf(err) != c.want || (err == nil) != (c.want == "") || err == nil && got.Subject() != id {
					t.Fatalf("%v, %v, want %q", got, err, c.want)
				}
				if text := fmt.Sprint(err); err != nil && (!strings.Contains(text, socket) || !strings.Contains(text, c.says) || strings.Contains(text, "\n") || strings.Contains(text, secretPart(own))) {
					t.Errorf("%q", text)
				}
			}
		})
	}
}

// TestSPIFFEAddress: what is no socket of this machine is not asked.
func TestSPIFFEAddress(t *testing.T) {
	for address, want := range map[string]keyless.Reason{
		"unix://host/run/agent.sock": keyless.TokenUnavailable,
		"unix:run/agent.sock":        keyless.TokenUnavailable,
		"agent.sock":                 keyless.TokenUnavailable,
		"tcp://127.0.0.1:1":          keyless.TokenUnavailable,
		"unix:///a?b":                keyless.TokenUnavailable,
		"https://agent.example":      keyless.TokenUnavailable,
		"%zz":                        keyless.TokenUnavailable,
		"unix://" + filepath.Join(t.TempDir(), "gone.sock"): keyless.Unreachable,
	} {
		s := sources(t, map[string]string{"SPIFFE_ENDPOINT_SOCKET": address})
		if _, err := s.From(t.Context(), keyless.SPIFFE); reasonOf(err) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	if got := sources(t, nil).Detect(); got != "" {
		t.Errorf("detected %q where nothing is", got)
	}
}
