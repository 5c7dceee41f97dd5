//go:build windows

package layout

import (
	"os"

	"golang.org/x/sys/windows"
)

// lockFile waits until the file is locked for this open file alone.
func lockFile(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, &windows.Overlapped{})
}

// syncDir does nothing: the system has no such call for directories.
func syncDir(*os.File) error { return nil }
