package awskms_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/key/awskms"
	"github.com/hallmark-oci/hallmark/sign/key/kmstest"
	"github.com/hallmark-oci/hallmark/sign/key/plugin"
)

// TestMain is the tests, or the plug-in, under whose name the tests start it.
func TestMain(m *testing.M) {
	if strings.HasPrefix(filepath.Base(os.Args[0]), plugin.Prefix) {
		os.Exit(awskms.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.LookupEnv, time.Now))
	}
	os.Exit(m.Run())
}

// start starts a stand-in for the service and returns its host and how hallmark
// finds the plug-in. Later entries of the environment win over earlier ones.
func start(t *testing.T, more ...string) (*kmstest.AWS, string, key.Options) {
	t.Helper()
	a := kmstest.StartAWS()
	t.Cleanup(a.Close)
	dir := kmstest.Install(t, "awskms")
	ca := filepath.Join(dir, "ca.pem")
	kmstest.Write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})))
	env := append([]string{kmstest.Quick, "PATH=" + dir, "HOME=" + dir, "AWS_CA_BUNDLE=" + ca, "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=" + kmstest.AWSKeyID, "AWS_SECRET_ACCESS_KEY=" + kmstest.AWSSecret}, more...)
	return a, strings.TrimPrefix(a.URL, "https://"), key.Options{Plugins: []string{"awskms"}, Environ: env}
}

// TestRoundTrip makes a key of each kind in the service, signs with it and verifies
// with the public key; also where the service tells less than AWS does, on which
// Sigstore's own client panics.
func TestRoundTrip(t *testing.T) {
	a, host, opts := start(t)
	for _, terse := range []bool{false, true} {
		a.Say(terse, "")
		for _, algorithm := range []string{"", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048", "rsa-3072"} {
			name := fmt.Sprintf("awskms://%s/alias/k%s/%v", host, algorithm, terse)
			made, err := key.GenerateRemote(t.Context(), name, algorithm, opts)
			if err != nil {
				t.Fatalf("%s: %v", algorithm, err)
			}
			p, err := key.Load(t.Context(), name, opts)
			if err != nil || p.ID() != made.Fingerprint() || algorithm != "" && made.Algorithm() != algorithm {
				t.Fatalf("%s: another key: %v", algorithm, err)
			}
			for range 2 { // the second time it is known which hash the key takes
				sig, err := p.Sign(t.Context(), strings.NewReader("message"))
				if err != nil {
					t.Fatalf("%s: %v", algorithm, err)
				}
				if err := made.VerifyMessage(sig, strings.NewReader("message")); err != nil {
					t.Errorf("%s: %v", algorithm, err)
				}
			}
		}
	}
	p, err := key.Load(t.Context(), "awskms://"+host+"/alias/krsa-2048/false", opts)
	if err != nil {
		t.Fatal(err)
	}
	// Nobody could tell from the public key that PSS is wanted.
	a.Say(false, "RSASSA_PSS_SHA_256")
	if _, err := p.Sign(t.Context(), strings.NewReader("message")); err == nil || !strings.Contains(err.Error(), "signs with RSASSA_PSS_SHA_256 only") {
		t.Errorf("another hash only: %v", err)
	}
}

