package key_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
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
	if err := plain.VerifyMessage(sig, bytes.NewReader(file(t, "message"))); err != nil {
		t.Error(err)
	}
	k, err := key.Load(t.Context(), "testdata/rsa-2048.pkcs1.pem", key.Options{PSS: true})
	if err != nil {
		t.Fatal(err)
	}
	if sig, err = k.Sign(t.Context(), strings.NewReader("m")); err != nil {
		t.Fatal(err)
	}
	// An unmarked key takes both, a marked one PSS only.
	if err := load(t, "rsa-2048.pkcs1.pem").PublicKey().VerifyMessage(sig, strings.NewReader("m")); err != nil {
		t.Error(err)
	}
	if sig, err = load(t, "rsa-2048.pkcs1.pem").Sign(t.Context(), strings.NewReader("m")); err != nil {
		t.Fatal(err)
	}
	if err := k.PublicKey().VerifyMessage(sig, strings.NewReader("m")); !errors.Is(err, key.ErrSignature) {
		t.Errorf("PKCS #1 v1.5 under a key for PSS: %v", err)
	}
}

func TestRefusedKeys(t *testing.T) {
	cosign := string(file(t, "cosign2.key"))
	good := string(file(t, "ec-p256.sec1.pem"))
	public := string(file(t, "ec-p256.sec1.pub"))
	cases := map[string]struct {
		text string
		want error
	}{
		"public for private":   {public, key.ErrKind},
		"PKCS #1 public":       {string(file(t, "rsa-2048.pkcs1.rsapub")), key.ErrKind},
		"certificate":          {string(file(t, "certificate.pem")), key.ErrKind},
		"empty":                {" \n", key.ErrFormat},
		"no PEM":               {"hello", key.ErrFormat},
		"two keys":             {good + good, key.ErrFormat},
		"key and public key":   {good + public, key.ErrFormat},
		"EC parameters":        {string(file(t, "ec-parameters.pem")), key.ErrFormat},
		"text before":          {"x\n" + good, key.ErrFormat},
		"text behind":          {good + "x", key.ErrFormat},
		"cut":                  {good[:len(good)-30], key.ErrFormat},
		"large":                {good + strings.Repeat("\n", key.MaxPEM), key.ErrLimit},
		"old encryption":       {string(file(t, "legacy.enc.pem")), key.ErrFormat},
		"PBES1":                {string(file(t, "pbes1.enc.pem")), key.ErrFormat},
		"3DES":                 {string(file(t, "des3.enc.pem")), key.ErrFormat},
		"RSA 1024":             {string(file(t, "rsa-1024.pem")), key.ErrWeak},
		"RSA 8192":             {string(file(t, "rsa-8192.pem")), key.ErrLimit},
		"RSA e=3":              {string(file(t, "rsa-e3.pem")), key.ErrWeak},
		"P-224":                {string(file(t, "ec-p224.pem")), key.ErrWeak},
		"secp256k1":            {string(file(t, "secp256k1.pem")), key.ErrFormat},
		"Ed448":                {string(file(t, "ed448.pem")), key.ErrFormat},
		"X25519":               {string(file(t, "x25519.pem")), key.ErrFormat},
		"PSS bound to SHA-512": {string(file(t, "rsa-pss-sha512.pkcs8.pem")), key.ErrFormat},
		"unknown block":        {strings.ReplaceAll(good, "EC PRIVATE", "OPENSSH PRIVATE"), key.ErrFormat},
		"wrong label":          {strings.ReplaceAll(good, "EC PRIVATE", "RSA PRIVATE"), key.ErrFormat},
		"costly scrypt":        {box(t, cosign, "N", 1<<20), key.ErrLimit},
		"wide scrypt":          {box(t, cosign, "r", 1<<20), key.ErrLimit},
		"long scrypt":          {box(t, cosign, "p", 1000), key.ErrLimit},
		"negative scrypt":      {box(t, cosign, "N", -1), key.ErrLimit},
		"other derivation":     {box(t, cosign, "name", "argon2"), key.ErrFormat},
		"short nonce":          {box(t, cosign, "nonce", "AAAA"), key.ErrFormat},
		"no ciphertext":        {box(t, cosign, "ciphertext", ""), key.ErrFormat},
		"box no JSON":          {string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED COSIGN PRIVATE KEY", Bytes: []byte("{")})), key.ErrFormat},
	}
	for what, c := range cases {
		asked := false
		opts := key.Options{
			LookupEnv: func(string) (string, bool) { return c.text, true },
			Password:  func(context.Context, string) ([]byte, error) { asked = true; return []byte("sesame"), nil },
		}
		_, err := key.Load(t.Context(), "env://KEY", opts)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
		if asked {
			t.Errorf("%s: a password was asked for in vain", what)
		}
		if strings.Contains(fmt.Sprint(err), "sesame") {
			t.Errorf("%s: the password is in the error", what)
		}
		if info, err := key.Inspect(t.Context(), "env://KEY", opts); err == nil && info.Private {
			t.Errorf("%s: inspected as %+v", what, info)
		}
	}
}

// box changes one value in the JSON of an encrypted key, at whatever level it stands.
func box(t *testing.T, text, name string, value any) string {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	var m map[string]any
	if err := json.Unmarshal(block.Bytes, &m); err != nil {
		t.Fatal(err)
	}
	kdf := m["kdf"].(map[string]any)
	for _, level := range []map[string]any{kdf["params"].(map[string]any), kdf, m["cipher"].(map[string]any), m} {
		if _, ok := level[name]; ok {
			level[name] = value
			raw, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			block.Bytes = raw
			return string(pem.EncodeToMemory(block))
		}
	}
	t.Fatalf("no value %s", name)
	return ""
}

func TestRefusedPublicKeys(t *testing.T) {
	good := string(file(t, "ec-p256.sec1.pub"))
	off := pemFlip(t, good)
	cases := map[string]struct {
		text string
		want error
	}{
		"private":           {string(file(t, "ec-p256.sec1.pem")), key.ErrKind},
		"encrypted private": {string(file(t, "cosign2.key")), key.ErrKind},
		"certificate":       {string(file(t, "certificate.pem")), key.ErrKind},
		"two":               {good + good, key.ErrFormat},
		"point off curve":   {off, key.ErrFormat},
		"PSS with SHA-512":  {string(file(t, "rsa-pss-sha512.pkcs8.pub")), key.ErrFormat},
		"large":             {good + strings.Repeat(" ", key.MaxPEM), key.ErrLimit},
		"empty":             {"", key.ErrFormat},
		"OpenSSH":           {"ssh-ed25519 AAAA", key.ErrFormat},
	}
	for what, c := range cases {
		if _, err := key.ParsePublic([]byte(c.text)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// pemFlip changes the last bit of the key in a PEM block: the y coordinate of a point.
func pemFlip(t *testing.T, text string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	block.Bytes[len(block.Bytes)-1] ^= 1
	return string(pem.EncodeToMemory(block))
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

// FuzzInspect feeds bytes as a key file and as each kind of PEM block.
func FuzzInspect(f *testing.F) {
	names, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, n := range names {
		if ext := filepath.Ext(n.Name()); ext == ".pem" || ext == ".pub" || ext == ".key" {
			text := file(f, n.Name())
			f.Add(text, "")
			if block, _ := pem.Decode(text); block != nil {
				f.Add(block.Bytes, block.Type)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, block string) {
		if block != "" {
			text = pem.EncodeToMemory(&pem.Block{Type: block, Bytes: text})
		}
		opts := key.Options{LookupEnv: func(string) (string, bool) { return string(text), true }}
		info, err := key.Inspect(context.Background(), "env://K", opts)
		if err == nil && info.Public == nil && !info.Encrypted {
			t.Fatalf("%+v", info)
		}
		if pub, err := key.ParsePublic(text); err == nil {
			again, err := key.ParsePublic(pub.PEM())
			if err != nil || again.Fingerprint() != pub.Fingerprint() || again.Algorithm() != pub.Algorithm() {
				t.Fatalf("%s is read again as %v, %v", pub.Algorithm(), again, err)
			}
		}
	})
}
