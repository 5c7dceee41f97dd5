package key_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/sign/key"
)

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
