//go:build unix

package program

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// owned refuses a program that a stranger put beside hallmark, or may put there: that
// belongs to, or is in a folder of, neither root nor this user nor whoever hallmark
// itself belongs to; or is in one that all may write, unless it keeps each one's files
// to him (sticky), as /tmp does.
func owned(program fs.FileInfo, path, hallmark string) error {
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	if mode := folder.Mode(); mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0 {
		return fmt.Errorf("everybody may write the folder %s (mode %v): chmod o-w it, after making sure of what is in it", filepath.Dir(path), mode.Perm())
	}
	trusted := map[uint32]bool{0: true, uint32(os.Geteuid()): true}
	if info, err := os.Stat(hallmark); err == nil {
		if id, ok := owner(info); ok {
			trusted[id] = true
		}
	}
	for what, info := range map[string]fs.FileInfo{"it": program, "the folder " + filepath.Dir(path): folder} {
		id, ok := owner(info)
		if !ok {
			return errors.New("whom it belongs to cannot be told")
		}
		if !trusted[id] {
			return fmt.Errorf("%s belongs to the user %d, who is neither root nor you nor the owner of hallmark: make it yours, after making sure of what it is", what, id)
		}
	}
	return nil
}

// owner returns to whom the file belongs.
func owner(info fs.FileInfo) (id uint32, ok bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return s.Uid, true
}
