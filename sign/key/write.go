package key

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A Format is the form of a private key file.
type Format string

// The formats that are written.
const (
	// FormatSigstore is cosign's encrypted form. The password may be empty.
	FormatSigstore Format = "sigstore"
	// FormatPKCS8 is PKCS #8 that anyone who can read the file can use.
	FormatPKCS8 Format = "pkcs8"
	// FormatPKCS8Encrypted is PKCS #8 encrypted with a password that is not
	// empty: AES-256-CBC under PBKDF2 with HMAC-SHA256.
	FormatPKCS8Encrypted Format = "pkcs8-encrypted"
)

// Formats returns all formats, the default first.
func Formats() []Format { return []Format{FormatSigstore, FormatPKCS8, FormatPKCS8Encrypted} }

// Encode returns the private key as PEM. The password is used as it is;
// [FormatPKCS8] takes none, and is refused where one is given.
func (p *Private) Encode(format Format, password []byte) ([]byte, error) {
	if p.remote != nil {
		return nil, fmt.Errorf("key %s: a key does not leave its key service: %w", p.remote.name, ErrKind)
	}
	der, err := p.marshalPKCS8()
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	block := pem.Block{Type: pemPKCS8, Bytes: der}
	switch {
	case format == FormatSigstore:
		block.Type = pemSigstore
		block.Bytes, err = sealSigstore(der, password)
	case format == FormatPKCS8 && len(password) > 0:
		return nil, fmt.Errorf("format %s is not encrypted, but there is a password: %w", format, ErrPassword)
	case format == FormatPKCS8:
	case format == FormatPKCS8Encrypted && len(password) == 0:
		return nil, fmt.Errorf("format %s takes a password that is not empty: %w", format, ErrPassword)
	case format == FormatPKCS8Encrypted:
		block.Type = pemEncrypted
		block.Bytes, err = sealPBES2(der, password)
	default:
		return nil, fmt.Errorf("key format %q is none of %v: %w", format, Formats(), ErrFormat)
	}
	if err != nil {
		return nil, fmt.Errorf("encrypt private key: %w", err)
	}
	return pem.EncodeToMemory(&block), nil
}

// WriteOptions say how key files are written.
type WriteOptions struct {
	Format   Format // FormatSigstore when empty
	Password []byte
	// Force overwrites files that exist. Without it they are left alone and the
	// error wraps fs.ErrExist.
	Force bool
}

// PublicPath returns the path of the public key that belongs beside the
// private key at path: x.pub for x.key, else the path with .pub behind it.
func PublicPath(path string) string { return strings.TrimSuffix(path, ".key") + ".pub" }

// WritePair writes the private key to path, readable by its owner only, and
// the public key to [PublicPath]. Both files appear whole or not at all: they
// are written under temporary names in the same directory first. Where one of
// them exists and Force is not set, neither is written.
func WritePair(path string, p *Private, opts WriteOptions) error {
	if opts.Format == "" {
		opts.Format = FormatSigstore
	}
	text, err := p.Encode(opts.Format, opts.Password)
	if err != nil {
		return err
	}
	public := PublicPath(path)
	if !opts.Force {
		for _, f := range []string{path, public} {
			if _, err := os.Lstat(f); err == nil {
				return fmt.Errorf("%s: %w, it is left as it is", f, fs.ErrExist)
			}
		}
	}
	privateTemp, err := writeTemp(path, text, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(privateTemp)
	publicTemp, err := writeTemp(public, p.public.PEM(), 0o644)
	if err != nil {
		return err
	}
	defer os.Remove(publicTemp)
	if err := place(privateTemp, path, opts.Force); err != nil {
		return err
	}
	if err := place(publicTemp, public, opts.Force); err != nil {
		if !opts.Force {
			os.Remove(path) // ours: it was not there before
		}
		return err
	}
	return syncDir(filepath.Dir(path))
}

// WritePublic writes the public key to path as PEM, whole or not at all.
func WritePublic(path string, p *Public, force bool) error {
	temp, err := writeTemp(path, p.PEM(), 0o644)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := place(temp, path, force); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// writeTemp writes a file beside path and returns its name. os.CreateTemp
// gives it mode 0600, so that a private key is never readable by others.
func writeTemp(path string, text []byte, mode fs.FileMode) (name string, err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return "", fmt.Errorf("write key %s: the directory %s takes no new file: %w", path, dir, err)
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("write key %s: %w", path, cerr)
		}
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(text); err == nil {
		if err = f.Chmod(mode); err == nil {
			err = f.Sync()
		}
	}
	if err != nil {
		return "", fmt.Errorf("write key %s: %w", path, err)
	}
	return f.Name(), nil
}

// place gives the temporary file its name. Without force a hard link does it,
// which fails where the name is taken, even when it was taken just now.
func place(temp, path string, force bool) error {
	if force {
		if err := os.Rename(temp, path); err != nil {
			return fmt.Errorf("write key %s: %w", path, err)
		}
		return nil
	}
	err := os.Link(temp, path)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s: %w, it is left as it is", path, fs.ErrExist)
	}
	// A file system without hard links: the next best is to look first.
	if _, statErr := os.Lstat(path); statErr == nil {
		return fmt.Errorf("%s: %w, it is left as it is", path, fs.ErrExist)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("write key %s: %w", path, err)
	}
	return nil
}

// syncDir makes new names last. A file system that cannot is not an error.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return fmt.Errorf("write key: sync %s: %w", dir, err)
	}
	return nil
}
