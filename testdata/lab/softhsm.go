package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// SoftHSM is a PKCS #11 token in software, as Debian has it.
type SoftHSM struct {
	// Util is the program that makes tokens, Module the library with them.
	Util, Module string
}

// FetchSoftHSM returns SoftHSM 2, which is fetched with apt-get and unpacked below
// cache once. It is not installed, and needs no root.
func FetchSoftHSM(ctx context.Context, cache string) (SoftHSM, error) {
	dir := filepath.Join(cache, "softhsm2")
	if s, err := softHSM(dir); err == nil {
		return s, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return SoftHSM{}, errors.New("softhsm2 is fetched as Debian's package, and apt-get is not there: run this on Debian or Ubuntu")
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return SoftHSM{}, err
	}
	tmp, err := os.MkdirTemp(cache, "unpack-")
	if err != nil {
		return SoftHSM{}, err
	}
	defer os.RemoveAll(tmp)
	for _, line := range []string{"apt-get download softhsm2 libsofthsm2", "for f in *.deb; do dpkg-deb -x $f root; done"} {
		cmd := exec.CommandContext(ctx, "sh", "-ec", line)
		cmd.Dir = tmp
		if out, err := cmd.CombinedOutput(); err != nil {
			return SoftHSM{}, fmt.Errorf("%s: %w (is 'apt-get update' needed?)\n%s", line, err, tail(string(out), 2000))
		}
	}
	if err := os.Rename(filepath.Join(tmp, "root"), dir); err != nil {
		return SoftHSM{}, err
	}
	return softHSM(dir)
}

// softHSM finds the parts in the unpacked packages.
func softHSM(dir string) (SoftHSM, error) {
	s := SoftHSM{Util: filepath.Join(dir, "usr", "bin", "softhsm2-util")}
	found, err := filepath.Glob(filepath.Join(dir, "usr", "lib", "*", "softhsm", "libsofthsm2.so"))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("no libsofthsm2.so in %s", dir)
	}
	if err != nil {
		return s, err
	}
	s.Module = found[0]
	_, err = os.Stat(s.Util)
	return s, err
}

// Token makes a token in the folder, which must exist, and returns the environment in
// which it is found.
func (s SoftHSM) Token(ctx context.Context, dir, label, pin string) ([]string, error) {
	tokens, conf := filepath.Join(dir, "tokens"), filepath.Join(dir, "softhsm2.conf")
	if err := os.MkdirAll(tokens, 0o700); err != nil {
		return nil, err
	}
	text := "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	env := []string{"SOFTHSM2_CONF=" + conf, "HALLMARK_PKCS11_MODULE=" + s.Module}
	cmd := exec.CommandContext(ctx, s.Util, "--module", s.Module, "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "so-"+pin)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make a token: %w\n%s", err, tail(string(out), 2000))
	}
	return env, nil
}
