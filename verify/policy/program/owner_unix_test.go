//go:build unix

package program_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/verify/policy/program"
)

// TestStranger: what somebody else put beside hallmark, or may put there, is not started,
// though its SHA-256 is right when it is looked at; in a folder where all may put files
// and none may touch those of others, ours is. Only root can give files to others: for
// anybody else the cases with a stranger are left out, and it says so.
func TestStranger(t *testing.T) {
	const stranger = 1001
	me := os.Geteuid()
	for name, c := range map[string]struct {
		mode            os.FileMode // of the folder
		folder, program int         // the owners
		hallmark        int
		text            string // of the refusal, "" for none
	}{
		"ours":                      {0o755, me, me, me, ""},
		"the one of hallmark's":     {0o755, stranger, stranger, stranger, ""},
		"in a folder of all":        {0o777 | os.ModeSticky, me, me, me, ""},
		"a stranger's":              {0o777 | os.ModeSticky, me, stranger, me, "user 1001"},
		"in a stranger's folder":    {0o755, stranger, me, me, "user 1001"},
		"where all may put another": {0o777, me, me, me, "may write the folder"},
		"where a group may":         {0o775, me, me, me, ""},
	} {
		if me != 0 && (c.folder != me || c.program != me) {
			t.Logf("%s: not tried, only root can give files to others", name)
			continue
		}
		hallmark := install(t, "good")
		dir := filepath.Dir(hallmark)
		beside := filepath.Join(dir, program.Name)
		text, err := os.ReadFile(beside)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(text)
		if err := errors.Join(os.WriteFile(hallmark, nil, 0o700), os.Chmod(dir, c.mode),
			os.Chown(dir, c.folder, -1), os.Chown(beside, c.program, -1), os.Chown(hallmark, c.hallmark, -1)); err != nil {
			t.Fatal(err)
		}
		p := program.New(program.Options{Executable: hallmark, Digest: hex.EncodeToString(sum[:])})
		a, err := ask1(t.Context(), p)
		p.Close()
		if c.text == "" && (err != nil || !a.Compliant) || c.text != "" && (!errors.Is(err, program.ErrRefused) || !strings.Contains(err.Error(), c.text)) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}
