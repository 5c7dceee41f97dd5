package key_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/youmark/pkcs8"
)

func names(t *testing.T, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

// TestWriteAndLoad writes each kind of key in each form and loads it again.
func TestWriteAndLoad(t *testing.T) {
	for _, algorithm := range kinds() {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			k := generated(t, algorithm)
			for _, format := range key.Formats() {
				opts := key.WriteOptions{Format: format, Password: []byte("sesame")}
				if format == key.FormatPKCS8 {
					opts.Password = nil
				}
				dir := t.TempDir()
				path := filepath.Join(dir, "a.key")
				if err := key.WritePair(path, k, opts); err != nil {
					t.Fatal(err)
				}
				if got := names(t, dir); got != "a.key a.pub" {
					t.Errorf("files %s", got)
				}
				for name, mode := range map[string]fs.FileMode{"a.key": 0o600, "a.pub": 0o644} {
					if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
						t.Errorf("%s: %v, %v", name, info.Mode(), err)
					}
				}
				got, err := key.Load(t.Context(), path, key.Options{Password: sesame})
				if err != nil {
					t.Fatal(format, err)
				}
				pub, err := key.LoadPublic(t.Context(), key.PublicPath(path), key.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if got.ID() != k.ID() || pub.Fingerprint() != k.ID() || got.PublicKey().Algorithm() != string(algorithm) || pub.Algorithm() != string(algorithm) {
					t.Errorf("%s: another key came back", format)
				}
			}
		})
	}
}

// TestOthersRead has other libraries read what was written.
func TestOthersRead(t *testing.T) {
	k := load(t, "ec-p256.sec1.pem")
	text, err := k.Encode(key.FormatPKCS8Encrypted, []byte("pass"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cryptoutils.UnmarshalPEMToPrivateKey(text, func(bool) ([]byte, error) { return []byte("pass"), nil }); err != nil {
		t.Error(err)
	}
	block := decode(t, text)
	if _, err := pkcs8.ParsePKCS8PrivateKeyECDSA(block, []byte("pass")); err != nil {
		t.Error(err)
	}
	text, err = k.Encode(key.FormatPKCS8, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cryptoutils.UnmarshalPEMToPrivateKey(text, cryptoutils.SkipPassword); err != nil {
		t.Error(err)
	}
}

func TestWriteRefuses(t *testing.T) {
	k := load(t, "ec-p256.sec1.pem")
	if _, err := k.Encode(key.FormatPKCS8, []byte("x")); !errors.Is(err, key.ErrPassword) {
		t.Error(err)
	}
	if _, err := k.Encode(key.FormatPKCS8Encrypted, nil); !errors.Is(err, key.ErrPassword) {
		t.Error(err)
	}
	if _, err := k.Encode("jwk", nil); !errors.Is(err, key.ErrFormat) {
		t.Error(err)
	}
	if _, err := key.Generate("dsa"); !errors.Is(err, key.ErrFormat) {
		t.Error(err)
	}
	plain := key.WriteOptions{Format: key.FormatPKCS8}
	for _, there := range []string{"a.key", "a.pub"} {
		dir := t.TempDir()
		old := filepath.Join(dir, there)
		if err := os.WriteFile(old, []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
		err := key.WritePair(filepath.Join(dir, "a.key"), k, plain)
		if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), old) {
			t.Errorf("%s exists: %v", there, err)
		}
		if got, _ := os.ReadFile(old); string(got) != "mine" || names(t, dir) != there {
			t.Errorf("%s: %q, files %s", there, got, names(t, dir))
		}
		forced := plain
		forced.Force = true
		if err := key.WritePair(filepath.Join(dir, "a.key"), k, forced); err != nil {
			t.Error(err)
		}
		if info, err := os.Stat(filepath.Join(dir, "a.key")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("forced: %v, %v", info, err)
		}
	}
}

// TestNothingHalfWritten fails at each step and looks at what is left.
func TestNothingHalfWritten(t *testing.T) {
	k := load(t, "ec-p256.sec1.pem")
	dir := t.TempDir()
	plain := key.WriteOptions{Format: key.FormatPKCS8}
	none := filepath.Join(dir, "none", "a.key")
	if err := key.WritePair(none, k, plain); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), filepath.Join(dir, "none")) {
		t.Errorf("no directory: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := key.WritePair(filepath.Join(dir, "file", "a.key"), k, plain); err == nil {
		t.Error("wrote into a file")
	}
	// The public key's name is taken by a directory: not even force gets past it.
	if err := os.MkdirAll(filepath.Join(dir, "a.pub", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	forced := plain
	forced.Force = true
	if err := key.WritePair(filepath.Join(dir, "a.key"), k, plain); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	if err := key.WritePair(filepath.Join(dir, "a.key"), k, forced); err == nil {
		t.Error("a directory was replaced by a key")
	}
	for _, name := range strings.Fields(names(t, dir)) {
		if strings.HasPrefix(name, ".") {
			t.Errorf("left behind: %s", name)
		}
	}
	if err := key.WritePublic(filepath.Join(dir, "b.pub"), k.PublicKey(), false); err != nil {
		t.Error(err)
	}
	if err := key.WritePublic(filepath.Join(dir, "b.pub"), k.PublicKey(), false); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "b.pub")); err != nil || !bytes.Equal(got, k.PublicKey().PEM()) {
		t.Errorf("%s, %v", got, err)
	}
}

// TestReadOnlyDirectory needs a user whom the mode of a directory stops; for
// root the directory of a process in /proc takes that part.
func TestReadOnlyDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		dir = "/proc/self"
	}
	err := key.WritePair(filepath.Join(dir, "a.key"), load(t, "ec-p256.sec1.pem"), key.WriteOptions{Format: key.FormatPKCS8})
	if err == nil || !strings.Contains(err.Error(), "the directory "+dir+" takes no new file") {
		t.Errorf("%v", err)
	}
}

// TestEmptyPassword is cosign's way to leave a key open to who has the file.
func TestEmptyPassword(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cosign.key")
	k := load(t, "ec-p256.sec1.pem")
	if err := key.WritePair(path, k, key.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err := key.Load(t.Context(), path, key.Options{Password: func(context.Context, string) ([]byte, error) { return nil, nil }})
	if err != nil || got.ID() != k.ID() {
		t.Error(err)
	}
}
