//go:build unix

package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nobody is a user who owns nothing.
const nobody = 65534

// asNobody returns a function that runs hallmark in dir as a user who may not
// write there, and returns the exit code and what was printed. The modes of
// files do not stop root, so root hands over to another user, for whom the
// program is put where everybody can run it.
func asNobody(t *testing.T, dir string) func(args ...string) (int, string) {
	t.Helper()
	program, err := exec.LookPath("hallmark")
	if err != nil {
		t.Fatal(err)
	}
	var attr *syscall.SysProcAttr
	if os.Geteuid() == 0 {
		public, err := os.MkdirTemp("", "hallmark-public-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(public) })
		if err := os.Chmod(public, 0o755); err != nil {
			t.Fatal(err)
		}
		program = publish(t, program, filepath.Join(public, "hallmark"))
		attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return func(args ...string) (int, string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir, cmd.SysProcAttr = dir, attr
		cmd.Env = []string{"HOME=" + dir, "HALLMARK_PASSWORD=" + scriptPassword, "PATH=" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		for try := 0; errors.Is(err, syscall.ETXTBSY) && try < 100; try++ {
			// A process that was forked while the program was copied has not yet
			// closed the file that it inherited.
			time.Sleep(10 * time.Millisecond)
			again := exec.CommandContext(t.Context(), program, args...)
			again.Dir, again.SysProcAttr, again.Env = cmd.Dir, cmd.SysProcAttr, cmd.Env
			cmd = again
			out, err = cmd.CombinedOutput()
		}
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), string(out)
	}
}

// publish copies a program to where everybody can run it.
func publish(t *testing.T, from, to string) string {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestReadOnlyDirectory makes and imports keys, and writes answers, where
// nothing can be written.
func TestReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "hallmark-readonly-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	must(t, dir, "key", "generate", "--key-format", "pkcs8", "-o", "old.key")
	if err := os.Chmod(filepath.Join(dir, "old.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o755)
	hallmark := asNobody(t, dir)
	before := names(t, dir)
	for _, args := range [][]string{
		{"key", "generate"},
		{"key", "generate", "--force", "-o", "old.key"},
		{"key", "import", "old.key", "-o", "new.key"},
		{"key", "public", "old.key", "-o", "new.pub"},
		{"key", "inspect", "old.key", "-f", "json", "-o", "new.json"},
	} {
		code, printed := hallmark(args...)
		if code != 2 || !strings.Contains(printed, "permission denied") || !strings.Contains(printed, args[len(args)-1]) && len(args) > 2 {
			t.Errorf("%v: exit code %d\n%s", args, code, printed)
		}
		if strings.Contains(printed, "PRIVATE KEY") || strings.Contains(printed, scriptPassword) {
			t.Errorf("%v printed a secret:\n%s", args, printed)
		}
	}
	if code, printed := hallmark("key", "inspect", "old.key"); code != 0 {
		t.Errorf("reading: exit code %d\n%s", code, printed)
	}
	if after := names(t, dir); after != before {
		t.Errorf("left behind: %s\nbefore: %s", after, before)
	}
}

func names(t *testing.T, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range list {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}