// TestNames: the forms of names that Sigstore documents, and what is none of them.
func TestNames(t *testing.T) {
	_, host, opts := start(t)
	const id = "1234abcd-12ab-34cd-56ef-000000000001"
	made, err := key.GenerateRemote(t.Context(), "awskms://"+host+"/alias/release", "", opts)
	if err != nil {
		t.Fatal(err)
	}
	opts.Environ = append(opts.Environ, "AWS_REGION=", "AWS_DEFAULT_REGION=us-east-1", "AWS_ENDPOINT_URL=https://"+host)
	for _, name := range []string{
		host + "/" + id, "/" + id, "/alias/release", "/arn:aws:kms:us-east-1:111122223333:key/" + id,
		"/arn:aws:kms:us-east-1:111122223333:alias/release",
	} {
		if p, err := key.LoadPublic(t.Context(), "awskms://"+name, opts); err != nil || p.Fingerprint() != made.Fingerprint() {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, want := range map[string]string{
		"alias/release": "want [ENDPOINT]/KEY", "/": "want [ENDPOINT]/KEY", "/../x": "want", "u:p@h/alias/x": "want", "/alias/x?y": "want",
		"/alias/none": "no such key", "/arn:aws:kms:eu-west-1:111122223333:alias/release": "valid region",
		"127.0.0.1:1/alias/release": "refused",
	} {
		if _, err := key.LoadPublic(t.Context(), "awskms://"+name, opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := key.GenerateRemote(t.Context(), "awskms:///alias/release", "rsa-2048", opts); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a key of another kind is there: %v", err)
	}
	if again, err := key.GenerateRemote(t.Context(), "awskms:///alias/release", "ecdsa-p256", opts); err != nil || again.Fingerprint() != made.Fingerprint() {
		t.Errorf("made twice: %v", err)
	}
	if _, err := key.GenerateRemote(t.Context(), "awskms:///"+id, "", opts); err == nil || !strings.Contains(err.Error(), "alias") {
		t.Errorf("made by identifier: %v", err)
	}
}

// TestCredentials: where credentials come from, and that none are given away.
func TestCredentials(t *testing.T) {
	_, host, opts := start(t)
	name := "awskms://" + host + "/alias/release"
	if _, err := key.GenerateRemote(t.Context(), name, "", opts); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".aws"), 0o700); err != nil {
		t.Fatal(err)
	}
	kmstest.Write(t, filepath.Join(dir, ".aws", "config"), "# regions\n[default]\nregion = eu-west-1\n[profile  release]\nregion=us-east-1\ns3 =\n  region = eu-west-9\n")
	kmstest.Write(t, filepath.Join(dir, ".aws", "credentials"), "[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = x\n\n[release]\n"+
		"aws_access_key_id="+kmstest.AWSKeyID+"\naws_secret_access_key = "+kmstest.AWSSecret+"\naws_session_token = "+kmstest.AWSSession+"\n")
	none := []string{"AWS_REGION=", "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}
	for want, more := range map[string][]string{
		"":                     append([]string{"HOME=" + dir, "AWS_PROFILE=release"}, none...),
		" ":                    {"AWS_SESSION_TOKEN=" + kmstest.AWSSession},
		"no profile":           {"HOME=" + dir, "AWS_PROFILE=other"},
		"token included":       append([]string{"HOME=" + dir}, none...),
		"no region":            {"AWS_REGION="},
		"which is none":        {"AWS_REGION=evil.example/"},
		"no credentials":       none[1:],
		"does not match":       {"AWS_SECRET_ACCESS_KEY=another-secret-access-key"},
		"is expired":           {"AWS_SESSION_TOKEN=another-session-token"},
		"unknown authority":    {"AWS_CA_BUNDLE="},
		"INSECURE_SKIP_VERIFY": {"AWS_TLS_INSECURE_SKIP_VERIFY=1"},
		"characters":           {"AWS_SESSION_TOKEN=a\nb"},
	} {
		o := opts
		o.Environ = append(append([]string{}, opts.Environ...), more...)
		_, err := key.Load(t.Context(), name, o)
		switch {
		case strings.TrimSpace(want) == "" && err != nil:
			t.Errorf("%v: %v", more, err)
		case strings.TrimSpace(want) != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%v: %v", more, err)
		case err != nil && (strings.Contains(err.Error(), kmstest.AWSSecret) || strings.Contains(err.Error(), "another-se")):
			t.Errorf("%v: a secret: %v", more, err)
		}
	}
	plain := opts
	plain.Environ = append(append([]string{}, opts.Environ...), "AWS_ENDPOINT_URL=http://kms.example")
	if _, err := key.Load(t.Context(), "awskms:///alias/release", plain); err == nil || !strings.Contains(err.Error(), "not https") {
		t.Errorf("without TLS: %v", err)
	}
}

// TestBadAnswers: a service that answers nonsense is an error, never a key.
func TestBadAnswers(t *testing.T) {
	_, _, opts := start(t)
	for _, body := range []string{
		"", "{", "[]", "{}", `{"PublicKey":"AAAA"}`, `{"PublicKey":"!"}`, `{"KeyUsage":"ENCRYPT_DECRYPT","PublicKey":"AAAA"}`,
		`{"PublicKey":"` + strings.Repeat("A", awskms.MaxAnswer) + `"}`,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
		o := opts
		o.Environ = append(append([]string{}, opts.Environ...), "AWS_ENDPOINT_URL="+s.URL)
		if _, err := key.LoadPublic(t.Context(), "awskms:///alias/release", o); err == nil {
			t.Errorf("%.60s: a key", body)
		}
		s.Close()
	}
}

// FuzzAnswer: no answer of the service makes the plug-in panic.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"KeyId":"x","CustomerMasterKeySpec":"ECC_NIST_P256","PublicKey":"AAAA","Signature":"AAAA"}`))
	f.Add([]byte(`{"KeySpec":"RSA_2048","SigningAlgorithms":[]}`))
	f.Add([]byte(`{"__type":"com.amazonaws.kms#NotFoundException","message":"no"}`))
	env := map[string]string{"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := awskms.Open(plugin.Request{Resource: "/alias/x"}, awskms.Options{
			LookupEnv: func(n string) (string, bool) { v, ok := env[n]; return v, ok },
			ReadFile:  func(string) ([]byte, error) { return nil, fs.ErrNotExist },
			Now:       func() time.Time { return time.Unix(0, 0) },
			Transport: kmstest.Canned(body),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.PublicKey(t.Context()); errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		_, _ = s.Sign(t.Context(), plugin.Message{Text: strings.NewReader("m")})
		_, _ = s.CreateKey(t.Context(), "ecdsa-p256")
	})
}
