package layout

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hallmark-oci/hallmark/attach"
)

// fillUp writes one entry under each limit on the size of files and prints
// what came of it, one line each.
func fillUp(limits []string, write func(note string) error) error {
	var plain unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &plain); err != nil {
		return err
	}
	for _, limit := range limits {
		n, err := strconv.ParseUint(limit, 10, 64)
		if err != nil {
			return err
		}
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: n, Max: plain.Max}); err != nil {
			return err
		}
		result := "ok"
		if err := write(limit); err != nil {
			result = strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Println(result)
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &plain); err != nil {
			return err
		}
	}
	return nil
}

// TestReadOnly reads and writes as somebody who may only read.
func TestReadOnly(t *testing.T) {
	s := create(t)
	sub := putRandom(t, s, "v1")
	index := filepath.Join(path(s), indexFile)
	before, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", blobsDir, ours} {
		dir = filepath.Join(path(s), dir)
		if err := os.Chmod(dir, 0o555); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(dir, 0o755)
	}
	if err := os.Chmod(filepath.Join(path(s), lockName), 0o444); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		m, err := s.medium.Manifest(t.Context(), "v1")
		if err != nil {
			t.Errorf("read: %v", err)
			return
		}
		writes := map[string]error{
			"manifest": s.medium.PutManifest(t.Context(), "v2", string(sub.Desc.MediaType), m.Raw),
			"blob":     s.medium.PutBlob(t.Context(), attach.Bytes([]byte("new"))),
		}
		for name, err := range writes {
			if !errors.Is(err, attach.ErrDenied) || !strings.Contains(err.Error(), path(s)) {
				t.Errorf("write a %s: %v", name, err)
			}
		}
	})
	if after, err := os.ReadFile(index); err != nil || !bytes.Equal(before, after) {
		t.Errorf("index.json changed: %v", err)
	}
}

// asNobody runs f with the rights of a user who owns nothing. The mode of a
// file stops everybody but root, so root's thread takes another user's rights
// on files; it ends with f.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if os.Getuid() == 0 {
			if _, err := unix.SetfsuidRetUid(65534); err != nil {
				t.Error(err)
				return
			}
			if now, err := unix.SetfsuidRetUid(-1); now != 65534 || err != nil {
				t.Errorf("the rights on files are those of user %d, %v", now, err)
				return
			}
		}
		f()
	}()
	<-done
}
