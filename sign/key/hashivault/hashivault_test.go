package hashivault_test

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

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/key/hashivault"
	"github.com/hallmark-oci/hallmark/sign/key/kmstest"
	"github.com/hallmark-oci/hallmark/sign/key/plugin"
)

// TestMain is the tests, or the plug-in, under whose name the tests start it.
func TestMain(m *testing.M) {
	if strings.HasPrefix(filepath.Base(os.Args[0]), plugin.Prefix) {
		os.Exit(hashivault.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.LookupEnv))
	}
	os.Exit(m.Run())
}

// options are how hallmark finds the plug-in, in that environment.
func options(t *testing.T, env ...string) key.Options {
	t.Helper()
	dir := kmstest.Install(t, "hashivault", "openbao")
	return key.Options{Plugins: []string{"hashivault", "openbao"}, Environ: append(env, "PATH="+dir, "HOME="+t.TempDir(), kmstest.Quick)}
}

func start(t *testing.T) (*kmstest.Vault, key.Options) {
	t.Helper()
	v := kmstest.StartVault(false)
	t.Cleanup(v.Close)
	return v, options(t, "VAULT_ADDR="+v.URL, "VAULT_TOKEN="+kmstest.VaultToken)
}

// TestRoundTrip makes a key of each kind in the service, signs with it, and verifies
// with the public key, also after the key was rotated.
func TestRoundTrip(t *testing.T) {
	v, opts := start(t)
	for _, algorithm := range []string{"", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048", "rsa-3072"} {
		name := "hashivault://k-" + algorithm + "1"
		made, err := key.GenerateRemote(t.Context(), name, algorithm, opts)
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		if want := algorithm; want != "" && made.Algorithm() != want {
			t.Errorf("%s: made %s", want, made.Algorithm())
		}
		p, err := key.Load(t.Context(), name, opts)
		if err != nil || p.ID() != made.Fingerprint() {
			t.Fatalf("%s: another key: %v", algorithm, err)
		}
		old := signed(t, p, p.PublicKey())
		if err := v.Rotate(strings.TrimPrefix(name, "hashivault://")); err != nil {
			t.Fatal(err)
		}
		// What was loaded before is the old key, and the newest version signs.
		sig, err := p.Sign(t.Context(), strings.NewReader("message"))
		if err != nil || made.VerifyMessage(sig, strings.NewReader("message")) == nil {
			t.Errorf("%s: the key was rotated: %v", algorithm, err)
		}
		next, err := key.Load(t.Context(), strings.Replace(name, "hashivault", "openbao", 1), opts)
		if err != nil || next.ID() == made.Fingerprint() {
			t.Fatalf("%s: the same key after it was rotated: %v", algorithm, err)
		}
		signed(t, next, next.PublicKey())
		first, err := key.Load(t.Context(), name+"?version=1", opts)
		if err != nil || first.ID() != made.Fingerprint() {
			t.Fatalf("%s: version 1: %v", algorithm, err)
		}
		signed(t, first, made)
		if err := made.VerifyMessage(old, strings.NewReader("message")); err != nil {
			t.Errorf("%s: the old signature: %v", algorithm, err)
		}
		if _, err := p.Encode(key.FormatPKCS8, nil); !errors.Is(err, key.ErrKind) {
			t.Errorf("%s: encoded: %v", algorithm, err)
		}
	}
}

// signed signs and verifies. ECDSA signatures must be over the SHA-256, whatever the
// curve is: cosign verifies no other.
func signed(t *testing.T, p *key.Private, pub *key.Public) []byte {
	t.Helper()
	sig, err := p.Sign(t.Context(), strings.NewReader("message"))
	if err != nil {
		t.Fatal(err)
	}
	if err := pub.VerifyMessage(sig, strings.NewReader("message")); err != nil {
		t.Fatal(err)
	}
	if decided, err := pub.VerifyDigest(sig, sha256sum("message")); !decided && pub.Algorithm() != "ed25519" {
		t.Errorf("%s: not over the SHA-256: %v", pub.Algorithm(), err)
	}
	return sig
}

// TestTLS: the authority of the server, the namespace and the token come from where
// vault's own tools look.
func TestTLS(t *testing.T) {
	v := kmstest.StartVault(true)
	t.Cleanup(v.Close)
	v.Namespace = "team/a"
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	kmstest.Write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.Certificate().Raw})))
	kmstest.Write(t, filepath.Join(dir, ".vault-token"), kmstest.VaultToken+"\n")
	opts := options(t, "BAO_ADDR="+v.URL, "BAO_CACERT="+ca, "BAO_NAMESPACE=team/a/")
	opts.Environ = append(opts.Environ, "HOME="+dir)
	if _, err := key.GenerateRemote(t.Context(), "hashivault://k", "", opts); err != nil {
		t.Fatal(err)
	}
	for name, more := range map[string]string{
		"certificate signed by unknown authority": "BAO_CACERT=",
		"VAULT_SKIP_VERIFY is set":                "VAULT_SKIP_VERIFY=1",
		"permission denied":                       "BAO_NAMESPACE=other",
		"no such file":                            "VAULT_CACERT=/nowhere/ca.pem",
		"holds no certificate":                    "VAULT_CACERT=" + filepath.Join(dir, ".vault-token"),
		"no token":                                "HOME=" + t.TempDir(),
	} {
		bad := opts
		bad.Environ = append(append([]string{}, opts.Environ...), more)
		if _, err := key.LoadPublic(t.Context(), "hashivault://k", bad); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", more, err)
		}
	}
}

