package key_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/sign/key"
)

// sesame gives the password of the encrypted test keys.
func sesame(context.Context, string) ([]byte, error) { return []byte("sesame"), nil }

func load(t *testing.T, name string) *key.Private {
	t.Helper()
	k, err := key.Load(t.Context(), filepath.Join("testdata", name), key.Options{Password: sesame})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOpenSSL reads OpenSSL's keys and verifies its signatures.
func TestOpenSSL(t *testing.T) {
	cases := map[string]string{
		"ec-p256.sec1": "ecdsa-p256", "ec-p384.pkcs8": "ecdsa-p384", "ed25519.pkcs8": "ed25519", "rsa-2048.pkcs1": "rsa-2048",
		"rsa-pss.pkcs8": "rsa-pss-2048", "rsa-pss-bound.pkcs8": "rsa-pss-2048",
	}
	for name, algorithm := range cases {
		k := load(t, name+".pem")
		pub, err := key.LoadPublic(t.Context(), filepath.Join("testdata", name+".pub"), key.Options{})
		if err != nil {
			t.Error(name, err)
			continue
		}
		if k.PublicKey().Algorithm() != algorithm || pub.Algorithm() != algorithm || k.ID() != pub.Fingerprint() {
			t.Errorf("%s is %s and %s", name, k.PublicKey().Algorithm(), pub.Algorithm())
		}
		if err := pub.VerifyMessage(file(t, name+".sig"), bytes.NewReader(file(t, "message"))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name != "rsa-pss-bound.pkcs8" && !bytes.Equal(pub.PEM(), file(t, name+".pub")) {
			t.Errorf("%s: written as %s", name, pub.PEM())
		}
		if block, _ := pem.Decode(file(t, name+".pub")); !strings.Contains(name, "pss") && pub.Fingerprint() != sha256.Sum256(block.Bytes) {
			t.Errorf("%s: fingerprint is not that of the SubjectPublicKeyInfo", name)
		}
	}
	want := load(t, "ec-p256.sec1.pem").ID()
	for _, name := range []string{"pbkdf2-sha256", "pbkdf2-sha1", "pbkdf2-sha512", "scrypt"} {
		if got := load(t, name+".enc.pem").ID(); got != want {
			t.Errorf("%s: another key", name)
		}
	}
	if load(t, "rsa-pss.enc.pem").ID() != load(t, "rsa-pss.pkcs8.pem").ID() {
		t.Error("rsa-pss.enc.pem: another key")
	}
	if pub, err := key.ParsePublic(file(t, "rsa-2048.pkcs1.rsapub")); err != nil || pub.Fingerprint() != load(t, "rsa-2048.pkcs1.pem").ID() {
		t.Error(err)
	}
}

// TestCosignKeys reads what the two cosign binaries generated.
func TestCosignKeys(t *testing.T) {
	for _, name := range []string{"cosign2", "cosign3"} {
		k := load(t, name+".key")
		if got, want := k.PublicKey().PEM(), file(t, name+".pub"); !bytes.Equal(got, want) {
			t.Errorf("%s: public key %s", name, got)
		}
	}
}

// TestOneAuthority gives one RSA key in two forms.
func TestOneAuthority(t *testing.T) {
	marked := load(t, "rsa-pss.pkcs8.pem").PublicKey()
	plain, err := key.NewPublic(marked.Key())
	if err != nil {
		t.Fatal(err)
	}
	if plain.Fingerprint() != marked.Fingerprint() {
		t.Error("marked for PSS, a key is another authority")
	}
	sig := file(t, "rsa-pss.pkcs8.sig")
	if err := marked.VerifyMessage(sig, bytes.NewReader(file(t, "message"))); err != nil {
		t.Error(err)
	}
	if err := plain.VerifyMessage(sig, bytes.NewReader(file(t, "message"))); !errors.Is(err, key.ErrSignature) {
		t.Errorf("PSS under a key that is not marked for it: %v", err)
	}
	long := file(t, "rsa-pss-longsalt.sig")
	if err := marked.VerifyMessage(long, bytes.NewReader(file(t, "message"))); !errors.Is(err, key.ErrSignature) || !strings.Contains(err.Error(), "salt") {
		t.Errorf("a salt of all the room there is: %v", err)
	}
	k, err := key.Load(t.Context(), "testdata/rsa-2048.pkcs1.pem", key.Options{PSS: true})
	if err != nil {
		t.Fatal(err)
	}
	if sig, err = k.Sign(t.Context(), strings.NewReader("m")); err != nil {
		t.Fatal(err)
	}
	if err := k.PublicKey().VerifyMessage(sig, strings.NewReader("m")); err != nil {
		t.Error(err)
	}
	if err := load(t, "rsa-2048.pkcs1.pem").PublicKey().VerifyMessage(sig, strings.NewReader("m")); !errors.Is(err, key.ErrSignature) {
		t.Errorf("PSS under a key that is not marked for it: %v", err)
	}
	if sig, err = load(t, "rsa-2048.pkcs1.pem").Sign(t.Context(), strings.NewReader("m")); err != nil {
		t.Fatal(err)
	}
	if err := k.PublicKey().VerifyMessage(sig, strings.NewReader("m")); !errors.Is(err, key.ErrSignature) {
		t.Errorf("PKCS #1 v1.5 under a key for PSS: %v", err)
	}
}

func TestNames(t *testing.T) {
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"KEY": string(file(t, "ec-p256.sec1.pem")), "EMPTY": ""}[name]
		return v, ok
	}
	if _, err := key.Load(t.Context(), "env://KEY", key.Options{LookupEnv: env}); err != nil {
		t.Error(err)
	}
	dir := t.TempDir()
	for name, want := range map[string]error{
		"env://OTHER": fs.ErrNotExist, "env://EMPTY": fs.ErrNotExist, "awskms:///alias/x": key.ErrScheme, "https://x/key.pem": key.ErrScheme,
		"ENV://KEY": key.ErrScheme, "": key.ErrFormat, "-": key.ErrFormat, filepath.Join(dir, "none"): fs.ErrNotExist,
	} {
		_, err := key.Load(t.Context(), name, key.Options{LookupEnv: env})
		_, perr := key.LoadPublic(t.Context(), name, key.Options{LookupEnv: env})
		if !errors.Is(err, want) || !errors.Is(perr, want) {
			t.Errorf("%q: %v; %v", name, err, perr)
		}
		if scheme, _, ok := strings.Cut(name, "://"); ok && !strings.Contains(err.Error(), scheme) {
			t.Errorf("%q: the scheme is not named: %v", name, err)
		}
	}
	if _, err := key.Load(t.Context(), dir, key.Options{}); err == nil {
		t.Error("a directory is a key")
	}
	if _, err := key.Load(t.Context(), "env://KEY", key.Options{}); !errors.Is(err, key.ErrScheme) {
		t.Errorf("no environment: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := key.Load(cancelled, "env://KEY", key.Options{LookupEnv: env}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestPasswords(t *testing.T) {
	gone := errors.New("no terminal")
	for _, name := range []string{"cosign2.key", "pbkdf2-sha256.enc.pem", "scrypt.enc.pem"} {
		path := filepath.Join("testdata", name)
		for pass, hint := range map[string]bool{"sesame\n": true, "Sesame": false, "": false} {
			asked := 0
			_, err := key.Load(t.Context(), path, key.Options{Password: func(_ context.Context, prompt string) ([]byte, error) {
				asked++
				if !strings.Contains(prompt, path) {
					t.Errorf("prompt %q", prompt)
				}
				return []byte(pass), nil
			}})
			if !errors.Is(err, key.ErrPassword) || strings.Contains(fmt.Sprint(err), "line break") != hint || asked != 1 {
				t.Errorf("%s with %q, asked %d times: %v", name, pass, asked, err)
			}
		}
		if _, err := key.Load(t.Context(), path, key.Options{}); !errors.Is(err, key.ErrPassword) {
			t.Errorf("%s without password: %v", name, err)
		}
		_, err := key.Load(t.Context(), path, key.Options{Password: func(context.Context, string) ([]byte, error) { return nil, gone }})
		if !errors.Is(err, gone) || errors.Is(err, key.ErrPassword) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A newline counts where the key was made with it.
	k := load(t, "ec-p256.sec1.pem")
	text, err := k.Encode(key.FormatSigstore, []byte("sesame\n"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := key.Load(t.Context(), "env://K", key.Options{
		LookupEnv: func(string) (string, bool) { return string(text), true },
		Password:  func(context.Context, string) ([]byte, error) { return []byte("sesame\n"), nil },
	})
	if err != nil || got.ID() != k.ID() {
		t.Error(err)
	}
}

func TestInspect(t *testing.T) {
	cases := map[string]key.Info{
		"cosign2.key":           {Block: "ENCRYPTED SIGSTORE PRIVATE KEY", Private: true, Encrypted: true, Protection: "NaCl secretbox, scrypt N=65536 r=8 p=1"},
		"pbkdf2-sha512.enc.pem": {Block: "ENCRYPTED PRIVATE KEY", Private: true, Encrypted: true, Protection: "AES-192-CBC, PBKDF2 with 2048 iterations"},
		"scrypt.enc.pem":        {Block: "ENCRYPTED PRIVATE KEY", Private: true, Encrypted: true, Protection: "AES-256-CBC, scrypt N=16384 r=8 p=1"},
		"ec-p256.sec1.pem":      {Block: "EC PRIVATE KEY", Private: true, Public: load(t, "ec-p256.sec1.pem").PublicKey()},
		"ec-p256.sec1.pub":      {Block: "PUBLIC KEY", Public: load(t, "ec-p256.sec1.pem").PublicKey()},
	}
	for name, want := range cases {
		got, err := key.Inspect(t.Context(), filepath.Join("testdata", name), key.Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		if (got.Public == nil) != (want.Public == nil) || got.Public != nil && got.Public.Fingerprint() != want.Public.Fingerprint() {
			t.Errorf("%s: public key", name)
		}
		if got.Public, want.Public = nil, nil; got != want {
			t.Errorf("%s: %+v, not %+v", name, got, want)
		}
	}
}