// TestPlainHTTP: without TLS the token goes to this machine alone, however another one
// is spelled; and no address is repeated, for a password may stand in it.
func TestPlainHTTP(t *testing.T) {
	open := func(addr string) error {
		env := map[string]string{"VAULT_ADDR": addr, "VAULT_TOKEN": "t"}
		_, err := hashivault.Open(plugin.Request{Resource: "k"}, hashivault.Options{
			LookupEnv: func(n string) (string, bool) { v, ok := env[n]; return v, ok },
			ReadFile:  func(string) ([]byte, error) { return nil, fs.ErrNotExist },
			Transport: kmstest.Canned(nil),
		})
		return err
	}
	for _, addr := range []string{"http://127.0.0.1:8200", "http://127.8.9.1:8200", "http://[::1]:8200", "http://localhost:8200", "https://vault.example:8200"} {
		if err := open(addr); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
	for _, addr := range []string{
		"http://vault.example:8200", "http://10.0.0.1:8200", "http://[2001:db8::1]:8200", "http://0.0.0.0:8200", "HTTP://vault.example",
		"http://localhost.example:8200", "http://127.0.0.1.example:8200", "http://localhost@vault.example:8200",
	} {
		if err := open(addr); err == nil || !strings.Contains(err.Error(), "plain http to another machine") || strings.Contains(err.Error(), "//") {
			t.Errorf("%s: %v", addr, err)
		}
	}
	// Through the plug-in too, where the environment comes from outside.
	_, err := key.LoadPublic(t.Context(), "hashivault://k", options(t, "VAULT_ADDR=http://vault.example:8200", "VAULT_TOKEN=t"))
	if err == nil || !strings.Contains(err.Error(), "plain http to another machine") {
		t.Errorf("through the plug-in: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	v, opts := start(t)
	if _, err := key.GenerateRemote(t.Context(), "hashivault://k", "ed25519", opts); err != nil {
		t.Fatal(err)
	}
	if _, err := key.GenerateRemote(t.Context(), "hashivault://k", "ecdsa-p384", opts); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a key of another algorithm is there: %v", err)
	}
	if _, err := key.GenerateRemote(t.Context(), "hashivault://x", "aes256-gcm96", opts); !errors.Is(err, key.ErrFormat) {
		t.Errorf("an algorithm that cannot sign: %v", err)
	}
	for name, want := range map[string]string{
		"hashivault://none":         "404",
		"hashivault://k?version=9":  "no version 9",
		"hashivault://k?version=-1": "no number",
		"hashivault://../sys/x":     "want KEY",
		"hashivault://":             "no key is named",
	} {
		if _, err := key.Load(t.Context(), name, opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := opts
	bad.Environ = append([]string{}, opts.Environ...)
	bad.Environ[1] = "VAULT_TOKEN=hvs.another-token"
	_, err := key.Load(t.Context(), "hashivault://k", bad)
	if err == nil || !strings.Contains(err.Error(), "permission denied") || strings.Contains(err.Error(), "another-token") {
		t.Errorf("a wrong token: %v", err)
	}
	// The token goes to no other server.
	var told string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told = r.Header.Get("X-Vault-Token") }))
	defer other.Close()
	v.Redirect(other.URL)
	if _, err := key.Load(t.Context(), "hashivault://k", opts); err == nil || !strings.Contains(err.Error(), "elsewhere") || told != "" {
		t.Errorf("a redirect: %v, told %q", err, told)
	}
}

// TestBadAnswers: a server that answers nonsense is an error, never a key.
func TestBadAnswers(t *testing.T) {
	for _, body := range []string{
		"", "{", "[]", `{"data":{}}`, `{"data":{"latest_version":1,"keys":{"1":{}}}}`, `{"data":{"latest_version":1,"keys":[]}}`,
		`{"data":{"type":"ed25519","latest_version":1,"keys":{"1":{"public_key":"AAAA"}}}}`,
		`{"data":{"type":"rsa-2048","latest_version":1,"keys":{"1":{"public_key":"x"}}}}`,
		`{"data":"` + strings.Repeat("x", hashivault.MaxAnswer) + `"}`,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
		if _, err := key.LoadPublic(t.Context(), "hashivault://k", options(t, "VAULT_ADDR="+s.URL, "VAULT_TOKEN=t")); err == nil {
			t.Errorf("%.60s: a key", body)
		}
		s.Close()
	}
}

// FuzzAnswer: no answer of the server makes the plug-in panic, and a key that it
// takes is one.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"data":{"type":"ed25519","latest_version":1,"keys":{"1":{"public_key":"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}}}}`))
	f.Add([]byte(`{"data":{"signature":"vault:v1:AAAA"}}`))
	env := map[string]string{"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "t"}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := hashivault.Open(plugin.Request{Resource: "k"}, hashivault.Options{
			LookupEnv: func(n string) (string, bool) { v, ok := env[n]; return v, ok },
			ReadFile:  func(string) ([]byte, error) { return nil, fs.ErrNotExist },
			Transport: kmstest.Canned(body),
		})
		if err != nil {
			t.Fatal(err)
		}
		if text, err := s.PublicKey(t.Context()); err == nil && len(text) == 0 {
			t.Error("an empty key")
		}
		_, _ = s.Sign(t.Context(), plugin.Message{Text: strings.NewReader("m")})
	})
}
